"""
How many rows a second reach Postgres: telesink, drivers from Python, and the limit.

All store the same rows in telesink's own table, over one connection to a private server on a unix socket;
the table is emptied between runs, and rows are counted afterwards. A transaction has 8,192 rows, but for one
INSERT for each row, which commits every 100. Rows were made before the clock starts, except by `logger.info`.
"The limit" only has to send: the data was encoded beforehand, the transaction is telesink's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import (
    machine,
    postgres_limit,
    postgres_ours,
    postgres_peers,
    postgres_server,
    ready,
    runner,
    workload,
)
from benches.postgres_rows import BATCH_ROWS, CHUNK_BYTES, TABLE, RowMaker
from benches.postgres_tables import TITLES, postgres_table, postgres_targets

if TYPE_CHECKING:
    import argparse

    from benches.postgres_rows import Template

NAME = "postgres_ingest"
RUNS = 3
ROWS = 1_000_000
ROWS_MAX = 5_000_000
_QUICK_ROWS = 50_000
_SECONDS_MAX = 400
_LOOKS_MAX = 20

# One INSERT for each row would take minutes.
_ROWS_SHARE = {"insert_100": 1 / 10}


def sample(*, scratch: str, dsn: str) -> dict[str, Any]:
    return {"template": postgres_ours.sample(dsn, Path(scratch))}


def measure(
    *, scratch: str, contestant: str, rows: int, dsn: str, postmaster: int, program: str, template: Template
) -> dict[str, Any]:
    """One contestant in this process."""
    del scratch
    _empty(dsn)
    before = _server_seconds(postmaster)
    maker = RowMaker(template)
    if contestant.startswith("telesink"):
        found = postgres_ours.measure(contestant.removeprefix("telesink_"), dsn, rows, template)
    elif contestant.startswith("limit"):
        found = postgres_limit.measure(program if contestant == "limit_rust" else None, dsn, maker, rows)
    else:
        found = postgres_peers.measure(contestant, dsn, maker, rows)
    server_seconds = _server_seconds(postmaster) - before
    stored, size = _stored(dsn)
    return {
        **found,
        "server_seconds": round(server_seconds, 2),
        "offered": rows,
        "delivered": stored,
        "rows_per_second": round(stored / found["seconds"]),
        "bytes_per_row": round(size / max(1, stored)),
    }


def _empty(dsn: str) -> None:
    """Leaves no rows and nothing to write back."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {TABLE}, telesink_ledger")
        connection.execute("CHECKPOINT")


def _stored(dsn: str) -> tuple[int, int]:
    """Rows that a contestant has stored, and bytes of the table and its indexes."""
    import psycopg

    size = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('{TABLE}')"
    count = f"SELECT count(*) FROM {TABLE} WHERE body LIKE '%{workload.MARKER}%'"
    with psycopg.connect(dsn) as connection:
        found = connection.execute(f"SELECT ({count}), ({size})").fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _server_seconds(postmaster: int) -> float:
    """Processor time of the server, of processes that have ended too."""
    import psutil

    process = psutil.Process(postmaster)
    for _ in range(_LOOKS_MAX):
        before = process.cpu_times()
        try:
            running = [child.cpu_times() for child in process.children()]
        except psutil.NoSuchProcess:
            continue
        own = process.cpu_times()
        ended = own.children_user + own.children_system
        # Otherwise one has ended between two looks, and its time has moved to another place.
        if ended == before.children_user + before.children_system:
            return float(ended + sum(times.user + times.system for times in (own, *running)))
    raise RuntimeError("the processes of the server end faster than they can be counted")


def build_parser() -> argparse.ArgumentParser:
    parser = runner.parser_of(NAME, __doc__, TITLES)
    parser.add_argument("--rows", type=int, help=f"rows, at most {ROWS_MAX:,} ({ROWS:,}, which needs 3 GB)")
    runner.add_common_options(parser, RUNS)
    return parser


def main(argv: list[str]) -> None:
    arguments = build_parser().parse_args(argv)
    wanted = runner.chosen(arguments.only, TITLES)
    machine.refuse_debug_build()
    program = postgres_limit.build() if "limit_rust" in wanted else None
    load = machine.load_at_start()
    rows = arguments.rows or (_QUICK_ROWS if arguments.quick else ROWS)
    rows = max(ready.READY_RECORDS, min(rows, ROWS_MAX) // ready.READY_RECORDS * ready.READY_RECORDS)
    runs = runner.runs_of(arguments, RUNS)
    watch = runner.Stopwatch()
    names = [name for name in wanted if name != "limit_rust" or program]
    with postgres_server.running() as server:
        results = _measure_all(server, names, rows, runs, program)
        described = server.describe()
    settings = {"runs": runs, "rows": rows, "load_at_start": load}
    settings |= {"batch_rows": BATCH_ROWS, "chunk_bytes": CHUNK_BYTES}
    found = {**runner.report(NAME, settings, results, watch.seconds), "server": described}
    print(postgres_table(found))
    print(postgres_targets(found))
    runner.save(found, arguments, is_complete=arguments.only is None and arguments.rows is None)


def _measure_all(
    server: postgres_server.Server, names: list[str], rows: int, runs: int, program: str | None
) -> list[dict[str, Any]]:
    sampled = runner.run(runner.Task(NAME, "sample", {"dsn": server.dsn}))
    if "error" in sampled:
        raise SystemExit(f"error: telesink did not store a sample row: {sampled['error']}")
    given = {"dsn": server.dsn, "postmaster": server.pid, "program": program, **sampled}

    def task(name: str) -> runner.Task:
        count = int(rows * _ROWS_SHARE.get(name, 1))
        return runner.Task(NAME, "measure", {"contestant": name, "rows": count, **given}, _SECONDS_MAX)

    # Not counted: makes the files of the write-ahead log, which all others use again.
    runner.run(task("limit_psycopg"))
    return [
        {key: value for key, value in result.items() if key not in given}
        for result in runner.interleaved([task(name) for name in names], runs)
    ]
