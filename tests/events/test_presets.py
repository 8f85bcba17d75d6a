"""Tables that teams have already are filled: with all records but those that the table refuses."""

import json
import logging
from uuid import UUID, uuid4

import pytest
from events import fixture
from events.documented import CHRONICLE, LOGS
from postgres.observing import letters

import telesink

COUNT = 100_000
#: Of so many records one is refused: at least one in every batch of a thousand.
EVERY = 900


def counters(pipeline):
    (stats,) = pipeline.stats().sinks.values()
    return stats


def only(rows):
    (row,) = rows
    return row


@pytest.mark.slow
def test_seed_S0_rows_that_the_table_refuses_are_all_that_is_missing_of_100_000(store, tmp_path):
    """S0 1.4 1."""
    store.script(LOGS[store.name])
    path = tmp_path / "dead.ndjson"
    refused = range(0, COUNT, EVERY)
    with telesink.Pipeline(
        store.dsn(preset="systemprompt"),
        dead_letter=str(path),
        batch_records_max=1_000,
        when_full="block",
        block_timeout_seconds=60,
    ) as pipeline:
        for number in range(COUNT):
            word = "refused" if number in refused else "kept"
            assert pipeline.enqueue(
                {"body": f"{word} {number}", "logger": "shop", "user_id": "u-1", "n": number}
            )
        assert pipeline.flush(120).pending == 0
        assert counters(pipeline).dropped == {"poison": len(refused)}

    assert store.sql("SELECT count(*), count(DISTINCT message) FROM logs") == [(COUNT - len(refused),) * 2]
    assert [letter["record"]["body"] for letter in letters(path)] == [
        f"refused {number}" for number in refused
    ]
    assert {"not this one" in letter["reason"] for letter in letters(path)} == {True}


@pytest.mark.slow
def test_seed_S1_rows_that_the_tables_refuse_are_all_that_is_missing_of_100_000(store, tmp_path):
    """S0-43, S1-6, S1 2.6 2."""
    store.script(CHRONICLE[store.name])
    path = tmp_path / "dead.ndjson"
    refused = range(0, COUNT, EVERY)
    with telesink.Pipeline(
        store.dsn(preset="chronicle"),
        dead_letter=str(path),
        batch_records_max=1_000,
        when_full="block",
        block_timeout_seconds=60,
    ) as pipeline:
        for number in range(COUNT):
            environment = "refused" if number in refused else "kept"
            common = {"id": fixture.identifier(number, 1), "environment": environment}
            if number % 2:
                event = {"type": "run:start", "name": "n", **common}
            else:
                event = {
                    "type": "query",
                    "request": {"n": number},
                    "run_id": fixture.identifier(0, 9),
                    **common,
                }
            assert pipeline.enqueue(event)
        assert pipeline.flush(120).pending == 0
        assert counters(pipeline).dropped == {"poison": len(refused)}

    count = "SELECT (SELECT count(*) FROM chronicle_events), (SELECT count(*) FROM chronicle_runs)"
    even = sum(1 for number in refused if number % 2 == 0)
    assert store.sql(count) == [(COUNT // 2 - even, COUNT // 2 - (len(refused) - even))]
    buried = sorted(letter["record"]["attributes"]["id"] for letter in letters(path))
    assert buried == [fixture.identifier(number, 1) for number in refused]


def test_seed_S0_14_a_row_has_its_twelve_columns_with_attribution_in_them(store):
    """S0-12, S0-13, S0-14, S0-22, S0-29."""
    store.script(LOGS[store.name])
    context_id = str(uuid4())
    handler = telesink.install_logging(store.dsn(preset="systemprompt"), level="DEBUG")
    with telesink.context(
        user_id="u-1",
        session_id="s-1",
        task_id="t-1",
        trace_id="trace-1",
        context_id=context_id,
        client_id="c-1",
    ):
        logging.getLogger("shop.orders").warning("low stock", extra={"left": 2, "ok": False, "password": "x"})
    assert handler.flush() is None
    assert telesink.flush().complete

    row = only(store.rows("logs"))
    assert UUID(row["id"]).version == 7
    metadata = json.loads(row.pop("metadata"))
    assert metadata.items() >= {"left": 2, "ok": False, "password": "[REDACTED]"}.items()
    assert not metadata.keys() & {"user_id", "session_id", "task_id", "trace_id", "context_id", "client_id"}
    assert {name: row[name] for name in row if name not in ("id", "timestamp")} == {
        "level": "WARN", "module": "shop.orders", "message": "low stock", "user_id": "u-1",
        "session_id": "s-1", "task_id": "t-1", "trace_id": "trace-1", "context_id": context_id,
        "client_id": "c-1", "gateway_conversation_id": None, "provider_request_id": None,
    }  # fmt: skip


def test_seed_S0_20_what_can_be_mended_arrives_and_is_counted(store):
    """S0-20: an over-long module is cut, a context that is no UUID left out, a NUL replaced."""
    store.script(LOGS[store.name])
    with telesink.Pipeline(store.dsn(preset="systemprompt")) as pipeline:
        pipeline.enqueue({"body": "long", "logger": "m" * 300})
        pipeline.enqueue({"body": "bad", "context_id": "no-uuid", "logger": "m"})
        pipeline.enqueue({"body": "nul \0 nul", "logger": "m"})
        pipeline.enqueue({"body": "fine", "logger": "m"})
        assert pipeline.flush(30).dropped == {}
        assert counters(pipeline).mended == 2
        assert pipeline.stats().sanitised == 1

    rows = {row["message"]: row for row in store.rows("logs")}
    assert rows["long"]["module"] == "m" * 255
    assert (rows["bad"]["context_id"], rows["bad"]["metadata"]) == (None, None)
    assert set(rows) == {"long", "bad", "nul \u2400 nul", "fine"}


@pytest.mark.parametrize(
    ("level", "stored"),
    [(5, "TRACE"), ("DEBUG", "DEBUG"), ("INFO", "INFO"), (25, "INFO"), ("WARNING", "WARN"),
     ("ERROR", "ERROR"), ("CRITICAL", "ERROR")],
)  # fmt: skip
def test_seed_S0_29_levels_are_folded_to_five_names(sqlite_store, level, stored):
    with telesink.Pipeline(sqlite_store.dsn(preset="systemprompt")) as pipeline:
        pipeline.enqueue({"body": "x", "level": level})
    assert only(sqlite_store.rows("logs"))["level"] == stored


def test_seed_S0_19_records_without_attribution_are_kept_filled_or_left_out_as_asked(store):
    """S0-19: NULL by default, `attribution_defaults`, or dropped and counted."""
    somebody = {"user_id": "u", "session_id": "s", "trace_id": "t"}
    lines = [{"body": "nobody"}, {"body": "somebody", "attributes": somebody}]

    with telesink.Pipeline(store.dsn(preset="systemprompt")) as pipeline:
        pipeline.enqueue_many(lines)
    with telesink.Pipeline(
        store.dsn(preset="systemprompt", attribution_defaults="user_id=admin,session_id=system")
    ) as pipeline:
        pipeline.enqueue_many(lines)
    with telesink.Pipeline(store.dsn(preset="systemprompt", require_attribution=True)) as pipeline:
        pipeline.enqueue_many(lines)
        pipeline.flush(30)
        assert counters(pipeline).dropped == {"unattributed": 1}

    rows = [
        (row["message"], row["user_id"], row["session_id"], row["trace_id"]) for row in store.rows("logs")
    ]
    assert sorted(rows, key=str) == [
        ("nobody", "admin", "system", None),
        ("nobody", None, None, None),
        *[("somebody", "u", "s", "t")] * 3,
    ]


def test_the_tables_of_a_preset_are_made_where_there_are_none(store):
    for preset, table in (("systemprompt", "logs"), ("chronicle", "chronicle_events")):
        with telesink.Pipeline(store.dsn(preset=preset)) as pipeline:
            pipeline.enqueue({"type": "an_event"})
            assert pipeline.flush(30).complete
        assert len(store.rows(table)) == 1


@pytest.mark.parametrize("preset", ["systemprompt", "chronicle"])
def test_a_table_that_does_not_fit_holds_the_records_and_says_why(store, preset):
    missing = "metadata" if preset == "systemprompt" else "meta"
    tables = {"systemprompt": LOGS, "chronicle": CHRONICLE}[preset]
    store.script(tables[store.name].replace(f"{missing} ", "wrong_name "))
    pipeline = telesink.Pipeline(store.dsn(preset=preset))
    pipeline.enqueue({"type": "an_event"})
    pipeline.flush(0.5)
    stats = counters(pipeline)
    pipeline.close(0.1)

    assert stats.pending == 1
    assert f"no column `{missing}`" in stats.last_error


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("preset=chronicel", "did you mean `chronicle`"),
        ("json_null=true", "option `json_null` is about tables that are not telesink's own"),
        ("preset=systemprompt&json_null=true", "use it with `preset=chronicle`"),
        ("preset=systemprompt&attribution_defaults=user", "a name without a value"),
        ("preset=systemprompt&attribution_defaults=usr_id=a", "`usr_id`, which has no column"),
        ("preset=chronicle&notify=true", "SQLite notifies nobody"),
        ("table_map=x", "is no JSON"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_what_is_allowed(query, said):
    with pytest.raises(telesink.ConfigError) as caught:
        telesink.Pipeline(f"sqlite:///app.db?{query}")
    assert said in f"{caught.value} {caught.value.hint}"
