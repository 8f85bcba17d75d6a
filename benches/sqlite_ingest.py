"""
How many rows a second reach SQLite: telesink, and Python's own `sqlite3.executemany`.

All write the same column values (those of one row that telesink stored, with id, time, sequence number and
message replaced), in WAL mode with `synchronous=NORMAL`; rows are counted afterwards. `uuid_key` is the
table as people write it, with a random UUID as TEXT primary key; `our_table` is telesink's, with its
indexes. "Ready" rows were made before the clock started. What each number is, and is not, stands in its
title.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import contestants, machine, ours, python_ingest, ready, runner, workload
from benches.tables import sqlite_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "sqlite_ingest"
RUNS = 3
ROWS = 1_000_000
ROWS_MAX = 5_000_000
_QUICK_ROWS = 50_000
_FINISH_SECONDS_MAX = 300.0

# Name -> title, in the order of the table.
TITLES = {
    "telesink_sink": "telesink, the sink alone (queue filled while the database was locked)",
    "telesink_handle": "telesink, ready `LogRecord`s through the handler, one thread",
    "telesink_enqueue": "telesink, ready mappings through `Pipeline.enqueue_many`, one thread",
    "telesink_logging": "telesink, `logger.info`, one thread",
    "our_table_1000": "executemany into telesink's table, 1,000 a batch, ready rows",
    "our_table_8192": "executemany into telesink's table, 8,192 a batch, ready rows",
    "our_table_built": "the same, 1,000 a batch, rows built from the values",
    "uuid_key_1000": "executemany, random UUID as TEXT key, 1,000 a batch, ready rows",
    "uuid_key_built": "the same, rows built from the values",
    "queue_listener": "`logger.info`, QueueHandler, listener thread with executemany, 1,000 a batch",
}


def sample(*, scratch: str) -> dict[str, Any]:
    """One row as telesink stores it, and the statements that made its tables."""
    import telesink

    path = Path(scratch) / "sample.db"
    logger = contestants.logger_with(telesink.LogHandler(f"sqlite:///{path}"))
    contestants.logging_call(logger, "extra")(7)
    telesink.flush(timeout_seconds=30)
    columns = [column[1] for column in ours.query(path, "PRAGMA table_info(telesink_logs)")]
    row = dict(zip(columns, ours.query(path, "SELECT * FROM telesink_logs")[0], strict=True))
    del row["row_id"]
    schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index')"
    return {"row": row, "statements": [statement for (statement,) in ours.query(path, schema)]}


def measure(*, scratch: str, contestant: str, rows: int, template: dict[str, Any]) -> dict[str, Any]:
    """One contestant in this process."""
    path = Path(scratch) / "rows.db"
    if contestant.startswith("telesink"):
        found = _measure_telesink(contestant.removeprefix("telesink_"), path, rows)
        table = "telesink_logs"
    else:
        found, table = python_ingest.measure(contestant, path, rows, template)
    (stored,) = ours.query(path, f"SELECT count(*) FROM {table} WHERE body LIKE '%{workload.MARKER}%'")[0]
    return {
        **found,
        "offered": rows,
        "delivered": stored,
        "rows_per_second": round(stored / found["seconds"]),
        "bytes_per_row": round(_size(path) / max(1, stored)),
    }


def _size(path: Path) -> int:
    """Bytes of the file and of what still stands in the log beside it."""
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def _measure_telesink(way: str, path: Path, rows: int) -> dict[str, Any]:
    import telesink

    # With `block` nothing is lost; the large queue is for `sink` alone, which has to hold all rows at once.
    options: dict[str, Any] = {"when_full": "block", "block_timeout_seconds": _FINISH_SECONDS_MAX}
    if way == "sink":
        options |= {"queue_records_max": rows + 10_000, "queue_bytes_max": f"{2 * rows // 1000 + 64} MB"}
        options |= {"retry_initial_seconds": 0.01, "retry_max_seconds": 0.02}
    handler = telesink.LogHandler(f"sqlite:///{path}", **options)
    offer = ready.offer(way, handler, rows)
    if way == "sink":
        return _measure_sink(handler, path, offer)

    processor, start = time.process_time(), time.perf_counter()
    offer()
    called = time.perf_counter()
    telesink.flush(timeout_seconds=_FINISH_SECONDS_MAX)
    return _clocked(processor, start, called) | _counters(0)


def _measure_sink(handler: logging.Handler, path: Path, offer: Callable[[], None]) -> dict[str, Any]:
    """Fills the queue while another process holds the database; the clock runs from its release."""
    import telesink

    handler.handle(logging.makeLogRecord({"msg": "the tables are made before the file is held"}))
    telesink.flush(timeout_seconds=30)
    holder = ours.Holder(path)
    offer()
    time.sleep(0.1)
    holder.release()
    processor, start = time.process_time(), time.perf_counter()
    telesink.flush(timeout_seconds=_FINISH_SECONDS_MAX)
    return _clocked(processor, start, start) | _counters(1)


def _clocked(processor: float, start: float, called: float) -> dict[str, Any]:
    end = time.perf_counter()
    return {
        "seconds": round(end - start, 4),
        "call_seconds": round(called - start, 4),
        "processor_seconds": round(time.process_time() - processor, 3),
    }


def _counters(before: int) -> dict[str, int]:
    """What telesink says; `before` records were logged to set the scene."""
    totals = ours.telesink_totals()
    return {"accepted": totals["accepted"] - before, "dropped": totals["rejected"] + totals["dropped"]}


def build_parser() -> argparse.ArgumentParser:
    parser = runner.parser_of(NAME, __doc__, TITLES)
    parser.add_argument("--rows", type=int, help=f"rows, at most {ROWS_MAX:,} ({ROWS:,}, which needs 2 GB)")
    runner.add_common_options(parser, RUNS)
    return parser


def main(argv: list[str]) -> None:
    arguments = build_parser().parse_args(argv)
    wanted = runner.chosen(arguments.only, TITLES)
    machine.refuse_debug_build()
    load = machine.load_at_start()
    rows = arguments.rows or (_QUICK_ROWS if arguments.quick else ROWS)
    rows = max(ready.READY_RECORDS, min(rows, ROWS_MAX) // ready.READY_RECORDS * ready.READY_RECORDS)
    runs = runner.runs_of(arguments, RUNS)
    watch = runner.Stopwatch()
    template = runner.run(runner.Task(NAME, "sample", {}))
    if "error" in template:
        raise SystemExit(f"error: telesink did not store a sample row: {template['error']}")
    tasks = [
        runner.Task(
            NAME, "measure", {"contestant": name, "rows": rows, "template": template}, seconds_max=400
        )
        for name in wanted
    ]
    results = [
        {key: value for key, value in result.items() if key != "template"}
        for result in runner.interleaved(tasks, runs)
    ]
    settings = {"runs": runs, "rows": rows, "load_at_start": load}
    settings["attributes_bytes"] = len(template["row"]["attributes"])
    found = runner.report(NAME, settings, results, watch.seconds)
    print(sqlite_table(found))
    runner.save(found, arguments, is_complete=arguments.only is None and arguments.rows is None)
