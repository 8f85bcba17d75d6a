"""Lines of traces and metrics are valid OTLP: an independent reader finds what the SDK would have sent."""

import base64
import json

import pytest
from files.reading import lines_in
from google.protobuf import json_format
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import telesink.opentelemetry

#: In OTLP's JSON these are hex, where protobuf's own has base64.
IDS = {"traceId", "spanId", "parentSpanId"}


def read_otlp(line, into):
    """An object of OTLP's JSON as a message: ids as protobuf's JSON wants them, everything else as it is."""

    def with_base64(value):
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(inner)).decode() if key in IDS else with_base64(inner)
                for key, inner in value.items()
            }
        return [with_base64(element) for element in value] if isinstance(value, list) else value

    return json_format.ParseDict(with_base64(line), into)


def numbers_of(line):
    """Every value under a name that OTLP has an enum or a number of 64 bits for."""
    if isinstance(line, dict):
        for key, value in line.items():
            yield key, value
            yield from numbers_of(value)
    elif isinstance(line, list):
        for element in line:
            yield from numbers_of(element)


def flat(messages):
    """Resource, scope and record of everything in it, in order."""
    return [
        (group.resource, part.scope, record)
        for message in messages
        for group in (
            message.resource_spans if hasattr(message, "resource_spans") else message.resource_metrics
        )
        for part in (group.scope_spans if hasattr(group, "scope_spans") else group.scope_metrics)
        for record in (part.spans if hasattr(part, "spans") else part.metrics)
    ]


def test_S4_21_spans_are_read_back_as_the_spans_that_the_sdk_would_have_sent(folder):
    """Weakness 2: hex ids, numeric enums, and each scope in its place."""
    processor = telesink.opentelemetry.SpanProcessor(f"file://{folder.path}")
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "n": 3, "list": [1.5, 2.5]}))
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    link = trace.Link(trace.SpanContext(1 << 100, 1 << 60, is_remote=True), {"why": "because"})
    for name in ("orders", "mail"):
        tracer = provider.get_tracer(name, "1.2", attributes={"scope": name})
        with tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER, links=[link]) as outer:
            outer.add_event("began", {"count": 2**53 + 1})
            with tracer.start_as_current_span(
                "inner", attributes={"big": 2**62, "ok": True, "f": float("inf")}
            ) as inner:
                inner.set_status(trace.StatusCode.ERROR, "no")
    assert processor.force_flush(10_000)

    lines = lines_in(folder.path / "shop", "traces")
    found = flat(read_otlp(line, TracesData()) for line in lines)
    expected = flat([encode_spans(memory.get_finished_spans())])
    key = lambda entry: entry[2].span_id  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)
    for name, value in numbers_of(lines):
        if name in IDS:
            assert value == value.lower()
            assert len(value) in (16, 32)
        elif name in ("kind", "code", "flags"):
            assert isinstance(value, int)
        elif name.endswith("UnixNano") or name == "intValue":
            assert isinstance(value, str)
            assert int(value) >= 0


def test_S4_21_spans_go_to_the_service_that_an_attribute_names_and_others_to_that_of_their_resource(folder):
    """Weakness 11: nothing vanishes, and numbers name a service, too."""
    processor = telesink.opentelemetry.SpanProcessor(f"file://{folder.path}")
    provider = TracerProvider(resource=Resource({"service.name": "gateway"}))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    for name, attributes in (
        ("a", {"server.name": "github"}),
        ("b", {}),
        ("c", {"server.name": 7}),
        ("d", {"server.name": "github"}),
    ):
        tracer.start_span(name, attributes=attributes).end()
    assert processor.force_flush(10_000)

    found = {
        path.name: [
            span.name
            for _, _, span in flat(read_otlp(line, TracesData()) for line in lines_in(path, "traces"))
        ]
        for path in folder.path.iterdir()
    }
    assert found == {"github": ["a", "d"], "gateway": ["b"], "7": ["c"]}


def test_S4_21_a_batch_is_one_line_for_each_service_and_no_batch_is_none(folder):
    exporter = telesink.opentelemetry.SpanExporter(f"file://{folder.path}", linger_seconds=5)
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for _ in range(20):
        provider.get_tracer("t").start_span("s").end()

    exporter.export([])
    exporter.export(memory.get_finished_spans())
    assert exporter.force_flush(10_000)

    [line] = lines_in(folder.path / "shop", "traces")
    assert len(flat([read_otlp(line, TracesData())])) == 20


def test_metrics_are_read_back_as_the_points_that_the_sdk_would_have_sent(folder):
    exporter = telesink.opentelemetry.MetricExporter(f"file://{folder.path}")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=Resource({"service.name": "shop"}))
    meter = provider.get_meter("m", "3")
    meter.create_counter("orders", unit="1", description="of today").add(2**60, {"a": 1})
    meter.create_up_down_counter("open").add(-5)
    meter.create_gauge("load").set(0.25, {"cpu": "0"})
    histogram = meter.create_histogram("latency", unit="ms")
    for value in (0.1, 7.0, 12_345.0):
        histogram.record(value, {"route": "/"})
    data = reader.get_metrics_data()

    exporter.export(data)
    assert exporter.force_flush(10_000)

    lines = lines_in(folder.path / "shop", "metrics")
    found = flat(read_otlp(line, MetricsData()) for line in lines)
    expected = flat([encode_metrics(data)])
    key = lambda entry: entry[2].name  # noqa: E731
    assert sorted(found, key=key) == sorted(expected, key=key)
    for name, value in numbers_of(lines):
        if name in ("asInt", "count") or name.endswith("UnixNano"):
            assert isinstance(value, str)
        elif name == "bucketCounts":
            assert all(isinstance(count, str) for count in value)


def test_a_line_stays_below_a_mebibyte_and_is_one_whole_object(folder):
    processor = telesink.opentelemetry.SpanProcessor(f"file://{folder.path}", linger_seconds=5)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    for number in range(3_000):
        tracer.start_span("s", attributes={"number": number, "padding": "x" * 1_000}).end()
    assert processor.force_flush(30_000)

    text = (folder.path / "shop" / "traces.jsonl").read_text().splitlines()
    assert len(text) >= 4
    assert max(map(len, text)) <= 1 << 20
    found = [span for _, _, span in flat(read_otlp(json.loads(line), TracesData()) for line in text)]
    assert [
        attribute.value.int_value
        for span in found
        for attribute in span.attributes
        if attribute.key == "number"
    ] == list(range(3_000))


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_one_file_holds_one_signal(folder, signal):
    telesink.install_logging(f"file://{folder.path}?service=shop&format=otlp")
    with telesink.span("s"):
        pass
    assert telesink.flush(10)

    top = {key for line in lines_in(folder.path / "shop", signal) for key in line}
    assert top <= {"resourceSpans" if signal == "traces" else "resourceMetrics"}
