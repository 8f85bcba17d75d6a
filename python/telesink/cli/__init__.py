"""The command line. Needs the extra `cli` (typer, rich); nothing outside this package imports it."""
