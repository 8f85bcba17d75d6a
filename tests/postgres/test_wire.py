"""The way to the server breaks anywhere: in the middle of any message, with or without a word."""

import random
import signal
import statistics
import subprocess
import sys

import pytest
from delivery.harness import resident_bytes
from postgres.observing import lines, make_tables, numbers, records, sink
from reliability.fault_proxy import ROWS, TO_CLIENT, TO_SERVER, Fault, FaultProxy
from waiting import wait_until

import telesink

EAGER = {"retry_initial_seconds": 0.001, "retry_max_seconds": 0.01, "linger_seconds": 0.001}
COUNT = 50
#: Conversations that are waited for to come to a byte.
TRIES = 5


@pytest.fixture
def moments():
    """Random, and told which."""
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def dsn_through(wire, database, **options):
    return database.dsn(port=wire.port, sslmode="disable", **options)


def conversation_bytes(database):
    """How much a first batch makes both sides say, by direction; the tables are there afterwards."""
    make_tables(database)
    said = []
    # Most of them say the same; a busy machine may retire a connection, or make a batch into two.
    for _ in range(5):
        with FaultProxy(database.port) as wire, telesink.Pipeline(dsn_through(wire, database)) as pipeline:
            pipeline.enqueue_many(records(COUNT))
            assert pipeline.flush(30).complete
            said.append(tuple(wire.carried[way] for way in (TO_SERVER, TO_CLIENT)))
    database.sql("TRUNCATE telesink_logs, telesink_ledger")
    return dict(zip((TO_SERVER, TO_CLIENT), statistics.mode(said), strict=True))


def check_rounds(database, faults, **settings):
    """Each fault strikes a pipeline of its own; all records arrive once, in order."""
    rounds = 0
    for fault in faults:
        for _ in range(TRIES):
            rounds += 1
            # On a busy machine a limit may end the conversation before it comes to the byte: once more, then.
            if strikes(database, fault, (rounds - 1) * COUNT, **settings):
                break
        else:
            raise AssertionError(f"the conversation never came to {fault}")
    assert database.count() == (rounds * COUNT, rounds * COUNT)
    stored = database.sql("SELECT body FROM telesink_logs WHERE logger = 'shop' ORDER BY body::int")
    assert [body for (body,) in stored] == numbers(rounds * COUNT)
    disorder = (
        "SELECT count(*) FROM (SELECT body::int - lag(body::int) OVER (PARTITION BY instance ORDER BY seq) "
        "AS step FROM telesink_logs) AS steps WHERE step <> 1"
    )
    assert database.sql(disorder) == [(0,)]


def strikes(database, fault, start, **settings):
    """Whether the fault struck a pipeline that delivers its records from this number on."""
    with FaultProxy(database.port, [fault]) as wire:
        pipeline = telesink.Pipeline(dsn_through(wire, database), **EAGER, **settings)
        pipeline.enqueue_many(records(COUNT, start=start))
        # First a flush: a garbled answer may look like a wrong configuration, which a close gives up on.
        assert pipeline.flush(30).complete, fault
        assert pipeline.close(30).complete, fault
        assert sink(pipeline)["dropped"] == {}, fault
        return wire.struck == 1


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
@pytest.mark.parametrize("kind", ["reset", "end"])
def test_P3_a_connection_that_breaks_at_any_byte_loses_and_doubles_nothing(
    database, moments, kind, direction
):
    """P3, P30: RST or FIN, in the middle of log-in, guard, COPY, COMMIT or any answer."""
    said = conversation_bytes(database)[direction]
    faults = [Fault(kind, direction, moments.randrange(said - 200)) for _ in range(60)]
    # The last bytes of all are COMMIT or its answer.
    faults += [Fault(kind, direction, said - 1 - back) for back in range(0, 150, 3)]
    check_rounds(database, faults)


def test_an_answer_that_means_nothing_ends_the_connection_and_nothing_else(database, moments):
    """P30: after a violation of the protocol nobody uses the connection again."""
    said = conversation_bytes(database)[TO_CLIENT]
    faults = [Fault("garble", TO_CLIENT, moments.randrange(said)) for _ in range(60)]
    check_rounds(database, faults, connect_timeout_seconds=0.5, write_timeout_seconds=0.5)


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_P5_a_connection_that_falls_silent_at_any_byte_is_left_within_the_limit(database, moments, direction):
    """P5: packets vanish, nothing is closed; no limit of the kernel is waited for."""
    said = conversation_bytes(database)[direction]
    faults = [Fault("silence", direction, moments.randrange(said - 200)) for _ in range(8)]
    faults += [Fault("silence", direction, said - 1 - back) for back in range(0, 60, 10)]
    check_rounds(database, faults, connect_timeout_seconds=1.0, write_timeout_seconds=1.0)


def test_P4_a_session_that_waits_for_rows_in_vain_does_not_keep_the_ledger(database):
    """P4: in the middle of COPY the server's own limits do not count, only pg_terminate_backend does."""
    role = f"app_{database.name}"
    database.server.sql(f"CREATE ROLE {role} LOGIN")
    database.sql(f"GRANT ALL ON SCHEMA public TO {role}")
    with FaultProxy(database.port, [Fault("silence", TO_SERVER, ROWS)]) as wire:
        dsn = dsn_through(wire, database, user=role)
        pipeline = telesink.Pipeline(dsn, write_timeout_seconds=0.5, **EAGER)
        pipeline.enqueue_many(records(COUNT))
        assert pipeline.flush(10).complete
        assert wire.struck == 1
        assert len(database.server.writers()) == 1
        assert pipeline.close(30).complete
    assert database.bodies() == numbers(COUNT)


@pytest.mark.parametrize("times", range(1, 5), ids=["prepare", "copy", "rows", "forget"])
def test_P4_a_session_that_waits_for_the_end_of_a_request_does_not_keep_the_ledger(database, times):
    """P4: once a part of a request has come, the server waits for its Sync under no limit of its own."""
    make_tables(database)
    sync = b"S\0\0\0\x04"
    with FaultProxy(database.port, [Fault("silence", TO_SERVER, sync, times=times)]) as wire:
        pipeline = telesink.Pipeline(dsn_through(wire, database), write_timeout_seconds=0.5, **EAGER)
        pipeline.enqueue_many(records(COUNT))
        assert pipeline.flush(10).complete
        assert wire.struck == 1
        assert pipeline.close(30).complete
    assert database.bodies() == numbers(COUNT)


def test_P4_a_transaction_that_arrives_as_a_whole_after_the_replay_changes_nothing(database):
    """P4: everything from the guard on lies in a proxy, and is let go when the replay has committed."""
    words = b"INSERT INTO telesink_ledger"
    with FaultProxy(database.port, [Fault("hold", TO_SERVER, words)]) as wire:
        pipeline = telesink.Pipeline(dsn_through(wire, database), write_timeout_seconds=0.5, **EAGER)
        pipeline.enqueue_many(records(COUNT))
        assert pipeline.flush(30).complete
        assert wire.struck == 1
        before = wire.carried[TO_SERVER]
        wire.release()
        wait_until(lambda: wire.carried[TO_SERVER] > before, "the late transaction at the server")
        pipeline.enqueue_many(records(COUNT, start=COUNT))
        assert pipeline.close(30).complete
    assert database.bodies() == numbers(2 * COUNT)
    assert database.sql("SELECT last_seq FROM telesink_ledger") == [(2 * COUNT,)]


def test_P5_an_idle_connection_that_vanished_costs_one_limit(database):
    """P5: a firewall has forgotten it, and says so to nobody."""
    make_tables(database)
    with FaultProxy(database.port) as wire:
        pipeline = telesink.Pipeline(dsn_through(wire, database), write_timeout_seconds=0.5, **EAGER)
        pipeline.enqueue_many(records(COUNT))
        assert pipeline.flush(30).complete
        before = wire.connections
        wire.forget()
        pipeline.enqueue_many(records(COUNT, start=COUNT))
        # Less than the limit that there is by default.
        assert pipeline.flush(10).complete
        assert wire.connections == before + 1
        assert pipeline.close(30).complete
    assert database.bodies() == numbers(2 * COUNT)


def test_messages_that_come_byte_by_byte_are_understood(direct_database, capfd):
    """P30: a message has no fixed size, in either direction. PgBouncer wants the first one in one piece."""
    with FaultProxy(direct_database.port, piece_bytes=1) as wire:
        pipeline = telesink.Pipeline(dsn_through(wire, direct_database))
        pipeline.enqueue_many(records(COUNT))
        assert pipeline.close(30).complete
    assert direct_database.bodies() == numbers(COUNT)
    assert sink(pipeline)["retries"] == 0
    assert lines(capfd) == []


#: Offers far more than the bound to a server that takes nothing.
FLOOD = """
import sys
import telesink

pipeline = telesink.Pipeline(
    sys.argv[1], queue_bytes_max="8 MiB", write_timeout_seconds=60, connect_timeout_seconds=60, redact=False
)
pipeline.enqueue({"body": "first"})
assert pipeline.flush(30).complete
print("ready", flush=True)
sys.stdin.readline()
body = "x" * 10_000
for _ in range(200):
    pipeline.enqueue_many({"body": body} for _ in range(100))
print("offered", flush=True)
sys.stdin.readline()
stats = pipeline.stats()
assert stats.offered == stats.accepted + sum(stats.rejected.values()) == 20_001
assert stats.bytes_pending <= 8 * 2**20
print(stats.accepted, stats.rejected, flush=True)
print(pipeline.close(30).complete, flush=True)
"""


def test_a_server_that_reads_nothing_costs_no_more_memory_than_the_bound(make_server):
    """P24: 200 MB are offered, 8 MiB are the bound; what the socket does not take stays in it."""
    server = make_server()
    streams = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    command = [sys.executable, "-c", FLOOD, server.dsn()]
    with subprocess.Popen(command, text=True, **streams) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            before = resident_bytes(process.pid)
            (backend,) = server.writers()
            server.send(backend, signal.SIGSTOP)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "offered\n"
            grown = resident_bytes(process.pid) - before
            server.send(backend, signal.SIGCONT)
            process.stdin.write("go\n")
            process.stdin.flush()
            accepted, rejected = process.stdout.readline().split(" ", 1)
            assert "queue_full" in rejected
            assert process.stdout.readline() == "True\n"
        finally:
            process.kill()
    assert server.sql("SELECT count(*) FROM telesink_logs WHERE logger <> 'telesink'") == [(int(accepted),)]
    # The bound and a quarter, and what an allocator keeps.
    assert grown < 8 * 2**20 * 1.25 + 8 * 2**20, grown
