"""Events become spans: joined, complete, once."""

import pytest
from langfuse_server import CLASSIC, KEYS, SPANS, attributes, basic

import telesink

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def span(kind="span-create", **fields):
    return {"type": kind, "body": {"id": SPAN, "traceId": TRACE, **fields}}


def at(second):
    return f"2026-01-01T00:00:{second:02}Z"


def delivered(ingest, count):
    receipt = ingest.flush(timeout_seconds=20)
    stats = ingest.stats()
    assert receipt.complete, stats
    assert (stats.delivered, stats.dropped, stats.pending) == (count, {}, 0), stats
    assert stats.offered == stats.accepted + sum(stats.rejected.values())


def test_a_request_has_the_keys_and_names_the_version_of_ingestion(server, ingest):
    """S2-3"""
    ingest.enqueue(span(endTime=at(1)))

    delivered(ingest, 1)
    [request] = server.requests()
    assert request.path == SPANS
    assert request.headers["authorization"] == basic()
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-langfuse-ingestion-version"] == "4"
    assert request.headers["x-langfuse-sdk-name"] == "telesink"
    assert request.headers["x-langfuse-sdk-version"] == telesink.__version__
    assert request.headers["x-langfuse-public-key"] == KEYS[0]
    assert request.headers["user-agent"].startswith("telesink/")


def test_paths_stand_behind_the_hosts_own(make_server, make_ingest):
    """S2-2: slashes at the end do not count."""
    server = make_server(takes=[f"/langfuse{SPANS}"])
    ingest = make_ingest(f"{server.url}/langfuse//")
    ingest.enqueue(span(endTime=at(1)))

    ingest.flush(timeout_seconds=20)

    assert {request.path for request in server.seen} == {f"/langfuse{SPANS}"}


def test_create_and_update_are_one_span(server, ingest):
    ingest.enqueue(span(name="search", startTime=at(1), input={"q": 1}, metadata={"a": 1, "b": 1}))
    ingest.enqueue(span("span-update", endTime=at(3), output="found", metadata={"b": 2}))

    delivered(ingest, 2)
    [sent] = server.spans
    assert (sent.name, sent.trace_id.hex(), sent.span_id.hex()) == ("search", TRACE, SPAN)
    assert sent.end_time_unix_nano - sent.start_time_unix_nano == 2_000_000_000
    found = attributes(sent)
    assert found["langfuse.observation.input"] == '{"q":1}'
    assert found["langfuse.observation.output"] == "found"
    assert found["langfuse.observation.metadata.a"] == 1
    assert found["langfuse.observation.metadata.b"] == 2


def test_the_fields_of_a_trace_stand_on_all_its_spans_and_cost_no_span_of_their_own(server, ingest):
    ingest.enqueue(
        {"type": "trace-create", "body": {"id": TRACE, "name": "turn", "userId": "u", "tags": ["a"]}}
    )
    for number in range(3):
        ingest.enqueue(span("event-create", id=f"{number:016x}".replace("0", "a", 1), name=f"e{number}"))

    delivered(ingest, 4)
    assert [attributes(sent)["langfuse.trace.name"] for sent in server.spans] == ["turn"] * 3
    assert attributes(server.spans[2])["user.id"] == "u"
    assert attributes(server.spans[2])["langfuse.trace.tags"] == ["a"]


def test_a_word_on_a_trace_after_its_observations_is_a_root_span(server, ingest):
    ingest.enqueue({"type": "trace-create", "body": {"id": TRACE, "name": "turn", "input": "question"}})
    ingest.enqueue(span("event-create"))
    ingest.enqueue({"type": "trace-create", "body": {"id": TRACE, "output": "answer"}})

    delivered(ingest, 3)
    observation, root = server.spans
    assert attributes(observation)["langfuse.trace.input"] == "question"
    assert attributes(root)["langfuse.internal.as_root"] is True
    assert attributes(root)["langfuse.trace.name"] == "turn"
    assert attributes(root)["langfuse.trace.output"] == "answer"
    assert root.trace_id == observation.trace_id


def test_a_trace_without_observations_is_a_root_span_after_the_hold_time(server, make_ingest):
    ingest = make_ingest(hold_seconds=0.2, linger_seconds=0.01)
    ingest.enqueue({"type": "trace-create", "body": {"id": TRACE, "name": "turn"}})

    server.wait_for(lambda: server.spans)

    assert attributes(server.spans[0])["langfuse.internal.as_root"] is True


def test_what_has_no_end_is_sent_after_the_hold_time_and_again_as_a_whole_once_it_has_one(
    server, make_ingest
):
    ingest = make_ingest(hold_seconds=0.2, linger_seconds=0.01)
    ingest.enqueue(span(name="slow", input="i", startTime=at(1)))
    server.wait_for(lambda: server.spans)

    ingest.enqueue(span("span-update", endTime=at(2), output="o"))

    delivered(ingest, 2)
    first, second = server.spans
    assert first.span_id == second.span_id
    assert attributes(first)["langfuse.observation.metadata.incomplete"] is True
    assert (second.name, attributes(second)["langfuse.observation.input"]) == ("slow", "i")
    assert attributes(second)["langfuse.observation.output"] == "o"


def test_an_update_whose_create_never_comes_is_sent_as_it_is(server, make_ingest):
    ingest = make_ingest(hold_seconds=0.2, linger_seconds=0.01)
    ingest.enqueue(span("generation-update", endTime=at(2), output="o"))

    server.wait_for(lambda: server.spans)

    assert attributes(server.spans[0])["langfuse.observation.output"] == "o"
    delivered(ingest, 1)


def test_held_events_are_pending_bytes_included_until_a_flush(server, ingest):
    """S2-6: a flush sends what waits, and is over when it is answered."""
    ingest.enqueue(span(input="x" * 10_000))

    server_before, stats = list(server.spans), ingest.stats()
    receipt = ingest.flush(timeout_seconds=20)

    assert (server_before, stats.pending) == ([], 1)
    assert stats.bytes_pending > 10_000
    assert (receipt.delivered, receipt.pending, len(server.spans)) == (1, 0, 1)
    assert ingest.stats().bytes_pending == 0


def test_a_close_sends_what_is_held(server, make_ingest):
    """S2-29: whoever leaves the block leaves nothing behind."""
    with make_ingest() as ingest:
        ingest.enqueue(span())

    assert len(server.spans) == 1
    assert ingest.stats().delivered == 1


def test_the_end_of_the_program_sends_what_is_held(server, run_python):
    code = (
        "import sys, telesink\n"
        "ingest = telesink.Ingest(sys.argv[1], ('pk', 'sk'))\n"
        "ingest.enqueue({'type': 'span-create', 'body': {'id': 's', 'traceId': 't'}})\n"
    )

    finished = run_python(code, server.url)

    assert finished.stderr == ""
    assert len(server.spans) == 1


def test_nothing_is_sent_for_nothing(server, ingest):
    """S2-8"""
    assert ingest.flush().complete
    assert ingest.close().complete

    assert server.seen == []


def test_a_batch_is_sent_when_it_is_full_and_after_the_linger(server, make_ingest):
    """S2-7"""
    by_number = make_ingest(batch_records_max=3, linger_seconds=60)
    for number in range(3):
        by_number.enqueue(span("event-create", id=str(number)))
    server.wait_for(lambda: len(server.spans) == 3)

    by_time = make_ingest(linger_seconds=0.05)
    by_time.enqueue(span("event-create", id="late"))
    server.wait_for(lambda: len(server.spans) == 4)

    assert [len(request.body) > 0 for request in server.requests()] == [True, True]


def test_every_id_that_is_none_for_the_server_is_mapped_always_the_same_way(server, ingest):
    import hashlib

    ingest.enqueue(
        {"type": "event-create", "body": {"id": "step-1", "traceId": "turn-1", "parentObservationId": "p"}}
    )

    delivered(ingest, 1)
    [sent] = server.spans
    digest = {name: hashlib.sha256(name.encode()).digest() for name in ("turn-1", "step-1", "p")}
    assert (sent.trace_id, sent.span_id) == (digest["turn-1"][:16], digest["step-1"][:8])
    assert sent.parent_span_id == digest["p"][:8]
    assert attributes(sent)["langfuse.observation.metadata.original_id"] == "step-1"


def test_an_sdk_log_has_no_place_among_spans_and_is_counted(server, make_ingest):
    ingest = make_ingest(mode="otlp")
    ingest.enqueue({"type": "sdk-log", "body": {"log": "x"}})
    ingest.enqueue(span("event-create"))

    assert ingest.flush(timeout_seconds=20).complete
    stats = ingest.stats()
    assert (stats.delivered, stats.dropped) == (1, {"unrouted": 1})


def test_the_same_events_go_to_a_table_too(server, ingest, tmp_path):
    import sqlite3

    ingest.add_sink(f"sqlite:///{tmp_path}/events.db")
    event = span("generation-create", name="call", input=[{"role": "user"}], endTime=at(2))
    ingest.enqueue({**event, "id": "envelope-1", "timestamp": at(1)})

    assert ingest.flush(timeout_seconds=20).complete
    connection = sqlite3.connect(tmp_path / "events.db")
    [row] = connection.execute(
        "SELECT event_name, json_extract(body, '$.name'), json_extract(body, '$.input[0].role'), "
        "json_extract(attributes, '$.\"langfuse.envelope.id\"') FROM telesink_logs"
    )
    connection.close()
    assert row == ("generation-create", "call", "user", "envelope-1")
    assert len(server.spans) == 1


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_bodies_are_compressed_if_asked(server, make_ingest, compression):
    ingest = make_ingest(compression=compression)
    ingest.enqueue(span("event-create", input="x" * 10_000))

    delivered(ingest, 1)
    [request] = server.requests()
    assert request.headers.get("content-encoding") == ("gzip" if compression == "gzip" else None)


def test_within_one_machine_nothing_is_compressed_unless_asked(server, ingest):
    ingest.enqueue(span("event-create"))

    delivered(ingest, 1)
    assert "content-encoding" not in server.requests()[0].headers


def test_H16_a_body_that_is_too_large_is_halved_and_a_single_event_that_is_too_large_dead_lettered(
    server, make_ingest, tmp_path
):
    server.body_bytes_max = 10_000
    ingest = make_ingest(dead_letter=str(tmp_path / "refused.ndjson"), linger_seconds=60)
    for number in range(20):
        ingest.enqueue(span("event-create", id=f"s{number}", input="x" * 2_000))
    ingest.enqueue(span("event-create", id="huge", input="x" * 20_000))

    assert ingest.flush(timeout_seconds=20).complete
    stats = ingest.stats()
    assert (stats.delivered, stats.dropped) == (20, {"poison": 1})
    assert len({sent.span_id for sent in server.spans}) == len(server.spans) == 20
    assert "http_413" in (tmp_path / "refused.ndjson").read_text()


def test_the_classic_path_is_not_asked_while_spans_are_taken(server, ingest):
    ingest.enqueue(span("event-create"))

    delivered(ingest, 1)
    assert server.requests(CLASSIC) == []
