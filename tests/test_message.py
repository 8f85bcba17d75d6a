"""How the message of a record is made, and what is kept when it cannot be."""

import enum
import itertools
import logging
import logging.handlers
import queue
import warnings

import pytest


@pytest.mark.parametrize(
    ("msg", "args", "expected"),
    [
        ("plain", (), "plain"),
        ("100 %", (), "100 %"),
        ("%s of %s", (1, "two"), "1 of two"),
        ("%(sku)s left: %(left)d", ({"sku": "A7", "left": 2},), "A7 left: 2"),
        ("%s", ({"a": 1},), "{'a': 1}"),
        ("%5.1f%%", (99.44,), " 99.4%"),
        ("%r %a", ("ä", "ä"), "'ä' '\\xe4'"),
        ("", (), ""),
        (7, (), "7"),
        (None, (), "None"),
        (ValueError("no such order"), (), "no such order"),
        (["a", 1], (), "['a', 1]"),
        ("%s", ((1, 2),), "(1, 2)"),
    ],
)
def test_the_message_is_the_one_that_the_standard_library_makes(recorder, msg, args, expected):
    recorder.logger.info(msg, *args)

    record = logging.LogRecord("shop", 20, "", 1, msg, args, None)
    assert record.getMessage() == expected
    assert recorder.only()["body"] == expected
    assert recorder.stats().format_errors == 0


class Sku(str):
    """Text that shows itself in another way."""

    __slots__ = ()

    def __str__(self):
        return f"<{super().__str__()}>"


class Level(enum.IntEnum):
    """A whole number with a name."""

    HIGH = 3


PIECES = ["%s", "%d", "%%", "ä %s,", "%5d", "%r", "%i", "%.2s", "%", "%(sku)s"]
VALUES = [
    "two",
    "",
    "ü€",
    "%s",
    "x" * 600,
    7,
    -(2**63),
    2**63,
    True,
    None,
    2.5,
    Sku("A7"),
    Level.HIGH,
    (1, 2),
]


def test_whatever_the_conversions_and_values_the_message_is_that_of_the_standard_library(recorder):
    templates = [*PIECES, *(first + second for first in PIECES for second in PIECES)]
    arguments = [*((value,) for value in VALUES), *itertools.product(VALUES[:8], VALUES)]
    expected = []
    for template in templates:
        for args in arguments:
            recorder.logger.info(template, *args)
            try:
                expected.append(template % args)
            except (TypeError, ValueError):
                expected.append(template)
        assert recorder.pipeline.flush(30).complete
    assert [record["body"] for record in recorder.records()] == expected


@pytest.mark.parametrize(
    ("msg", "args", "error", "shown"),
    [
        ("%d items", ("three",), "TypeError: %d format: a real number is required, not str", "'three'"),
        ("%s and %s", (1,), "TypeError: not enough arguments for format string", "1"),
        ("none", (1, "two"), "TypeError: not all arguments converted during string formatting", "1, 'two'"),
        ("%(sku)s", ({"left": 2},), "KeyError: 'sku'", "{'left': 2}"),
        ("%y", (1,), "ValueError: unsupported format character 'y' (0x79) at index 1", "1"),
    ],
)
def test_R1_a_message_that_does_not_fit_its_arguments_keeps_both_and_the_error(
    recorder, capsys, msg, args, error, shown
):
    """R1"""
    recorder.logger.info(msg, *args)

    record = recorder.only()
    assert record["body"] == msg
    assert record["attributes"]["log.args"] == shown
    assert record["attributes"]["telesink.format_error"] == error
    assert recorder.stats().format_errors == 1
    assert capsys.readouterr().err == ""


def test_an_argument_that_cannot_be_shown_is_replaced_in_the_kept_arguments(recorder):
    """R1"""

    class Unprintable:
        def __repr__(self):
            raise ValueError("no")

    recorder.logger.info("%s of %s", Unprintable(), "A7")

    record = recorder.only()
    assert record["body"] == "%s of %s"
    assert record["attributes"]["log.args"] == "<unprintable Unprintable: ValueError>, 'A7'"
    assert record["attributes"]["telesink.format_error"] == "ValueError: no"


def test_R9_kept_arguments_are_bounded(recorder):
    """R9"""
    recorder.logger.info("%d", *("x" * 100_000 for _ in range(1_000)))

    assert len(recorder.attributes()["log.args"]) < 8_192


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;38;5;208mbold\x1b[m orange", "bold orange"),
        ("\x1b[2K\x1b[1Gline", "line"),
        ("\x1b]0;title\x07text", "]0;title\x07text"),
        ("lone \x1b escape", "lone  escape"),
        ("ends with \x1b", "ends with "),
        ("ends with \x1b[31", "ends with "),
        ("no escapes [31m", "no escapes [31m"),
    ],
)
def test_colour_codes_are_taken_out_of_messages(recorder, text, expected):
    """S0-21"""
    recorder.logger.info(text)

    assert recorder.only()["body"] == expected


def test_only_the_message_is_cleaned_of_colours(recorder):
    """S0-21"""
    recorder.logger.info("\x1b[31m%s", "\x1b[32mok", extra={"value": "\x1b[31mred"})

    record = recorder.only()
    assert record["body"] == "ok"
    assert record["attributes"]["value"] == "\x1b[31mred"


def test_several_lines_stay_one_record(recorder):
    """R14"""
    recorder.logger.info("first\nsecond\r\nthird\u2028fourth")

    assert recorder.only()["body"] == "first\nsecond\r\nthird\u2028fourth"


def test_a_dict_as_the_message_is_taken_apart(recorder):
    recorder.logger.info({"event": "paid", "order": 7, "items": ["A7"], 3: "three"})

    record = recorder.only()
    assert record["body"] == "paid"
    attributes = record["attributes"]
    assert (attributes["order"], attributes["items"], attributes["3"]) == (7, ["A7"], "three")
    assert "event" not in attributes


def test_a_dict_without_an_event_shows_itself_too(recorder):
    recorder.logger.info({"order": 7})

    record = recorder.only()
    assert record["body"] == "{'order': 7}"
    assert record["attributes"]["order"] == 7


def test_extra_wins_over_the_fields_of_a_dict_message(recorder):
    recorder.logger.info({"event": "paid", "order": 7}, extra={"order": 8})

    assert recorder.attributes()["order"] == 8


def test_a_dict_under_extra_is_taken_apart(recorder):
    """The form in which loguru hands its own fields to handlers."""
    recorder.logger.info("paid", extra={"extra": {"order": 7}})

    attributes = recorder.attributes()
    assert attributes["order"] == 7
    assert "extra" not in attributes


def test_something_else_under_extra_is_an_attribute(recorder):
    recorder.logger.info("paid", extra={"extra": "cheese"})

    assert recorder.attributes()["extra"] == "cheese"


def test_a_lone_line_break_as_rendered_exception_is_none(recorder):
    """What loguru leaves where there was no exception."""
    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", "exc_text": "\n"}))

    assert "exception.stacktrace" not in recorder.attributes()


def test_the_event_name_of_opentelemetry_makes_a_record_an_event(recorder):
    recorder.logger.info("paid", extra={"otel.event.name": "order.paid"})

    record = recorder.only()
    assert record["event_name"] == "order.paid"
    assert "otel.event.name" not in record["attributes"]


def test_records_pass_a_queue_handler_and_its_listener(recorder):
    waiting = queue.Queue()
    logger = logging.Logger("shop.queue", level=1)
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener = logging.handlers.QueueListener(waiting, recorder.handler, respect_handler_level=True)

    listener.start()
    logger.info("sold %d", 3, extra={"sku": "A7"})
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")
    listener.stop()

    sold, failed = recorder.records()
    assert (sold["body"], sold["logger"], sold["attributes"]["sku"]) == ("sold 3", "shop.queue", "A7")
    assert sold["attributes"]["code.function.name"].startswith("test_records_pass")
    assert "ValueError: no such order" in failed["body"]


def test_a_memory_handler_can_stand_before(recorder):
    buffer = logging.handlers.MemoryHandler(10, target=recorder.handler)
    logger = logging.Logger("shop.buffer", level=1)
    logger.addHandler(buffer)

    logger.info("first")
    logger.error("second")

    assert [record["body"] for record in recorder.records()] == ["first", "second"]
    buffer.close()


def test_captured_warnings_are_records(recorder):
    logger = logging.getLogger("py.warnings")
    logger.addHandler(recorder.handler)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old way", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    record = recorder.only()
    assert (record["level"], record["logger"]) == ("WARN", "py.warnings")
    assert "UserWarning: old way" in record["body"]


def test_a_logger_adapter_adds_its_fields(recorder):
    adapter = logging.LoggerAdapter(recorder.logger, {"tenant": "acme"})

    adapter.info("paid")

    assert recorder.attributes()["tenant"] == "acme"
