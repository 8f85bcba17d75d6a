"""Moments of weakness of a server: it says no for a while, is talkative, or impatient."""

import subprocess
import sys

import pytest
from delivery.harness import resident_bytes
from postgres.observing import letters, lines, make_tables, numbers, records, sink
from waiting import wait_until

import telesink

EAGER = {"retry_initial_seconds": 0.001, "retry_max_seconds": 0.01}
COUNT = 500
TIMES = 3

#: When a server can say it: before the rows, after each of them, after all of them, at COMMIT.
TRIGGERS = {
    "before": "CREATE TRIGGER planted BEFORE INSERT ON telesink_logs FOR EACH STATEMENT",
    "row": "CREATE TRIGGER planted AFTER INSERT ON telesink_logs FOR EACH ROW",
    "after": "CREATE TRIGGER planted AFTER INSERT ON telesink_logs FOR EACH STATEMENT",
    "commit": (
        "CREATE CONSTRAINT TRIGGER planted AFTER INSERT ON telesink_logs "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    ),
}


def plant(database, when, body):
    """Hang a piece of PL/pgSQL on the table."""
    make_tables(database)
    database.sql(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN {body}; RETURN NEW; END$$; {TRIGGERS[when]} EXECUTE FUNCTION planted()"
    )


def check_once(database, count=COUNT):
    assert database.bodies() == numbers(count)
    assert database.count() == (count, count)


@pytest.mark.parametrize("when", TRIGGERS)
@pytest.mark.parametrize(
    "code",
    [
        # Serialization, deadlock, lock, cancelled, disk, memory, connections.
        *("40001", "40P01", "55P03", "57014", "53100", "53200", "53300"),
        # Shutdown, start-up, read-only, lost, a bug.
        *("57P01", "57P03", "25006", "08006", "XX000"),
    ],
)
def test_P8_what_passes_is_tried_again_until_it_has_passed(database, tmp_path, when, code):
    """P8, P9, P32: the same batch, whole and in order; nothing is anybody's fault."""
    path = tmp_path / "dead.ndjson"
    # A sequence does not go back with its transaction.
    database.sql("CREATE SEQUENCE tries")
    condition = (
        f"IF nextval('tries') <= {TIMES} THEN RAISE EXCEPTION 'planted' USING ERRCODE = '{code}'; END IF"
    )
    plant(database, when, condition)
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path), **EAGER)
    pipeline.enqueue_many(records(COUNT))
    assert pipeline.close(30).complete
    check_once(database)
    stats = sink(pipeline)
    assert (stats["dropped"], stats["retries"] >= TIMES) == ({}, True)
    assert letters(path) == []


@pytest.mark.parametrize("when", ["row", "commit"])
def test_P6_a_row_that_is_refused_late_costs_only_itself(database, tmp_path, when):
    """P6, P23: the verdict comes after all rows were taken, or at COMMIT."""
    path = tmp_path / "dead.ndjson"
    plant(database, when, "IF NEW.body = '77' THEN RAISE EXCEPTION 'planted' USING ERRCODE = '23514'; END IF")
    pipeline = telesink.Pipeline(database.dsn(), dead_letter=str(path), **EAGER)
    pipeline.enqueue_many(records(COUNT))
    pipeline.close(30)
    assert database.bodies() == numbers(COUNT, {"77"})
    assert [(letter["code"], letter["record"]["body"]) for letter in letters(path)] == [("23514", "77")]


@pytest.fixture
def impatient(server, database):
    """A role whose limits are far too short for a batch."""
    role = f"impatient_{database.name}"
    server.sql(f"CREATE ROLE {role} LOGIN SUPERUSER")
    limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    for limit in limits:
        server.sql(f"ALTER ROLE {role} SET {limit} = '100ms'")
    return role


def test_P15_limits_of_the_role_do_not_end_a_transaction_of_the_sink(database, impatient, capfd):
    """P15: a batch may take longer than the role would let it."""
    plant(database, "after", "PERFORM pg_sleep(0.4)")
    pipeline = telesink.Pipeline(database.dsn(user=impatient), **EAGER)
    pipeline.enqueue_many(records(COUNT))
    assert pipeline.close(30).complete
    check_once(database)
    assert sink(pipeline)["retries"] == 0
    assert lines(capfd) == []


def test_P15_a_trickle_never_keeps_a_transaction_open(database, impatient, capfd):
    """P15: a connection that the server ends while it is idle is replaced without a word."""
    database.server.sql(f"ALTER ROLE {impatient} SET idle_session_timeout = '50ms'")
    pipeline = telesink.Pipeline(database.dsn(user=impatient), linger_seconds=0.12, **EAGER)
    states = "SELECT state FROM pg_stat_activity WHERE usename = %s"
    for number in range(10):
        pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete
        wait_until(lambda: set(database.sql(states, impatient)) <= {("idle",)}, "the end of the transaction")
        wait_until(lambda: database.sql(states, impatient) == [], "the end of the idle connection")
    assert pipeline.close(30).complete
    check_once(database, 10)
    assert sink(pipeline)["retries"] == 0
    assert lines(capfd) == []


#: Stores records whose table has much to say.
LISTENER = """
import sys
import telesink

pipeline = telesink.Pipeline(sys.argv[1], write_timeout_seconds=60)
pipeline.enqueue({"body": "first"})
assert pipeline.flush(30).complete
print("ready", flush=True)
sys.stdin.readline()
pipeline.enqueue_many({"body": str(number)} for number in range(50_000))
assert pipeline.flush(60).complete
print(pipeline.stats().delivered, pipeline.stats().retries, flush=True)
sys.stdin.readline()
"""


def test_a_talkative_server_is_heard_out_within_bounds(database):
    """P23: a NOTICE of 4 KB for each of 50,000 rows, parameters that change in the middle, notifications."""
    zone = "PERFORM set_config('TimeZone', 'Asia/Tokyo', true)"
    plant(database, "row", f"RAISE NOTICE '%', repeat('x', 4000); {zone}; PERFORM pg_notify('a', '')")
    streams = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", LISTENER, database.dsn()], text=True, **streams) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            before = resident_bytes(process.pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "50001 0\n"
            grown = resident_bytes(process.pid) - before
        finally:
            process.kill()
    # Records and batch; the notices alone are 200 MB.
    assert grown < 64 * 2**20, grown
    assert database.count() == (50_001, 50_001)


def test_the_ledger_does_not_grow_with_the_number_of_batches(database):
    """P27: its row is changed in place: free room in the page, no index on what changes."""
    pipeline = telesink.Pipeline(database.dsn(), batch_records_max=1, **EAGER)
    pipeline.enqueue_many(records(2_000))
    assert pipeline.close(60).complete
    check_once(database, 2_000)
    assert database.sql("SELECT count(*) FROM telesink_ledger") == [(1,)]
    ((size,),) = database.sql("SELECT pg_relation_size('telesink_ledger')")
    assert size <= 10 * 8_192
