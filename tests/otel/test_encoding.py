"""What goes on the wire is, field by field, what the SDK's own exporter would send."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from otel.sdk_objects import METRICS_DATA, SPANS, as_request, canonical, logs

import telesink
from telesink import _native

GENERATED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def signals():
    """
    A door into memory, without redaction: the SDK hides nothing either.
    """
    with telesink.Pipeline("memory://", redact=False) as pipeline:
        yield pipeline, _native.Signals(pipeline._native)


def last(signals, signal, count):
    pipeline, door = signals
    assert pipeline.flush().complete
    return [as_request(signal, one) for one in door.encoded("memory")[-count:]]


@GENERATED
@given(span=SPANS)
def test_a_span_is_what_the_sdks_exporter_sends(signals, span):
    assert signals[1].export_spans([span])

    [sent] = last(signals, 2, 1)

    assert canonical(sent) == canonical(encode_spans([span]))


@GENERATED
@given(record=logs())
def test_a_log_record_is_what_the_sdks_exporter_sends(signals, record):
    assert signals[1].export_logs([record])

    [sent] = last(signals, 1, 1)

    assert canonical(sent) == canonical(encode_logs([record]))


@GENERATED
@given(data=METRICS_DATA)
def test_metrics_are_what_the_sdks_exporter_sends(signals, data):
    assert signals[1].export_metrics(data)

    expected = encode_metrics(data)
    sent = last(signals, 3, len(expected.resource_metrics[0].scope_metrics[0].metrics))

    joined = sent[0]
    for other in sent[1:]:
        joined.resource_metrics[0].scope_metrics[0].metrics.extend(
            other.resource_metrics[0].scope_metrics[0].metrics
        )
    assert canonical(joined) == canonical(expected)


def test_S3_27_a_record_of_logging_is_an_otlp_log_record_with_all_of_its_fields():
    with telesink.Pipeline("memory://") as pipeline:
        handler = telesink.LogHandler(_pipeline=pipeline)
        extra = {"text": "t", "yes": True, "small": -5, "big": 2**64, "half": 0.5, "none": None}

        handler.handle(
            logging.makeLogRecord({"msg": "paid %s", "args": (7,), "name": "shop", "levelno": 30, **extra})
        )

        [sent] = last((pipeline, _native.Signals(pipeline._native)), 1, 1)

    scope = sent.resource_logs[0].scope_logs[0]
    [record] = scope.log_records
    values = {pair.key: pair.value for pair in record.attributes}
    assert (scope.scope.name, record.body.string_value, record.severity_number) == ("shop", "paid 7", 13)
    assert values["text"].string_value == "t"
    assert values["yes"].bool_value is True
    assert values["small"].int_value == -5
    assert values["big"].string_value == "18446744073709551616"
    assert values["half"].double_value == 0.5
    assert values["none"].WhichOneof("value") is None
