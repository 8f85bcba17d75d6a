"""structlog over the standard library: its event dicts are taken apart, whatever its last processor."""

import io
import logging
import sys

import pytest
import structlog

import telesink


@pytest.fixture
def configured():
    """
    Configure structlog with one last processor and answer a logger of it.
    """

    def configure(*last):
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.PositionalArgumentsFormatter(),
                *last,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=False,
        )
        telesink.install_logging("memory://")
        return structlog.get_logger("shop")

    yield configure
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def only():
    assert telesink.flush().complete
    [record] = telesink.recent()
    return record


LAST = {
    "wrap_for_formatter": structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    "render_to_log_kwargs": structlog.stdlib.render_to_log_kwargs,
    "render_to_log_args_and_kwargs": structlog.stdlib.render_to_log_args_and_kwargs,
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_an_event_is_a_message_with_its_fields(configured, last):
    logger = configured(last)

    logger.bind(user_id="u-7").warning("paid", order=7, items=["A7"], amount=1.5)

    record = only()
    assert (record["body"], record["level"], record["logger"]) == ("paid", "WARN", "shop")
    attributes = record["attributes"]
    assert (attributes["user_id"], attributes["order"]) == ("u-7", 7)
    assert (attributes["items"], attributes["amount"]) == (["A7"], 1.5)
    assert not {"event", "_record", "_logger", "_name", "_from_structlog"} & set(attributes)


def test_secrets_among_the_fields_are_hidden(configured):
    logger = configured(LAST["wrap_for_formatter"])

    logger.info("login with password=hunter2", password="hunter2")

    record = only()
    assert record["body"] == "login with password=[REDACTED]"
    assert record["attributes"]["password"] == "[REDACTED]"


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
@pytest.mark.parametrize("given", ["exception", "instance", "tuple"])
def test_exceptions_are_walked(configured, last, given):
    logger = configured(last)

    try:
        raise ValueError("no such order")
    except ValueError as error:
        if given == "exception":
            logger.exception("failed", order=7)
        else:
            logger.error("failed", order=7, exc_info=error if given == "instance" else sys.exc_info())

    attributes = only()["attributes"]
    assert attributes["order"] == 7
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.stacktrace"].endswith("ValueError: no such order")
    assert "exc_info" not in attributes


def test_the_fields_of_structlogs_context_are_stored(configured):
    logger = configured(LAST["wrap_for_formatter"])

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logger.info("paid")

    assert only()["attributes"]["request_id"] == "r-1"


def test_a_text_that_structlog_rendered_is_the_message(configured):
    logger = configured(structlog.processors.JSONRenderer(sort_keys=True))

    logger.info("paid", order=7)

    assert only()["body"] == '{"event": "paid", "level": "info", "order": 7}'


def test_the_colours_of_its_console_renderer_are_taken_out(configured):
    """S0-21"""
    logger = configured(structlog.dev.ConsoleRenderer(colors=True))

    logger.info("paid", order=7)

    body = only()["body"]
    assert "\x1b" not in body
    assert "paid" in body
    assert "order=7" in body


def test_its_own_formatter_still_works_beside_us(configured):
    logger = configured(LAST["wrap_for_formatter"])
    stream = logging.StreamHandler(io.StringIO())
    stream.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.KeyValueRenderer(),
            ]
        )
    )
    logging.getLogger().addHandler(stream)

    logger.info("paid", order=7)

    assert only()["attributes"]["order"] == 7
    assert "order=7" in stream.stream.getvalue()


def test_records_of_the_standard_library_pass_its_formatter_unchanged(configured):
    configured(LAST["wrap_for_formatter"])
    logging.getLogger("other").warning("plain %s", "text", extra={"order": 7})

    record = only()
    assert (record["body"], record["attributes"]["order"]) == ("plain text", 7)
