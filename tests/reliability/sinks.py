"""One pipeline with a sink of every kind, which must all hold the same afterwards."""

import contextlib
import json
import logging
import os
import sqlite3

from postgres import servers
from postgres.database import Database
from recording import as_json

import telesink

#: What is compared, as the columns of the tables are called.
COLUMNS = ("id", "severity", "level", "logger", "body", "event_name", "attributes")

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM telesink_logs ORDER BY seq"


class EverySink:
    """A logger and a pipeline with memory, SQLite, console and Postgres behind them.

    Used as a with-block inside the test itself: pytest takes standard output back between fixtures and tests.
    """

    def __init__(self, folder, database):
        self.database = database
        self.file = folder / "every.db"
        self.lines = folder / "lines.ndjson"
        dsns = [
            "memory://?records_max=1000000",
            f"sqlite:///{self.file}",
            "console://stdout?format=json",
            database.dsn(),
        ]
        self.handler = telesink.LogHandler(dsns)
        self.pipeline = self.handler.pipeline
        self.logger = logging.Logger("shop", level=1)
        self.logger.addHandler(self.handler)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        # The console writes to the descriptor, whatever Python has put over it.
        kept = os.dup(1)
        with self.lines.open("wb") as lines:
            os.dup2(lines.fileno(), 1)
        self._stack.callback(os.close, kept)
        self._stack.callback(os.dup2, kept, 1)
        self._stack.callback(self.pipeline.close)
        return self

    def __exit__(self, *_error):
        self._stack.close()

    def settle(self):
        """Wait until every sink has everything; answer the counters, which balance."""
        receipt = self.pipeline.flush(timeout_seconds=60)
        assert receipt.complete, receipt
        stats = self.pipeline.stats()
        assert stats.offered == stats.accepted + sum(stats.rejected.values())
        assert stats.dropped == {}
        return stats

    def check_same(self):
        """Compare the sinks record for record, and answer how many records each has."""
        self.settle()
        memory = [
            {**{name: record[name] for name in COLUMNS}, "attributes": as_json(record["attributes"])}
            for record in self.pipeline.recent(1_000_000)
        ]
        found = {"sqlite": self._sqlite(), "postgres": self._postgres(), "console": self._console()}
        for sink, records in found.items():
            assert len(records) == len(memory), sink
            for kept, record in zip(memory, records, strict=True):
                differing = [name for name in record if not _same(kept[name], record[name])]
                assert not differing, (sink, [(kept[name], record[name]) for name in differing])
        return len(memory)

    def _sqlite(self):
        assert self.pipeline.close(timeout_seconds=60).complete
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute(_SELECT).fetchall()
        return [{**dict(zip(COLUMNS, row, strict=True)), "attributes": json.loads(row[-1])} for row in rows]

    def _postgres(self):
        rows = self.database.sql(_SELECT)
        return [{**dict(zip(COLUMNS, row, strict=True)), "id": str(row[0])} for row in rows]

    def _console(self):
        lines = self.lines.read_bytes().removesuffix(b"\n").split(b"\n")
        return [
            {
                "level": line["level"],
                "logger": line["logger"],
                "body": line["msg"],
                "event_name": line.get("event_name"),
                "attributes": line["attributes"],
            }
            for line in map(json.loads, lines)
        ]


def _same(kept, read):
    """Whether JSON says the same: Postgres writes 1e20 as an integer, and no two doubles as the same one."""
    if isinstance(kept, dict) and isinstance(read, dict):
        return kept.keys() == read.keys() and all(_same(kept[name], read[name]) for name in kept)
    if isinstance(kept, list) and isinstance(read, list):
        return len(kept) == len(read) and all(map(_same, kept, read))
    if isinstance(kept, float) and type(read) in (int, float):
        return kept == float(read)
    return type(kept) is type(read) and kept == read


@contextlib.contextmanager
def a_database():
    """A fresh database on a server of its own."""
    with (
        contextlib.closing(servers.Workshop(servers.newest())) as workshop,
        contextlib.closing(workshop.cluster().start()) as server,
    ):
        yield Database(server, server.create_database())
