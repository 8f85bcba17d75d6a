"""A logger whose records go through a whole pipeline into two sinks, for tests of what is stored."""

import base64
import contextlib
import json
import logging
import sqlite3

import telesink

# The columns of the table beside the keys of a record as `recent` answers it.
_COLUMNS = {
    "ts": "time_unix_nano",
    "observed_ts": "observed_unix_nano",
    "id": "id",
    "severity": "severity",
    "level": "level",
    "logger": "logger",
    "body": "body",
    "event_name": "event_name",
    "trace_id": "trace_id",
    "span_id": "span_id",
    "seq": "seq",
}


class Recorder:
    """
    A logger of its own (`logger`), with one handler (`handler`) that writes to memory and to SQLite.

    Closing it asserts that both hold the same, so that every test of a value is a test of both sinks.
    """

    def __init__(self, path, **options):
        self.path = path
        # Made by hand, so that it is part of no tree and nobody else's handlers see what is logged.
        self.logger = logging.Logger("shop", level=1)
        dsns = ["memory://?records_max=100000", f"sqlite:///{path.as_posix()}"]
        self.handler = telesink.LogHandler(dsns, **options)
        self.pipeline = self.handler.pipeline
        self.logger.addHandler(self.handler)

    def close(self):
        """
        End the pipeline and compare the sinks.
        """
        records = self.records()
        rows = self.query(f"SELECT {', '.join(_COLUMNS)}, attributes FROM telesink_logs ORDER BY row_id")
        assert len(records) == len(rows)
        for record, (*columns, attributes) in zip(records, rows, strict=True):
            assert columns == [record[key] for key in _COLUMNS.values()]
            assert json.loads(attributes) == as_json(record["attributes"])

    def stats(self):
        """
        The counters once nothing is pending; both identities of the ledger hold.
        """
        receipt = self.pipeline.flush(timeout_seconds=30)
        assert receipt.complete, receipt
        stats = self.pipeline.stats()
        assert stats.offered == stats.accepted + sum(stats.rejected.values())
        assert stats.routed == stats.delivered + sum(stats.dropped.values()) + stats.pending
        return stats

    def records(self):
        """
        All records so far, oldest first.
        """
        assert self.stats().dropped == {}
        return self.pipeline.recent(100_000)

    def only(self):
        """
        The one record that was logged.
        """
        [record] = self.records()
        return record

    def attributes(self):
        """
        The attributes of the one record that was logged.
        """
        return self.only()["attributes"]

    def stored(self, value):
        """
        What becomes of a value given as `extra`.
        """
        self.logger.info("a value", extra={"value": value})
        return self.records()[-1]["attributes"]["value"]

    def query(self, statement):
        """
        Rows of the database as tuples; ends the pipeline, because nobody else may have the file open then.
        """
        assert self.pipeline.close(timeout_seconds=30).complete
        if not self.path.exists():
            return []
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()


def as_json(value):
    """
    A stored value as the JSON of a table holds it: bytes are base64, everything else is itself.
    """
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value
