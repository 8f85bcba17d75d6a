"""telesink as a contestant, and what the benchmarks need to look into it."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benches import postgres_server
from benches.contestants import FINISH_SECONDS_MAX, Ledger, Session, logger_with, logging_call
from benches.workload import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TOTALS = ("offered", "accepted", "delivered", "rejected", "dropped", "pending")


def start_telesink(scratch: Path, scenario: str, _records_max: int) -> Session:
    import telesink

    # A flood outruns any disk for a while; with `block` every record has to be in the database in the end.
    handler = telesink.LogHandler(
        f"sqlite:///{scratch / 'out.db'}", when_full="block", block_timeout_seconds=FINISH_SECONDS_MAX
    )
    call = logging_call(logger_with(handler), scenario)
    return Session(call, finish_telesink, _count_in_database(scratch / "out.db"))


def start_telesink_null(_scratch: Path, scenario: str, _records_max: int) -> Session:
    import telesink

    handler = telesink.LogHandler("null://", when_full="block", block_timeout_seconds=FINISH_SECONDS_MAX)

    def count(_offered: int) -> Ledger:
        # There is no destination to look at: the sink's own counter has to do.
        totals = telesink_totals()
        return Ledger(totals["accepted"], totals["delivered"], totals["rejected"] + totals["dropped"])

    return Session(logging_call(logger_with(handler), scenario), finish_telesink, count)


def start_telesink_full(scratch: Path, scenario: str, _records_max: int) -> Session:
    """A full queue before a sink that cannot write, because another process holds the database."""
    import telesink

    path = scratch / "out.db"
    handler = telesink.LogHandler(
        f"sqlite:///{path}",
        when_full="drop_newest",
        queue_records_max=1_000,
        retry_initial_seconds=0.01,
        retry_max_seconds=0.05,
    )
    logger = logger_with(handler)
    logger.info("the tables are made before the file is held")
    finish_telesink()
    holder = Holder(path)
    for number in range(2_000):
        logger.info("fills the queue, number %d", number)

    def finish() -> None:
        holder.release()
        finish_telesink()

    return Session(logging_call(logger, scenario), finish, _count_in_database(path))


def start_telesink_postgres(_scratch: Path, scenario: str, _records_max: int) -> Session:
    """Starts a server of its own, which ends with this process."""
    import telesink

    server = postgres_server.Server()
    atexit.register(server.stop)
    server.start()
    handler = telesink.LogHandler(server.dsn, when_full="block", block_timeout_seconds=FINISH_SECONDS_MAX)
    call = logging_call(logger_with(handler), scenario)

    def count(_offered: int) -> Ledger:
        import psycopg

        totals = telesink_totals()
        stored = f"SELECT count(*) FROM telesink_logs WHERE body LIKE '%{MARKER}%'"
        fields = "SELECT ts::text, logger, body, attributes::text FROM telesink_logs LIMIT 1"
        with psycopg.connect(server.dsn) as connection:
            ((delivered,),) = connection.execute(stored)
            sample = " ".join(str(value) for row in connection.execute(fields) for value in row)
        return Ledger(totals["accepted"], delivered, totals["rejected"] + totals["dropped"], sample)

    return Session(call, finish_telesink, count)


class Holder:
    """Another process that holds the write lock of a SQLite file until it is told to let go."""

    _PROGRAM = (
        "import sqlite3, sys\n"
        "held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)\n"
        "held.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
        "held.execute('ROLLBACK')\n"
        "print('released', flush=True)\n"
    )

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("held")

    def release(self) -> None:
        """Returns as soon as the lock is free."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("released")
        self._process.communicate(timeout=10)

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        if (said := self._process.stdout.readline().strip()) != word:
            raise RuntimeError(f"the process that holds the database said {said!r}, expected {word!r}")


def query(path: Path, statement: str) -> list[list[Any]]:
    """
    The rows that a statement finds, asked for in another process.

    telesink brings a SQLite of its own. Two of them in one process do not see each other's locks on a file,
    so nobody should open a database a second time by `sqlite3` in the process that is writing to it.
    """
    program = (
        "import json, sqlite3, sys\n"
        "print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), statement],
        capture_output=True,
        text=True,
        timeout=FINISH_SECONDS_MAX,
        check=True,
    )
    return list(json.loads(done.stdout))


def finish_telesink() -> bool:
    import telesink

    return bool(telesink.flush(timeout_seconds=FINISH_SECONDS_MAX))


def telesink_totals() -> dict[str, int]:
    """The counters of all lanes (here there is one), causes summed up."""
    import telesink

    totals = dict.fromkeys(_TOTALS, 0)
    for stats in telesink.stats().values():
        for name in _TOTALS:
            value = getattr(stats, name)
            totals[name] += sum(value.values()) if hasattr(value, "values") else value
    return totals


def _count_in_database(path: Path) -> Callable[[int], Ledger]:
    """Counts rows. What was logged before, to set the scene, is in the counters already and is taken off."""
    before = telesink_totals()

    def count(_offered: int) -> Ledger:
        now = telesink_totals()
        change = {name: now[name] - before[name] for name in _TOTALS}
        (delivered,) = query(path, f"SELECT count(*) FROM telesink_logs WHERE body LIKE '%{MARKER}%'")[0]
        fields = (
            f"SELECT ts, logger, body, attributes FROM telesink_logs WHERE body LIKE '%{MARKER}%' LIMIT 1"
        )
        sample = " ".join(str(value) for row in query(path, fields) for value in row)
        return Ledger(change["accepted"], delivered, change["rejected"] + change["dropped"], sample)

    return count


def wait_until_idle(seconds_max: float = 5.0) -> None:
    """Leaves the worker time to go to sleep, so that what follows measures rest."""
    deadline = time.monotonic() + seconds_max
    while telesink_totals()["pending"] and time.monotonic() < deadline:
        time.sleep(0.05)
