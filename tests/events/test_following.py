"""Log records and runs as they come: each once, from both databases."""

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from events.fixture import entries, identifier
from waiting import wait_until

import telesink
from telesink.reading import Reader, _arrivals

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(params=["", "systemprompt"])
def preset(request):
    """The tables that log records stand in."""
    return {"preset": request.param} if request.param else {}


@pytest.fixture(params=[False, True])
def dsn(request, store, preset):
    """Where log records go; in Postgres with and without notifications."""
    if request.param and store.name == "sqlite":
        return store.dsn(**preset, synchronous="full")
    return store.dsn(**preset, **({"notify": True} if request.param else {}))


@pytest.fixture
def pipeline(dsn):
    """Writes there."""
    with telesink.Pipeline(dsn) as opened:
        opened.enqueue({"body": "old"})
        assert opened.flush(30).complete
        yield opened


#: It is chosen by whatever the tests choose by.
LAST = {"body": "the last of 7", "level": "ERROR", "logger": "shop"}


class Followed:
    """Follows on a thread of its own until it is told the last word."""

    def __init__(self, dsn, **chosen):
        self._rows = Reader(dsn).follow(idle_seconds_max=60, poll_seconds=0.1, **chosen)
        self.bodies = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        for row in self._rows:
            if row.body == LAST["body"]:
                return
            self.bodies.append(row.body)

    def end(self, pipeline):
        """Say the last word, and answer what was told before."""
        pipeline.enqueue(LAST)
        assert pipeline.flush(30).complete
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.bodies


def test_seed_S0_38_each_record_that_comes_is_told_once(dsn, pipeline):
    """S0-38: to each of two listeners; what was there before is not news."""
    one, other = Followed(dsn), Followed(dsn)
    for number in range(50):
        pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete

    expected = [str(number) for number in range(50)]
    assert one.end(pipeline) == expected
    assert other.end(pipeline) == expected


def test_seed_S0_38_without_a_listener_nothing_happens(dsn, pipeline):
    """S0-38."""
    for number in range(3):
        pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete
    assert not any(pipeline.stats().sinks[dsn.split(":")[0]].dropped.values())
    assert Reader(dsn).logs().total == 4


def test_records_are_chosen_as_for_a_page(dsn, pipeline):
    followed = Followed(dsn, level="ERROR", logger="shop", text="7")
    for number in range(20):
        level = "ERROR" if number % 2 else "INFO"
        pipeline.enqueue({"body": f"line {number}", "level": level, "logger": "shop.cart"})
    assert pipeline.flush(30).complete

    assert followed.end(pipeline) == ["line 7", "line 17"]


def test_from_a_moment_on_what_is_there_already_comes_first(dsn, pipeline):
    for number in range(2_500):
        pipeline.enqueue({"body": str(number), "time": NOON + timedelta(seconds=number)})
    assert pipeline.flush(30).complete
    followed = Followed(dsn, since=NOON + timedelta(seconds=100))
    pipeline.enqueue({"body": "new"})
    assert pipeline.flush(30).complete

    told = followed.end(pipeline)
    # In a file in the order of arrival, else in that of their times.
    expected = [*(str(number) for number in range(100, 2_500)), "old", "new"]
    assert sorted(told) == sorted(expected)
    assert told[-1] == "new"


def test_a_record_is_told_at_once_where_listeners_are_told(postgres_store):
    dsn = postgres_store.dsn(notify=True)
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"body": "old"})
        assert pipeline.flush(30).complete
        # A look that nothing wakes would come too late for the test's own limit.
        rows = Reader(dsn).follow(poll_seconds=600)
        found = []
        thread = threading.Thread(target=lambda: found.append(next(rows)), daemon=True)
        thread.start()
        pipeline.enqueue({"body": "new"})
        assert pipeline.flush(30).complete
        thread.join(60)

    assert [row.body for row in found] == ["new"]


def test_a_record_that_comes_long_after_its_time_is_told_where_listeners_are_told(postgres_store):
    dsn = postgres_store.dsn(notify=True)
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"body": "old"})
        assert pipeline.flush(30).complete
        followed = Followed(dsn, since=NOON)
        for number in range(3):
            pipeline.enqueue({"body": str(number), "time": NOON + timedelta(days=number)})
            assert pipeline.flush(30).complete
            # Each by a look of its own.
            wait_until(lambda number=number: str(number) in followed.bodies, "it is told")

        assert sorted(followed.end(pipeline)) == ["0", "1", "2", "old"]


def test_what_is_remembered_is_bounded(postgres_store, monkeypatch):
    monkeypatch.setattr(_arrivals, "TOLD_MAX", 100)
    dsn = postgres_store.dsn(notify=True)
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"body": "old"})
        assert pipeline.flush(30).complete
        followed = Followed(dsn)
        for number in range(1_000):
            pipeline.enqueue({"body": str(number)})
            if number % 50 == 0:
                assert pipeline.flush(30).complete
        assert pipeline.flush(30).complete

        assert followed.end(pipeline) == [str(number) for number in range(1_000)]


def test_when_the_newest_row_of_a_file_is_deleted_only_what_is_new_is_told(sqlite_store, preset):
    """Rows are told by their numbers, not by times that others have given them."""
    dsn = sqlite_store.dsn(**preset)
    table = "logs" if preset else "telesink_logs"
    with telesink.Pipeline(dsn) as pipeline:
        for number in range(5):
            pipeline.enqueue({"body": f"old {number}"})
        for days in (-2, 2):
            pipeline.enqueue({"body": "odd", "time": datetime.now(UTC) + timedelta(days=days)})
        assert pipeline.flush(30).complete
        rows = Reader(dsn).follow(idle_seconds_max=0.2)
        sqlite_store.sql(f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")
        for number in range(3):
            pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete

        assert [row.body for row in rows] == ["0", "1", "2"]


@pytest.mark.parametrize("kept", [0, 200])
def test_what_comes_after_the_newest_rows_of_a_file_were_deleted_is_told(sqlite_store, preset, kept):
    """SQLite gives their numbers again."""
    dsn = sqlite_store.dsn(**preset)
    table = "logs" if preset else "telesink_logs"
    with telesink.Pipeline(dsn) as pipeline:
        for number in range(300):
            pipeline.enqueue({"body": f"old {number}"})
        assert pipeline.flush(30).complete
        rows = Reader(dsn).follow(idle_seconds_max=0.2)
        sqlite_store.sql(f"DELETE FROM {table} WHERE rowid > {kept}")
        for number in range(150):
            pipeline.enqueue({"body": str(number)})
        assert pipeline.flush(30).complete

        assert [row.body for row in rows] == [str(number) for number in range(150)]


def test_whoever_is_slow_is_not_taken_for_quiet(sqlite_store):
    with telesink.Pipeline(sqlite_store.dsn()) as pipeline:
        pipeline.enqueue({"body": "old"})
        assert pipeline.flush(30).complete
        told = []
        rows = Reader(sqlite_store.dsn()).follow(idle_seconds_max=0.3)
        pipeline.enqueue({"body": "0"})
        assert pipeline.flush(30).complete
        for row in rows:
            told.append(row.body)
            if len(told) < 4:
                pipeline.enqueue({"body": str(len(told))})
                assert pipeline.flush(30).complete
                time.sleep(0.4)

    assert told == ["0", "1", "2", "3"]


def test_a_time_that_never_comes_ends_nobody(postgres_store):
    dsn = postgres_store.dsn(preset="systemprompt")
    with telesink.Pipeline(dsn) as pipeline:
        pipeline.enqueue({"body": "a"})
    postgres_store.sql("UPDATE logs SET timestamp = 'infinity'")

    assert [row.body for row in Reader(dsn).follow(since=NOON, idle_seconds_max=0.1)] == ["a"]
    assert [row.body for row in Reader(dsn).all_logs()] == ["a"]


def test_a_host_whose_clock_is_ahead_does_not_silence_the_others(postgres_store, monkeypatch):
    monkeypatch.setattr(_arrivals, "TOLD_MAX", 100)
    with telesink.Pipeline(postgres_store.dsn(notify=True)) as pipeline:
        pipeline.enqueue({"body": "old"})
        assert pipeline.flush(30).complete
        followed = Followed(postgres_store.dsn(notify=True))
        ahead = datetime.now(UTC) + timedelta(minutes=5)
        for number in range(250):
            pipeline.enqueue({"body": "ahead", "time": ahead + timedelta(milliseconds=number)})
        assert pipeline.flush(30).complete
        wait_until(lambda: len(followed.bodies) == 250, "all that are ahead")
        for number in range(5):
            pipeline.enqueue({"body": str(number)})
            assert pipeline.flush(30).complete

        assert followed.end(pipeline)[250:] == ["0", "1", "2", "3", "4"]


def test_a_run_is_told_each_time_that_it_changes(store):
    for options in ({"preset": "chronicle"}, {"preset": "chronicle", "notify": True}):
        if store.name == "sqlite" and "notify" in options:
            continue
        dsn, of_run = store.dsn(**options), identifier(len(options), 1)
        with telesink.Pipeline(dsn) as pipeline:
            pipeline.enqueue({"type": "an_event"})
            assert pipeline.flush(30).complete
            runs = Reader(dsn).follow_run(of_run, idle_seconds_max=5, poll_seconds=0.1)
            states = []

            def follow(runs=runs, states=states):
                for run in runs:
                    states.append(run)
                    if run.status == "finished":
                        return

            thread = threading.Thread(target=follow)
            thread.start()
            first, *rest = entries(len(options))
            pipeline.enqueue(first)
            wait_until(lambda states=states: states, "the first state")
            pipeline.enqueue_many(rest)
            thread.join(60)

        assert states[-1].status == "finished"
        assert len(states) > 1
        assert all(one != next_one for one, next_one in itertools.pairwise(states))


@pytest.mark.parametrize(
    "wrong",
    [{"poll_seconds": 0}, {"poll_seconds": -1}, {"poll_seconds": float("nan")}, {"idle_seconds_max": -1}],
)
def test_what_cannot_be_followed_is_refused(sqlite_store, wrong):
    with telesink.Pipeline(sqlite_store.dsn()) as pipeline:
        pipeline.enqueue({"body": "a"})
    reader = Reader(sqlite_store.dsn())

    with pytest.raises(telesink.ConfigError, match="number of seconds"):
        reader.follow(**wrong)
    with pytest.raises(telesink.ConfigError, match="hold no log records"):
        Reader(sqlite_store.dsn(preset="chronicle")).follow()
