"""loguru hands its records to any `logging.Handler`, ours included."""

import logging

import pytest
from loguru import logger

import telesink


@pytest.fixture
def handler():
    handler = telesink.LogHandler("memory://")
    number = logger.add(handler, level=0, format="{message}")
    yield handler
    logger.remove(number)
    handler.pipeline.close()


@pytest.fixture(autouse=True)
def _quiet():
    """
    loguru's own handler, which writes to standard error, is not looked at here.
    """
    logger.remove()
    yield
    logger.remove()


def only(handler):
    assert handler.pipeline.flush().complete
    [record] = handler.pipeline.recent()
    return record


def test_a_message_is_stored_with_its_level_and_place(handler):
    logger.warning("sold {} of {}", 3, "A7")

    record = only(handler)
    assert (record["body"], record["level"], record["logger"]) == ("sold 3 of A7", "WARN", __name__)
    assert record["attributes"]["code.function.name"] == "test_a_message_is_stored_with_its_level_and_place"
    assert record["attributes"]["code.file.path"] == __file__


@pytest.mark.parametrize(
    ("name", "levelno", "severity"),
    [("TRACE", 5, 2), ("SUCCESS", 25, 12), ("ERROR", 40, 17), ("CRITICAL", 50, 21)],
)
def test_its_levels_keep_their_number(handler, name, levelno, severity):
    logger.log(name, "paid")

    record = only(handler)
    assert (record["levelno"], record["severity"]) == (levelno, severity)


def test_bound_fields_become_attributes(handler):
    logger.bind(order=7, items=["A7"]).info("paid")

    attributes = only(handler)["attributes"]
    assert (attributes["order"], attributes["items"]) == (7, ["A7"])
    assert "extra" not in attributes


def test_secrets_among_bound_fields_are_hidden(handler):
    logger.bind(password="hunter2").info("paid")

    assert only(handler)["attributes"]["password"] == "[REDACTED]"


def test_a_record_without_exception_has_none(handler):
    logger.info("paid")

    assert not [key for key in only(handler)["attributes"] if key.startswith("exception.")]


def test_exceptions_are_walked(handler):
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")

    attributes = only(handler)["attributes"]
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.stacktrace"].endswith("ValueError: no such order")


def test_context_of_ours_is_stored_too(handler):
    with telesink.context(user_id="u-7"):
        logger.info("paid")

    assert only(handler)["attributes"]["user_id"] == "u-7"


def test_records_that_a_bridge_sends_to_the_standard_library_arrive_once():
    telesink.install_logging("memory://")

    class Bridge(logging.Handler):
        def emit(self, record):
            logging.getLogger(record.name).handle(record)

    logger.add(Bridge(), format="{message}")
    logger.info("paid")

    assert telesink.flush().complete
    assert [record["body"] for record in telesink.recent()] == ["paid"]
