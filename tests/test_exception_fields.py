"""Which exception a record carries, and what is stored beside the stack trace."""

import logging
import pickle
import sys
import traceback

import pytest

import telesink


def fail(message="no such order"):
    raise ValueError(message)


@pytest.mark.parametrize("given", ["true", "tuple", "instance", "exception"])
def test_the_exception_can_be_given_in_every_way_that_logging_knows(recorder, given):
    """R11"""
    try:
        fail()
    except ValueError as error:
        if given == "exception":
            recorder.logger.exception("failed")
        else:
            exc_info = {"true": True, "tuple": sys.exc_info(), "instance": error}[given]
            recorder.logger.error("failed", exc_info=exc_info)

    attributes = recorder.attributes()
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.message"] == "no such order"
    assert attributes["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert attributes["exception.stacktrace"].endswith("\nValueError: no such order")


@pytest.mark.parametrize("exc_info", [True, (None, None, None), None, False, 0, "", (), (1, 2), (1, 2, 3), 7])
def test_R11_without_an_exception_nothing_is_stored_and_nothing_fails(recorder, exc_info):
    """R11"""
    record = logging.makeLogRecord({"msg": "failed", "exc_info": exc_info})

    recorder.handler.handle(record)

    assert not any(key.startswith("exception.") for key in recorder.attributes())


def test_an_exception_that_was_never_raised_has_no_frames(recorder):
    recorder.logger.error("failed", exc_info=ValueError("made by hand"))

    assert recorder.attributes()["exception.stacktrace"] == "ValueError: made by hand"


def test_the_type_is_named_with_its_module(recorder):
    recorder.logger.error("failed", exc_info=telesink.ConfigError("no such sink"))

    assert recorder.attributes()["exception.type"] == "telesink.exceptions.ConfigError"


def test_a_rendered_traceback_is_stored_where_the_exception_is_gone(recorder):
    recorder.handler.handle(
        logging.makeLogRecord({"msg": "failed", "exc_text": "Traceback ...\nValueError: x"})
    )

    attributes = recorder.attributes()
    assert attributes["exception.stacktrace"] == "Traceback ...\nValueError: x"
    assert "exception.type" not in attributes


def test_R13_the_exception_itself_wins_over_a_text_that_another_handler_left(recorder):
    """R13"""
    record = logging.makeLogRecord({"msg": "failed", "exc_info": (ValueError, ValueError("x"), None)})
    record.exc_text = "as somebody shows it"

    recorder.handler.handle(record)

    assert recorder.attributes()["exception.stacktrace"] == "ValueError: x"


def test_a_record_from_another_process_keeps_its_traceback(recorder):
    """The way of `QueueHandler` and `SocketHandler`: what cannot be pickled is rendered first."""
    try:
        fail()
    except ValueError:
        record = recorder.logger.makeRecord("shop", 40, __file__, 1, "failed %s", (7,), sys.exc_info())
    logging.Formatter().format(record)
    record.exc_info = None

    recorder.handler.handle(pickle.loads(pickle.dumps(record)))

    assert recorder.only()["body"] == "failed 7"
    assert recorder.attributes()["exception.stacktrace"].endswith("ValueError: no such order")


def test_R13_the_traceback_is_that_of_the_call_not_of_the_moment_it_is_written(recorder):
    """R13: nothing of Python is kept; the frames are read while the call lasts."""
    try:
        fail()
    except ValueError as error:
        recorder.logger.error("failed", exc_info=error)
        error.args = ("changed",)
        error.__traceback__ = None

    assert recorder.attributes()["exception.message"] == "no such order"
    assert "in fail" in recorder.attributes()["exception.stacktrace"]


def test_a_message_that_cannot_be_shown_is_marked(recorder):
    """R1, R11"""

    class UnprintableError(Exception):
        def __str__(self):
            raise ValueError("no")

    recorder.logger.error("failed", exc_info=UnprintableError())

    attributes = recorder.attributes()
    assert attributes["exception.message"] == "<exception str() failed>"
    assert attributes["telesink.sanitised"] is True


@pytest.mark.parametrize("notes", [7, "text", [object()], [None], {"a": 1}])
def test_R11_odd_notes_cost_no_record(recorder, notes):
    """R11"""
    error = ValueError("x")
    error.__notes__ = notes

    recorder.logger.error("failed", exc_info=error)

    assert recorder.attributes()["exception.message"] == "x"


def test_R11_a_thousand_nested_groups_end_in_one_bounded_record(recorder):
    """R4, R11"""
    error = ValueError("the end")
    for level in range(1_000):
        error = ExceptionGroup(f"level {level}", [error])

    recorder.logger.error("failed", exc_info=error)

    assert recorder.attributes()["exception.message"] == "level 999 (1 sub-exception)"


def test_R4_a_chain_of_a_hundred_thousand_ends_in_one_bounded_record(recorder):
    """R4, R11"""
    error = None
    for number in range(100_000):
        error, cause = ValueError(str(number)), error
        error.__cause__ = cause

    recorder.logger.error("failed", exc_info=error)

    assert recorder.attributes()["exception.stacktrace"].endswith("ValueError: 99999")
    # From outside: CPython's own destructor would run out of stack.
    while error is not None:
        error.__cause__, error = None, error.__cause__


def test_R11_a_missing_source_file_leaves_out_the_line_as_cpython_does(recorder, tmp_path):
    """R11"""
    path = tmp_path / "gone.py"
    path.write_text("def fail():\n    raise ValueError('x')\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    path.unlink()

    try:
        names["fail"]()
    except ValueError as error:
        recorder.logger.error("failed", exc_info=error)
        expected = traceback.format_exception(error)

    assert recorder.attributes()["exception.stacktrace"].splitlines()[-2:] == [
        f'  File "{path}", line 2, in fail',
        "ValueError: x",
    ]
    assert expected[-1] == "ValueError: x\n"


def test_a_huge_message_is_cut(recorder):
    """R9, R11"""
    recorder.logger.error("failed", exc_info=ValueError("x" * 10_000_000))

    attributes = recorder.attributes()
    assert len(attributes["exception.message"]) < 1024 * 1024
    assert attributes["telesink.truncated_from"] == 10_000_000


def test_a_broken_traceback_costs_no_record(recorder):
    """R11"""

    class BrokenError(Exception):
        __traceback__ = property(lambda self: 1 / 0)
        __cause__ = property(lambda self: 1 / 0)
        __context__ = property(lambda self: 1 / 0)
        __notes__ = property(lambda self: 1 / 0)

    recorder.handler.handle(
        logging.makeLogRecord({"msg": "failed", "exc_info": (BrokenError, BrokenError("x"), None)})
    )

    assert recorder.attributes()["exception.stacktrace"].endswith("BrokenError: x")
