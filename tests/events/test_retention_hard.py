"""Retention beside tables, times, names and neighbours that nobody would choose."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from events.aging import NOW, left, write
from events.fixture import identifier
from waiting import wait_until

import telesink
from telesink.reading import Reader
from telesink.retention import Policy, Retention, _retention

#: A log line and when, in a table of one's own.
AUDIT = telesink.TableMap("audit", {"at": "time", "what": "body"})
WITH_LEVEL = telesink.TableMap("audit", {"at": "time", "level": "level", "what": "body"})


def test_only_what_is_surely_a_time_is_old_in_a_file(sqlite_store):
    """Numbers stand before texts in SQLite, and a space before a T."""
    now = datetime.now(UTC)
    east = (now + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S+05:00")
    west = (now - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S-05:00")
    kept = {
        "now": f"{now:%Y-%m-%d %H:%M:%S}",
        "now, of telesink": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
        "now, east": east,
        "now, west": west,
        "seconds": now.timestamp(),
        "whole seconds": int(now.timestamp()),
        "milliseconds": int(now.timestamp() * 1_000),
        "digits": str(int(now.timestamp())),
        "nothing": "",
        "null": None,
        "word": "never",
        "today": f"{now:%Y-%m-%d}",
    }
    old = {
        "old": f"{now - timedelta(hours=2):%Y-%m-%d %H:%M:%S}",
        "old, of telesink": f"{now - timedelta(hours=2):%Y-%m-%dT%H:%M:%S.%f}Z",
        "old day": "2020-01-31",
        "old, west": (now - timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%S-05:00"),
    }
    sqlite_store.script("CREATE TABLE audit (at DATETIME, what TEXT)")
    for what, when in {**kept, **old}.items():
        sqlite_store.sql("INSERT INTO audit VALUES (?, ?)", when, what)

    assert Retention(sqlite_store.dsn(), [Policy("1 h")], table_map=AUDIT).run().rows == len(old)

    assert {what for (what,) in sqlite_store.sql("SELECT what FROM audit")} == set(kept)


@pytest.mark.parametrize(
    "columns", ["at TEXT, lvl TEXT, what TEXT", '"At" REAL, level TEXT, what TEXT', "what TEXT, level TEXT"]
)
def test_a_map_that_does_not_fit_the_table_deletes_nothing(store, columns):
    """In double quotes, what is no column is a text to SQLite."""
    if store.name == "postgres":
        columns = {"at": "at timestamptz, lvl TEXT", '"A': '"At" timestamptz, level TEXT'}.get(
            columns[:2], "level TEXT"
        )
        columns += ", what TEXT"
    store.script(f"CREATE TABLE audit ({columns}); INSERT INTO audit (what) VALUES ('a')")
    policies = [Policy(None, level="ERROR"), Policy("7 days")]

    with pytest.raises(telesink.SchemaError, match=r"has no column|does not exist"):
        Retention(store.dsn(), policies, table_map=WITH_LEVEL).run()
    assert store.sql("SELECT what FROM audit") == [("a",)]


def test_a_day_is_old_when_it_is_over(postgres_store):
    postgres_store.sql("CREATE TABLE audit (at date, what text)")
    postgres_store.sql(
        "INSERT INTO audit VALUES (current_date, 'today'), (current_date - 3, 'old'), ('-infinity', 'never'),"
        " ('infinity', 'ever'), (NULL, 'null')"
    )

    assert Retention(postgres_store.dsn(), [Policy("1 h")], table_map=AUDIT).run().rows == 1

    kept = {what for (what,) in postgres_store.sql("SELECT what FROM audit")}
    assert kept == {"today", "never", "ever", "null"}


@pytest.mark.parametrize("level", ["ERROR", "error", "CRITICAL", "fatal"])
def test_a_level_is_the_same_in_small_letters_and_folded_to_five(store, level):
    lines = [("ERROR", "a", 99), ("CRITICAL", "a", 99), ("INFO", "a", 99)]
    dsn = store.dsn(preset="systemprompt")
    write(dsn, lines)

    assert Retention(dsn, [Policy(None, level=level), Policy("7 days")]).run().rows == 1

    assert left(dsn) == ["CRITICAL a 99", "ERROR a 99"]


def test_levels_that_a_program_writes_in_small_letters_are_found(store):
    store.script("CREATE TABLE audit (at TIMESTAMP, level TEXT, what TEXT)")
    store.script(
        "INSERT INTO audit VALUES ('2026-01-31 12:00:00', 'error', 'a'), ('2026-01-31 12:00:00', 'info', 'b')"
    )

    policies = [Policy(None, level="ERROR"), Policy("7 days")]
    assert Retention(store.dsn(), policies, table_map=WITH_LEVEL).run().rows == 1

    assert store.sql("SELECT what FROM audit") == [("a",)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(None, level="EROR"), "did you mean `ERROR`"),
        (Policy(None, level="SUCCESS"), "others as the next below"),
        (Policy("1 day", level="DBUG"), "did you mean `DEBUG`"),
        (Policy(None, logger="audit.*"), "stands for the loggers below it"),
    ],
)
def test_a_policy_that_would_protect_nothing_is_refused(sqlite_store, policy, expected):
    with pytest.raises(telesink.ConfigError, match=expected):
        Retention(sqlite_store.dsn(), [policy, Policy("1 day")])


def test_a_preset_that_contradicts_the_dsn_is_refused(store):
    with pytest.raises(telesink.ConfigError, match="keep one of the two"):
        Retention(store.dsn(preset="systemprompt"), preset="chronicle")
    assert Retention(store.dsn(preset="systemprompt"), preset="systemprompt").policies


def test_a_run_that_goes_on_is_as_young_as_what_happens_in_it(store):
    dsn = store.dsn(preset="chronicle")
    run, outer, inner, gone = (identifier(0, number) for number in range(1, 5))
    begun = NOW - timedelta(days=40)
    told = [
        {"type": "run:start", "id": run, "name": "long", "time": begun},
        {"type": "step:start", "step_id": outer, "run_id": run, "data": {"type": "t"}, "time": begun},
        {
            "type": "step:start",
            "step_id": inner,
            "run_id": run,
            "data": {"type": "t", "parent_step": outer},
            "time": begun,
        },
        {"type": "an_event", "run_id": run, "step_id": inner, "time": NOW - timedelta(days=1)},
        {"type": "step:start", "step_id": gone, "run_id": run, "data": {"type": "t"}, "time": begun},
    ]
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue_many(told)
        assert pipeline.flush(30).complete

    assert Retention(dsn, [Policy("30 days")]).run().rows == 0

    assert [step.steps[0].id for step in Reader(dsn).run(run).steps if step.steps] == [inner]


def test_a_run_whose_steps_go_on_stays_and_what_ended_in_it_goes(store):
    dsn = store.dsn(preset="chronicle")
    run, going, ended = (identifier(0, number) for number in range(1, 4))
    begun = NOW - timedelta(days=40)
    told = [
        {"type": "run:start", "id": run, "name": "long", "time": begun},
        *(
            {"type": "step:start", "step_id": step, "run_id": run, "data": {"type": "t"}, "time": begun}
            for step in (going, ended)
        ),
        {
            "type": "step:end",
            "step_id": ended,
            "run_id": run,
            "data": {"output": 1},
            "time": begun + timedelta(hours=1),
        },
        {
            "type": "step:start",
            "step_id": identifier(0, 4),
            "run_id": run,
            "data": {"type": "t", "parent_step": going},
            "time": NOW - timedelta(days=1),
        },
    ]
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue_many(told)
        assert pipeline.flush(30).complete

    assert Retention(dsn, [Policy("30 days")]).run().rows == 1

    found = Reader(dsn).run(run)
    assert (found.name, [step.id for step in found.steps]) == ("long", [going])


def test_tables_of_runs_that_are_divided_keep_what_goes_on(postgres_store):
    dsn = postgres_store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"type": "an_event"})
        assert pipeline.flush(30).complete
    postgres_store.sql(
        "ALTER TABLE chronicle_runs RENAME TO old_runs;"
        "CREATE TABLE chronicle_runs (LIKE old_runs INCLUDING DEFAULTS) PARTITION BY RANGE (updated_at);"
        "CREATE TABLE of_2020 PARTITION OF chronicle_runs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')"
    )
    for number in (1, 2):
        postgres_store.sql(
            "INSERT INTO chronicle_runs (id, status, created_at, updated_at) VALUES"
            f" ('{identifier(0, number)}', 'started', '2020-06-01', '2020-06-01')"
        )
    postgres_store.sql(f"UPDATE chronicle_events SET run_id = '{identifier(0, 1)}'")

    done = Retention(dsn, [Policy("30 days")]).run()

    assert (done.rows, done.partitions) == (1, ())
    assert [run.id for run in Reader(dsn).runs()] == [identifier(0, 1)]


def test_what_a_trigger_lacks_is_no_table_that_is_gone(postgres_store):
    postgres_store.sql("CREATE TABLE audit (at timestamptz, what text)")
    postgres_store.sql("INSERT INTO audit VALUES ('2020-01-01', 'old')")
    postgres_store.sql(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO nowhere VALUES (1); RETURN OLD; END $$"
    )
    postgres_store.sql("CREATE TRIGGER note BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION note()")

    with pytest.raises(telesink.SchemaError, match="nowhere"):
        Retention(postgres_store.dsn(), [Policy("1 day")], table_map=AUDIT).run()


def test_a_run_of_very_many_steps_goes_in_short_statements(store):
    """What is young is asked of an index; a look at all steps for each of them would take minutes."""
    dsn, run = store.dsn(preset="chronicle"), identifier(0, 1)
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"type": "run:start", "id": run, "name": "n", "time": NOW - timedelta(days=40)})
        assert pipeline.flush(30).complete
    if store.name == "postgres":
        store.sql(
            "INSERT INTO chronicle_steps (id, run_id, type, status, start_time, end_time) SELECT"
            f" gen_random_uuid(), '{run}', 't', 'finished', '2020-01-01', '2020-01-01'"
            " FROM generate_series(1, 20000)"
        )
    else:
        store.sql(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)"
            " INSERT INTO chronicle_steps (id, run_id, type, status, start_time, end_time)"
            " SELECT x, ?, 't', 'finished', 1577836800, 1577836800 FROM n",
            run,
        )

    assert Retention(dsn, [Policy("30 days")]).run().rows == 20_001


def test_levels_that_are_an_enum_are_compared_as_texts(postgres_store):
    postgres_store.sql("CREATE TYPE lv AS ENUM ('DEBUG', 'INFO')")
    postgres_store.sql("CREATE TABLE audit (at timestamptz, level lv, what text)")
    postgres_store.sql(
        "INSERT INTO audit SELECT now() - interval '9 days', level::lv, level"
        " FROM unnest(ARRAY['DEBUG', 'INFO', NULL]) AS level"
    )

    assert Retention(postgres_store.dsn(), table_map=WITH_LEVEL).run().rows == 2

    assert postgres_store.sql("SELECT what FROM audit") == [(None,)]


@pytest.mark.parametrize("kind", ["text", "bigint", "numeric", "jsonb"])
def test_a_column_that_tells_no_age_is_named(postgres_store, kind):
    postgres_store.sql(
        f"CREATE TABLE audit (at {kind}, what text) PARTITION BY RANGE (at)"
        if kind != "jsonb"
        else "CREATE TABLE audit (at jsonb, what text)"
    )

    with pytest.raises(telesink.SchemaError, match=f"column `at` of table audit is a {kind}"):
        Retention(postgres_store.dsn(), [Policy("1 day")], table_map=AUDIT).run()


def test_rows_that_a_trigger_keeps_do_not_keep_the_others(postgres_store):
    postgres_store.sql("CREATE TABLE audit (at timestamptz, what text)")
    postgres_store.sql("CREATE INDEX ON audit (at)")
    postgres_store.sql(
        "INSERT INTO audit SELECT now() - interval '9 days', CASE WHEN n <= 10500 THEN 'kept' ELSE 'old' END"
        " FROM generate_series(1, 25000) AS n"
    )
    postgres_store.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF OLD.what = 'kept' THEN RETURN NULL; END IF; RETURN OLD; END $$"
    )
    postgres_store.sql("CREATE TRIGGER keep BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep()")

    assert Retention(postgres_store.dsn(), [Policy("1 day")], table_map=AUDIT).run().rows == 14_500

    assert postgres_store.sql("SELECT what, count(*) FROM audit GROUP BY 1") == [("kept", 10_500)]


def test_a_table_without_an_index_is_looked_through_in_bounded_parts(postgres_store):
    """A rule of the table makes each row cost time: one statement for all would outlast its limit of 3 s."""
    postgres_store.sql(
        "CREATE FUNCTION slow(timestamptz) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.0005); RETURN true; END $$"
    )
    postgres_store.sql("CREATE TABLE audit (at timestamptz, what text) WITH (fillfactor = 10)")
    postgres_store.sql(
        "INSERT INTO audit SELECT now() - CASE WHEN n = 9900 THEN interval '9 days' ELSE interval '0' END,"
        " repeat('x', 700) FROM generate_series(1, 10000) AS n"
    )
    postgres_store.sql("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
    postgres_store.sql("CREATE POLICY slow ON audit USING (slow(at))")
    postgres_store.sql("CREATE ROLE slow LOGIN; GRANT SELECT, DELETE ON audit TO slow")
    try:
        dsn = postgres_store.dsn().replace("postgres@", "slow@")

        assert Retention(dsn, [Policy("1 day")], table_map=AUDIT).run().rows == 1
    finally:
        postgres_store.sql("DROP OWNED BY slow; DROP ROLE slow")

    assert postgres_store.sql("SELECT count(*) FROM audit") == [(9_999,)]


def test_a_view_and_a_table_without_row_ids_are_told(store):
    store.script("CREATE TABLE base (at TIMESTAMP, what TEXT); CREATE VIEW audit AS SELECT * FROM base")
    with pytest.raises(telesink.SchemaError, match="is a view"):
        Retention(store.dsn(), [Policy("1 day")], table_map=AUDIT).run()
    if store.name == "sqlite":
        store.script("DROP VIEW audit; CREATE TABLE audit (at TEXT, what TEXT PRIMARY KEY) WITHOUT ROWID")
        with pytest.raises(telesink.SchemaError, match="without row ids"):
            Retention(store.dsn(), [Policy("1 day")], table_map=AUDIT).run()


def test_a_clock_that_fails_does_not_end_the_schedule(sqlite_store, monkeypatch):
    monkeypatch.setattr(_retention, "_RETRY_SECONDS", 0.01)
    write(sqlite_store.dsn(), [("DEBUG", "a", 9)])
    calls = []

    def clock():
        calls.append(1)
        if 3 < len(calls) < 6:
            message = "the clock stands"
            raise RuntimeError(message)
        return time.time_ns()

    retention = Retention(sqlite_store.dsn(), schedule="* * * * * *", clock=clock)
    retention.start()
    wait_until(lambda: retention.failures, "a failure")
    assert retention.last_error == "the clock stands"
    wait_until(lambda: retention.last is not None, "a run")
    retention.stop()


def test_whoever_comes_second_does_not_fail(postgres_store):
    write(postgres_store.dsn(), [("DEBUG", "a", 9)] * 20_000)
    retention = Retention(postgres_store.dsn(), [Policy("1 day", level="DEBUG")])
    done = []
    threads = [threading.Thread(target=lambda: done.append(retention.run())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(one.rows for one in done) == 20_000
    assert Reader(postgres_store.dsn()).logs().total == 0
