"""What everybody relies on: rows that are right, all of them, once, in order."""

import datetime as dt
import json
import logging
import threading
import uuid

import pytest

import telesink


def test_every_column_holds_what_was_logged(each_database):
    """S0-13: types and values, on every build."""
    handler = telesink.install_logging(each_database.dsn(), level="DEBUG", resource={"service.name": "shop"})
    before = dt.datetime.now(dt.UTC)
    with telesink.context(user_id="u1"):
        logging.getLogger("shop.cart").warning(
            "paid %s", "inv-7", extra={"amount": 12.5, "tags": ["a", None]}
        )
    assert telesink.flush(30).complete
    after = dt.datetime.now(dt.UTC)
    assert handler is not None

    (row,) = each_database.sql(
        "SELECT ts, observed_ts, id, severity, level, service, logger, body, event_name, trace_id, span_id, "
        "attributes, resource_id, instance, seq FROM telesink_logs"
    )
    ts, observed, identity, severity, level, service, logger, body, event, trace, span, attributes, *rest = (
        row
    )
    assert before - dt.timedelta(seconds=1) <= ts <= observed <= after
    assert (severity, level, service, logger, body) == (13, "WARN", "shop", "shop.cart", "paid inv-7")
    assert (event, trace, span) == (None, None, None)
    assert identity.version == 7
    assert (attributes["amount"], attributes["tags"], attributes["user_id"]) == (12.5, ["a", None], "u1")
    resource_id, instance, seq = rest
    assert isinstance(instance, uuid.UUID)
    assert seq == 1
    (resource,) = each_database.sql("SELECT attributes FROM telesink_resources WHERE id = %s", resource_id)
    assert resource[0]["service.name"] == "shop"
    assert each_database.sql("SELECT instance, last_seq FROM telesink_ledger") == [(instance, 1)]


def test_times_are_stored_to_the_microsecond_and_ids_of_traces_as_they_are(database):
    """S0-12: the own time of a record; timestamptz in microseconds, trace ids as uuid, span ids as hex."""
    pipeline = telesink.Pipeline(database.dsn())
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    at = dt.datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=dt.UTC)
    pipeline.enqueue({"body": "x", "time": at, "trace_id": trace, "span_id": span, "event_name": "paid"})
    assert pipeline.close(30).complete

    (row,) = database.sql("SELECT ts, trace_id, span_id, event_name FROM telesink_logs")
    assert row == (at, uuid.UUID(trace), span, "paid")


@pytest.mark.parametrize("dedupe", ["ledger", "id", "none"])
def test_every_way_of_deduplication_stores_every_record_once(database, dedupe):
    """S0-11: a list of records arrives whole, whatever guards it."""
    pipeline = telesink.Pipeline(database.dsn(dedupe=dedupe), batch_records_max=100)
    assert pipeline.enqueue_many({"body": str(number)} for number in range(1_000)) == 1_000
    assert pipeline.close(30).complete
    assert database.bodies() == [str(number) for number in range(1_000)]
    assert database.count() == (1_000, 1_000)


def test_a_million_records_of_four_threads_are_all_there_once_and_in_order(each_database):
    """S0-10, O1, O2, O3: rows = accepted, none twice, the order of each thread kept."""
    threads, each = 4, 250_000
    pipeline = telesink.Pipeline(each_database.dsn(), when_full="block", block_timeout_seconds=60)

    def write(thread):
        for first in range(0, each, 1_000):
            pipeline.enqueue_many({"body": "n", "t": thread, "n": first + k} for k in range(1_000))

    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert pipeline.close(120).complete

    total = threads * each
    assert pipeline.stats().delivered == total
    query = "SELECT count(*), count(DISTINCT id), min(seq), max(seq), count(DISTINCT seq) FROM telesink_logs"
    assert each_database.sql(query) == [(total, total, 1, total, total)]
    disorder = (
        "SELECT count(*) FROM (SELECT (attributes->>'n')::int - lag((attributes->>'n')::int) OVER "
        "(PARTITION BY attributes->>'t' ORDER BY seq) AS step FROM telesink_logs) AS steps WHERE step <> 1"
    )
    assert each_database.sql(disorder) == [(0,)]


def test_metadata_is_json_that_postgres_can_search(database):
    """S0 1.4, 13: attributes are jsonb, with operators."""
    pipeline = telesink.Pipeline(database.dsn())
    pipeline.enqueue({"body": "x", "attributes": {"http.route": "/x", "nested": {"deep": [1, {"k": "v"}]}}})
    assert pipeline.close(30).complete
    found = database.sql(
        "SELECT body FROM telesink_logs WHERE attributes @> %s", json.dumps({"http.route": "/x"})
    )
    assert found == [("x",)]
    assert database.sql("SELECT attributes #>> '{nested,deep,1,k}' FROM telesink_logs") == [("v",)]


def test_a_context_id_that_is_no_uuid_is_kept_as_it_was_given(database):
    """S0-20: attribution is never lost for its form."""
    pipeline = telesink.Pipeline(database.dsn())
    pipeline.enqueue({"body": "x", "context_id": "ctx_12ab"})
    assert pipeline.close(30).complete
    assert database.sql("SELECT attributes->>'context_id' FROM telesink_logs") == [("ctx_12ab",)]
