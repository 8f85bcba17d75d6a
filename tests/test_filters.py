"""Filters: once per interval, every n-th, noisy loggers, and a quiet start."""

import logging
import threading

import pytest

import telesink
from telesink.filters import NOISY, EveryNth, OncePer, Quiet, StartupGate, by_message


class Kept(logging.Handler):
    """Keeps what reaches it."""

    def __init__(self, *filters):
        super().__init__()
        self.records = []
        for one in filters:
            self.addFilter(one)

    def emit(self, record):
        self.records.append(record)

    @property
    def messages(self):
        return [record.getMessage() for record in self.records]


def logger_with(*filters, name="shop"):
    logger = logging.Logger(name, level=1)
    handler = Kept(*filters)
    logger.addHandler(handler)
    return logger, handler


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_seed_S0_37_the_first_passes_then_one_per_interval_and_exactly_at_its_end_the_next(clock):
    once = OncePer(10, clock=clock)
    logger, handler = logger_with(once)

    for clock.now in (0, 1, 9.999, 10, 10.001, 25, 34.9, 35):
        logger.info("at %s", clock.now)

    assert handler.messages == ["at 0", "at 10", "at 25", "at 35"]
    assert (once.passed, once.held_back) == (4, 4)


def test_seed_S0_37_of_threads_that_come_together_one_passes():
    once = OncePer(3600, key=by_message)
    logger, handler = logger_with(once)
    barrier = threading.Barrier(8)

    def log():
        barrier.wait()
        for _ in range(100):
            logger.info("together")

    threads = [threading.Thread(target=log) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert handler.messages == ["together"]
    assert (once.passed, once.held_back) == (1, 799)


def test_S3_34_every_place_has_an_interval_of_its_own(clock):
    logger, handler = logger_with(OncePer(10, clock=clock))

    for clock.now in (0, 1, 2):
        logger.info("one place")
        logger.info("another")

    assert handler.messages == ["one place", "another"]


def test_S3_34_the_first_the_n_plus_first_and_so_on_pass():
    every = EveryNth(3)
    logger, handler = logger_with(every)

    for number in range(1, 9):
        logger.info("%d", number)

    assert handler.messages == ["1", "4", "7"]
    assert (every.passed, every.held_back) == (3, 5)


def test_a_record_that_passes_tells_how_many_of_its_place_were_held_back(tmp_path):
    handler = telesink.LogHandler("memory://")
    handler.addFilter(EveryNth(3))
    logger = logging.Logger("shop", level=1)
    logger.addHandler(handler)

    for number in range(7):
        logger.info("%d", number)
    records = handler.pipeline.recent() if handler.pipeline.flush(10) else []

    assert [record["body"] for record in records] == ["0", "3", "6"]
    assert [record["attributes"].get("held_back") for record in records] == [None, 2, 2]
    handler.pipeline.close()


def test_what_is_remembered_has_a_bound():
    every = EveryNth(2, key=lambda record: record.args)
    logger, handler = logger_with(every)

    for number in range(10_000):
        logger.info("%d", number)
    logger.info("%d", 9_999)
    logger.info("%d", 0)

    assert len(handler.records) == 10_001
    assert len(every._seen) == 4_096


def test_seed_S0_27_loggers_that_talk_too_much_pass_from_a_level_on():
    quiet = Quiet({**NOISY, "sqlalchemy.engine.echo": "DEBUG", "shop": "ERROR"})
    told = {}

    for name in (
        "sqlalchemy.engine",
        "sqlalchemy.engine.Engine",
        "sqlalchemy.engine.echo",
        "sqlalchemy",
        "shop.cart",
        "shopping",
    ):
        logger, handler = logger_with(quiet, name=name)
        logger.info("info")
        logger.warning("warning")
        told[name] = handler.messages

    assert told == {
        "sqlalchemy.engine": ["warning"],
        "sqlalchemy.engine.Engine": ["warning"],
        "sqlalchemy.engine.echo": ["info", "warning"],
        "sqlalchemy": ["info", "warning"],
        "shop.cart": [],
        "shopping": ["info", "warning"],
    }
    assert quiet.held_back == 4


def test_seed_S0_28_while_a_program_starts_only_warnings_and_worse_pass():
    gate = StartupGate()
    logger, handler = logger_with(gate)

    logger.info("loading")
    logger.warning("no cache")
    gate.open()
    gate.open()
    logger.info("ready")

    assert handler.messages == ["no cache", "ready"]
    assert (gate.passed, gate.held_back, gate.is_open) == (2, 1, True)


FORKS = """
import logging, os, sys, threading
from telesink.filters import OncePer

log = logging.getLogger("shop")
log.addHandler(logging.NullHandler())
log.addFilter(OncePer(0.000001))
is_over = threading.Event()


def chatter():
    while not is_over.is_set():
        log.warning("on and on")


threads = [threading.Thread(target=chatter) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        log.warning("in the child")
        os._exit(0)
    os.waitpid(child, 0)
is_over.set()
for thread in threads:
    thread.join()
"""


def test_a_child_of_a_fork_can_log_through_a_filter_that_other_threads_used(run_python):
    run_python(FORKS)


def test_what_tells_records_apart_may_log_through_the_same_filter():
    def key(record):
        if record.getMessage() == "outer":
            logger.info("inner")
        return record.lineno

    logger, handler = logger_with(EveryNth(1, key=key))

    logger.info("outer")

    assert handler.messages == ["inner", "outer"]


def test_a_signal_handler_may_log_through_a_filter_that_it_has_interrupted():
    class Interrupting(OncePer):
        def _next(self, state, now):
            if not handler.records:
                # As if a signal came here, in the middle of it.
                inner = logging.LogRecord("shop", logging.INFO, __file__, 1, "from the signal", None, None)
                handler.records.append(inner)
                self.filter(inner)
            return super()._next(state, now)

    once = Interrupting(10)
    logger, handler = logger_with(once)

    logger.info("interrupted")

    assert handler.messages == ["from the signal", "interrupted"]
    assert once.passed == 2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: OncePer(0), "seconds is 0"),
        (lambda: EveryNth(0), "n is 0"),
        (lambda: Quiet({"a": "LOUD"}), "LOUD"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_says_so(make, told):
    with pytest.raises(telesink.ConfigError, match=told):
        make()
