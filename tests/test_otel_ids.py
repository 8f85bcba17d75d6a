"""Records belong to the span of OpenTelemetry that is current when they are logged."""

import pytest

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def tracer():
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    return trace.TracerProvider().get_tracer("tests")


def test_the_ids_of_the_current_span_are_columns(recorder, tracer):
    recorder.logger.info("before")
    with tracer.start_as_current_span("outer") as outer:
        with tracer.start_as_current_span("inner") as inner:
            recorder.logger.info("inside")
        recorder.logger.info("around")
    recorder.logger.info("after")

    found = [(record["trace_id"], record["span_id"]) for record in recorder.records()]
    assert found[0] == found[3] == (None, None)
    assert found[1:3] == [
        (f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}")
        for span in (inner, outer)
    ]


def test_a_span_of_another_process_counts_as_well(recorder):
    from opentelemetry import trace

    context = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True)
    with trace.use_span(trace.NonRecordingSpan(context)):
        recorder.logger.info("paid")

    record = recorder.only()
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)


def test_a_span_without_valid_ids_is_none(recorder):
    from opentelemetry import trace

    with trace.use_span(trace.INVALID_SPAN):
        recorder.logger.info("paid")

    record = recorder.only()
    assert (record["trace_id"], record["span_id"]) == (None, None)


def test_the_ids_that_opentelemetrys_instrumentation_leaves_on_records_count(recorder):
    fields = {
        "otelTraceID": TRACE,
        "otelSpanID": SPAN,
        "otelTraceSampled": True,
        "otelServiceName": "shop",
    }
    recorder.logger.info("paid", extra=fields)

    record = recorder.only()
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)
    assert not [key for key in record["attributes"] if key.startswith("otel")]


@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [
        ("0", "0"),
        ("0" * 32, "0" * 16),
        ("xyz", "xyz"),
        (TRACE[:-1], SPAN[:-1]),
        (TRACE + "00", SPAN + "00"),
        ("é" * 16, "é" * 8),
        (7, None),
        (b"x", ["y"]),
        ("+" * 32, "-" * 16),
        (" " * 32, "_" * 16),
    ],
)
def test_malformed_ids_are_left_out_and_the_record_kept(recorder, trace_id, span_id):
    """R20"""
    recorder.logger.info("logged", extra={"otelTraceID": trace_id, "otelSpanID": span_id})
    recorder.pipeline.enqueue({"body": "enqueued", "trace_id": trace_id, "span_id": span_id})

    for record in recorder.records():
        assert (record["trace_id"], record["span_id"]) == (None, None)


def test_given_ids_win_over_the_current_span(recorder, tracer):
    with tracer.start_as_current_span("outer"):
        recorder.pipeline.enqueue({"body": "paid", "trace_id": TRACE, "span_id": SPAN})

    record = recorder.only()
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)


def test_ids_are_read_in_upper_case_too(recorder):
    recorder.pipeline.enqueue({"body": "paid", "trace_id": TRACE.upper(), "span_id": SPAN.upper()})

    assert recorder.only()["trace_id"] == TRACE


def test_a_span_that_misbehaves_costs_no_record(recorder):
    """R1"""
    from opentelemetry import trace

    class OddSpan(trace.NonRecordingSpan):
        def get_span_context(self):
            raise RuntimeError("no")

    with trace.use_span(OddSpan(trace.INVALID_SPAN_CONTEXT)):
        recorder.logger.info("paid")

    assert recorder.only()["trace_id"] is None


def test_opentelemetry_is_never_imported_by_us(run_python):
    finished = run_python(
        "import logging, sys, telesink\n"
        "handler = telesink.install_logging('memory://')\n"
        "logging.error('paid')\n"
        "telesink.enqueue({'body': 'paid'})\n"
        "telesink.flush()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    assert finished.stdout == "[]\n"


def test_a_package_that_is_imported_later_is_noticed(run_python):
    finished = run_python(
        "import logging, telesink\n"
        "telesink.install_logging('memory://')\n"
        "logging.error('before')\n"
        "from opentelemetry import trace\n"
        f"context = trace.SpanContext({int(TRACE, 16)}, {int(SPAN, 16)}, is_remote=False)\n"
        "with trace.use_span(trace.NonRecordingSpan(context)):\n"
        "    logging.error('after')\n"
        "telesink.flush()\n"
        "print([record['trace_id'] for record in telesink.recent()])"
    )

    assert finished.stdout == f"[None, '{TRACE}']\n"


def test_threads_have_spans_of_their_own(recorder, tracer):
    import threading

    ready = threading.Barrier(4)
    expected = {}

    def work(number):
        with tracer.start_as_current_span("work") as span:
            expected[str(number)] = f"{span.get_span_context().span_id:016x}"
            ready.wait(30)
            recorder.logger.info("%d", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {record["body"]: record["span_id"] for record in recorder.records()} == expected
