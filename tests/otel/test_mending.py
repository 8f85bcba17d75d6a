"""Where the SDK's exporter would fail, ours sends something that says what was meant."""

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext
from otel.making import direct, stored
from otel.sdk_objects import as_request

import telesink
from telesink import _native

CONTEXT = SpanContext(trace_id=7, span_id=8, is_remote=False)
RESOURCE = Resource({"service.name": "shop"})


class Raising:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.fixture
def pipeline():
    with telesink.Pipeline("memory://") as pipeline:
        yield pipeline


def export_span(pipeline, **fields):
    span = ReadableSpan(fields.pop("name", "pay"), context=CONTEXT, resource=RESOURCE, **fields)
    assert _native.Signals(pipeline._native).export_spans([span])
    [record] = stored(pipeline)
    return record


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**64, "18446744073709551616"),
        ("half \ud800 character", "half � character"),
        ("a\0b", "a␀b"),
        ({1}, [1]),
        (Raising(), "<unprintable Raising: RuntimeError>"),
        (2**70_000, "<integer of 70001 bits>"),
    ],
    ids=["past 64 bits", "half a character", "NUL", "a set", "raises", "huge"],
)
def test_a_value_that_otlp_cannot_hold_is_replaced(pipeline, value, expected):
    record = export_span(pipeline, attributes={"odd": value})

    assert record["attributes"]["odd"] == expected


def test_what_was_replaced_is_marked_and_counted(pipeline):
    record = export_span(pipeline, attributes={"odd": "a\0b"})

    assert record["attributes"]["telesink.sanitised"] is True
    assert pipeline.stats().sanitised == 1


def test_a_list_in_itself_ends(pipeline):
    cycle = []
    cycle.append(cycle)

    record = export_span(pipeline, attributes={"cycle": cycle})

    assert record["attributes"]["cycle"] == ["<cycle>"]


def test_a_span_without_anything_is_still_a_span(pipeline):
    span = ReadableSpan(None)

    assert _native.Signals(pipeline._native).export_spans([span])

    [record] = stored(pipeline)
    assert (record["body"], record["trace_id"], record["span_id"]) == ("", None, None)


def test_what_is_no_span_at_all_does_not_raise(pipeline):
    signals = _native.Signals(pipeline._native)

    assert signals.export_spans([object(), 7, None])
    assert not signals.export_spans(7)
    signals.end_span(object())
    signals.emit_log(object())
    assert signals.export_metrics(object())


def test_a_times_out_of_range_is_none(pipeline):
    record = export_span(pipeline, start_time=-5, end_time=2**64)

    assert (record["time_unix_nano"], record["end_unix_nano"]) == (0, 0)


def test_a_name_that_is_no_text_is_shown_as_one(pipeline):
    assert export_span(pipeline, name=7)["body"] == "7"


def test_S3_35_a_number_past_64_bits_keeps_its_digits(pipeline):
    numbers = [2**53 + 1, 2**63 - 1, 2**64 - 1]
    points = [NumberDataPoint({}, 0, 1, number) for number in numbers]
    metric = Metric("gauge", None, None, Gauge(points))
    scope = InstrumentationScope("shop")
    data = MetricsData([ResourceMetrics(RESOURCE, [ScopeMetrics(scope, [metric], "")], "")])
    signals = _native.Signals(pipeline._native)

    assert signals.export_metrics(data)

    assert pipeline.flush().complete
    request = as_request(3, signals.encoded("memory")[-1])
    sent = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
    assert [point.as_int for point in sent[:2]] == [2**53 + 1, 2**63 - 1]
    assert sent[2].as_double == 2.0**64
    assert sent[2].attributes[0].key == "telesink.exact_value"
    assert sent[2].attributes[0].value.string_value == "18446744073709551615"


def test_secrets_are_hidden_by_name_and_by_pattern_as_in_logs():
    provider, tracer, pipeline = direct()

    with tracer.start_as_current_span("GET /?password=hunter2") as span:
        span.set_attributes({"db.password": "hunter2", "tokens": 5})
        span.add_event("login", {"session_token": "s-1"})
    provider.force_flush()

    [record] = stored(pipeline)
    assert record["body"] == "GET /?password=[REDACTED]"
    assert record["attributes"] == {"db.password": "[REDACTED]", "tokens": 5}
    assert record["events"][0]["attributes"] == {"session_token": "[REDACTED]"}


def test_secrets_in_the_body_of_a_log_record_are_hidden(pipeline):
    record = ReadableLogRecord(LogRecord(body={"password": "hunter2", "user": "ann"}), RESOURCE)

    assert _native.Signals(pipeline._native).export_logs([record])

    [stored_record] = stored(pipeline)
    assert stored_record["body"] == '{"password":"[REDACTED]","user":"ann"}'


def test_names_that_telesink_keeps_for_itself_are_renamed(pipeline):
    record = export_span(pipeline, attributes={"telesink.loss": 5})

    assert record["attributes"]["caller.telesink.loss"] == 5


def test_a_metric_with_very_many_points_becomes_several_records():
    points = [
        NumberDataPoint({"path": f"/{number}", "text": "x" * 200}, 0, 1, number) for number in range(1_000)
    ]
    metric = Metric("requests", None, None, Gauge(points))
    data = MetricsData(
        [ResourceMetrics(RESOURCE, [ScopeMetrics(InstrumentationScope("shop"), [metric], "")], "")]
    )
    with telesink.Pipeline("memory://", record_bytes_max="64 KiB") as pipeline:
        assert _native.Signals(pipeline._native).export_metrics(data)
        records = stored(pipeline)

    assert len(records) > 1
    assert sum(record["points"] for record in records) == 1_000
    assert {record["body"] for record in records} == {"requests"}


def test_events_that_have_no_room_are_counted():
    with telesink.Pipeline("memory://", record_bytes_max="4 KiB") as pipeline:
        from opentelemetry.sdk.trace import Event

        events = [Event("tick", {"text": "x" * 100}, timestamp=number) for number in range(100)]
        signals = _native.Signals(pipeline._native)
        assert signals.export_spans([ReadableSpan("pay", context=CONTEXT, resource=RESOURCE, events=events)])
        assert pipeline.flush().complete
        span = as_request(2, signals.encoded("memory")[-1]).resource_spans[0].scope_spans[0].spans[0]

    assert 0 < len(span.events) < 100
    assert span.dropped_events_count == 100 - len(span.events)
