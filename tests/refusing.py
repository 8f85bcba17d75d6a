"""Destinations that refuse some records, and the dead-letter files that come of it."""

import json
import sqlite3
from contextlib import closing

from telesink import Pipeline

#: What a trigger refuses, and a constraint could.
TRIGGER = """
CREATE TRIGGER planted BEFORE INSERT ON telesink_logs WHEN new.logger = 'refused'
BEGIN SELECT RAISE(ABORT, 'planted'); END
"""


def make_file(path):
    """Make a database as a program does, with one record in it, and plant the trigger."""
    write(f"sqlite:///{path}", ["first"])
    execute(path, TRIGGER)


def execute(path, statement, *values):
    """Run a statement on a file, and answer its rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def write(dsn, bodies, refused=(), **options):
    """Write records through a pipeline, those in `refused` by a logger of that name; answer its instance."""
    with Pipeline(dsn, **options) as pipeline:
        for body in bodies:
            logger = "refused" if body in refused else "shop"
            record = {"body": body, "logger": logger, "level": "ERROR", "order_id": 7, "trace_id": "ab" * 16}
            assert pipeline.enqueue(record)
        assert pipeline.flush(30).pending == 0
        return pipeline._native.instance


def letters(path):
    """What a dead-letter file holds."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
