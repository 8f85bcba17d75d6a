"""The processors and exporters in the set-ups that the SDK's documentation shows."""

import gc
import sqlite3
import subprocess
import sys
import threading
import weakref
from contextlib import closing

import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from otel.making import MEMORY, direct, logger_of, stored, tracer_of

import telesink
import telesink.opentelemetry as ours
from telesink import ConfigError

#: Nobody listens there, so records wait.
DEAD = "postgresql://nobody@127.0.0.1:9/none?sslmode=disable"


def test_a_span_is_taken_when_it_ends_with_its_parent_and_its_events():
    provider, tracer, pipeline = direct()

    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner") as inner:
        inner.add_event("paid", {"amount": 12})

    first, second = stored(pipeline)
    assert (first["body"], second["body"]) == ("inner", "outer")
    assert first["parent_span_id"] == second["span_id"] == f"{outer.get_span_context().span_id:016x}"
    assert first["trace_id"] == second["trace_id"]
    assert first["logger"] == "shop"
    assert first["events"][0]["attributes"] == {"amount": 12}
    provider.shutdown()


def test_a_span_that_is_not_sampled_is_left_alone():
    processor = ours.SpanProcessor(MEMORY)
    _, tracer = tracer_of(processor, sampler=ALWAYS_OFF)

    with tracer.start_as_current_span("outer"):
        pass

    assert stored(processor.pipeline) == []
    assert processor.pipeline.stats().offered == 0


def test_a_log_record_is_taken_when_it_is_emitted_with_the_ids_of_its_span():
    processor = ours.LogRecordProcessor(MEMORY)
    _, logger = logger_of(processor)
    _, tracer, _ = direct()

    with tracer.start_as_current_span("pay") as span:
        logger.emit(body="paid", severity_number=SeverityNumber.WARN, attributes={"amount": 12})

    record = next(record for record in stored(processor.pipeline) if record["body"] == "paid")
    assert record["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert record["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert (record["level"], record["levelno"]) == ("WARN", 30)
    assert record["attributes"] == {"amount": 12}


def test_the_sdks_batch_processors_deliver_through_our_exporters():
    span_exporter, log_exporter = ours.SpanExporter(MEMORY), ours.LogRecordExporter(MEMORY)
    tracer_provider, tracer = tracer_of(BatchSpanProcessor(span_exporter))
    logger_provider, logger = logger_of(BatchLogRecordProcessor(log_exporter))

    with tracer.start_as_current_span("pay"):
        logger.emit(body="paid")
    tracer_provider.force_flush()
    logger_provider.force_flush()

    assert sorted(record["body"] for record in stored(span_exporter.pipeline)) == ["paid", "pay"]
    tracer_provider.shutdown()
    logger_provider.shutdown()


def test_S3_35_a_periodic_reader_delivers_deltas_through_our_exporter(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    exporter = ours.MetricExporter(MEMORY)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)])
    counter = provider.get_meter("shop").create_counter("sold", unit="1")

    counter.add(3, {"sku": "A7"})
    provider.force_flush()

    [metric] = [one for one in stored(exporter.pipeline) if one["body"] == "sold"]
    assert metric["points"] == 1
    encoded = exporter._user.shared.signals.encoded("memory")
    sent = next(message for _, _, _, _, _, message in encoded if b"sold" in message)
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    decoded = Metric.FromString(sent)
    assert decoded.sum.aggregation_temporality == 1
    assert decoded.sum.data_points[0].as_int == 3
    provider.shutdown()


def test_histograms_can_be_exponential_by_the_exporters_variable(monkeypatch):
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"
    )
    exporter = ours.MetricExporter(MEMORY)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)])

    provider.get_meter("shop").create_histogram("took").record(0.5)
    provider.force_flush()

    assert exporter.pipeline.flush().complete
    encoded = exporter._user.shared.signals.encoded("memory")
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

    names = {
        Metric.FromString(message).name: Metric.FromString(message).WhichOneof("data")
        for *_, message in encoded
    }
    assert names["took"] == "exponential_histogram"
    provider.shutdown()


def test_all_of_one_dsn_share_one_pipeline():
    users = [
        ours.SpanProcessor(MEMORY),
        ours.LogRecordProcessor(MEMORY),
        ours.SpanExporter(MEMORY),
        ours.LogRecordExporter(MEMORY),
        ours.MetricExporter(MEMORY),
    ]

    assert len({id(user.pipeline) for user in users}) == 1


def test_without_a_dsn_the_process_wide_pipeline_is_meant():
    telesink.install_logging("memory://")

    processor = ours.SpanProcessor()

    _, tracer = tracer_of(processor)
    tracer.start_span("pay").end()
    assert telesink.flush().complete
    assert [record["body"] for record in telesink.recent()] == ["pay"]


def test_without_a_dsn_and_a_sink_the_variable_names_one(monkeypatch):
    monkeypatch.setenv("TELESINK_DSN", "memory://")

    processor, exporter = ours.SpanProcessor(), ours.MetricExporter()

    assert processor.pipeline is exporter.pipeline
    assert processor.pipeline.sinks == ["memory"]


def test_installing_logging_later_shares_the_sink_that_is_there(monkeypatch):
    monkeypatch.setenv("TELESINK_DSN", "memory://")
    processor = ours.SpanProcessor()

    handler = telesink.install_logging()

    assert handler.pipeline is processor.pipeline
    assert handler.pipeline.sinks == ["memory"]


def test_the_dsn_that_logging_goes_to_is_shared():
    handler = telesink.install_logging("memory://")

    assert ours.SpanProcessor("memory://").pipeline is handler.pipeline


def test_other_options_for_an_open_dsn_are_refused():
    processor = ours.SpanProcessor("null://", linger_seconds=0.5)

    with pytest.raises(ConfigError, match="linger_seconds"):
        ours.LogRecordProcessor("null://", linger_seconds=0.1)

    processor.shutdown()


def test_a_wrong_dsn_is_refused_when_the_processor_is_made():
    with pytest.raises(ConfigError):
        ours.SpanProcessor("nowhere://")


def test_what_ends_after_shutdown_is_counted():
    provider, tracer, pipeline = direct()
    other = ours.SpanProcessor(MEMORY)

    span = tracer.start_span("late")
    provider.shutdown()
    provider.shutdown()
    provider._active_span_processor._span_processors[0].on_end(span._readable_span())

    assert pipeline.stats().rejected == {"closed": 1}
    assert other.pipeline is pipeline


def test_the_last_one_to_shut_down_closes_the_pipeline():
    first, second = ours.SpanProcessor(MEMORY), ours.LogRecordProcessor(MEMORY)

    first.shutdown()
    assert not first.pipeline._native.is_closed
    second.shutdown()

    assert first.pipeline._native.is_closed
    assert ours.SpanProcessor(MEMORY).pipeline is not first.pipeline


def test_a_flush_gives_up_when_its_time_is_over():
    processor = ours.LogRecordProcessor(DEAD, exit_timeout_seconds=0.1)
    _, logger = logger_of(processor)
    logger.emit(body="paid")

    assert processor.force_flush(timeout_millis=50) is False
    processor.shutdown()


def test_an_exporter_after_shutdown_fails_and_counts():
    exporter = ours.SpanExporter(MEMORY)
    keeps_open = ours.SpanExporter(MEMORY)
    span = TracerProvider().get_tracer("shop").start_span("pay")
    span.end()

    exporter.shutdown()

    assert exporter.export([span]) is SpanExportResult.FAILURE
    assert keeps_open.pipeline.stats().rejected == {"closed": 1}


def test_a_subclass_may_look_at_spans_first():
    class Only(ours.SpanProcessor):
        def on_end(self, span):
            if span.name != "noise":
                super().on_end(span)

    processor = Only(MEMORY)
    _, tracer = tracer_of(processor)

    tracer.start_span("noise").end()
    tracer.start_span("pay").end()

    assert [record["body"] for record in stored(processor.pipeline)] == ["pay"]


def test_they_are_what_the_sdk_asks_for():
    assert issubclass(ours.SpanProcessor, SpanProcessor)
    assert issubclass(ours.SpanExporter, SpanExporter)
    assert issubclass(ours.LogRecordExporter, LogRecordExporter)
    assert issubclass(ours.MetricExporter, MetricExporter)


def test_global_providers_are_not_touched():
    before = trace.get_tracer_provider()

    direct()

    assert trace.get_tracer_provider() is before


def test_spans_of_many_threads_all_arrive_once():
    _, tracer, pipeline = direct()

    def work(number):
        for index in range(200):
            with tracer.start_as_current_span(f"{number}-{index}"):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    names = [record["body"] for record in stored(pipeline)]
    assert len(names) == 1_600
    assert set(names) == {f"{number}-{index}" for number in range(8) for index in range(200)}


def test_resources_of_different_providers_are_told_apart_also_when_one_stands_where_another_was():
    processor = ours.SpanProcessor(MEMORY)
    for number in range(50):
        _, tracer = tracer_of(processor, resource=Resource({"service.name": f"shop-{number}"}))
        tracer.start_span("pay").end()
        del tracer
        gc.collect()

    assert processor.pipeline.flush().complete
    resources = [one[1] for one in processor._user.shared.signals.encoded("memory")]
    assert [f"shop-{number}".encode() in resource for number, resource in enumerate(resources)] == [True] * 50


def test_spans_are_not_kept_alive():
    _, tracer, pipeline = direct()
    span = tracer.start_span("pay")
    seen = weakref.ref(span)
    span.end()
    stored(pipeline)

    del span
    gc.collect()

    assert seen() is None


def test_a_simple_processor_works_too():
    exporter = ours.SpanExporter(MEMORY)
    _, tracer = tracer_of(SimpleSpanProcessor(exporter))

    tracer.start_span("pay").end()

    assert [record["body"] for record in stored(exporter.pipeline)] == ["pay"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_forked_worker_delivers_its_own_spans_and_none_of_the_parents(tmp_path):
    program = f"""
import os, sys
from opentelemetry.sdk.trace import TracerProvider
import telesink.opentelemetry
processor = telesink.opentelemetry.SpanProcessor("memory://")
provider = TracerProvider()
provider.add_span_processor(processor)
tracer = provider.get_tracer("shop")
tracer.start_span("parent").end()
for number in range(3):
    if os.fork() == 0:
        tracer.start_span("child").end()
        ok = provider.force_flush()
        names = [one["body"] for one in processor.pipeline.recent()]
        open(r"{tmp_path}/%d" % number, "w").write(f"{{ok}} {{names}}")
        os._exit(0)
for _ in range(3):
    os.wait()
provider.force_flush()
print([one["body"] for one in processor.pipeline.recent()])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['parent']"
    assert [(tmp_path / str(number)).read_text() for number in range(3)] == ["True ['child']"] * 3


def test_what_was_taken_before_the_program_ends_is_delivered(tmp_path):
    program = """
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
import telesink.opentelemetry as ours
for number in range(2):
    provider = LoggerProvider()
    processor = ours.LogRecordProcessor("sqlite:///app.db")
    if number:
        processor = BatchLogRecordProcessor(ours.LogRecordExporter("sqlite:///app.db"))
    provider.add_log_record_processor(processor)
    provider.get_logger("shop").emit(body=f"paid {number}")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        bodies = [body for (body,) in database.execute("select body from telesink_logs")]
    assert sorted(bodies) == ["paid 0", "paid 1"]
    assert done.stderr == ""
