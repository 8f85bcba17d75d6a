"""`telesink.Ingest` without a server: which events are taken, what becomes of them, and what is refused."""

import datetime as dt
import json
import multiprocessing
import sys
import threading
import types
import warnings

import hostile
import pytest

import telesink
from telesink import _ingest
from telesink import langfuse as typed

KEYS = ("pk-lf-1", "sk-lf-1")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def ingest():
    """Sends to memory alone: keys are missing, and that is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ingest = telesink.Ingest(missing_keys="disable")
    ingest.add_sink("memory://?records_max=10000")
    yield ingest
    ingest.close()


def kept(ingest):
    """The records, with their bodies as they were."""
    assert ingest.flush(timeout_seconds=20).complete
    return [{**record, "body": json.loads(record["body"])} for record in ingest.pipeline.recent(10_000)]


def span(**fields):
    return {"type": "span-create", "body": {"id": SPAN, "traceId": TRACE, **fields}}


def test_an_event_is_a_record_with_its_type_its_body_and_its_ids(ingest):
    event = span(name="search", input=[{"q": 1}], level="ERROR", nothing=None)

    assert ingest.enqueue({**event, "id": "e1", "timestamp": "2026-01-01T00:00:01.5Z", "metadata": {"k": 1}})

    [record] = kept(ingest)
    assert (record["event_name"], record["logger"], record["level"]) == ("span-create", "langfuse", "ERROR")
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)
    assert record["time_unix_nano"] == 1_767_225_601_500_000_000
    assert record["body"] == {
        "id": SPAN,
        "traceId": TRACE,
        "name": "search",
        "input": [{"q": 1}],
        "level": "ERROR",
    }
    assert record["attributes"] == {
        "langfuse.envelope.id": "e1",
        "langfuse.envelope.timestamp": "2026-01-01T00:00:01.5Z",
        "langfuse.envelope.metadata": {"k": 1},
    }


def test_moments_may_be_datetimes(ingest):
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    assert ingest.enqueue({**span(startTime=moment), "timestamp": moment})

    [record] = kept(ingest)
    assert record["body"]["startTime"] == "2026-01-01T00:00:00+00:00"
    assert record["time_unix_nano"] == 1_767_225_600_000_000_000


BAD = {
    "no mapping": 7,
    "none": None,
    "a list": [],
    "no type": {"body": {}},
    "no body": {"type": "span-create"},
    "an unknown type": {"type": "span-created", "body": {}},
    "a type that is no text": {"type": 7, "body": {}},
    "a body that is no mapping": {"type": "span-create", "body": "x"},
    "a key that is no text": {"type": "span-create", "body": {7: 1}},
    "an envelope id that is no text": {"type": "span-create", "id": 7, "body": {}},
    "an empty envelope id": {"type": "span-create", "id": "", "body": {}},
    "an envelope id with a carriage return": {"type": "span-create", "id": "a\rb", "body": {}},
    "an envelope id that is too long": {"type": "span-create", "id": "x" * 801, "body": {}},
    "an id that is no text": span(id=7),
    "an empty id": span(id=""),
    "a trace id that is no text": span(traceId=b"x"),
    "a parent that is no text": span(parentObservationId=7),
    "a lone surrogate in an id": span(id="\ud800"),
    "a timestamp without an offset": {**span(), "timestamp": "2026-01-01T00:00:00"},
    "a timestamp that is no time": {**span(), "timestamp": "yesterday"},
    "a start that is no time": span(startTime="soon"),
    "an end that is a number": span(endTime=7),
    "a naive datetime": span(startTime=dt.datetime(2026, 1, 1)),  # noqa: DTZ001
    "a day that its month does not have": span(startTime="2026-02-30T00:00:00Z"),
    "an hour that no day has": span(startTime="2026-01-31T24:00:00Z"),
    "a moment before 1970": span(startTime="1969-12-31T23:59:59Z"),
    "a datetime before 1970": span(startTime=dt.datetime(1960, 1, 1, tzinfo=dt.UTC)),
    "a moment after 2262": span(endTime="2300-01-01T00:00:00Z"),
    "a time that its type does not have": {"type": "trace-create", "body": {"startTime": "soon"}},
    "an id that its type does not have": {"type": "sdk-log", "body": {"log": 1, "traceId": 7}},
    "an update of nobody knows what": {"type": "span-update", "body": {"output": 1}},
}


@pytest.mark.parametrize("event", BAD.values(), ids=BAD.keys())
def test_an_event_that_no_server_would_take_is_refused_and_counted(ingest, event):
    assert ingest.enqueue(event) is False

    stats = ingest.stats()
    assert stats.rejected == {"invalid_event": 1}
    assert (stats.offered, stats.accepted) == (1, 0)
    assert ingest.validate(event) != []


@pytest.mark.parametrize("number", range(len(hostile.all_of_them())))
def test_values_of_any_kind_cost_no_event(ingest, number):
    value = hostile.all_of_them()[number]

    assert ingest.enqueue(span(input=value, metadata={"k": [value]}))

    assert len(kept(ingest)) == 1


def test_a_name_with_half_of_a_character_is_mended_like_other_names(ingest):
    ingest.enqueue(span(**{"\ud800odd": "text"}, name="n"))

    [record] = kept(ingest)
    assert sorted(record["body"]) == ["id", "name", "traceId", "\ufffdodd"]


def test_a_mapping_that_raises_is_refused_and_nothing_is_raised(ingest):
    class Raising(dict):
        def keys(self):
            raise RuntimeError("no")

        def as_event(self):
            raise RuntimeError("no")

    class Mapping:
        def __getattribute__(self, name):
            raise RuntimeError("no")

    assert ingest.enqueue(Raising()) is False
    assert ingest.enqueue(Mapping()) is False
    assert ingest.stats().rejected == {"invalid_event": 2}


def test_mappings_of_other_kinds_are_taken(ingest):
    assert ingest.enqueue(types.MappingProxyType(span(name="proxy")))

    assert kept(ingest)[0]["body"]["name"] == "proxy"


def test_the_event_itself_is_left_as_it_is(ingest):
    event = span(input={"a": [1]}, nothing=None)
    before = {**event, "body": dict(event["body"])}

    ingest.enqueue(event)

    assert event == before


def test_threads_share_the_queue_and_the_counters(ingest):
    """S2-4"""
    threads = [
        threading.Thread(target=ingest.enqueue_many, args=([span()] * 500 + [{}] * 10,)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kept(ingest)) == 2_000
    stats = ingest.stats()
    assert (stats.offered, stats.accepted, stats.rejected) == (2_040, 2_000, {"invalid_event": 40})


def test_many_events_are_counted(ingest):
    assert ingest.enqueue_many([span(), {}, span()]) == 2


def test_only_names_hide_and_texts_are_kept_for_what_stands_in_them(ingest):
    text = "the password=hunter2 in a prompt"
    ingest.enqueue(span(input=text, metadata={"api_key": "abc", "tokens": 7}))

    [record] = kept(ingest)
    assert record["body"]["input"] == text
    assert record["body"]["metadata"] == {"api_key": "[REDACTED]", "tokens": 7}


def test_a_sample_is_decided_by_the_trace_and_counted():
    ingest = telesink.Ingest("http://localhost:1", KEYS, sample_rate=0.3, hold_seconds=60, linger_seconds=60)
    taken = {}
    for number in range(400):
        trace = f"{number:032x}".replace("0", "f", 1) if number % 2 else f"turn-{number}"
        results = {ingest.enqueue(span(id=f"s{one}", traceId=trace)) for one in range(3)}
        taken[trace] = results

    assert all(len(results) == 1 for results in taken.values())
    stats = ingest.stats()
    assert stats.rejected == {"sampled_out": 1_200 - stats.accepted}
    assert ingest.enqueue({"type": "score-create", "body": {"sessionId": "s", "name": "n", "value": 1}})
    ingest.close(timeout_seconds=0.1)


def test_what_names_no_trace_is_left_out_with_its_observation():
    ingest = telesink.Ingest("http://localhost:1", KEYS, sample_rate=0.0, linger_seconds=60)
    later = [
        {"type": "span-update", "body": {"id": "step", "output": 1}},
        {"type": "score-create", "body": {"observationId": "step", "name": "n", "value": 1}},
    ]

    before = [ingest.enqueue(event) for event in later]
    ingest.enqueue(span(id="step"))
    after = [ingest.enqueue(event) for event in later]

    assert (before, after) == ([True, True], [False, False])
    assert ingest.stats().rejected == {"sampled_out": 3}
    ingest.close(timeout_seconds=0.1)


def test_a_mask_sees_contents_only_and_its_answer_is_sent(ingest):
    seen = []

    def mask(*, data):
        seen.append(data)
        return "masked"

    ingest._mask = mask
    event = span(name="n", input="secret", output=None, metadata={"a": 1})
    ingest.enqueue(event)

    [record] = kept(ingest)
    assert seen == ["secret", {"a": 1}]
    assert (record["body"]["input"], record["body"]["metadata"]) == ("masked", "masked")
    assert record["body"]["name"] == "n"
    assert event["body"]["input"] == "secret"


def test_a_mask_sees_the_metadata_of_the_envelope_too(ingest):
    ingest._mask = lambda *, data: f"masked {data}"

    assert ingest.enqueue({**span(name="search"), "metadata": "hunter2"})

    [record] = kept(ingest)
    assert record["attributes"]["langfuse.envelope.metadata"] == "masked hunter2"


def test_a_key_that_is_half_a_character_is_left_out_with_its_null(ingest):
    for _ in range(3):
        assert ingest.enqueue(span(**{"half \ud800": None, "other half \ud801": 1}))

    others = [set(record["body"]) - {"id", "traceId"} for record in kept(ingest)]
    assert others == [{"other half \ufffd"}] * 3


def test_keys_past_the_most_that_a_body_holds_are_counted(ingest):
    assert ingest.enqueue(span(**{f"key{number}": number for number in range(10_005)}))

    [record] = kept(ingest)
    assert len(record["body"]) == 10_000
    assert ingest.stats().truncated == 1


def test_a_class_that_raises_when_it_is_looked_at_is_refused(ingest):
    class Meta(type):
        def __getattribute__(cls, name):
            raise RuntimeError(name)

    class Odd(metaclass=Meta):
        pass

    assert not ingest.enqueue(Odd())
    assert ingest.stats().rejected["invalid_event"] == 1


def test_a_mask_that_fails_is_counted_and_nothing_is_sent_unmasked(ingest):
    def mask(*, data):
        raise ValueError(data)

    ingest._mask = mask

    assert ingest.enqueue(span(input="secret", output="other"))

    [record] = kept(ingest)
    assert record["body"]["input"] == record["body"]["output"] == _ingest.MASK_FAILED
    assert ingest.mask_failures == 2


def test_typed_events_are_the_same_on_the_wire(ingest):
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    event = typed.GenerationCreate(
        event_id="e1",
        id=SPAN,
        trace_id=TRACE,
        parent_observation_id="p",
        start_time=moment,
        completion_start_time=moment,
        model="m",
        model_parameters={"temperature": 0.5},
        usage_details={"input": 1},
        prompt_name="p",
        prompt_version=2,
    )

    assert ingest.validate(event) == []
    assert ingest.enqueue(event)

    [record] = kept(ingest)
    assert set(record["body"]) == {
        "id",
        "traceId",
        "parentObservationId",
        "startTime",
        "completionStartTime",
        "model",
        "modelParameters",
        "usageDetails",
        "promptName",
        "promptVersion",
    }
    assert record["attributes"]["langfuse.envelope.id"] == "e1"


def test_there_is_a_typed_event_for_every_type_and_all_are_frozen():
    from telesink._events import TYPES

    kinds = [getattr(typed, name) for name in typed.__all__ if name != "IngestionEvent"]

    assert sorted(kind.type for kind in kinds) == sorted(TYPES)
    with pytest.raises(AttributeError):
        typed.SpanCreate(id="x").id = "y"


def test_a_field_of_a_typed_event_that_is_none_is_not_sent():
    assert typed.TraceCreate(id="t", input=None).as_event() == {"type": "trace-create", "body": {"id": "t"}}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_the_child_of_a_fork_counts_from_zero_and_sends_its_own(ingest):
    ingest.enqueue(span())
    assert ingest.flush(timeout_seconds=20).complete

    def work(answers):
        taken = ingest.enqueue(span())
        answers.put((taken, ingest.flush(timeout_seconds=20).complete, ingest.stats().accepted))

    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=work, args=(answers,))
    child.start()

    assert answers.get(timeout=30) == (True, True, 1)
    child.join(30)
    assert ingest.stats().accepted == 1
