"""`python -m benches NAME [OPTIONS]`: runs one benchmark, or all, or makes the page from kept results."""

from __future__ import annotations

import argparse
import sys

from benches import (
    disturbance,
    file_rotation,
    hot_path,
    import_time,
    langfuse_ingest,
    loss,
    otel_export,
    page,
    postgres_ingest,
    sqlite_ingest,
)

_BENCHMARKS = {
    "hot_path": (hot_path.main, "what a log call costs the thread that makes it"),
    "disturbance": (disturbance.main, "what is left for a busy thread beside 20,000 records/s"),
    "sqlite_ingest": (sqlite_ingest.main, "rows a second into SQLite"),
    "postgres_ingest": (postgres_ingest.main, "rows a second into Postgres"),
    "file_rotation": (file_rotation.main, "lines a second into files that are rotated"),
    "otel_export": (otel_export.main, "what OpenTelemetry's spans and log records cost to send"),
    "langfuse_ingest": (langfuse_ingest.main, "what generations cost to send, beside Langfuse's own client"),
    "loss": (loss.main, "what is there after the program has ended, by a signal, with children"),
    "import_time": (import_time.main, "import time, threads, and an idle pipeline"),
}

_HELP = """usage: python -m benches [NAME] [OPTIONS]

{benchmarks}
  all             all of them, one after another (the default; takes --quick and --runs)
  page            writes the tables into docs/benchmarks.md, from benches/results/

`python -m benches NAME --help` lists the options of one. Measure on a machine that does nothing else."""


def main(argv: list[str]) -> None:
    name, *options = argv or ["all"]
    if name.startswith("--") and name != "--help":
        name, options = "all", argv
    if name == "page":
        page.main(options)
    elif name == "all":
        # Checked once for all of them: what chooses contestants means something else to each.
        parser = argparse.ArgumentParser(prog="python -m benches all", description="Runs every benchmark.")
        parser.add_argument(
            "--quick", action="store_true", help="few records and one run: shows that it works"
        )
        parser.add_argument("--runs", type=int, help="interleaved runs of each")
        parser.parse_args(options)
        for title, (run, _) in _BENCHMARKS.items():
            print(f"## {title}\n", flush=True)
            run(options)
    elif name in _BENCHMARKS:
        _BENCHMARKS[name][0](options)
    else:
        lines = "\n".join(f"  {title:15} {purpose}" for title, (_, purpose) in _BENCHMARKS.items())
        print(_HELP.format(benchmarks=lines))
        if name not in {"--help", "-h", "help"}:
            sys.exit(f"error: unknown benchmark {name!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
