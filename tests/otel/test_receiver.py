"""To a receiver over real HTTP, which decodes what it gets with the reference implementation."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otel.programs import SHOP, THREE, instrumented
from otel.sdk_objects import METRICS_DATA, SPANS, canonical, logs
from otlp.receiver import receiving

import telesink

KINDS = {
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
SENT = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def decoded(request):
    is_packed = request.headers.get("content-encoding") == "gzip"
    return KINDS[request.path].FromString(gzip.decompress(request.body) if is_packed else request.body)


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def pipeline(receiver):
    with telesink.Pipeline(f"otlp://{receiver.address}", redact=False, linger_seconds=0) as pipeline:
        yield pipeline


def only(pipeline, receiver):
    assert pipeline.flush().complete
    [request] = receiver.requests
    receiver.requests.clear()
    return decoded(request)


@SENT
@given(span=SPANS)
def test_a_span_arrives_as_the_sdks_exporter_would_have_sent_it(pipeline, receiver, span):
    assert pipeline._signals.export_spans([span])

    assert canonical(only(pipeline, receiver)) == canonical(encode_spans([span]))


@SENT
@given(record=logs())
def test_a_log_record_arrives_as_the_sdks_exporter_would_have_sent_it(pipeline, receiver, record):
    assert pipeline._signals.export_logs([record])

    assert canonical(only(pipeline, receiver)) == canonical(encode_logs([record]))


@SENT
@given(data=METRICS_DATA.filter(lambda data: len(data.resource_metrics[0].scope_metrics[0].metrics) == 1))
def test_a_metric_arrives_as_the_sdks_exporter_would_have_sent_it(pipeline, receiver, data):
    assert pipeline._signals.export_metrics(data)

    assert canonical(only(pipeline, receiver)) == canonical(encode_metrics(data))


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [{}, {"OTEL_PYTHON_CONFIGURATOR": "telesink"}, {"OTEL_PYTHON_DISTRO": "telesink"}],
    ids=["batch", "direct", "distro"],
)
def test_a_fastapi_program_sends_all_three_signals_and_its_log_records_join(tmp_path, receiver, how):
    exporters = {} if "OTEL_PYTHON_DISTRO" in how else THREE

    instrumented(tmp_path, SHOP, TELESINK_DSN=f"otlp://{receiver.address}", **exporters, **how)

    requests = [decoded(request) for request in receiver.requests]
    spans = {
        (span.trace_id, span.span_id): span.name
        for request in requests
        if isinstance(request, ExportTraceServiceRequest)
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    }
    logged = [
        (record.body.string_value, spans.get((record.trace_id, record.span_id)))
        for request in requests
        if isinstance(request, ExportLogsServiceRequest)
        for group in request.resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
        if scope.scope.name == "shop"
    ]
    sold = [
        metric.sum.data_points[0].as_int
        for request in requests
        if isinstance(request, ExportMetricsServiceRequest)
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        if metric.name == "sold"
    ]
    assert sorted(logged) == [(f"order {number}", "GET /orders/{number}") for number in range(3)]
    assert sold[-1] == 3
