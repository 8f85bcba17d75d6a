"""Benchmarks of telesink beside its peers; `python -m benches --help` tells how to run them."""
