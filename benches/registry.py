"""All contestants by name, in the order of the tables."""

from __future__ import annotations

import sys

from benches import contestants, machine, ours, peers, runner
from benches.contestants import Contestant

_ALL = (
    Contestant("noop", "an empty function (the cost of measuring)", contestants.start_noop, writes=False),
    Contestant("null", "logging, NullHandler", contestants.start_null, writes=False),
    Contestant("file", "logging, FileHandler", contestants.start_file),
    Contestant("queue", "logging, QueueHandler + QueueListener, file", contestants.start_queue),
    Contestant("loguru", "loguru, file, enqueue", peers.start_loguru, "loguru"),
    Contestant(
        "picologging",
        "picologging, FileHandler",
        peers.start_picologging,
        "picologging",
        note="one thread only: four threads on one handler deadlock",
        threads_max=1,
    ),
    Contestant(
        "logxide",
        "logxide, FileHandler",
        peers.start_logxide,
        "logxide",
        note="the time in its line is formatted by Python",
        python_min=(3, 12),
    ),
    Contestant(
        "logxide_native",
        "logxide, FileHandler, native line",
        peers.start_logxide_native,
        "logxide",
        note="its fastest path, which has no time in the line",
        python_min=(3, 12),
    ),
    Contestant("logust", "logust, file", peers.start_logust, "logust"),
    Contestant("structlog", "structlog, JSON, file", peers.start_structlog, "structlog"),
    Contestant(
        "otel",
        "OpenTelemetry, batch, counting exporter",
        peers.start_otel,
        "opentelemetry-sdk",
        note="encodes and stores nothing; its queue was made large enough for the whole run",
        writes=False,
    ),
    Contestant(
        "otel_default",
        "OpenTelemetry, the same, default queue",
        peers.start_otel_default,
        "opentelemetry-sdk",
        note="encodes and stores nothing; queue of 2,048 records, drops the oldest",
        writes=False,
    ),
    Contestant("telesink", "telesink, SQLite", ours.start_telesink, "telesink"),
    Contestant(
        "telesink_postgres",
        "telesink, Postgres",
        ours.start_telesink_postgres,
        "psycopg",
        note="the server works on the same machine",
    ),
    Contestant(
        "telesink_null",
        "telesink, null",
        ours.start_telesink_null,
        "telesink",
        note="stores nothing; delivered is the sink's own count",
        writes=False,
    ),
    Contestant(
        "telesink_full",
        "telesink, SQLite, queue full",
        ours.start_telesink_full,
        "telesink",
        note="another process locks the database, so records are dropped, as configured (`drop_newest`)",
        writes=False,
    ),
)

CONTESTANTS: dict[str, Contestant] = {contestant.name: contestant for contestant in _ALL}


def chosen(only: str | None) -> list[str]:
    """
    The contestants that were asked for (default: all) and that this interpreter can have, in the order of
    the tables.

    An unknown name ends the program; one that is not installed is left out with a word about it.
    """
    wanted = runner.chosen(only, CONTESTANTS)
    installed = machine.versions()
    names = []
    for name, contestant in CONTESTANTS.items():
        if name not in wanted:
            continue
        if sys.version_info < contestant.python_min:
            least = ".".join(map(str, contestant.python_min))
            print(f"left out: {name}, whose current version needs Python {least}", file=sys.stderr)
        elif installed.get(contestant.package or "", "") == "not installed":
            print(f"left out: {name}, {contestant.package} is not installed", file=sys.stderr)
        else:
            names.append(name)
    return names
