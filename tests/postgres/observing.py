"""What tests look at: the counters of a sink, the lines on standard error, the dead letters."""

import functools
import json
import subprocess
import sys

from delivery.harness import Rows
from waiting import wait_until


def make_tables(database):
    """Make the tables as a person would: with what `telesink schema` prints."""
    database.sql(_schema())


@functools.cache
def _schema():
    command = [sys.executable, "-m", "telesink", "schema", "--dialect", "postgres"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class PostgresRows(Rows):
    """What the tables hold, for the oracle of `delivery`: in the order of each instance."""

    def __init__(self, database):
        columns = "body, logger, instance::text, seq, event_name, attributes::text"
        self._read(database.sql(f"SELECT {columns} FROM telesink_logs ORDER BY instance, seq"))


def records(count, refused=(), start=0):
    """Numbered records; those at the places `refused` have the logger `refused`."""
    for place in range(count):
        logger = "refused" if place in refused else "shop"
        yield {"body": str(start + place), "logger": logger}


def numbers(count, but=()):
    """The bodies of such records."""
    return [str(number) for number in range(count) if str(number) not in but]


def sink(pipeline, name="postgresql"):
    """The counters of one sink."""
    return pipeline.stats().sinks[name].as_dict()


def lines(capfd):
    """What telesink has said since the last look."""
    return [line for line in capfd.readouterr().err.splitlines() if line.startswith("telesink: ")]


def letters(path):
    """What the dead-letter file holds."""
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def wait_for_state(pipeline, state, name="postgresql"):
    """Wait until the sink is in this state; answer its counters."""
    wait_until(lambda: sink(pipeline, name)["state"] == state, f"the state {state}")
    return sink(pipeline, name)
