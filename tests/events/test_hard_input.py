"""What programs do with events that nobody would do on purpose costs no event, no run and no lane."""

import json
from uuid import UUID

import psycopg
import pytest
from events.fixture import at, entries, identifier

import telesink
from telesink import Column, TableMap, events

RUN, FIRST = identifier(0, 1), identifier(0, 2)


def counters(pipeline):
    (stats,) = pipeline.stats().sinks.values()
    return stats


def write(store, *batches):
    with telesink.Pipeline(store.dsn(preset="chronicle")) as pipeline:
        for batch in batches:
            pipeline.enqueue_many(batch)
            receipt = pipeline.flush(30)
            assert (receipt.complete, receipt.dropped) == (True, {}), pipeline.stats().last_error
        return counters(pipeline)


def only(rows):
    (row,) = rows
    return row


def test_many_records_without_what_is_required_do_not_hold_the_lane(store):
    store.script("CREATE TABLE audit (what text, who text)")
    table_map = TableMap("audit", {"what": "body", "who": Column("attributes.who", required=True)})
    with telesink.Pipeline(store.dsn(), table_map=table_map) as pipeline:
        pipeline.enqueue_many([{"body": str(number)} for number in range(40)])
        pipeline.flush(5)
        pipeline.enqueue({"body": "good", "who": "x"})
        pipeline.flush(5)
        assert counters(pipeline).dropped == {"poison": 40}
    assert store.sql("SELECT what FROM audit") == [("good",)]


def test_what_a_context_binds_is_no_field_of_an_event(store):
    with telesink.context(id=identifier(9, 9), status="beta", output="none", tags=["x"], tenant="t"):
        write(store, [{"type": "an_event", "run_id": RUN} for _ in range(5)], [entries()[0], entries()[7]])

    assert len(store.rows("chronicle_events")) == 5
    row = only(store.rows("chronicle_runs"))
    assert (row["status"], row["output"], row["tags"]) == ("finished", {"answer": 42}, ["tag1", "tag2"])
    assert row["info"]["tenant"] == "t"


class Identity:
    """An id of somebody's own."""

    def __str__(self):
        return RUN


@pytest.mark.parametrize(
    "start",
    [
        {"id": RUN, "attributes": {"id": "another", "name": "another"}},
        {"id": Identity()},
        {"id": UUID(RUN)},
        {"input": "x" * 2_000_000, "id": RUN},
        {"input": list(range(20_000)), "id": RUN},
    ],
    ids=["attributes", "object", "uuid", "long text", "long list"],
)
def test_an_event_that_was_taken_changes_its_row_whatever_else_it_holds(store, start):
    write(
        store, [{"type": "run:start", **start, "name": "n", "tags": ["a"], "info": {"k": 1}, "time": at(1)}]
    )

    row = only(store.rows("chronicle_runs"))
    assert (row["id"], row["name"], row["tags"], row["info"]) == (RUN, "n", ["a"], {"k": 1})


def test_a_step_with_a_long_input_keeps_its_type_and_a_long_output_its_info(store):
    ids = {"step_id": FIRST, "run_id": RUN}
    data = {"input": "x" * 2_000_000, "type": "tool", "name": "n"}
    end = {"output": list(range(20_000)), "info": {"k": 1}}
    write(store, [{"type": "step:start", "data": data, **ids}, {"type": "step:end", "data": end, **ids}])

    row = only(store.rows("chronicle_steps"))
    assert (row["type"], row["name"], row["info"]) == ("tool", "n", {"k": 1})


def test_secrets_in_texts_are_hidden_but_in_what_models_were_told():
    secret = "postgres://u:hunter2@db/app"
    with telesink.Pipeline("memory://") as pipeline:
        pipeline.enqueue({"type": "login", "detail": secret, "request": {"prompt": secret}})
        with pytest.raises(OSError, match="hunter2"), events.run("r", to=pipeline):
            raise OSError(f"cannot connect to {secret}")
        pipeline.flush()
        first, _, last = pipeline.recent()

    assert "hunter2" not in first["attributes"]["detail"]
    assert first["attributes"]["request"] == {"prompt": secret}
    assert last["attributes"]["status"] == "error"


def test_a_row_of_others_keeps_what_is_newer_than_an_event(store):
    write(store, [entries()[0], {"type": "run:update", "id": RUN, "output": "old", "time": at(30)}])
    store.script("DELETE FROM telesink_clocks")

    info = {"info1": None, "info2": "older"}
    write(store, [{"type": "run:update", "id": RUN, "time": at(5), "info": info, "output": "older"}])

    row = only(store.rows("chronicle_runs"))
    assert (row["output"], row["info"]) == ("old", {"info1": "value1", "info2": "value2"})


def test_a_run_that_another_program_makes_at_the_same_moment_is_changed_all_the_same(postgres_store):
    write(postgres_store, [{"type": "an_event"}])
    columns = "id, status, created_at, updated_at"
    pipeline = telesink.Pipeline(postgres_store.dsn(preset="chronicle"))
    with psycopg.connect(postgres_store.dsn()) as other:
        other.execute(
            f"INSERT INTO chronicle_runs ({columns}) VALUES (%s, 'new', to_timestamp(1), to_timestamp(1))",
            [RUN],
        )
        pipeline.enqueue({"type": "run:update", "id": RUN, "output": 1, "time": at(5)})
        assert pipeline.flush(0.5).pending == 1
        other.commit()
    assert pipeline.close(30).complete

    row = only(postgres_store.rows("chronicle_runs"))
    assert (row["status"], row["output"], row["updated_at"]) == ("finished", 1, 5)


def test_attribution_counts_wherever_it_is_said(store):
    store.script("CREATE TABLE audit (what text, trace text)")
    table_map = TableMap("audit", {"what": "body", "trace": "trace_id"})
    attributes = {"user_id": "u", "session_id": "s"}
    with telesink.Pipeline(store.dsn(), table_map=table_map, require_attribution=True) as pipeline:
        pipeline.enqueue(
            {"body": "a", "trace_id": "0af7651916cd43dd8448eb211c80319c", "attributes": attributes}
        )
        pipeline.enqueue({"body": "b", "attributes": attributes})
        pipeline.flush(10)
        assert counters(pipeline).dropped == {"unattributed": 1}
    with pytest.raises(telesink.ConfigError, match="preset=chronicle` keeps none"):
        telesink.Pipeline(store.dsn(preset="chronicle", require_attribution=True))


def test_text_in_columns_of_json_is_json_in_both_databases(store):
    write(store, [{"type": "a", "error": "boom", "response": "null", "data": "7", "run_id": RUN}])

    row = only(store.rows("chronicle_events"))
    assert (row["error"], row["chat_response"], row["meta"]) == ("boom", "null", "7")


def test_nothing_that_has_no_column_is_lost(store):
    stats = write(
        store,
        [
            {"type": "a", "meta": {"m": 1}, "data": {"d": 2}, "extra": 3},
            {"type": "b", "data": "text", "extra": 3},
            {"type": "c", "id": "no-uuid"},
        ],
    )

    metas = {row["event_type"]: row["meta"] for row in store.rows("chronicle_events")}
    assert metas == {
        "a": {"m": 1, "data": {"d": 2}, "extra": 3},
        "b": {"data": "text", "extra": 3},
        "c": None,
    }
    assert stats.mended == 1


def test_names_that_no_index_holds_are_cut(store):
    write(
        store,
        [{"type": "run:start", "id": RUN, "name": "ü" * 12_000}, {"type": "a", "workflow_id": "w" * 12_000}],
    )

    assert only(store.rows("chronicle_runs"))["name"] == "ü" * 500
    assert only(store.rows("chronicle_events"))["workflow_id"] == "w" * 500


def test_a_message_in_a_column_of_json_is_text(postgres_store):
    postgres_store.script("CREATE TABLE audit (what jsonb)")
    bodies = ['"\\u0000"', "null", "7", "1e-30000", "{"]
    with telesink.Pipeline(postgres_store.dsn(), table_map=TableMap("audit", {"what": "body"})) as pipeline:
        pipeline.enqueue_many([{"body": body} for body in bodies])
        assert pipeline.flush(10).dropped == {}
    assert [what for (what,) in postgres_store.sql("SELECT what FROM audit")] == bodies


def test_a_table_may_be_called_like_a_word_of_sql(store):
    store.script('CREATE TABLE "order" (what text)')
    name = "order" if store.name == "sqlite" else '"order"'
    with telesink.Pipeline(store.dsn(), table_map=TableMap(name, {"what": "body"})) as pipeline:
        pipeline.enqueue({"body": "a"})
        assert pipeline.flush(10).complete
    assert store.sql('SELECT what FROM "order"') == [("a",)]


def test_the_schema_of_a_preset_is_made_where_there_is_none(postgres_store):
    with telesink.Pipeline(postgres_store.dsn(preset="chronicle", schema="fresh")) as pipeline:
        pipeline.enqueue(entries()[0])
        assert pipeline.flush(30).complete
    assert postgres_store.sql("SELECT count(*) FROM fresh.chronicle_runs") == [(1,)]


def test_a_step_belongs_to_the_run_that_its_start_names_whatever_came_first(store):
    ids = {"step_id": FIRST}
    start = {"type": "step:start", "run_id": RUN, "data": {"type": "t"}, "time": at(1), **ids}
    end = {"type": "step:end", "run_id": identifier(5, 5), "data": {"output": 1}, "time": at(2), **ids}

    write(store, [end], [start])

    assert only(store.rows("chronicle_steps"))["run_id"] == RUN


def test_a_row_of_others_with_times_that_are_none_is_changed(sqlite_store):
    write(sqlite_store, [entries()[0]])
    sqlite_store.script("DELETE FROM telesink_clocks; UPDATE chronicle_runs SET updated_at = 'yesterday'")

    write(sqlite_store, [entries()[7]])

    ((status, info),) = sqlite_store.sql("SELECT status, info FROM chronicle_runs")
    assert (status, json.loads(info)["info2"]) == ("finished", "new_value")


def test_a_block_inside_of_itself_leaves_nothing_behind():
    with telesink.Pipeline("memory://") as pipeline:
        block = events.run("r", to=pipeline)
        with block, block:
            assert events.current_run_id() == block.id
    assert (events.current_run_id(), telesink.current_context()) == (None, {})


@pytest.mark.parametrize("wrong", [{"id": "bad"}, {"type": None}], ids=["id", "type"])
def test_a_step_that_cannot_be_meant_ends_the_run_that_was_made_for_it(wrong):
    with telesink.Pipeline("memory://") as pipeline:
        with pytest.raises(ValueError, match="malformed"), events.step("s", to=pipeline, **wrong):
            pass
        pipeline.flush()
        assert [record["event_name"] for record in pipeline.recent()] == ["run:start", "run:update"]
    assert (events.current_run_id(), telesink.current_context()) == (None, {})


@pytest.mark.parametrize("info", [None, {"x": object()}, 7], ids=["none", "object", "number"])
def test_the_programs_own_error_is_never_replaced(info):
    with telesink.Pipeline("memory://") as pipeline:
        run = events.run("r", to=pipeline)

        def work():
            with run:
                run.info = info
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            work()
    assert events.current_run_id() is None


def test_a_destination_that_is_empty_is_one_and_tags_are_a_list():
    class Inbox(list):
        def enqueue(self, event):
            self.append(event)

    inbox = Inbox()
    with events.run("r", to=inbox), events.step("s"):
        pass
    assert [event["type"] for event in inbox] == ["run:start", "step:start", "step:end", "run:update"]
    with pytest.raises(TypeError, match="expected a list of texts"):
        events.run("r", tags="beta")
