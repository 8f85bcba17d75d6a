"""What telesink offers to the tests of other programs."""

import logging
import os

import pytest

import telesink
from telesink.testing import capture


def test_records_inside_the_block_are_captured_and_no_others():
    logging.getLogger("shop").error("before")
    with capture() as captured:
        logging.getLogger("shop").error("inside", extra={"order": 7})
    logging.getLogger("shop").error("after")

    assert captured.bodies == ["inside"]
    assert captured[0]["attributes"]["order"] == 7
    assert len(captured) == 1


def test_what_is_captured_can_be_read_while_it_grows():
    with capture() as captured:
        for number in range(3):
            logging.getLogger("shop").error("%d", number)
            assert captured.bodies == [str(earlier) for earlier in range(number + 1)]


def test_every_level_is_captured_and_the_loggers_own_restored():
    root = logging.getLogger()
    root.setLevel(logging.ERROR)

    with capture() as captured:
        logging.getLogger("shop").debug("seen")

    assert captured.bodies == ["seen"]
    assert root.level == logging.ERROR


def test_a_level_can_be_chosen():
    with capture(level="WARNING") as captured:
        logging.getLogger("shop").info("left out")
        logging.getLogger("shop").warning("kept")

    assert captured.bodies == ["kept"]


def test_a_logger_can_be_chosen():
    with capture(logger="shop") as captured:
        logging.getLogger("shop.cart").error("inside")
        logging.getLogger("other").error("outside")

    assert captured.bodies == ["inside"]


def test_blocks_can_be_nested():
    with capture() as outer:
        logging.getLogger("shop").error("first")
        with capture() as inner:
            logging.getLogger("shop").error("second")

    assert outer.bodies == ["first", "second"]
    assert inner.bodies == ["second"]


@pytest.mark.slow
def test_nothing_is_lost_in_a_flood():
    with capture() as captured:
        logger = logging.getLogger("shop")
        for number in range(50_000):
            logger.info("%d", number)

    assert len(captured) == 50_000


def test_settings_from_the_environment_do_not_reach_it(monkeypatch):
    monkeypatch.setenv("TELESINK_REDACT", "false")

    with capture() as captured:
        logging.getLogger("shop").error("password=hunter2")

    assert captured.bodies == ["password=[REDACTED]"]


def test_an_installed_pipeline_is_not_disturbed():
    telesink.install_logging("memory://")
    with capture():
        logging.getLogger("shop").error("both")
    logging.getLogger("shop").error("one")

    assert telesink.flush().complete
    assert [record["body"] for record in telesink.recent()] == ["both", "one"]


def test_reading_before_the_block_says_so():
    with pytest.raises(telesink.TelesinkError, match="enter the with-block first"):
        capture().records  # noqa: B018


def test_a_failing_block_lets_go_as_well():
    before = list(logging.getLogger().handlers)

    with pytest.raises(ZeroDivisionError), capture():
        1 / 0  # noqa: B018

    assert logging.getLogger().handlers == before


@pytest.mark.slow
def test_the_fixture_is_there_where_telesink_is_installed(pytester):
    pytester.makepyfile(
        """
        import logging

        def test_a_payment_is_logged(telesink_records):
            logging.getLogger("shop").info("paid", extra={"order": 7})
            assert telesink_records.bodies == ["paid"]
            assert telesink_records[0]["attributes"]["order"] == 7

        def test_every_test_starts_empty(telesink_records):
            assert len(telesink_records) == 0
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:randomly", "-W", "error")

    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_the_plug_in_costs_nothing_where_it_is_not_used(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_it_is_not_loaded():
            assert "telesink.testing" not in sys.modules
        """
    )

    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
    assert os.environ.get("PYTEST_CURRENT_TEST")
