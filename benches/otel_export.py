"""
What it costs a program to send OpenTelemetry's spans and log records to a local OTLP receiver.

Each contestant is a processor of the SDK (for `handler`, beside it, a handler of `logging`), in a process
of its own. Its processor time is that of all threads, from the first record to the last one delivered,
less that of the same program with a processor that drops everything. `on_end_ns` is the median time of
the call that the ending thread makes. The receiver is another process, and counts what arrives.
"""

from __future__ import annotations

import logging
import statistics
import time
from typing import TYPE_CHECKING, Any

from benches import otlp_receiver, runner
from benches.tables import otel_tables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "otel_export"
RUNS = 5
RECORDS = 100_000
_QUICK_RECORDS = 5_000

ATTRIBUTES = {
    "http.request.method": "POST",
    "http.route": "/orders/{id}",
    "http.response.status_code": 201,
    "server.address": "shop.example.org",
    "server.port": 443,
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "order.id": "0c8f6d53-91ab-4d8e-9c62-3f2b7f0e5a11",
    "order.total": 129.95,
    "order.is_gift": False,
    "order.items": ("A7", "B9"),
}

#: Signal: contestants, the one that drops first.
CONTESTANTS = {
    "spans": ("drop", "sdk", "telesink"),
    "logs": ("drop", "sdk", "telesink"),
    "handler": ("drop", "sdk", "telesink", "telesink_handler"),
}


def measure(*, scratch: str, signal: str, contestant: str, records: int) -> dict[str, Any]:
    """One contestant, one signal, in this process."""
    del scratch
    with otlp_receiver.Receiver() as receiver:
        work, flush = _PROGRAMS[signal](contestant, receiver.port)
        work(200)
        flush()
        before = receiver.count()
        start, wall = time.process_time(), time.perf_counter()
        work(records)
        flush()
        seconds = time.process_time() - start
        found = {
            "processor_us": round(1e6 * seconds / records, 3),
            "wall_seconds": round(time.perf_counter() - wall, 3),
        }
        if contestant != "drop":
            found["delivered"] = receiver.count() - before
            found["failed"] = records - found["delivered"]
        return found


def measure_call(*, scratch: str, contestant: str, records: int) -> dict[str, Any]:
    """The median time of `on_end`, called where the provider calls it: when a span has just ended."""
    del scratch
    from opentelemetry.sdk.trace import TracerProvider

    with otlp_receiver.Receiver() as receiver:
        processor = _span_processor(contestant, receiver.port)
        times: list[int] = []
        provider = TracerProvider()
        provider.add_span_processor(_timed(processor.on_end, times))
        tracer = provider.get_tracer("bench")
        for _ in range(records):
            tracer.start_span("POST /orders/{id}", attributes=ATTRIBUTES).end()
        processor.force_flush(60_000)
        return {"on_end_ns": round(statistics.median(times)), "p99_ns": sorted(times)[len(times) * 99 // 100]}


def _timed(on_end: Callable[[Any], None], times: list[int]) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    clock = time.perf_counter_ns

    class Timed(SpanProcessor):
        def on_end(self, span: Any) -> None:
            start = clock()
            on_end(span)
            times.append(clock() - start)

    return Timed()


def _span_processor(contestant: str, port: int) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    if contestant == "telesink":
        import telesink.opentelemetry

        return telesink.opentelemetry.SpanProcessor(
            f"otlp://127.0.0.1:{port}", queue_records_max=1_000_000, queue_bytes_max="1 GiB"
        )
    if contestant == "sdk":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces")
        return BatchSpanProcessor(exporter, max_queue_size=1_000_000)

    class Dropping(SpanProcessor):
        def on_end(self, span: Any) -> None:
            pass

    return Dropping()


def _log_processor(contestant: str, port: int) -> Any:
    from opentelemetry.sdk._logs import LogRecordProcessor

    if contestant == "telesink":
        import telesink.opentelemetry

        return telesink.opentelemetry.LogRecordProcessor(
            f"otlp://127.0.0.1:{port}", queue_records_max=1_000_000, queue_bytes_max="1 GiB"
        )
    if contestant == "sdk":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        exporter = OTLPLogExporter(f"http://127.0.0.1:{port}/v1/logs")
        return BatchLogRecordProcessor(exporter, max_queue_size=1_000_000)

    class Dropping(LogRecordProcessor):
        def on_emit(self, log_record: Any) -> None:
            pass

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            del timeout_millis
            return True

    return Dropping()


_Program = tuple["Callable[[int], None]", "Callable[[], Any]"]


def _spans(contestant: str, port: int) -> _Program:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_span_processor(contestant, port))
    tracer = provider.get_tracer("bench")

    def work(count: int) -> None:
        start = tracer.start_span
        for _ in range(count):
            start("POST /orders/{id}", attributes=ATTRIBUTES).end()

    return work, lambda: provider.force_flush(120_000)


def _logs(contestant: str, port: int) -> _Program:
    from opentelemetry._logs import SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider

    provider = LoggerProvider()
    provider.add_log_record_processor(_log_processor(contestant, port))
    logger = provider.get_logger("bench")

    def work(count: int) -> None:
        emit = logger.emit
        for _ in range(count):
            emit(body="order placed", severity_number=SeverityNumber.INFO, attributes=ATTRIBUTES)

    return work, lambda: provider.force_flush(120_000)


def _handler(contestant: str, port: int) -> _Program:
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
    from opentelemetry.sdk._logs import LoggerProvider

    logger = logging.getLogger("bench")
    logger.setLevel("INFO")
    logger.propagate = False
    if contestant == "telesink_handler":
        import telesink

        handler: logging.Handler = telesink.LogHandler(
            f"otlp://127.0.0.1:{port}", queue_records_max=1_000_000, queue_bytes_max="1 GiB"
        )
        flush: Callable[[], Any] = lambda: handler.pipeline.flush(120.0)  # type: ignore[attr-defined] # noqa: E731
    else:
        provider = LoggerProvider()
        provider.add_log_record_processor(_log_processor(contestant, port))
        handler = LoggingHandler(logger_provider=provider)
        flush = lambda: provider.force_flush(120_000)  # noqa: E731
    logger.addHandler(handler)

    def work(count: int) -> None:
        for _ in range(count):
            logger.info("order placed", extra=ATTRIBUTES)

    return work, flush


_PROGRAMS = {"spans": _spans, "logs": _logs, "handler": _handler}


def main(argv: list[str]) -> None:
    runner.main(
        argv,
        NAME,
        __doc__,
        runs=RUNS,
        known=CONTESTANTS,
        kind="signal",
        measure_all=_measure_all,
        table=otel_tables,
    )


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    signals = runner.chosen(arguments.only, CONTESTANTS, "signal")
    records = _QUICK_RECORDS if arguments.quick else RECORDS
    tasks = [
        runner.Task(NAME, "measure", {"signal": signal, "contestant": contestant, "records": records})
        for signal in signals
        for contestant in CONTESTANTS[signal]
    ]
    if "spans" in signals:
        tasks += [
            runner.Task(NAME, "measure_call", {"contestant": contestant, "records": min(records, 20_000)})
            for contestant in ("sdk", "telesink")
        ]
    return {"records": records}, runner.interleaved(tasks, runs)
