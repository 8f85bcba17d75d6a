"""
The shortest proof that a wheel works. It needs telesink and pytest alone, so any wheel can be tried with it.
"""

import logging
import sqlite3

import pytest

import telesink


@pytest.fixture(autouse=True)
def _nothing_installed_afterwards():
    yield
    telesink.shutdown()


def test_a_record_goes_from_the_logger_into_a_table(tmp_path):
    path = tmp_path / "smoke.db"
    telesink.install_logging(f"sqlite:///{path.as_posix()}")

    logging.getLogger("shop").warning("sold %d of %s", 3, "A7", extra={"left": 2})

    assert telesink.flush().complete
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT level, logger, body, attributes ->> 'left' FROM telesink_logs"
    ).fetchall()
    connection.close()
    assert rows == [("WARN", "shop", "sold 3 of A7", 2)]


def test_an_exception_is_stored_with_its_traceback():
    telesink.install_logging("memory://")

    try:
        {}["missing"]
    except KeyError:
        logging.getLogger("shop").exception("no such key")

    assert telesink.flush().complete
    attributes = telesink.recent()[-1]["attributes"]
    assert attributes["exception.type"] == "KeyError"
    assert attributes["exception.stacktrace"].endswith("KeyError: 'missing'")


def test_everything_logged_is_accounted_for():
    telesink.install_logging("memory://")

    for number in range(1_000):
        logging.getLogger("shop").info("number %d", number)

    assert telesink.flush().complete
    stats = telesink.stats()["memory"]
    assert (stats.routed, stats.delivered, stats.pending) == (1_000, 1_000, 0)


def test_the_version_is_known():
    assert telesink.__version__
