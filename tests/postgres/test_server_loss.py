"""The server itself goes away: killed again and again, or out of space."""

import contextlib
import os
import pwd
import random
import subprocess
import threading
import time

import psycopg
import pytest
from postgres.database import Database
from postgres.observing import letters, lines, numbers, records, sink, wait_for_state
from postgres.servers import Server
from waiting import wait_until

import telesink

EAGER = {"retry_initial_seconds": 0.005, "retry_max_seconds": 0.1, "linger_seconds": 0.005}
KILLS = 20


def test_P2_a_server_killed_twenty_times_and_started_at_once_loses_and_doubles_nothing(make_server):
    """Between two kills it may still be starting up when it is asked."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = make_server()
    database = Database(server, server.create_database())
    pipeline = telesink.Pipeline(database.dsn(), when_full="block", block_timeout_seconds=60, **EAGER)
    is_over, given = threading.Event(), []

    def write():
        while not is_over.is_set():
            given.append(pipeline.enqueue_many(records(100, start=100 * len(given))))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(KILLS):
            before = sink(pipeline)["delivered"]
            wait_until(lambda before=before: sink(pipeline)["delivered"] > before, "a batch")
            time.sleep(chance.random() * 0.1)
            server.kill()
            server.launch()
        server.wait_until_ready()
    finally:
        is_over.set()
        writer.join()

    assert pipeline.close(60).complete
    assert sink(pipeline)["retries"] >= KILLS
    assert set(given) == {100}
    assert database.bodies() == numbers(100 * len(given))
    assert database.count()[0] == database.count()[1]


class SmallServer(Server):
    """A server that has a small disk beside its own, mounted where nobody else sees it."""

    SIZE = "24m"

    def launch(self):
        """Start it without waiting, in a namespace of its own."""
        user = pwd.getpwnam(self.workshop.user)
        self.small.mkdir(exist_ok=True)
        mount = f"mount -t tmpfs -o size={self.SIZE},mode=700,uid={user.pw_uid},gid={user.pw_gid} none"
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--mount", "sh", "-c", f'{mount} "$0" && exec "$@"', self.small),
                    *("setpriv", "--pdeathsig", "QUIT", "--reuid", str(user.pw_uid)),
                    *("--regid", str(user.pw_gid), "--clear-groups"),
                    *(self.workshop.programs / "postgres", "-D", self.data),
                    *(f"-k{self.folder}", f"-p{self.port}", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    @property
    def small(self):
        """Where the small disk is, for the server."""
        return self.folder / "small"


@pytest.fixture
def small_database(make_server):
    """A database on the small disk of a server; everything else of it has room."""
    made = make_server()
    made.stop()
    server = SmallServer(made.workshop, made.folder, made.settings)
    try:
        server.start()
        server.sql(f"CREATE TABLESPACE small LOCATION '{server.small}'")
        yield Database(server, server.create_database("TABLESPACE small"))
    finally:
        server.close()


def fill(database):
    """Take all the room, and more than one file of it."""
    database.sql("CREATE TABLE ballast (word text)")
    with contextlib.suppress(psycopg.errors.DiskFull):
        while True:
            database.sql("INSERT INTO ballast SELECT repeat('x', 500) FROM generate_series(1, 500)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk for another user")
def test_P9_records_wait_while_the_disk_of_the_server_is_full_and_arrive_once_there_is_room(
    small_database, tmp_path, capfd
):
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(small_database.dsn(), dead_letter=str(path), **EAGER)
    pipeline.enqueue_many(records(1_000))
    assert pipeline.flush(30).complete
    fill(small_database)

    pipeline.enqueue_many(records(9_000, start=1_000))
    stats = wait_for_state(pipeline, "retrying")
    wait_until(lambda: sink(pipeline)["retries"] >= stats["retries"] + 3, "attempts in vain")
    stats = sink(pipeline)
    assert (stats["dropped"], letters(path)) == ({}, [])
    assert stats["pending"] > 0
    assert "53100" in stats["last_error"]
    (line,) = lines(capfd)
    assert "53100" in line

    small_database.sql("DROP TABLE ballast")
    small_database.sql("CHECKPOINT")
    assert pipeline.close(30).complete
    assert small_database.bodies() == numbers(10_000)
    assert small_database.count() == (10_000, 10_000)
