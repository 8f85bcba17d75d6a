"""Names that come again are looked at once, which nobody may notice."""

import subprocess
import sys
import textwrap

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext
from otel.making import MEMORY, stored

import telesink
from telesink import _native

CONTEXT = SpanContext(trace_id=7, span_id=8, is_remote=False)
RESOURCE = Resource({"service.name": "shop"})
TIMES = 5


def span_of(attributes):
    return ReadableSpan("pay", context=CONTEXT, resource=RESOURCE, attributes=attributes)


@pytest.fixture
def pipeline():
    with telesink.Pipeline(MEMORY) as pipeline:
        yield pipeline


def attributes_of(pipeline, attributes, times=TIMES):
    """
    What each of several spans with the same attributes has of them.
    """
    assert _native.Signals(pipeline._native).export_spans([span_of(attributes)] * times)
    return [record["attributes"] for record in stored(pipeline)]


def test_a_name_that_comes_again_is_written_as_it_was_the_first_time(pipeline):
    attributes = {
        "http.route": "/pay",
        "db.password": "hunter2",
        "telesink.loss": "mine",
        "n\0l": 1,
        "half \ud800": 2,
        "k" * 300: 3,
        "items": ("a", 1),
        "note": "password=hunter2",
    }

    first, *others = attributes_of(pipeline, attributes)

    assert others == [first] * (TIMES - 1)
    assert first["http.route"] == "/pay"
    assert first["db.password"] == "[REDACTED]"
    assert first["caller.telesink.loss"] == "mine"
    assert first["n␀l"] == 1
    assert first["k" * 256] == 3
    assert first["items"] == ["a", 1]
    assert first["note"] == "password=[REDACTED]"


def test_two_pipelines_judge_the_same_name_each_by_its_own_rules():
    span = span_of({"basket": "apples", "password": "hunter2"})
    rules = [True, telesink.Redaction(names=["basket"]), telesink.Redaction(keep=["password"])]
    pipelines = [telesink.Pipeline(MEMORY, settings=telesink.Settings(redact=rule)) for rule in rules]
    for _ in range(TIMES):
        for pipeline in pipelines:
            assert _native.Signals(pipeline._native).export_spans([span])

    kept = [[(r["attributes"]["basket"], r["attributes"]["password"]) for r in stored(p)] for p in pipelines]

    assert kept[0] == [("apples", "[REDACTED]")] * TIMES
    assert kept[1] == [("[REDACTED]", "[REDACTED]")] * TIMES
    assert kept[2] == [("apples", "hunter2")] * TIMES
    for pipeline in pipelines:
        pipeline.close()


def test_more_names_than_are_remembered_all_arrive(pipeline):
    attributes = {f"name.{number}": number for number in range(2_000)}

    assert attributes_of(pipeline, attributes) == [attributes] * TIMES


def test_names_that_are_made_anew_each_time_all_arrive(pipeline):
    spans = [span_of({f"name.{number}.{at}": at for at in range(20)}) for number in range(200)]

    assert _native.Signals(pipeline._native).export_spans(spans)

    kept = [record["attributes"] for record in stored(pipeline)]
    assert kept == [{f"name.{number}.{at}": at for at in range(20)} for number in range(200)]


@pytest.mark.parametrize("odd", [None, {"in": 1}, float("inf"), 2**70, "half \ud800"])
def test_a_list_with_something_odd_in_it_is_written_once_and_whole(pipeline, odd):
    for kept in attributes_of(pipeline, {"items": ("a", odd, "b"), "last": 1}):
        first, _, last = kept["items"]
        assert (first, last, kept["last"]) == ("a", "b", 1)


def test_a_value_that_empties_the_attributes_while_it_is_read_hurts_nobody(pipeline):
    class Emptying:
        def __repr__(self):
            attributes.clear()
            return "emptied"

    attributes = {"first": 1, "odd": Emptying(), "second": "two", "third": ("a",)}

    [kept] = attributes_of(pipeline, attributes, times=1)

    assert kept == {"first": 1, "odd": "emptied", "second": "two", "third": ["a"]}


def test_attributes_past_the_most_that_a_record_holds_are_counted(pipeline):
    [kept] = attributes_of(pipeline, {f"name.{number}": number for number in range(10_005)}, times=1)

    assert len(kept) == 10_000
    assert pipeline.stats().truncated == 1


LONG = tuple(range(12_000))


@pytest.mark.parametrize(
    ("attributes", "lengths"),
    [
        ({"a": LONG}, [9_999]),
        ({"a": (*LONG[:6_000], None), "b": LONG[:2]}, [6_001, 2]),
        ({"a": ("x",) * 6_000 + ("\ud800",)}, [6_001]),
        (dict.fromkeys("abc", (*LONG[:3_000], None)), [3_001, 3_001, 3_001]),
    ],
    ids=["plain", "one odd", "half a character", "three odd ones"],
)
def test_long_lists_keep_as_much_as_a_record_holds(pipeline, attributes, lengths):
    [kept] = attributes_of(pipeline, attributes, times=1)

    assert [len(kept[name]) for name in attributes] == lengths


def test_garbage_that_is_collected_while_a_dict_is_read_hurts_nobody():
    """
    Half a character is told by an exception; making one may collect garbage, and finalisers may do anything.
    """
    program = textwrap.dedent(
        """
        import gc, warnings
        import telesink
        warnings.simplefilter("ignore")
        ingest = telesink.Ingest(missing_keys="disable")
        ingest.add_sink("memory://?records_max=5")
        kept = []

        class Emptying:
            def __init__(self, pairs):
                self.pairs, self.cycle = pairs, self

            def __del__(self):
                self.pairs.clear()
                kept.extend("ANOTHER KEY %03d " % number + "x" * 116 for number in range(200))

        for threshold in range(1, 40):
            gc.disable()
            gc.collect()
            kept.clear()
            pairs = {"ok": 1, "k\\ud800" + "z" * 50 + "%02d" % threshold: "v"}
            event = {"type": "event-create", "body": {"id": "e", "traceId": "t", "input": pairs}}
            ingest.enqueue(event)
            Emptying(pairs)
            gc.set_threshold(threshold)
            gc.enable()
            ingest.enqueue(event)
            gc.disable()
            assert ingest.flush().complete
            assert "ANOTHER" not in ingest.pipeline.recent()[-1]["body"]
        print("survived")
        """
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )

    assert (ended.returncode, ended.stdout) == (0, "survived\n"), ended.stderr


def test_an_id_of_a_class_of_its_own_is_read(pipeline):
    class Id(int):
        pass

    context = SpanContext(Id((1 << 127) + 5), Id((1 << 63) + 6), is_remote=False)
    span = ReadableSpan("pay", context=context, resource=RESOURCE)

    assert _native.Signals(pipeline._native).export_spans([span])

    [record] = stored(pipeline)
    assert (record["trace_id"], record["span_id"]) == (f"{(1 << 127) + 5:032x}", f"{(1 << 63) + 6:016x}")


@pytest.mark.parametrize("trace_id", [1, 2**63, 2**64 - 1, 2**64, 2**127 + 1, 2**128 - 1])
def test_every_half_of_a_trace_id_arrives(pipeline, trace_id):
    span = ReadableSpan("pay", context=SpanContext(trace_id, 8, is_remote=False), resource=RESOURCE)

    assert _native.Signals(pipeline._native).export_spans([span])

    assert stored(pipeline)[-1]["trace_id"] == f"{trace_id:032x}"
