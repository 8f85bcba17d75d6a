"""Through PgBouncer in transaction mode: the same promises, on two connections that belong to nobody."""

import contextlib
import logging
import subprocess
import sys
import threading

import pytest
from postgres.bouncer import Bounced, Bouncer
from postgres.observing import letters, lines, make_tables, numbers, records, sink, wait_for_state
from waiting import wait_until

import telesink

PROCESSES = 16


def check_nothing_left(database):
    """No connection of the pool carries anything of ours, and nobody complained."""
    for _, *found in database.left_behind():
        assert found == [0, 0, 0, "on", "0", 0]
    log = database.bouncer.log()
    assert "prepared statement" not in log
    assert "unsupported startup parameter" not in log


@pytest.mark.parametrize("dedupe", ["ledger", "id", "none"])
def test_P14_every_record_arrives_once_and_in_order(bounced, capfd, dedupe):
    """P14: nothing but transactions, whatever guards them."""
    pipeline = telesink.Pipeline(bounced.dsn(dedupe=dedupe, synchronous_commit="off"), batch_records_max=100)
    assert pipeline.enqueue_many(records(10_000)) == 10_000
    assert pipeline.close(30).complete
    assert bounced.bodies() == numbers(10_000)
    assert bounced.count() == (10_000, 10_000)
    check_nothing_left(bounced)
    assert lines(capfd) == []


def test_P14_what_was_logged_is_what_is_stored(bounced):
    """P14: types and values, as without it."""
    telesink.install_logging(bounced.dsn(), level="DEBUG", resource={"service.name": "shop"})
    logging.getLogger("shop.cart").warning("paid %s", "inv-7", extra={"amount": 12.5})
    assert telesink.flush(30).complete
    query = "SELECT severity, level, service, logger, body, attributes->'amount' FROM telesink_logs"
    assert bounced.sql(query) == [(13, "WARN", "shop", "shop.cart", "paid inv-7", 12.5)]


#: Logs for a while as a process of many; says how many records it has given.
WRITER = """
import os, sys, time
import telesink

pipeline = telesink.Pipeline(sys.argv[1], batch_records_max=200, linger_seconds=0.01)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    assert pipeline.enqueue({"body": f"{os.getpid()} {number}"})
    if number % 200 == 0:
        time.sleep(0.01)
print(pipeline.close(60).complete, flush=True)
"""


class Writers:
    """Processes that log through one PgBouncer, all from the same moment on."""

    def __init__(self, dsn, count, each):
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", WRITER, dsn, str(each)]
        self.processes = [subprocess.Popen(command, text=True, **streams) for _ in range(count)]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        for process in self.processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def are_running(self):
        return any(process.poll() is None for process in self.processes)

    def end(self):
        """Wait for all; answers what they said: words, and lines on standard error."""
        ended = [process.communicate(timeout=120) for process in self.processes]
        assert [process.returncode for process in self.processes] == [0] * len(self.processes)
        return [words.strip() for words, _ in ended], "".join(errors for _, errors in ended)

    def close(self):
        for process in self.processes:
            process.kill()
            process.communicate()


def check_every_writer(database, writers, each):
    """All records of every process, once, and in its order."""
    total = len(writers.processes) * each
    assert database.count() == (total, total)
    number = "split_part(body, ' ', 2)::int"
    disorder = (
        f"SELECT count(*) FROM (SELECT {number} - lag({number}, 1, -1) "
        "OVER (PARTITION BY instance ORDER BY seq) AS step "
        "FROM telesink_logs WHERE logger <> 'telesink') AS steps WHERE step <> 1"
    )
    assert database.sql(disorder) == [(0,)]
    ((count,),) = database.sql("SELECT count(DISTINCT instance) FROM telesink_logs")
    assert count == len(writers.processes)


def test_P14_16_processes_share_two_connections(bounced):
    """P14: the ledger keeps 16 lanes apart on connections that change hands after each COMMIT."""
    each = 2_000
    with contextlib.closing(Writers(bounced.dsn(), PROCESSES, each)) as writers:
        said, errors = writers.end()
    assert said == ["True"] * PROCESSES
    assert errors == ""
    check_every_writer(bounced, writers, each)
    pids = {pid for pid, *_ in bounced.left_behind()}
    assert len(pids) <= 2
    check_nothing_left(bounced)


def test_P14_16_processes_lose_nothing_while_the_connections_are_killed(bounced):
    """P1, P3, P14: pg_terminate_backend again and again, at whatever moment of a transaction."""
    each = 8_000
    make_tables(bounced)
    kills = 0
    with contextlib.closing(Writers(bounced.dsn(), PROCESSES, each)) as writers:
        while writers.are_running():
            killed = bounced.sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            kills += killed[0][0]
            threading.Event().wait(0.02)
        said, _ = writers.end()
    assert kills > 4
    assert said == ["True"] * PROCESSES
    check_every_writer(bounced, writers, each)
    check_nothing_left(bounced)


@pytest.mark.parametrize("command", ["RECONNECT", "KILL"])
def test_P14_a_command_on_the_console_costs_nothing(bounced, capfd, command):
    """P14: RECONNECT, and KILL with RESUME, under load; the end of a connection is no fault of the table."""
    stopping, given = threading.Event(), 0
    pipeline = telesink.Pipeline(bounced.dsn(), batch_records_max=200, linger_seconds=0.01)

    def command_again_and_again():
        while not stopping.wait(0.1):
            bounced.bouncer.console(f"{command} {bounced.name}")
            if command == "KILL":
                bounced.bouncer.console(f"RESUME {bounced.name}")

    commander = threading.Thread(target=command_again_and_again)
    commander.start()
    try:
        for start in range(0, 20_000, 200):
            given += pipeline.enqueue_many(records(200, start=start))
            threading.Event().wait(0.01)
    finally:
        stopping.set()
        commander.join()
    assert given == 20_000
    assert pipeline.close(30).complete
    assert bounced.bodies() == numbers(20_000)
    check_nothing_left(bounced)
    assert not any("compare the table" in line for line in lines(capfd))


def test_P14_a_refused_row_costs_only_itself(bounced, tmp_path):
    """P6, P14: what is rolled back leaves nothing behind either."""
    make_tables(bounced)
    bounced.sql("ALTER TABLE telesink_logs ADD CONSTRAINT planted CHECK (logger <> 'refused')")
    path = tmp_path / "dead.ndjson"
    pipeline = telesink.Pipeline(bounced.dsn(), dead_letter=str(path), batch_records_max=512)
    pipeline.enqueue_many(records(512, {0, 300, 511}))
    pipeline.close(30)
    assert bounced.bodies() == numbers(512, {"0", "300", "511"})
    assert [letter["code"] for letter in letters(path)] == ["23514"] * 3
    check_nothing_left(bounced)


def test_P14_a_dropped_table_is_waited_for(bounced):
    """P7, P14."""
    make_tables(bounced)
    bounced.sql("DROP TABLE telesink_logs CASCADE")
    pipeline = telesink.Pipeline(bounced.dsn(create_schema="false"))
    pipeline.enqueue_many(records(1_000))
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, 1_000)

    make_tables(bounced)
    assert pipeline.close(30).complete
    assert bounced.bodies() == numbers(1_000)
    check_nothing_left(bounced)


def test_P14_pgbouncer_may_be_killed_and_come_back(bounced):
    """P3, P14: whatever it held of a transaction is stored or not, and never twice."""
    pipeline = telesink.Pipeline(bounced.dsn(), batch_records_max=100)
    for start in range(0, 5_000, 1_000):
        pipeline.enqueue_many(records(1_000, start=start))
        wait_until(lambda start=start: sink(pipeline)["delivered"] > start, "a batch")
        bounced.bouncer.close()
        bounced.bouncer.start()
    assert pipeline.flush(30).complete
    assert bounced.bodies() == numbers(5_000)
    assert bounced.count() == (5_000, 5_000)


@pytest.mark.parametrize("mode", ["session", "statement"])
def test_P14_other_modes_deliver_or_say_why(server, capfd, mode):
    """P14: session mode works as well; statement mode cannot, and that is said."""
    with contextlib.closing(Bouncer(server, mode=mode)) as started:
        bouncer = started.start()
        database = Bounced(bouncer, server.create_database())
        pipeline = telesink.Pipeline(database.dsn(), exit_timeout_seconds=0.1)
        pipeline.enqueue_many(records(100))
        if mode == "session":
            assert pipeline.close(30).complete
            assert database.bodies() == numbers(100)
            return
        wait_until(lambda: sink(pipeline)["state"] in {"held", "retrying"}, "a failure")
        (line,) = wait_until(lambda: lines(capfd), "a line on standard error")
        assert sink(pipeline)["dropped"] == {}
        assert "transaction blocks not allowed in statement pooling mode" in line
        pipeline.close(0.1)
