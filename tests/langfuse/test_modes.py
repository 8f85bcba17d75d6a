"""Which form a server takes: found out, kept, changed, and nothing lost on the way."""

import json

import pytest
from langfuse_server import CLASSIC, SCORES, SPANS, Answer, attributes

import telesink

TRACE = "0af7651916cd43dd8448eb211c80319c"


def observation(kind, number=0, **fields):
    body = {"id": f"step-{number}", "traceId": "turn-1", **fields}
    return {"type": kind, "id": f"{kind}-{number}", "body": body}


def settled(ingest):
    assert ingest.flush(timeout_seconds=20).complete, ingest.stats()
    return ingest.stats()


def test_a_server_without_spans_gets_classic_batches_of_complete_events(make_server, make_ingest):
    """H15, the older servers: the events are joined all the same, and ids stay as they were."""
    server = make_server(takes=[CLASSIC, SCORES])
    ingest = make_ingest(server.url)
    ingest.enqueue({"type": "trace-create", "id": "t", "body": {"id": "turn-1", "name": "turn"}})
    ingest.enqueue(observation("span-create", name="search", input="i"))
    ingest.enqueue(observation("span-update", endTime="2026-01-01T00:00:02Z", output="o"))

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (3, {})
    assert [item["type"] for item in server.items] == ["trace-create", "span-create"]
    trace, span = (item["body"] for item in server.items)
    assert trace == {"id": "turn-1", "name": "turn"}
    assert {name: span[name] for name in ("id", "traceId", "name", "input", "output", "endTime")} == {
        "id": "step-0",
        "traceId": "turn-1",
        "name": "search",
        "input": "i",
        "output": "o",
        "endTime": "2026-01-01T00:00:02Z",
    }
    assert "startTime" in span


@pytest.mark.parametrize("status", [404, 405])
def test_the_form_that_was_found_is_kept(make_server, make_ingest, status):
    server = make_server()
    server.answer(SPANS, Answer(status, "no"))
    ingest = make_ingest(server.url)
    for number in range(3):
        ingest.enqueue(observation("event-create", number))
        settled(ingest)

    assert len(server.requests(SPANS)) == 1
    assert len(server.items) == 3


def test_a_path_that_is_missing_for_a_while_changes_nothing_where_spans_were_taken(server, make_ingest):
    """The ids of spans and of classic events differ: one observation would become two."""
    ingest = make_ingest()
    ingest.enqueue(observation("event-create", 0))
    settled(ingest)
    server.answer(SPANS, *[Answer(404, "no such service")] * 2)
    ingest.enqueue(observation("event-create", 1))

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (2, {})
    assert (len(server.spans), server.items) == (2, [])
    assert "404" in stats.last_error


def test_H15_a_server_that_accepts_no_classic_events_gets_spans(make_server, make_ingest):
    """Both at the start: spans are missing at first, and then classic events are not accepted."""
    server = make_server(accepts_classic=False)
    server.answer(SPANS, Answer(404, "not yet"))
    ingest = make_ingest(server.url)
    ingest.enqueue(observation("event-create"))

    held = ingest.flush(timeout_seconds=20)

    assert held.complete
    stats = ingest.stats()
    assert (stats.delivered, stats.dropped, len(server.spans)) == (1, {}, 1)


def test_H15_a_server_that_stops_to_accept_classic_events_loses_none(make_server, make_ingest):
    server = make_server(takes=[CLASSIC, SCORES])
    ingest = make_ingest(server.url)
    ingest.enqueue(observation("event-create", 0))
    settled(ingest)
    server.accepts_classic = False
    server.takes.add(SPANS)
    for number in range(1, 6):
        ingest.enqueue(observation("event-create", number))

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (6, {})
    assert [item["id"] for item in server.items] == ["event-create-0"]
    names = {attributes(span)["langfuse.observation.metadata.original_id"] for span in server.spans}
    assert names == {f"step-{number}" for number in range(1, 6)}
    assert len(server.spans) == 5


def test_a_server_that_takes_neither_holds_everything_until_it_does(make_server, make_ingest):
    server = make_server(takes=[])
    ingest = make_ingest(server.url, linger_seconds=0.01)
    ingest.enqueue(observation("event-create"))
    server.wait_for(lambda: len(server.seen) >= 4)
    held = ingest.stats()
    server.takes.add(SPANS)

    stats = settled(ingest)

    assert (held.delivered, held.pending) == (0, 1)
    assert "neither spans (OTLP) nor classic batches" in held.last_error
    assert (stats.delivered, stats.dropped, len(server.spans)) == (1, {}, 1)


def test_classic_events_go_as_they_come_if_asked(server, make_ingest):
    """S2-3, S2-10: nothing is joined or held, and an answer without errors says nothing more."""
    ingest = make_ingest(mode="legacy")
    events = [
        {"type": "trace-create", "id": "a", "timestamp": "2026-01-01T00:00:01Z", "body": {"id": "turn-1"}},
        observation("span-create", name="s"),
        observation("span-update", output="o"),
        {"type": "score-create", "id": "sc", "body": {"traceId": "turn-1", "name": "good", "value": 1}},
        {"type": "sdk-log", "id": "log", "body": {"log": {"a": 1}}},
    ]

    assert ingest.enqueue_many(events) == 5
    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (5, {})
    assert server.requests(SPANS) == server.requests(SCORES) == []
    assert [item["id"] for item in server.items] == ["a", "span-create-0", "span-update-0", "sc", "log"]
    assert [item["body"] for item in server.items] == [event["body"] for event in events]
    assert server.items[0]["timestamp"] == "2026-01-01T00:00:01Z"
    assert server.requests(CLASSIC)[0].headers["content-type"] == "application/json"


def test_H15_in_legacy_mode_events_that_are_not_accepted_are_held_and_the_error_says_what_to_do(
    make_server, make_ingest
):
    server = make_server(accepts_classic=False)
    ingest = make_ingest(server.url, mode="legacy", linger_seconds=0.01)
    ingest.enqueue(observation("event-create"))
    server.wait_for(lambda: len(server.seen) >= 2)

    stats = ingest.stats()

    assert (stats.delivered, stats.pending) == (0, 1)
    assert "does not accept classic events" in stats.last_error
    assert "mode=auto" in stats.last_error


def test_H3_items_of_a_batch_are_settled_one_by_one(server, make_ingest, tmp_path):
    """S2-11: those that may pass are sent again, the others dead-lettered with what the server says."""
    server.item_status = {"busy": [500, 429, 201], "bad": [400], "gone": [404]}
    ingest = make_ingest(mode="legacy", linger_seconds=60, dead_letter=str(tmp_path / "refused.ndjson"))
    for number, name in enumerate(["fine", "busy", "bad", "gone"]):
        ingest.enqueue(observation("event-create", number, name=name))

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (2, {"poison": 2})
    assert [item["body"]["name"] for item in server.items] == ["fine", "busy"]
    letters = (tmp_path / "refused.ndjson").read_text()
    assert "status 400: in detail" in letters
    assert "http_404" in letters


def test_an_item_that_is_put_off_says_why(server, make_ingest):
    server.item_status = {"busy": [503]}
    ingest = make_ingest(mode="legacy")
    ingest.enqueue(observation("event-create", name="busy"))

    stats = settled(ingest)

    assert stats.delivered == 1
    assert "put 1 records off: item with status 503: status 503: in detail" in stats.last_error


def test_H16_batches_stay_below_the_servers_limit(server, make_ingest):
    ingest = make_ingest(mode="legacy", linger_seconds=60)
    for number in range(12):
        ingest.enqueue(observation("event-create", number, input="x" * 500_000))

    stats = settled(ingest)

    assert (stats.delivered, len(server.items)) == (12, 12)
    assert max(len(request.body) for request in server.requests()) <= 3_500_000
    assert len(server.requests()) == 2


def test_scores_have_a_route_of_their_own_and_name_spans_by_their_ids(server, ingest):
    ingest.enqueue(observation("event-create"))
    for number in range(3):
        body = {"traceId": "turn-1", "observationId": "step-0", "name": "good", "value": number}
        ingest.enqueue({"type": "score-create", "id": f"s{number}", "body": body})

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (4, {})
    assert [score["value"] for score in server.scores] == [0, 1, 2]
    [span] = server.spans
    assert {score["traceId"] for score in server.scores} == {span.trace_id.hex()}
    assert {score["observationId"] for score in server.scores} == {span.span_id.hex()}
    assert [score["id"] for score in server.scores] == ["s0", "s1", "s2"]
    assert len(server.requests(SCORES)) == 1


def test_scores_of_a_classic_server_keep_the_ids_that_it_knows(make_server, make_ingest):
    server = make_server(takes=[CLASSIC, SCORES])
    ingest = make_ingest(server.url)
    ingest.enqueue({"type": "score-create", "body": {"traceId": "turn-1", "name": "good", "value": 1}})

    settled(ingest)

    assert server.scores[0]["traceId"] == "turn-1"


def test_scores_go_one_by_one_where_no_lists_are_taken_and_a_wrong_one_costs_only_itself(
    make_server, make_ingest
):
    server = make_server()
    server.takes_lists = False
    ingest = make_ingest(server.url, linger_seconds=60)
    for number in range(5):
        value = {"odd": 1} if number == 2 else number
        ingest.enqueue({"type": "score-create", "body": {"traceId": "t", "name": "n", "value": value}})

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (4, {"poison": 1})
    assert [score["value"] for score in server.scores] == [0, 1, 3, 4]


def test_a_wrong_score_does_not_have_all_later_ones_go_one_by_one(server, make_ingest):
    ingest = make_ingest(linger_seconds=60)
    for values in ([{"odd": 1}, 1], [2, 3, 4]):
        for value in values:
            ingest.enqueue({"type": "score-create", "body": {"traceId": "t", "name": "n", "value": value}})
        settled(ingest)

    assert [score["value"] for score in server.scores] == [1, 2, 3, 4]
    assert json.loads(server.requests(SCORES)[-1].body)[0]["value"] == 2


def test_a_probe_that_is_refused_costs_no_score(server, make_ingest):
    server.answer(SPANS, Answer(400, "there is nothing in it"))
    ingest = make_ingest()
    ingest.enqueue({"type": "score-create", "body": {"traceId": "t", "name": "n", "value": 1}})

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (1, {})


def test_H3_scores_that_are_rejected_are_counted_and_not_sent_again(server, make_ingest):
    rejection = {"accepted": 2, "rejected": 1, "errors": [{"message": "no such config"}]}
    server.answer(SCORES, Answer(207, rejection))
    ingest = make_ingest(linger_seconds=60)
    for number in range(3):
        ingest.enqueue({"type": "score-create", "body": {"traceId": "t", "name": "n", "value": number}})

    stats = settled(ingest)

    assert (stats.delivered, stats.dropped) == (2, {"rejected_by_server": 1})
    assert len(server.requests(SCORES)) == 1


def test_an_sdk_log_goes_where_it_is_taken_and_is_counted_where_not(make_server, make_ingest):
    classic, spans = make_server(takes=[CLASSIC, SCORES]), make_server(takes=[SPANS, SCORES])
    counts = []
    for server in (classic, spans):
        ingest = make_ingest(server.url)
        ingest.enqueue({"type": "sdk-log", "body": {"log": "x"}})
        stats = settled(ingest)
        counts.append((stats.delivered, stats.dropped))

    assert counts == [(1, {}), (0, {"unrouted": 1})]
    assert [item["type"] for item in classic.items] == ["sdk-log"]


@pytest.mark.parametrize(
    ("takes", "mode", "said"),
    [
        ([SPANS], "auto", "takes spans (OTLP); mode auto"),
        ([CLASSIC], "auto", "takes classic batches; mode auto"),
        ([SPANS], "otlp", "takes spans (OTLP); mode otlp"),
        ([CLASSIC], "legacy", "takes classic batches; mode legacy"),
    ],
)
def test_a_check_names_the_server_and_the_form_that_it_takes(make_server, make_ingest, takes, mode, said):
    server = make_server(takes=takes)

    told = make_ingest(server.url, mode=mode).check()

    assert told.startswith(server.url)
    assert said in told
    assert "sk-lf" not in told


def test_a_check_raises_what_is_in_the_way(make_server, make_ingest):
    server = make_server()
    server.answer(SPANS, Answer(401, "who?"), Answer(503, "later"))
    ingest = make_ingest(server.url)
    nowhere = make_ingest(make_server(takes=[]).url)

    with pytest.raises(telesink.AuthError, match="401"):
        ingest.check()
    with pytest.raises(telesink.ConnectError, match="503"):
        ingest.check()
    with pytest.raises(telesink.TelesinkError, match="neither"):
        nowhere.check()
