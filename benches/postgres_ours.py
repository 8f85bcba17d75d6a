"""telesink into Postgres: one stored row to make the others from, and the sink under measurement."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import ours, ready
from benches.postgres_rows import TABLE

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from benches.postgres_rows import Template

_FINISH_SECONDS_MAX = 300.0

# The sink waits for the lock as long as it takes to fill the queue; no limit of its own may end that.
_HOLD_SECONDS_MAX = 120


def sample(dsn: str, scratch: Path) -> Template:
    """
    Lets telesink make its tables and store one row; answers with its columns, their types and values.

    The JSON is that of a SQLite database beside it, because Postgres keeps its own notation.
    """
    import telesink

    path = scratch / "sample.db"
    for target in (dsn, f"sqlite:///{path}"):
        handler = telesink.LogHandler(target)
        handler.handle(ready.record(7))
        if not handler.pipeline.flush(timeout_seconds=30):
            raise RuntimeError(f"telesink did not store a row: {handler.pipeline.stats().last_error}")
    with _connect(dsn) as connection:
        columns = connection.execute(
            "SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
            f"WHERE attrelid = '{TABLE}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).fetchall()
        values = ", ".join(f"{name}::text" for name, _ in columns)
        stored = connection.execute(f"SELECT {values} FROM {TABLE}").fetchall()
    if len(stored) != 1:
        raise RuntimeError(f"{len(stored)} rows are stored, expected 1")
    ((attributes,),) = ours.query(path, f"SELECT attributes FROM {TABLE}")
    return [
        (name, kind, attributes if name == "attributes" else value)
        for (name, kind), value in zip(columns, stored[0], strict=True)
    ]


def measure(way: str, dsn: str, rows: int, template: Template) -> dict[str, Any]:
    """`way` is one of `ready.offer`; with `sink_` before it, the queue is filled before the clock starts."""
    import telesink

    # With `block` nothing is lost; the large queue is for the sink alone, which has to hold all rows at once.
    options: dict[str, Any] = {"when_full": "block", "block_timeout_seconds": _FINISH_SECONDS_MAX}
    is_alone = way.startswith("sink_")
    if is_alone:
        options |= {"queue_records_max": rows + 10_000, "queue_bytes_max": f"{2 * rows // 1000 + 64} MB"}
        options |= {"write_timeout_seconds": _HOLD_SECONDS_MAX}
    handler = telesink.LogHandler(dsn, **options)
    attributes = dict(json.loads(next(value for name, _, value in template if name == "attributes") or "{}"))
    offer = ready.offer(way.removeprefix("sink_"), handler, rows, attributes)
    # The others have connected and know the table before their clocks start.
    handler.handle(_first_record())
    telesink.flush(timeout_seconds=30)
    if is_alone:
        return _measure_alone(dsn, offer)
    clock = _Clock()
    offer()
    return clock.stop()


def _first_record() -> logging.LogRecord:
    import logging

    return logging.makeLogRecord({"msg": "the connection is open before the clock starts"})


def _measure_alone(dsn: str, offer: Callable[[], None]) -> dict[str, Any]:
    """Fills the queue while another connection holds the table; the clock runs from its release."""
    with _connect(dsn) as holder:
        holder.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
        offer()
        time.sleep(0.1)
        clock = _Clock()
        holder.rollback()
        return clock.stop()


class _Clock:
    """Wall time until all is stored; processor time of the process, and of telesink's threads."""

    def __init__(self) -> None:
        self._processor, self._threads = time.process_time(), _threads_seconds()
        self._start = time.perf_counter()

    def stop(self) -> dict[str, Any]:
        import telesink

        called = time.perf_counter()
        telesink.flush(timeout_seconds=_FINISH_SECONDS_MAX)
        end = time.perf_counter()
        processor, threads = time.process_time() - self._processor, _threads_seconds() - self._threads
        totals = ours.telesink_totals()
        return {
            "seconds": round(end - self._start, 4),
            "call_seconds": round(called - self._start, 4),
            "processor_seconds": round(processor, 3),
            "threads_seconds": round(threads, 3),
            # One record was logged before.
            "accepted": totals["accepted"] - 1,
            "dropped": totals["rejected"] + totals["dropped"],
        }


def _threads_seconds() -> float:
    """Processor time of all threads whose name begins with `telesink-`; Linux only."""
    nanoseconds = 0
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().startswith("telesink-"):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _connect(dsn: str) -> Any:
    import psycopg

    return psycopg.connect(dsn)
