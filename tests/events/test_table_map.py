"""A table of the user's own, filled by a map."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import telesink
from telesink import Column, TableMap

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


def counters(pipeline):
    (stats,) = pipeline.stats().sinks.values()
    return stats


def write(store, table_map, *records, **options):
    with telesink.Pipeline(store.dsn(), table_map=table_map, **options) as pipeline:
        pipeline.enqueue_many(records)
        pipeline.flush(10)
        return counters(pipeline)


def test_every_type_of_postgres_takes_what_it_can_hold(postgres_store):
    postgres_store.script(
        """CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TABLE audit (at timestamptz, day timestamp, what text, who varchar(5), small smallint,
        whole integer, large bigint, single real, exact double precision, price numeric(12, 6), yes boolean,
        id uuid, data jsonb, rest json, words text[], raw bytea, mood mood, later text DEFAULT 'later')"""
    )
    columns = {
        "at": "time", "day": "time", "what": "body", "who": "attributes.who", "small": "attributes.n",
        "whole": "attributes.n", "large": "attributes.n", "single": "attributes.f", "exact": "attributes.f",
        "price": "attributes.price", "yes": "attributes.yes", "id": "id", "data": "attributes.data",
        "rest": "attributes", "words": "attributes.words", "raw": "attributes.raw",
        "mood": Column(default="good"),
    }  # fmt: skip
    record = {
        "body": "paid", "time": MOMENT, "who": "somebody", "n": 2**40, "f": 0.5,
        "price": Decimal("12.345678"), "yes": True, "data": {"a": [1, None]}, "more": "x",
        "words": ["a", 'b,"c'], "raw": b"\x00\xff",
    }  # fmt: skip

    stats = write(postgres_store, TableMap("audit", columns), record)

    assert stats.dropped == {}
    assert stats.mended == 1
    (row,) = postgres_store.sql(
        "SELECT at, day, what, who, small, whole, large, single, exact, price, yes, data, rest, words, raw,"
        " mood, later FROM audit"
    )
    assert row == (
        MOMENT, MOMENT.replace(tzinfo=None), "paid", "someb", 2**15 - 1, 2**31 - 1, 2**40, 0.5, 0.5,
        Decimal("12.345678"), True, {"a": [1, None]}, {"more": "x"}, ["a", 'b,"c'], b"\x00\xff", "good",
        "later",
    )  # fmt: skip


def test_sqlite_takes_what_the_declared_types_say(sqlite_store):
    sqlite_store.script(
        "CREATE TABLE audit (row INTEGER PRIMARY KEY, at TEXT, seconds REAL, what TEXT NOT NULL,"
        " who VARCHAR(5), n INT, yes BOOLEAN, data JSON, rest TEXT)"
    )
    columns = {
        "at": "time", "seconds": "time", "what": "body", "who": "attributes.who", "n": "attributes.n",
        "yes": "attributes.yes", "data": "attributes.data", "rest": "attributes",
    }  # fmt: skip
    record = {
        "body": "paid",
        "time": MOMENT,
        "who": "somebody",
        "n": 2**40,
        "yes": True,
        "data": [1],
        "more": 1,
    }

    stats = write(sqlite_store, TableMap("audit", columns), record)

    assert stats.mended == 1
    assert sqlite_store.sql("SELECT * FROM audit") == [
        (1, "2026-01-31T12:00:00.123456Z", MOMENT.timestamp(), "paid", "someb", 2**40, 1, "[1]", '{"more":1}')
    ]


def test_a_record_without_what_is_required_costs_only_itself(store, tmp_path):
    store.script("CREATE TABLE audit (what text, who text)")
    columns = {"what": "body", "who": Column("attributes.who", required=True)}
    path = tmp_path / "dead.ndjson"

    stats = write(
        store,
        TableMap("audit", columns),
        {"body": "a"},
        {"body": "b", "who": "x"},
        {"body": "c"},
        dead_letter=str(path),
    )

    assert stats.dropped == {"poison": 2}
    assert store.sql("SELECT what, who FROM audit") == [("b", "x")]
    reasons = [json.loads(line)["reason"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert all("column `who` is required" in reason for reason in reasons)
    assert len(reasons) == 2


def test_a_table_may_stand_in_a_schema_and_have_any_name(postgres_store):
    postgres_store.script('CREATE SCHEMA audit; CREATE TABLE audit."The Log" ("Was" text)')

    write(postgres_store, TableMap('audit."The Log"', {"Was": "body"}), {"body": "a"})

    assert postgres_store.sql('SELECT "Was" FROM audit."The Log"') == [("a",)]


@pytest.mark.parametrize(
    ("ddl", "columns", "said"),
    [
        ("CREATE TABLE audit (what text)", {"wat": "body"}, "has no column `wat`"),
        ("CREATE TABLE audit (what text, who text NOT NULL)", {"what": "body"}, "wants a value for `who`"),
        ("CREATE TABLE other (what text)", {"what": "body"}, "audit is missing"),
    ],
)
def test_a_table_that_does_not_fit_is_told_with_what_to_do(store, ddl, columns, said):
    store.script(ddl)
    pipeline = telesink.Pipeline(store.dsn(), table_map=TableMap("audit", columns))
    pipeline.enqueue({"body": "a"})
    pipeline.flush(0.5)
    stats = counters(pipeline)
    pipeline.close(0.1)

    assert (stats.pending, said in stats.last_error) == (1, True), stats.last_error


def test_columns_that_the_map_does_not_know_are_left_to_their_defaults(store):
    store.script("CREATE TABLE audit (what text, more text, at text DEFAULT 'unknown')")

    write(store, TableMap("audit", {"what": "body"}), {"body": "a"})

    assert store.sql("SELECT what, more, at FROM audit") == [("a", None, "unknown")]


def test_a_map_is_checked_when_the_pipeline_is_opened():
    with pytest.raises(telesink.ConfigError, match="did you mean `body`"):
        telesink.Pipeline("sqlite:///app.db", table_map=TableMap("audit", {"what": "bod"}))
    with pytest.raises(telesink.ConfigError, match="has no columns"):
        TableMap("audit", {})
    with pytest.raises(telesink.ConfigError, match="both say where records go"):
        telesink.Pipeline("sqlite:///app.db?preset=chronicle", table_map=TableMap("audit", {"what": "body"}))


def test_a_trigger_that_refuses_a_row_costs_only_that_row(store):
    store.script("CREATE TABLE audit (what text CHECK (what <> 'refused'))")

    stats = write(
        store, TableMap("audit", {"what": "body"}), *({"body": word} for word in ("a", "refused", "b"))
    )

    assert stats.dropped == {"poison": 1}
    assert store.sql("SELECT what FROM audit ORDER BY what") == [("a",), ("b",)]
