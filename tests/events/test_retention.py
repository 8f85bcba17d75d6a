"""How long records stay: the same in both databases, for telesink's own tables, presets and maps."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from events.aging import NOW, left, write
from events.fixture import identifier
from waiting import wait_until

import telesink
from telesink import events
from telesink.reading import Reader
from telesink.retention import BY_LEVEL, Policy, Retention

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@pytest.fixture(params=["", "systemprompt"])
def dsn(request, store):
    """Where log records go."""
    return store.dsn(preset=request.param) if request.param else store.dsn()


def test_seed_S0_36_by_level_debug_stays_a_day_info_a_week_warn_a_month_error_three(dsn):
    """S0-36: what systemprompt has as its defaults, and nothing beside it."""
    ages = (0.5, 3, 20, 60, 100)
    write(dsn, [(level, "a", days) for level in LEVELS[1:5] for days in ages])
    retention = Retention(dsn)

    preview = retention.preview()
    done = retention.run()

    assert preview.rows == done.rows == 4 + 3 + 2 + 1
    assert [rows for _, rows in preview.by_policy] == [0, 4, 3, 2, 1, 0]
    kept = {"DEBUG": ages[:1], "INFO": ages[:2], "WARN": ages[:3], "ERROR": ages[:4]}
    assert left(dsn) == sorted(f"{level} a {days}" for level, all_of in kept.items() for days in all_of)
    assert retention.policies == BY_LEVEL


def test_a_policy_for_debug_touches_only_debug(dsn):
    write(dsn, [(level, "a", 1_000) for level in ("DEBUG", "INFO", "ERROR")])

    assert Retention(dsn, [Policy("1 day", level="debug")]).run().rows == 1

    assert left(dsn) == ["ERROR a 1000", "INFO a 1000"]


def test_the_first_policy_that_fits_decides(dsn):
    lines = [("INFO", logger, 20) for logger in ("audit", "audit.login", "auditor", "shop")]
    write(dsn, [*lines, ("WARN", "shop", 20), ("WARN", "shop", 40), ("WARN", "audit", 400)])
    policies = [Policy(None, logger="audit"), Policy("30 days", level="WARNING"), Policy("7 days")]

    done = Retention(dsn, policies).run()

    assert done.rows == 3
    assert left(dsn) == ["INFO audit 20", "INFO audit.login 20", "WARN audit 400", "WARN shop 20"]


@pytest.mark.parametrize("name", ["it's", "back\\slash", 'quo"te', "ü"])
def test_names_of_loggers_can_be_any_text(dsn, name):
    write(dsn, [("INFO", name, 9), ("INFO", f"{name}.below", 9), ("INFO", f"{name}beside", 9)])

    assert Retention(dsn, [Policy("7 days", logger=name)]).run().rows == 2

    assert left(dsn) == [f"INFO {name}beside 9"]


def test_a_preview_deletes_nothing(dsn):
    write(dsn, [("INFO", "a", 9)])

    assert Retention(dsn, [Policy("7 days")]).preview().rows == 1

    assert left(dsn) == ["INFO a 9"]


def test_more_rows_than_one_transaction_takes_all_go(store):
    write(store.dsn(), [("DEBUG" if number % 3 else "INFO", "a", 9) for number in range(36_000)])

    assert Retention(store.dsn(), [Policy("1 day", level="DEBUG")]).run().rows == 24_000

    summary = Reader(store.dsn()).summary()
    assert summary.levels == {"INFO": 12_000}


def test_a_run_beside_writers_loses_none_of_theirs(store):
    write(store.dsn(), [("DEBUG", "a", 9)] * 20_000)
    stop = threading.Event()
    with telesink.Pipeline(store.dsn()) as pipeline:

        def work():
            while not stop.is_set():
                pipeline.enqueue({"body": "new", "level": "DEBUG"})
                time.sleep(0.0005)

        writer = threading.Thread(target=work)
        writer.start()
        done = Retention(store.dsn(), [Policy("1 day", level="DEBUG")]).run()
        stop.set()
        writer.join()
        assert pipeline.flush(30).complete
        accepted = pipeline.stats().accepted

    assert done.rows == 20_000
    assert Reader(store.dsn()).logs().total == accepted


def test_spans_and_metrics_have_policies_of_their_own(store):
    telesink.install_logging(store.dsn())
    telesink.enqueue({"body": "a", "time": NOW - timedelta(days=9)})
    with telesink.span("work"):
        pass
    assert telesink.flush(30).complete

    assert Retention(store.dsn(), [Policy("0 s", table="spans")]).run().rows == 1
    assert Retention(store.dsn(), [Policy("7 days", table="logs")]).run().rows == 1


def test_runs_steps_and_events_go_by_their_own_times(store):
    dsn = store.dsn(preset="chronicle")
    old, new = NOW - timedelta(days=40), NOW - timedelta(days=1)
    told = []
    for number, when in ((1, old), (2, new)):
        run, step = identifier(0, number), identifier(0, number + 10)
        told += [
            {"type": "run:start", "id": run, "name": "n", "time": when},
            {"type": "step:start", "step_id": step, "run_id": run, "data": {"type": "t"}, "time": when},
            {"type": "an_event", "run_id": run, "step_id": step, "time": when},
        ]
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue_many(told)
        assert pipeline.flush(30).complete

    assert Retention(dsn, [Policy("30 days", table="events")]).run().rows == 1
    assert Retention(dsn, [Policy("30 days")]).run().rows == 2

    reader = Reader(dsn)
    assert [run.id for run in reader.runs()] == [identifier(0, 2)]
    assert len(reader.run(identifier(0, 2)).steps[0].calls) == 1


def test_a_table_of_your_own_is_pruned_by_the_columns_of_its_map(store):
    time_type = "timestamptz" if store.name == "postgres" else "TEXT"
    store.script(f'CREATE TABLE audit ("At" {time_type}, kind VARCHAR(9), what TEXT)')
    table_map = telesink.TableMap("audit", {"At": "time", "kind": "level", "what": "body"})
    with telesink.Pipeline(store.dsn(), table_map=table_map) as pipeline:
        for level, days in (("DEBUG", 9), ("DEBUG", 1), ("INFO", 9)):
            pipeline.enqueue({"body": level, "level": level, "time": NOW - timedelta(days=days)})
        assert pipeline.flush(30).complete

    policy = Policy("7 days", level="DEBUG", table="audit")
    assert Retention(store.dsn(), [policy], table_map=table_map).run().rows == 1

    assert sorted(store.sql("SELECT what FROM audit")) == [("DEBUG",), ("INFO",)]


def test_numbers_of_seconds_in_a_file_are_times_as_well(sqlite_store):
    sqlite_store.script("CREATE TABLE audit (at REAL, what TEXT)")
    table_map = telesink.TableMap("audit", {"at": "time", "what": "body"})
    with telesink.Pipeline(sqlite_store.dsn(), table_map=table_map) as pipeline:
        for days in (9, 1):
            pipeline.enqueue({"body": str(days), "time": NOW - timedelta(days=days)})
        assert pipeline.flush(30).complete

    assert Retention(sqlite_store.dsn(), [Policy("7 days")], table_map=table_map).run().rows == 1

    assert sqlite_store.sql("SELECT what FROM audit") == [("1",)]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.moment = datetime(NOW.year, NOW.month, NOW.day, 1, 59, 59, 900_000, tzinfo=UTC)

    def __call__(self):
        return int(self.moment.timestamp() * 1_000_000) * 1_000


def test_seed_S0_36_the_schedule_runs_it_every_day_at_two(store):
    """S0-36: six fields, in UTC."""
    write(store.dsn(), [("DEBUG", "a", 9)])
    clock = Clock()
    retention = Retention(store.dsn(), clock=clock)

    assert (retention.next_run, retention.start(), retention.start()) == (None, True, False)
    assert retention.next_run == clock.moment.replace(hour=2, minute=0, second=0, microsecond=0)
    wait_until(lambda: retention.runs or setattr(clock, "moment", clock.moment + timedelta(hours=1)), "a run")
    retention.stop()

    assert (retention.last.rows, retention.failures, retention.is_running) == (1, 0, False)
    assert left(store.dsn()) == []


def test_seed_S0_36_switched_off_it_starts_without_a_job(sqlite_store):
    """S0-36."""
    retention = Retention(sqlite_store.dsn(), is_enabled=False)

    assert retention.start() is False
    assert not retention.is_running
    retention.stop()


@pytest.mark.parametrize("schedule", ["", "at two", "0 0 25 * * *", "* *", "0 0 30 2 *"])
def test_seed_S0_36_a_schedule_that_names_no_moment_is_refused(sqlite_store, schedule):
    """S0-36."""
    with pytest.raises(telesink.ConfigError, match=r"cron pattern|names no moment"):
        Retention(sqlite_store.dsn(), schedule=schedule)


def test_a_failure_on_the_schedule_is_kept_and_the_next_moment_tries_again(sqlite_store):
    retention = Retention(sqlite_store.dsn(), schedule="* * * * * *")
    retention.start()
    wait_until(lambda: retention.failures, "a failure")
    assert "no such file" in retention.last_error

    write(sqlite_store.dsn(), [("DEBUG", "a", 9)])
    wait_until(lambda: retention.last is not None and retention.last.rows == 1, "a run")
    retention.stop()
    runs = retention.runs
    assert retention.start() is True
    wait_until(lambda: retention.runs > runs, "it runs again")
    retention.stop()


@pytest.mark.parametrize("keep", ["30", "soon", "", 30, -1.5, timedelta(seconds=-1), "-1 day"])
def test_what_is_no_length_of_time_is_refused_where_it_is_written(keep):
    with pytest.raises(telesink.ConfigError, match="no length of time"):
        Policy(keep)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([], "there is no policy"),
        ([Policy("1 day", table="span")], "did you mean `spans`"),
        ([Policy("1 day", table="spans", level="INFO")], "rows of spans have no level"),
    ],
)
def test_policies_that_fit_nothing_are_refused_before_anything_is_opened(tmp_path, policies, expected):
    with pytest.raises(telesink.ConfigError, match=expected):
        Retention(f"sqlite:///{tmp_path}/none.db", policies)


def test_a_destination_that_stores_no_rows_is_refused():
    with pytest.raises(telesink.ConfigError, match="stores nothing that could be deleted"):
        Retention("console://")


def test_a_run_that_is_stopped_says_that_the_rest_is_there(sqlite_store):
    write(sqlite_store.dsn(), [("DEBUG", "a", 9)] * 25_000)
    retention = Retention(sqlite_store.dsn(), [Policy("1 day")])
    ends = threading.Event()
    ends.set()

    done = retention._run(ends)

    assert done.is_partial
    assert (done.rows, Reader(sqlite_store.dsn()).logs().total) == (10_000, 15_000)


def test_tables_of_an_older_events_writer_without_runs_are_named(sqlite_store):
    with telesink.Pipeline(sqlite_store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})

    with pytest.raises(telesink.SchemaError, match="chronicle_events"):
        Retention(sqlite_store.dsn(preset="chronicle"), [Policy("1 day")]).run()


def test_events_of_a_run_that_goes_on_keep_their_run(store):
    dsn = store.dsn(preset="chronicle")
    with telesink.Pipeline(dsn) as pipeline:
        with events.run("long", to=pipeline), events.step("now", type="tool"):
            pass
        assert pipeline.flush(30).complete

    assert Retention(dsn, [Policy("1 day")]).run().rows == 0
    assert Reader(dsn).runs().total == 1
