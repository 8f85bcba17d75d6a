"""What a program logs arrives at an OTLP receiver, as the reference implementation reads it."""

import logging

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

import telesink


def attributes_of(record):
    """The attributes of a decoded record by name."""
    return {pair.key: pair.value for pair in record.attributes}


@pytest.mark.parametrize("options", ["", "?encoding=json", "?compression=gzip"])
def test_one_line_sends_what_a_program_logs(receiver, options):
    telesink.install_logging(f"otlp://{receiver.address}{options}", resource={"service.name": "shop"})

    logging.getLogger("shop.cart").warning("low on %s", "stock", extra={"sku": "A7", "left": 2})
    receipt = telesink.flush()

    assert receipt
    [request] = receiver.requests
    assert request.path == "/v1/logs"
    assert request.headers["user-agent"].startswith("telesink/")
    [group] = request.decoded().resource_logs
    assert {pair.key: pair.value.string_value for pair in group.resource.attributes}["service.name"] == "shop"
    [scope] = group.scope_logs
    assert scope.scope.name == "shop.cart"
    [record] = scope.log_records
    assert (record.severity_number, record.severity_text) == (13, "WARN")
    assert record.body == AnyValue(string_value="low on stock")
    found = attributes_of(record)
    assert (found["sku"].string_value, found["left"].int_value) == ("A7", 2)


def test_an_exception_arrives_with_its_stack_trace(receiver):
    telesink.install_logging(f"otlp://{receiver.address}")

    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("shop").exception("no such cart")
    telesink.flush()

    [record] = receiver.requests[0].records()
    found = attributes_of(record)
    assert found["exception.type"].string_value == "KeyError"
    assert "test_logging.py" in found["exception.stacktrace"].string_value


def test_a_thousand_records_arrive_once_and_in_order_in_few_requests(receiver):
    telesink.install_logging(f"otlp://{receiver.address}")

    log = logging.getLogger("shop")
    for number in range(1_000):
        log.info("%d", number)
    telesink.flush()

    assert receiver.bodies() == [str(number) for number in range(1_000)]
    assert len(receiver.requests) < 20


def test_the_environment_of_opentelemetry_says_where_to(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{receiver.address}/base")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop%201,x-other=2")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip")
    telesink.install_logging("otlp://")

    logging.getLogger("shop").info("paid")
    telesink.flush()

    [request] = receiver.requests
    assert request.path == "/base/v1/logs"
    assert (request.headers["x-tenant"], request.headers["x-other"]) == ("shop 1", "2")
    assert (request.headers["content-encoding"], receiver.bodies()) == ("gzip", ["paid"])


def test_H3_what_the_receiver_rejects_stands_in_the_stats(receiver):
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 1
    response.partial_success.error_message = "too old"
    receiver.answer = lambda _: (
        200,
        {"content-type": "application/x-protobuf"},
        response.SerializeToString(),
    )
    telesink.install_logging(f"otlp://{receiver.address}")

    for number in range(3):
        logging.getLogger("shop").info("%d", number)
    telesink.flush()

    stats = telesink.stats()["otlp"]
    assert (stats.delivered, stats.dropped) == (2, {"rejected_by_server": 1})
    assert stats.last_error.endswith("rejected 1 log records: too old")


def test_H1_a_wrong_key_holds_the_records_until_it_is_mended(receiver):
    receiver.answer = lambda _: (401, {}, b"no such key: hunter2-hunter2")
    handler = telesink.install_logging(
        f"otlp://{receiver.address}",
        headers="authorization=Bearer hunter2-hunter2",
        retry_initial_seconds=0.01,
    )
    logging.getLogger("shop").info("kept")
    telesink.flush(timeout_seconds=0.3)
    held = handler.stats()

    receiver.answer = type(receiver).answer
    receipt = telesink.flush()

    assert (held.state, held.pending) == ("held", 1)
    assert "401 Unauthorized" in held.last_error
    assert "hunter2" not in held.last_error
    assert (bool(receipt), receiver.bodies()[-1]) == (True, "kept")


def test_credentials_in_plain_text_are_refused_beyond_this_machine():
    with pytest.raises(telesink.ConfigError, match="without TLS") as refused:
        telesink.install_logging("otlp://app:hunter2@collector.example")

    assert "hunter2" not in repr(refused.value)
    assert "insecure_ok" in refused.value.hint
