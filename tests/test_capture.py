"""What becomes of each field of a stdlib `LogRecord`."""

import asyncio
import json
import logging
import multiprocessing
import os
import sys
import threading
import time
import uuid

import pytest

import telesink


def log_here(logger, *arguments, **keywords):
    logger.info(*arguments, **keywords)


def test_the_message_is_stored_with_its_arguments_filled_in(recorder):
    recorder.logger.info("sold %d of %s for %.2f", 3, "A7", 1.5)

    assert recorder.only()["body"] == "sold 3 of A7 for 1.50"


def test_the_loggers_name_is_stored(recorder):
    recorder.logger.name = "shop.checkout"
    recorder.logger.info("paid")

    assert recorder.only()["logger"] == "shop.checkout"


@pytest.mark.parametrize(
    ("levelno", "name", "severity"),
    [
        (logging.DEBUG, "DEBUG", 5),
        (logging.INFO, "INFO", 9),
        (logging.WARNING, "WARN", 13),
        (logging.ERROR, "ERROR", 17),
        (logging.CRITICAL, "FATAL", 21),
    ],
)
def test_levels_carry_the_names_and_numbers_of_opentelemetry(recorder, levelno, name, severity):
    recorder.logger.log(levelno, "paid")

    record = recorder.only()
    assert (record["level"], record["levelno"], record["severity"]) == (name, levelno, severity)


@pytest.mark.parametrize(
    ("levelno", "severity"), [(1, 1), (5, 2), (7, 3), (15, 8), (25, 12), (45, 20), (10**9, 24)]
)
def test_levels_between_the_named_ones_keep_their_number_and_get_the_severity_below(
    recorder, levelno, severity
):
    """R18, S3-41: 45 is an ERROR, not an INFO."""
    recorder.logger.log(levelno, "paid")

    record = recorder.only()
    assert (record["levelno"], record["severity"]) == (levelno, severity)
    assert record["level"] == f"Level {levelno}"


def test_a_level_that_the_program_named_is_stored_by_its_name(recorder, monkeypatch):
    monkeypatch.setattr(logging, "_levelToName", dict(logging._levelToName))
    monkeypatch.setattr(logging, "_nameToLevel", dict(logging._nameToLevel))
    logging.addLevelName(35, "NOTICE")

    recorder.logger.log(35, "paid")

    assert recorder.only()["level"] == "NOTICE"


def test_a_negative_level_becomes_zero(recorder):
    """R18"""
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "levelno": -1, "levelname": "ODD"}))

    record = recorder.only()
    assert (record["levelno"], record["severity"], record["level"]) == (0, 0, "ODD")


def test_extra_fields_become_attributes_of_their_own_type(recorder):
    recorder.logger.info("paid", extra={"order": 7, "amount": 1.5, "gift": True, "code": "A7", "note": None})

    attributes = recorder.attributes()
    assert {key: attributes[key] for key in ("order", "amount", "gift", "code", "note")} == {
        "order": 7,
        "amount": 1.5,
        "gift": True,
        "code": "A7",
        "note": None,
    }
    assert attributes["gift"] is True


def test_file_line_and_function_of_the_call_are_stored(recorder):
    log_here(recorder.logger, "paid")

    attributes = recorder.attributes()
    assert attributes["code.file.path"] == __file__
    assert attributes["code.function.name"] == "log_here"
    assert attributes["code.line.number"] == log_here.__code__.co_firstlineno + 1


def test_stacklevel_names_the_callers_line(recorder):
    log_here(recorder.logger, "paid", stacklevel=2)

    expected = test_stacklevel_names_the_callers_line.__name__
    assert recorder.attributes()["code.function.name"] == expected


def test_the_threads_name_and_number_are_stored(recorder):
    thread = threading.Thread(target=lambda: recorder.logger.info("paid"), name="till-3")
    thread.start()
    thread.join()

    attributes = recorder.attributes()
    assert (attributes["thread.name"], attributes["thread.id"]) == ("till-3", thread.ident)


def test_the_process_is_named_only_where_the_resource_does_not_name_it(recorder):
    recorder.logger.info("ours")
    recorder.handler.handle(
        logging.makeLogRecord({"msg": "another's", "process": os.getpid() + 1, "processName": "worker-1"})
    )

    ours, other = recorder.records()
    assert not {"process.pid", "process.name"} & set(ours["attributes"])
    assert other["attributes"]["process.pid"] == os.getpid() + 1
    assert other["attributes"]["process.name"] == "worker-1"


def test_the_resource_names_the_process(recorder):
    recorder.logger.info("paid")

    recorder.records()
    [(resource,)] = recorder.query("SELECT attributes FROM telesink_resources")
    assert json.loads(resource)["process.pid"] in (os.getpid(), str(os.getpid()))


def test_a_process_made_by_multiprocessing_is_named(recorder, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_name", "till")

    recorder.logger.info("paid")

    assert recorder.attributes()["process.name"] == "till"


def test_the_task_is_named_from_python_3_12_on(recorder):
    async def main():
        recorder.logger.info("paid")

    async def run():
        await asyncio.create_task(main(), name="checkout")

    asyncio.run(run())

    expected = "checkout" if sys.version_info >= (3, 12) else None
    assert recorder.attributes().get("asyncio.task.name") == expected


def test_a_task_name_on_the_record_is_stored_whatever_the_python(recorder):
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "taskName": "checkout"}))

    assert recorder.attributes()["asyncio.task.name"] == "checkout"


def test_stack_info_is_stored(recorder):
    recorder.logger.info("paid", stack_info=True)

    stack = recorder.attributes()["code.stacktrace"]
    assert stack.startswith("Stack (most recent call last):")
    assert 'recorder.logger.info("paid", stack_info=True)' in stack


def test_ids_are_uuids_of_version_7_in_the_order_of_the_calls(recorder):
    before = time.time_ns() // 1_000_000
    for _ in range(1_000):
        recorder.logger.info("paid")
    after = time.time_ns() // 1_000_000

    ids = [uuid.UUID(record["id"]) for record in recorder.records()]
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == 1_000
    assert ids == sorted(ids)
    assert before <= ids[0].int >> 80 <= ids[-1].int >> 80 <= after + 1


def test_the_time_is_the_records_own_and_the_time_of_observation_ours(recorder):
    """S0-12"""
    created = 1_000_000_000.25
    before = time.time_ns()
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "created": created}))
    after = time.time_ns()

    record = recorder.only()
    assert record["time_unix_nano"] == 1_000_000_000_250_000_000
    assert before <= record["observed_unix_nano"] <= after


def test_the_time_of_a_call_is_that_of_the_call(recorder):
    before = time.time_ns()
    recorder.logger.info("paid")
    after = time.time_ns()

    # `created` is a float: of today's nanoseconds it holds about 200.
    assert before - 1_000 <= recorder.only()["time_unix_nano"] <= after + 1_000


@pytest.mark.parametrize("created", [float("nan"), float("inf"), -1.0, 1e300, "yesterday", None])
def test_a_time_that_is_none_is_replaced_by_the_time_of_observation(recorder, created):
    """R12, R17"""
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "created": created}))

    record = recorder.only()
    assert record["time_unix_nano"] == record["observed_unix_nano"]


def test_records_of_one_thread_are_stored_in_the_order_of_the_calls(recorder):
    for number in range(2_000):
        recorder.logger.info("%d", number)

    records = recorder.records()
    assert [record["body"] for record in records] == [str(number) for number in range(2_000)]
    assert [record["seq"] for record in records] == list(range(1, 2_001))


def test_R13_what_the_program_changes_after_the_call_is_not_stored(recorder):
    """R13"""
    cart = {"items": ["A7"]}
    record = logging.makeLogRecord({"msg": "paid %s", "args": ([1],), "cart": cart})
    recorder.handler.handle(record)
    cart["items"].append("B8")
    record.msg, record.args, record.exc_text = "changed", (), "changed"

    stored = recorder.only()
    assert stored["body"] == "paid [1]"
    assert stored["attributes"]["cart"] == {"items": ["A7"]}
    assert "exception.stacktrace" not in stored["attributes"]


@pytest.mark.parametrize("missing", sorted(vars(logging.makeLogRecord({}))))
def test_R12_a_record_that_lacks_a_field_is_stored_all_the_same(recorder, missing):
    """R12"""
    record = logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, "levelname": "INFO"})
    delattr(record, missing)

    recorder.handler.handle(record)

    stored = recorder.only()
    assert stored["body"] == ("None" if missing == "msg" else "paid")


@pytest.mark.parametrize("field", sorted(set(vars(logging.makeLogRecord({}))) - {"msg", "args"}))
def test_R12_a_field_of_the_wrong_type_costs_no_record(recorder, field):
    """R12"""
    values = [None, object(), 10**40, -1, b"\xff", ["x"], float("nan")]

    for value in values:
        record = logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, "levelname": "INFO"})
        setattr(record, field, value)
        recorder.handler.handle(record)

    assert [record["body"] for record in recorder.records()] == ["paid"] * len(values)


def test_R12_a_record_class_of_the_program_is_asked_for_its_message(recorder):
    """R12"""

    class Shouted(logging.LogRecord):
        def getMessage(self):
            return super().getMessage().upper()

    logging.setLogRecordFactory(Shouted)

    recorder.logger.info("paid %s", "invoice")

    assert recorder.only()["body"] == "PAID INVOICE"


def test_fields_that_a_record_factory_adds_are_attributes(recorder):
    make = logging.getLogRecordFactory()

    def factory(*arguments, **keywords):
        record = make(*arguments, **keywords)
        record.tenant = "acme"
        return record

    logging.setLogRecordFactory(factory)

    recorder.logger.info("paid")

    assert recorder.attributes()["tenant"] == "acme"


def test_R12_a_record_that_is_no_log_record_at_all_is_no_error(recorder):
    """R12"""
    recorder.handler.emit(object())

    assert recorder.only()["body"] == "None"


def test_what_a_formatter_left_on_the_record_is_no_attribute(recorder):
    record = logging.makeLogRecord({"msg": "paid", "levelno": 20})
    logging.Formatter("%(asctime)s %(message)s").format(record)

    recorder.handler.handle(record)

    assert not {"message", "asctime"} & set(recorder.attributes())


def test_a_handler_below_its_level_takes_nothing(recorder):
    recorder.handler.setLevel(logging.ERROR)

    recorder.logger.info("left out")
    recorder.logger.error("kept")

    assert recorder.only()["body"] == "kept"


def test_the_times_of_the_table_are_readable(recorder):
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "created": 0.5}))

    recorder.records()
    assert recorder.query("SELECT time FROM telesink_log_lines") == [("1970-01-01T00:00:00.500Z",)]


def test_a_handler_takes_its_level_by_name_in_any_case():
    assert telesink.LogHandler("null://", "warning").level == logging.WARNING
