"""Day partitions: made ahead, mended afterwards, dropped when old, and never in the way of a write."""

import contextlib
import datetime as dt
import os
import subprocess
import sys
import threading

import psycopg
import pytest
from postgres.observing import lines, make_tables, records, sink
from reliability.clock import JumpingClock
from waiting import wait_until

import telesink

DAY = dt.timedelta(days=1)

_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def name_of(day):
    return f"telesink_logs_p{day:%Y%m%d}"


def partitions(database):
    rows = database.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits "
        "WHERE inhparent = 'telesink_logs'::regclass ORDER BY 1"
    )
    return [name for (name,) in rows]


def make_partition(database, day):
    bounds = f"FROM ('{day:%Y-%m-%d} 00:00+00') TO ('{day + DAY:%Y-%m-%d} 00:00+00')"
    database.sql(f"CREATE TABLE {name_of(day)} PARTITION OF telesink_logs FOR VALUES {bounds}")


def store(database, bodies, **settings):
    with telesink.Pipeline(database.dsn(), **settings) as pipeline:
        pipeline.enqueue_many({"body": body} for body in bodies)
        assert pipeline.flush(30).complete
        return pipeline.stats()


def test_partitions_are_made_ahead_and_rows_find_theirs(each_database):
    """S0-36: tables that nobody has to look after."""
    today = dt.datetime.now(dt.UTC)
    store(each_database, ["first"])

    made = partitions(each_database)
    assert {name_of(today + day * DAY) for day in range(3)} <= set(made)
    assert "telesink_logs_default" in made
    assert each_database.sql("SELECT count(*) FROM ONLY telesink_logs_default") == [(0,)]
    assert each_database.bodies() == ["first"]


def test_a_writer_that_was_stopped_for_days_resumes_and_rows_of_the_default_partition_are_moved(
    each_database,
):
    """Rows that were written without a partition lie in the default one until somebody makes theirs."""
    store(each_database, ["before"])
    today = dt.datetime.now(dt.UTC)
    for name in partitions(each_database):
        if name != "telesink_logs_default":
            # As if the last writer had ended four days ago: no partition reaches until now.
            each_database.sql(f"ALTER TABLE telesink_logs DETACH PARTITION {name}")
            each_database.sql(f"INSERT INTO telesink_logs SELECT * FROM {name}")
            each_database.sql(f"DROP TABLE {name}")
    make_partition(each_database, today - 6 * DAY)
    assert each_database.sql("SELECT count(*) FROM ONLY telesink_logs_default") == [(1,)]

    store(each_database, ["after"])

    assert each_database.sql("SELECT count(*) FROM ONLY telesink_logs_default") == [(0,)]
    assert sorted(each_database.bodies()) == ["after", "before"]
    assert name_of(today) in partitions(each_database)


def test_columns_that_users_added_survive_the_move(database):
    """P16: extra columns are theirs."""
    make_tables(database)
    database.sql("ALTER TABLE telesink_logs ADD COLUMN ticket text")
    columns = (
        "ts, observed_ts, id, severity, level, service, logger, body, resource_id, instance, seq, ticket"
    )
    database.sql(
        f"INSERT INTO telesink_logs ({columns}) "
        "VALUES (now(), now(), gen_random_uuid(), 9, 'INFO', 's', 'l', "
        "'by hand', 1, gen_random_uuid(), 1, 'T-1')"
    )
    store(database, ["after"])
    assert database.sql("SELECT count(*) FROM ONLY telesink_logs_default") == [(0,)]
    assert database.sql("SELECT ticket FROM telesink_logs WHERE body = 'by hand'") == [("T-1",)]


def test_what_is_older_than_keep_is_dropped(each_database):
    """S0-36 and weakness 8 of S0: retention takes what is old, and nothing else."""
    make_tables(each_database)
    today = dt.datetime.now(dt.UTC)
    make_partition(each_database, today - 40 * DAY)
    make_partition(each_database, today - 5 * DAY)
    pipeline = telesink.Pipeline(each_database.dsn(create_schema="false"))
    ages = {"ancient": 100, "old": 40, "young": 5, "new": 0}
    pipeline.enqueue_many({"body": body, "time": today - days * DAY} for body, days in ages.items())
    assert pipeline.close(30).complete

    store(each_database, ["now"], keep="30 days")

    assert sorted(each_database.bodies()) == ["new", "now", "young"]
    assert name_of(today - 40 * DAY) not in partitions(each_database)


#: Stores one record with a retention of 30 days, in a process whose clock is wrong.
STORE_WITH_KEEP = """
import sys, time
import telesink

with telesink.Pipeline(sys.argv[1], keep="30 days") as pipeline:
    pipeline.enqueue({"body": "by a wrong clock"})
    assert pipeline.flush(30).complete
print(int(time.time()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the clock is exchanged by Linux's loader")
def test_T1_a_program_whose_clock_is_ten_years_ahead_drops_only_what_the_server_calls_old(database, tmp_path):
    """What was stored today would be ten years old by its clock."""
    make_tables(database)
    today = dt.datetime.now(dt.UTC)
    make_partition(database, today - 40 * DAY)
    store(database, ["today"])
    with contextlib.closing(JumpingClock(tmp_path)) as clock:
        clock.set(3_650 * 86_400)
        command = [sys.executable, "-c", STORE_WITH_KEEP, database.dsn()]
        environment = {**os.environ, **clock.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert int(done.stdout) > today.timestamp() + 3_000 * 86_400
    assert sorted(database.bodies()) == ["by a wrong clock", "today"]
    # The retention has done its work all the same.
    assert name_of(today - 40 * DAY) not in partitions(database)
    assert name_of(today) in partitions(database)


def test_a_partition_that_somebody_attaches_by_hand_only_delays_the_rows(each_database, capfd):
    """The default partition, which was chosen for them, may no longer take them: they are offered again."""
    make_tables(each_database)
    today = dt.datetime.now(dt.UTC)
    bounds = f"FROM ('{today - DAY:%Y-%m-%d} 00:00+00') TO ('{today + 2 * DAY:%Y-%m-%d} 00:00+00')"
    with psycopg.connect(each_database.dsn()) as attaching:
        attaching.execute("CREATE TABLE by_hand (LIKE telesink_logs INCLUDING CONSTRAINTS)")
        attaching.execute(f"ALTER TABLE telesink_logs ATTACH PARTITION by_hand FOR VALUES {bounds}")
        pipeline = telesink.Pipeline(each_database.dsn(create_schema="false"))
        pipeline.enqueue_many(records(100))
        wait_until(lambda: each_database.sql(_WAITING) != [(0,)], "the rows wait for the lock")
        attaching.commit()
    assert pipeline.flush(30).complete
    assert sink(pipeline)["retries"] >= 1
    assert pipeline.close(30).complete
    assert each_database.sql("SELECT count(*) FROM by_hand") == [(100,)]
    assert lines(capfd) == []


def test_locks_of_others_on_old_partitions_never_make_a_write_fail(database):
    """Retention under load: who reads an old partition for a long time delays its end, not the records."""
    make_tables(database)
    old = dt.datetime.now(dt.UTC) - 40 * DAY
    make_partition(database, old)
    with database.server.connect(database.name) as reader:
        reader.autocommit = False
        reader.execute(f"SELECT * FROM {name_of(old)}")
        pipeline = telesink.Pipeline(database.dsn(), keep="30 days", when_full="block")
        writers = [
            threading.Thread(target=pipeline.enqueue_many, args=([{"body": "x"}] * 5_000,)) for _ in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert pipeline.close(60).complete
        assert database.count() == (20_000, 20_000)
        assert name_of(old) in partitions(database)
        reader.rollback()
    store(database, ["later"], keep="30 days")
    assert name_of(old) not in partitions(database)


def test_P12_many_programs_at_once_make_each_partition_once(database):
    """P12: whoever has no turn leaves the work to the others."""
    pipelines = [telesink.Pipeline(database.dsn()) for _ in range(8)]
    for number, pipeline in enumerate(pipelines):
        pipeline.enqueue({"body": str(number)})
    for pipeline in pipelines:
        assert pipeline.close(30).complete
    today = dt.datetime.now(dt.UTC)
    wait_until(lambda: name_of(today) in partitions(database), "today's partition")
    assert sorted(database.bodies()) == [str(number) for number in range(8)]


def test_prune_drops_what_is_old_and_a_dry_run_drops_nothing(database):
    """S0-42: clean-up by hand, with a look beforehand."""
    make_tables(database)
    today = dt.datetime.now(dt.UTC)
    make_partition(database, today - 40 * DAY)
    pipeline = telesink.Pipeline(database.dsn())
    for days in (100, 40, 0):
        pipeline.enqueue({"body": str(days), "time": today - days * DAY})
    assert pipeline.close(30).complete

    def prune(*arguments):
        command = [sys.executable, "-m", "telesink", "prune", database.dsn(), "--older-than", "30 days"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout

    shown = prune("--dry-run")
    assert name_of(today - 40 * DAY) in shown
    assert sorted(database.bodies()) == ["0", "100", "40"]
    prune()
    assert database.bodies() == ["0"]
    assert name_of(today - 40 * DAY) not in partitions(database)
