"""Each record once, whatever happens to the connection, to the server, and to the answer of a COMMIT."""

import contextlib
import random
import signal
import threading
import time

import psycopg
import pytest
from postgres.conftest import IS_POOLED
from postgres.database import Database
from reliability.fault_proxy import COMMIT, LOST_COMMITS, TO_SERVER, Fault, FaultProxy
from waiting import wait_until

import telesink

EAGER = {"retry_initial_seconds": 0.005, "retry_max_seconds": 0.1, "linger_seconds": 0.005}

#: Batches that go through the proxy which swallows answers, side by side from several pipelines.
BATCHES, PIPELINES = 2_000 if IS_POOLED else 10_000, 4

#: Kills of a server process, and of the whole server.
KILLS, FALLS = (20, 4) if IS_POOLED else (180, 20)


def is_stored_once(database, count):
    stored = database.sql("SELECT count(*), count(DISTINCT id), count(DISTINCT body) FROM telesink_logs")
    assert stored == [(count, count, count)]


def holds(database, count):
    """Whether so many rows are there; a standby may not even have the table yet."""
    try:
        return database.count() == (count, count)
    except psycopg.errors.UndefinedTable:
        return False


def write_until(pipeline, is_over):
    """Offer numbered records until it is over; answers how many."""
    count = 0
    while not is_over.is_set():
        assert pipeline.enqueue_many({"body": str(count + k)} for k in range(100)) == 100
        count += 100
    return count


@pytest.mark.slow
def test_P3_every_third_answer_to_a_commit_is_lost_and_each_of_10_000_batches_is_stored_once(database):
    """The ledger decides what became of a COMMIT, and nothing is stored twice or lost."""
    each, settings = 5, {"retry_initial_seconds": 0.001, "retry_max_seconds": 0.002, "linger_seconds": 0.005}
    batches = BATCHES // PIPELINES
    with FaultProxy(database.port, LOST_COMMITS) as proxy:
        dsn = database.dsn(port=proxy.port, sslmode="disable")
        pipelines = [telesink.Pipeline(dsn, batch_records_max=each, **settings) for _ in range(PIPELINES)]
        for which, pipeline in enumerate(pipelines):
            pipeline.enqueue_many({"body": f"{which} {number}"} for number in range(batches * each))
        assert all(pipeline.close(250).complete for pipeline in pipelines)
        assert proxy.struck >= BATCHES // 3
    suppressed = sum(pipeline.stats().duplicates_suppressed for pipeline in pipelines)
    assert suppressed >= BATCHES // 3 * each
    print(f"{proxy.struck} answers lost, {suppressed} records found stored already")
    order = [int(body.split()[1]) for body in database.bodies()]
    assert order == list(range(batches * each)) * PIPELINES
    is_stored_once(database, BATCHES * each)


@pytest.mark.parametrize("dedupe", ["ledger", "id"])
def test_P4_a_commit_that_arrives_after_the_replay_changes_nothing(database, dedupe):
    """P4: the whole end of a transaction waits somewhere on the way and comes late."""
    with FaultProxy(database.port, [Fault("hold", TO_SERVER, COMMIT)]) as proxy:
        dsn = database.dsn(port=proxy.port, sslmode="disable", dedupe=dedupe)
        pipeline = telesink.Pipeline(dsn, write_timeout_seconds=1, **EAGER)
        pipeline.enqueue_many({"body": str(number)} for number in range(10))
        wait_until(lambda: proxy.struck == 1, "a COMMIT that is held back")
        # The old session keeps the row of the ledger until the server's own limit ends it.
        assert pipeline.flush(30).complete
        proxy.release()
        pipeline.enqueue({"body": "later"})
        assert pipeline.close(30).complete
    is_stored_once(database, 11)


def test_a_slow_line_carries_smaller_transactions(database):
    """P24: what is too much for the line in the time allowed is cut, not offered for ever."""
    with FaultProxy(database.port, bytes_per_second=400_000) as proxy:
        dsn = database.dsn(port=proxy.port, sslmode="disable")
        pipeline = telesink.Pipeline(dsn, write_timeout_seconds=1, **EAGER)
        pipeline.enqueue_many({"body": f"{number} " + "x" * 500} for number in range(4_000))
        assert pipeline.close(60).complete
    is_stored_once(database, 4_000)


@contextlib.contextmanager
def under_load(server):
    """A pipeline that writes all the while; afterwards each of its records is there once."""
    database = Database(server, server.create_database())
    pipeline = telesink.Pipeline(database.dsn(), when_full="block", block_timeout_seconds=60, **EAGER)
    is_over, counts = threading.Event(), []
    writer = threading.Thread(target=lambda: counts.append(write_until(pipeline, is_over)))
    writer.start()
    try:
        yield
    finally:
        is_over.set()
        writer.join()
    assert pipeline.close(60).complete
    assert pipeline.stats().retries > 0
    is_stored_once(database, counts[0])


def random_moments():
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


@pytest.mark.slow
def test_P1_backends_killed_at_180_random_moments_lose_and_double_nothing(make_server):
    """Each kill is a crash of the whole server, also in the middle of a COPY."""
    chance, server, kills = random_moments(), make_server(), 0
    deadline = time.monotonic() + 200
    with under_load(server):
        while kills < KILLS and time.monotonic() < deadline:
            time.sleep(chance.random() * 0.1)
            try:
                writers = server.writers()
            except psycopg.Error:
                # Not up again yet.
                continue
            for pid in writers:
                server.send(pid, signal.SIGKILL)
                kills += 1
    assert kills >= KILLS


def test_P2_a_server_that_is_killed_and_started_20_times_loses_and_doubles_nothing(make_server):
    """All its processes at once; it is asked again while it starts."""
    chance, server = random_moments(), make_server()
    with under_load(server):
        for _ in range(FALLS):
            time.sleep(chance.random() * 0.2)
            server.kill()
            server.launch()
            server.wait_until_ready()


@pytest.mark.parametrize("whom", ["backend", "postmaster"])
def test_P5_a_server_that_is_stopped_for_longer_than_every_limit_loses_and_doubles_nothing(make_server, whom):
    """P5: nothing answers, nothing is closed."""
    server = make_server()
    database = Database(server, server.create_database())
    limits = {"write_timeout_seconds": 0.5, "connect_timeout_seconds": 0.5}
    pipeline = telesink.Pipeline(
        database.dsn(), when_full="block", block_timeout_seconds=60, **limits, **EAGER
    )
    is_over = threading.Event()
    counts = []
    writer = threading.Thread(target=lambda: counts.append(write_until(pipeline, is_over)))
    writer.start()
    wait_until(server.writers, "a session")
    for _ in range(3):
        stopped = server.writers() if whom == "backend" else [server.pid]
        for pid in stopped:
            server.send(pid, signal.SIGSTOP)
        time.sleep(2)
        for pid in stopped:
            server.send(pid, signal.SIGCONT)
        wait_until(server.writers, "a session")
    is_over.set()
    writer.join()
    assert pipeline.close(60).complete
    is_stored_once(database, counts[0])


def test_a_synchronous_standby_that_is_not_there_holds_commits_and_doubles_nothing(make_server):
    """P25: COMMIT waits for ever; giving up leaves its outcome open."""
    server = make_server()
    database = Database(server, server.create_database())
    pipeline = telesink.Pipeline(database.dsn(), write_timeout_seconds=0.5, **EAGER)
    pipeline.enqueue({"body": "0"})
    assert pipeline.flush(30).complete
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.sql("SELECT pg_reload_conf()")
    time.sleep(0.3)
    pipeline.enqueue_many({"body": str(number)} for number in range(1, 100))
    wait_until(lambda: pipeline.stats().retries > 2, "attempts in vain")
    # A session that was ended in its COMMIT would have made them visible.
    assert database.count() == (1, 1)
    server.sql("ALTER SYSTEM RESET synchronous_standby_names")
    server.sql("SELECT pg_reload_conf()")
    assert pipeline.close(60).complete
    is_stored_once(database, 100)


def test_P11_a_standby_that_lacked_commits_is_told_and_gets_everything_after(
    make_server, make_standby, capfd
):
    """P11: failover loses what the old primary had confirmed; that is counted, and nothing else is lost."""
    primary = make_server(wal_level="replica", max_wal_senders="4", hot_standby="on")
    database = Database(primary, primary.create_database())
    standby = make_standby(primary)
    hosts = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/{database.name}"
    pipeline = telesink.Pipeline(hosts, batch_records_max=100, **EAGER)
    pipeline.enqueue_many({"body": str(number)} for number in range(500))
    assert pipeline.flush(30).complete
    replica = Database(standby, database.name)
    wait_until(lambda: holds(replica, 500), "replication")

    standby.sql("SELECT pg_wal_replay_pause()")
    receivers = [pid for (pid,) in standby.sql("SELECT pid FROM pg_stat_wal_receiver")]
    for pid in receivers:
        standby.send(pid, signal.SIGSTOP)
    pipeline.enqueue_many({"body": str(number)} for number in range(500, 800))
    assert pipeline.flush(30).complete
    primary.kill()
    # It must not wake once more: what the primary has sent waits in its socket.
    for pid in receivers:
        standby.send(pid, signal.SIGKILL)
    standby.close()
    (standby.data / "standby.signal").unlink()
    standby.start()
    pipeline.enqueue_many({"body": str(number)} for number in range(800, 900))
    assert pipeline.close(60).complete

    bodies = replica.bodies()
    lost = [str(number) for number in range(900) if str(number) not in set(bodies)]
    assert len(bodies) == len(set(bodies))
    assert set(lost) <= {str(number) for number in range(500, 800)}
    assert pipeline.stats().server_rolled_back == len(lost)
    assert len(lost) > 0
    assert "went back in time" in capfd.readouterr().err


def test_P10_a_server_that_takes_no_writes_leads_to_the_next_host(make_server, make_standby):
    """P10: a standby that comes first in the list, or a primary that became one."""
    primary = make_server(wal_level="replica", max_wal_senders="4", hot_standby="on")
    database = Database(primary, primary.create_database())
    standby = make_standby(primary)
    hosts = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/{database.name}"
    pipeline = telesink.Pipeline(hosts, **EAGER)
    pipeline.enqueue({"body": "0"})
    assert pipeline.flush(30).complete
    assert database.bodies() == ["0"]

    wait_until(lambda: holds(Database(standby, database.name), 1), "replication")
    standby.promote()
    primary.kill()
    pipeline.enqueue({"body": "1"})
    assert pipeline.close(30).complete
    assert Database(standby, database.name).bodies() == ["0", "1"]
