"""A server that is away, slow, wrong, or half there: every event ends once, as the table of answers says."""

import time

import pytest
from langfuse_server import CLASSIC, SPANS, Answer
from waiting import wait_until


def event(number=0, **fields):
    body = {"id": f"{number + 1:016x}", "traceId": "0af7651916cd43dd8448eb211c80319c", **fields}
    return {"type": "event-create", "id": f"e{number}", "body": body}


def settled(ingest, seconds=20):
    assert ingest.flush(timeout_seconds=seconds).complete, ingest.stats()
    stats = ingest.stats()
    assert stats.routed == stats.delivered + sum(stats.dropped.values()) + stats.pending
    return stats


@pytest.mark.parametrize("mode", ["otlp", "legacy"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_what_may_pass_is_tried_again(server, make_ingest, mode, status):
    """S2-9, S2-13: the batch is kept, where it was lost."""
    path = SPANS if mode == "otlp" else CLASSIC
    server.answer(path, Answer(status, "busy"), Answer(status, "busy"))
    ingest = make_ingest(mode=mode)
    ingest.enqueue(event())

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (1, {})
    assert stats.retries >= 2
    assert len(server.requests(path)) == 3


def test_the_server_is_left_alone_for_as_long_as_it_asks(server, make_ingest):
    server.answer(SPANS, Answer(429, "slow down", {"Retry-After": "1"}))
    ingest = make_ingest(mode="otlp", linger_seconds=0.01)
    started = time.monotonic()
    ingest.enqueue(event())

    server.wait_for(lambda: server.spans)

    assert time.monotonic() - started >= 0.9


@pytest.mark.parametrize("mode", ["otlp", "legacy"])
@pytest.mark.parametrize("action", ["reset", "drop", "cut"])
def test_H8_an_answer_that_is_lost_has_the_same_bytes_sent_again(server, make_ingest, mode, action):
    """S2-9, S2-14: the ids tell the server that it knows them."""
    path = SPANS if mode == "otlp" else CLASSIC
    server.answer(path, Answer(200, "{}", action=action, stores=True))
    ingest = make_ingest(mode=mode)
    ingest.enqueue(event())

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (1, {})
    bodies = [request.body for request in server.requests(path)]
    assert len(bodies) >= 2
    assert len(set(bodies)) == 1


@pytest.mark.parametrize("mode", ["otlp", "legacy"])
def test_an_answer_that_cannot_be_read_is_kept_to_512_characters_and_the_events_are_sent_again(
    server, make_ingest, mode
):
    """S2-12: whatever answered may not be a Langfuse server."""
    path = SPANS if mode == "otlp" else CLASSIC
    server.answer(path, Answer(200, "<html>" + "x" * 5_000))
    ingest = make_ingest(mode=mode)
    ingest.enqueue(event())

    stats = settled(ingest)

    assert stats.delivered == 1
    assert "cannot be read: <html>xxx" in stats.last_error
    assert stats.last_error.count("x") in range(500, 520)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("mode", ["auto", "otlp", "legacy"])
def test_keys_that_are_not_taken_hold_the_events_and_say_so(server, make_ingest, mode, status):
    path = CLASSIC if mode == "legacy" else SPANS
    server.answer(path, *[Answer(status, {"message": "Invalid credentials"})] * 3)
    ingest = make_ingest(mode=mode, linger_seconds=0.01)
    ingest.enqueue(event())

    server.wait_for(lambda: len(server.seen) >= 1)
    wait_until(lambda: ingest.stats().state == "held", "the hold")
    held = ingest.stats()
    stats = settled(ingest)

    assert (held.state, held.pending) == ("held", 1)
    assert f"answered {status}" in held.last_error
    assert "Invalid credentials" in held.last_error
    assert "check" in held.last_error
    assert (stats.delivered, stats.dropped) == (1, {})


def test_what_a_server_says_is_kept_to_1024_characters(server, make_ingest):
    """S2-13"""
    server.answer(SPANS, *[Answer(503, "y" * 5_000)] * 2)
    ingest = make_ingest(mode="otlp")
    ingest.enqueue(event())

    stats = settled(ingest)

    assert stats.last_error.count("y") == 1_024


def test_secrets_that_a_server_repeats_are_not_shown(server, make_ingest):
    server.answer(SPANS, *[Answer(503, "you sent sk-lf-secret and pk-lf-public")] * 2)
    ingest = make_ingest(mode="otlp")
    ingest.enqueue(event())

    assert "sk-lf-secret" not in settled(ingest).last_error
    assert "sk-lf-secret" not in repr(ingest)


def test_secrets_that_a_server_repeats_about_one_item_are_not_shown(server, make_ingest, tmp_path):
    error = {"id": "e", "status": 400, "message": "you sent sk-lf-secret"}
    server.answer(CLASSIC, Answer(207, {"successes": [], "errors": [error]}))
    letters = tmp_path / "refused.ndjson"
    ingest = make_ingest(mode="legacy", dead_letter=str(letters))
    ingest.enqueue({**event(), "id": "e"})

    stats = settled(ingest)

    assert "you sent ***" in stats.last_error
    assert "you sent ***" in letters.read_text()
    assert "sk-lf-secret" not in stats.last_error + letters.read_text()


def test_an_event_that_the_server_refuses_costs_only_itself(server, make_ingest, tmp_path):
    """A whole request is refused; halved until the one stands alone."""
    ingest = make_ingest(mode="otlp", linger_seconds=60, dead_letter=str(tmp_path / "refused.ndjson"))
    usual = server._usual
    server._usual = lambda request: (
        Answer(400, {"error": "bad span"}) if b"poison" in request.body else usual(request)
    )
    for number in range(20):
        ingest.enqueue(event(number, input="poison" if number == 7 else "fine"))

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (19, {"poison": 1})
    assert "bad span" in stats.last_error
    assert len(server.spans) == 19


def test_H15_a_version_of_ingestion_that_the_server_does_not_know_is_held(server, make_ingest):
    refusal = Answer(400, {"error": "Invalid x-langfuse-ingestion-version header"})
    server.answer(SPANS, refusal)
    ingest = make_ingest(mode="otlp")
    ingest.enqueue(event())

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (1, {})
    assert "does not know this version" in stats.last_error


def test_a_redirect_is_not_followed_and_held(server, make_server, make_ingest):
    other = make_server()
    server.answer(SPANS, Answer(307, "", {"Location": f"{other.url}{SPANS}"}))
    ingest = make_ingest(mode="otlp")
    ingest.enqueue(event())

    stats = settled(ingest)

    assert stats.delivered == 1
    assert "127.0.0.1" in stats.last_error
    assert other.seen == []


def test_callers_do_not_wait_while_one_request_is_under_way_and_what_has_no_room_is_counted(make_ingest):
    """S2-5, S2-16: the first loss is counted, too, and one request is under way at a time."""
    ingest = make_ingest(
        "http://192.0.2.1", insecure_ok=True, queue_records_max=10, connect_timeout_seconds=0.5
    )
    taken = ingest.enqueue_many(event(number) for number in range(50))

    stats = ingest.stats()

    assert taken < 50
    assert stats.rejected == {"queue_full": 50 - taken}
    assert (stats.offered, stats.accepted) == (50, taken)
    receipt = ingest.close(timeout_seconds=0.3)
    assert receipt.pending == 0
    assert sum(ingest.stats().dropped.values()) == taken


def test_after_a_close_events_are_counted(ingest):
    """S2-5"""
    ingest.close()

    assert ingest.enqueue(event()) is False
    assert ingest.stats().rejected == {"closed": 1}


def test_a_flush_has_a_deadline(server, make_ingest):
    """S2-6: a server that is away does not hold up whoever flushes."""
    ingest = make_ingest("http://192.0.2.1", insecure_ok=True, connect_timeout_seconds=30)
    ingest.enqueue(event())
    started = time.monotonic()

    receipt = ingest.flush(timeout_seconds=0.2)

    assert not receipt.complete
    assert receipt.pending == 1
    assert time.monotonic() - started < 5
    ingest.close(timeout_seconds=0.1)


def test_an_interval_of_zero_does_not_wait(server, make_ingest):
    """S2-15"""
    make_ingest(linger_seconds=0).enqueue(event())

    server.wait_for(lambda: server.spans)
