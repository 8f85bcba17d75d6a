"""SQLite by way of Python's `sqlite3` alone: what one would write without telesink."""

from __future__ import annotations

import gc
import json
import logging
import logging.handlers
import queue
import sqlite3
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from benches import contestants, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Row = tuple[object, ...]

# The same columns as telesink's table, with the key that most log tables have.
_UUID_KEY_TABLE = """
CREATE TABLE logs (
  id TEXT PRIMARY KEY, ts INTEGER NOT NULL, observed_ts INTEGER NOT NULL, severity INTEGER NOT NULL,
  level TEXT NOT NULL, service TEXT NOT NULL, logger TEXT NOT NULL, body TEXT NOT NULL, event_name TEXT,
  trace_id TEXT, span_id TEXT, attributes TEXT NOT NULL, resource_id INTEGER NOT NULL, instance TEXT NOT NULL,
  seq INTEGER NOT NULL
)
"""


def measure(contestant: str, path: Path, rows: int, template: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The figures, and the name of the table that was written to."""
    is_ours = not contestant.startswith("uuid_key")
    table = "telesink_logs" if is_ours else "logs"
    connection = _open(path, template["statements"] if is_ours else [_UUID_KEY_TABLE])
    columns = list(template["row"])
    places = ", ".join("?" for _ in columns)
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
    batch = 8_192 if contestant.endswith("8192") else 1_000
    if contestant == "queue_listener":
        return _measure_listener(connection, insert, batch, rows, _RowMaker(template["row"])), table

    maker = _RowMaker(template["row"])
    if contestant.endswith("built"):
        batches = _built(maker, rows, batch)
    else:
        ready = [maker.ready(number) for number in range(rows)]
        batches = (ready[first : first + batch] for first in range(0, rows, batch))
        # A million tuples that stay would be walked again and again, which is no fault of the contestant.
        gc.collect()
        gc.freeze()
    processor, start = time.process_time(), time.perf_counter()
    for one in batches:
        _write(connection, insert, one)
    seconds = time.perf_counter() - start
    return _figures(seconds, time.process_time() - processor, connection), table


def _open(path: Path, statements: list[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    for statement in statements:
        connection.execute(statement)
    return connection


def _write(connection: sqlite3.Connection, insert: str, batch: list[Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(insert, batch)
    connection.execute("COMMIT")


def _figures(seconds: float, processor: float, connection: sqlite3.Connection) -> dict[str, Any]:
    connection.close()
    return {"seconds": round(seconds, 4), "processor_seconds": round(processor, 3)}


class _RowMaker:
    """Makes rows with the values of the template's columns; only what differs from row to row is new."""

    def __init__(self, template: dict[str, Any]) -> None:
        self._columns = list(template)
        self._template = template

    def ready(self, number: int) -> Row:
        return self.row(
            number,
            workload.PERCENT_MESSAGE % (workload.INVOICE, workload.CUSTOMER, number),
            str(self._template["attributes"]),
            time.time_ns(),
        )

    def built(self, number: int, fields: dict[str, Any]) -> Row:
        body = workload.PERCENT_MESSAGE % (workload.INVOICE, workload.CUSTOMER, number)
        return self.row(number, body, json.dumps(fields), time.time_ns())

    def row(self, number: int, body: str, attributes: str, now: int) -> Row:
        changed: dict[str, object] = {
            "id": str(uuid.uuid4()),
            "ts": now,
            "observed_ts": now,
            "body": body,
            "attributes": attributes,
            "seq": number,
        }
        return tuple((self._template | changed).values())

    @property
    def fields(self) -> dict[str, Any]:
        return dict(json.loads(str(self._template["attributes"])))


def _built(maker: _RowMaker, rows: int, batch: int) -> Iterator[list[Row]]:
    """Rows made while the clock runs: id, time, message and JSON, as a handler would have to."""
    fields = maker.fields
    for first in range(0, rows, batch):
        yield [maker.built(number, fields) for number in range(first, min(first + batch, rows))]


def _measure_listener(
    connection: sqlite3.Connection, insert: str, batch: int, rows: int, maker: _RowMaker
) -> dict[str, Any]:
    """A handler written in Python: a queue leads to a thread that makes rows and writes batches."""
    records: queue.SimpleQueue[logging.LogRecord | None] = queue.SimpleQueue()

    class Handler(logging.handlers.QueueHandler):
        def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
            """Formats nothing on the way in: the record stays in this process."""
            return record

    def row_of(number: int, record: logging.LogRecord) -> Row:
        values = vars(record)
        fields = {key: values[key] for key in workload.EXTRA} | {
            "code.file.path": record.pathname,
            "code.function.name": record.funcName,
            "code.line.number": record.lineno,
            "thread.id": record.thread,
            "thread.name": record.threadName,
        }
        return maker.row(number, record.getMessage(), json.dumps(fields), int(record.created * 1e9))

    def listen() -> None:
        waiting: list[Row] = []
        for number in range(rows):
            record = records.get()
            if record is None:
                break
            waiting.append(row_of(number, record))
            if len(waiting) == batch:
                _write(connection, insert, waiting)
                waiting.clear()
        _write(connection, insert, waiting)

    listener = threading.Thread(target=listen)
    listener.start()
    call = contestants.logging_call(contestants.logger_with(Handler(records)), "extra")
    processor, start = time.process_time(), time.perf_counter()
    for number in range(rows):
        call(number)
    called = time.perf_counter()
    listener.join()
    end = time.perf_counter()
    figures = _figures(end - start, time.process_time() - processor, connection)
    return figures | {"call_seconds": round(called - start, 4)}
