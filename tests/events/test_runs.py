"""Runs, steps, calls and events in both databases: the same rows, whatever the order in which they arrive."""

from itertools import permutations

import pytest
from events import fixture
from events.fixture import at, entries, identifier

import telesink

RUN, FIRST, SECOND = (identifier(0, part) for part in (1, 2, 3))


def open_pipeline(store, **options):
    return telesink.Pipeline(
        store.dsn(preset="chronicle"), when_full="block", block_timeout_seconds=60, **options
    )


def write(store, *batches, **options):
    """Write batches one after another."""
    with open_pipeline(store, **options) as pipeline:
        for batch in batches:
            assert pipeline.enqueue_many(batch) == len(batch)
            receipt = pipeline.flush(60)
            assert receipt.complete, pipeline.stats().last_error
            assert receipt.dropped == {}


def only(rows):
    (row,) = rows
    return row


def test_the_eight_entries_end_in_a_run_two_steps_and_two_events(store):
    """S1-12, S1 2.7, S1-1, S1-13, S1-14."""
    write(store, entries())

    assert store.rows("chronicle_runs") == [fixture.run()]
    assert store.rows("chronicle_steps") == fixture.steps()
    assert store.rows("chronicle_events") == fixture.events()


@pytest.mark.slow
@pytest.mark.parametrize("is_flushed", [False, True], ids=["one batch", "a flush after each"])
def test_every_order_of_the_eight_entries_ends_in_the_same_rows(store, is_flushed):
    """S1-10, S1 2.6 7: 40,320 orders, each of a run of its own. A flush parts the entries of a run."""
    orders = list(enumerate(permutations(range(8))))
    runs = [[entries(number)[place] for place in order] for number, order in orders]
    if is_flushed:
        write(store, *[[run[place] for run in runs] for place in range(8)])
    else:
        write(store, [entry for run in runs for entry in run])

    for table, expected in (
        ("chronicle_runs", [fixture.run(number) for number, _ in orders]),
        ("chronicle_steps", [step for number, _ in orders for step in fixture.steps(number)]),
        ("chronicle_events", [event for number, _ in orders for event in fixture.events(number)]),
    ):
        rows = store.rows(table)
        assert len(rows) == len(expected)
        wrong = [(row, other) for row, other in zip(rows, expected, strict=True) if row != other]
        assert wrong[:1] == []


def test_an_update_before_its_start_is_no_loss_and_a_late_start_leaves_the_status(store):
    """S1 2.6 7."""
    start, update = entries()[0], entries()[7]

    write(store, [update])
    early = only(store.rows("chronicle_runs"))
    write(store, [start])

    assert (early["status"], early["name"], early["created_at"]) == ("finished", None, 5)
    assert only(store.rows("chronicle_runs")) == fixture.run()


def test_the_status_is_that_of_the_latest_event(store):
    """S1 2.6 7: `step:state` has a time, too."""
    state = {"type": "step:state", "step_id": FIRST, "run_id": RUN, "data": {"state": "waiting"}}
    start, end = entries()[1], entries()[6]

    write(store, [end], [{**state, "time": at(4)}, start])
    assert only(store.rows("chronicle_steps"))["status"] == "finished"
    write(store, [{**state, "time": at(6)}])
    assert only(store.rows("chronicle_steps"))["status"] == "waiting"


def test_a_run_that_is_started_again_is_started_and_keeps_what_it_was(store):
    """S1 2.3: on a known id, `run:start` changes the status and the time of the change."""
    again = {"type": "run:start", "id": RUN, "name": "another name", "time": at(9)}

    write(store, entries(), [again])

    expected = {**fixture.run(), "status": "started", "updated_at": 9}
    assert only(store.rows("chronicle_runs")) == expected


def test_info_is_merged_key_by_key_and_null_keeps_what_was_there(store):
    """S1 2.3, S1 2.6 8: one rule in both databases, shallow."""
    start = {**entries()[0], "info": {"a": 1, "deep": {"x": 1, "y": 2}, "kept": "yes"}}
    update = {
        "type": "run:update",
        "id": RUN,
        "time": at(3),
        "info": {"a": 2, "deep": {"x": 9}, "kept": None},
    }
    older = {"type": "run:update", "id": RUN, "time": at(2), "info": {"a": 7, "more": [1]}}

    write(store, [start], [update], [older])

    info = only(store.rows("chronicle_runs"))["info"]
    assert info == {"a": 2, "deep": {"x": 9}, "kept": "yes", "more": [1]}


def test_an_update_without_output_keeps_the_output_of_an_earlier_time(store):
    """S1 2.6 7: each part of a row has a time of its own."""
    update = {"type": "run:update", "id": RUN}
    write(
        store,
        [{**update, "time": at(2), "output": "first"}],
        [{**update, "time": at(4), "status": "waiting"}],
        [{**update, "time": at(3), "output": "second", "status": "old"}],
    )

    row = only(store.rows("chronicle_runs"))
    assert (row["output"], row["status"], row["updated_at"]) == ("second", "waiting", 4)


def test_times_are_kept_to_the_microsecond(store):
    """S1 2.6 8."""
    start = {**entries()[0], "time": "2026-01-31T12:00:00.123456Z"}

    write(store, [start])

    assert only(store.rows("chronicle_runs"))["created_at"] == 1769860800.123456


def test_seed_S1_14_latencies_that_no_column_holds_are_clamped(store):
    """S1-14, S1 2.6 12."""
    write(store, [{**entries()[3], "total_latency_ms": 2**40, "latency_ms": 12.6}])

    row = only(store.rows("chronicle_events"))
    assert (row["request_latency_ms"], row["total_latency_ms"]) == (13, 2**31 - 1)


def test_seed_S1_14_missing_json_is_null_of_sql_or_of_json_as_asked(store):
    """S1-14, S1 2.6 6."""
    event = {"type": "an_event", "run_id": RUN, "step_id": FIRST}
    query = "SELECT count(*) FROM chronicle_events WHERE error IS NULL AND meta IS NULL"

    write(store, [event])
    assert store.sql(query) == [(1,)]
    with telesink.Pipeline(store.dsn(preset="chronicle", json_null=True)) as pipeline:
        pipeline.enqueue(event)
    assert store.sql(query) == [(1,)]
    assert store.sql("SELECT count(*) FROM chronicle_events") == [(2,)]


def test_an_event_that_comes_again_under_its_id_changes_nothing(store):
    """S1 2.6 11."""
    events = entries()[3:5]

    write(store, events, [*events, entries(1)[3]])

    assert len(store.rows("chronicle_events")) == 3


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "step:start", "step_id": FIRST, "run_id": RUN, "data": {}}, "data.type: is missing"),
        ({"type": "step:start", "step_id": FIRST, "run_id": RUN}, "data: is missing"),
        (
            {"type": "step:end", "step_id": "7", "run_id": RUN, "data": {"output": 1}},
            "step_id: is 7, expected a UUID",
        ),
        ({"type": "step:end", "step_id": FIRST, "run_id": RUN, "data": {}}, "data.output: is missing"),
        ({"type": "run:start", "id": RUN}, "name: is missing"),
        ({"type": "run:start", "id": RUN, "name": "n", "info": [1]}, "info: is a list, expected a mapping"),
        ({"type": "run:update", "id": RUN, "tags": "a"}, "tags: is a str, expected a list"),
    ],
)
def test_seed_S1_16_a_malformed_event_is_refused_with_the_place(sqlite_store, event, said):
    """S1-16, S1 2.3, S1 2.6 10: a fixed type is never taken for a generic one."""
    with open_pipeline(sqlite_store) as pipeline:
        with pytest.raises(ValueError, match="malformed") as caught:
            pipeline.enqueue(event)
        assert said in str(caught.value)
        assert telesink.events.validate(event) != []


def test_log_records_have_no_place_among_events_and_are_counted(sqlite_store):
    with open_pipeline(sqlite_store) as pipeline:
        pipeline.enqueue({"body": "a line"})
        pipeline.flush()
        assert pipeline.stats().dropped == {"unrouted": 1}


def test_clocks_that_have_not_moved_for_30_days_are_swept_and_rows_stay(store):
    write(store, entries(0))
    old = "now() - interval '31 days'" if store.name == "postgres" else "updated_at - 31 * 86400 * 1000000000"
    store.script(f"UPDATE telesink_clocks SET updated_at = {old}")

    write(store, entries(1))

    assert store.sql("SELECT count(*) FROM telesink_clocks") == [(3,)]
    assert len(store.rows("chronicle_runs")) == 2


def test_a_row_that_others_have_made_is_changed_by_what_came_later_alone(store):
    """Its start is not told again; its status is as old as its last change."""
    write(store, entries())
    store.script("DELETE FROM telesink_clocks")
    start, update = entries()[0], entries()[7]

    write(
        store,
        [{**start, "name": "another", "time": at(2)}],
        [{**update, "status": "older", "time": at(3)}],
        [{**update, "status": "later", "time": at(7)}],
    )

    row = only(store.rows("chronicle_runs"))
    assert (row["name"], row["status"], row["updated_at"], row["created_at"]) == ("test run", "later", 7, 1)


def test_seed_S1_13_data_that_is_no_object_and_keys_without_a_column_are_kept(store):
    """S1-13, S1-18: nothing that was said is dropped."""
    ids = {"run_id": RUN, "step_id": FIRST}
    write(store, [{"type": "a", "data": [1, 2], **ids}, {"type": "b", "data": {"x": 1}, "more": "y", **ids}])

    metas = {row["event_type"]: row["meta"] for row in store.rows("chronicle_events")}
    assert metas == {"a": [1, 2], "b": {"x": 1, "more": "y"}}
