"""Values, finalizers and signal handlers that log while a record is being captured."""

import gc
import logging
import signal
import threading
import time

import pytest

import telesink

DEADLINE_SECONDS = 30


class Logging:
    """
    Logs whenever it is shown, and shows further ones if asked to go deeper.
    """

    def __init__(self, logger, depth=0):
        self.logger = logger
        self.depth = depth

    def __str__(self):
        if self.depth:
            self.logger.info("level %d: %s", self.depth, Logging(self.logger, self.depth - 1))
        else:
            self.logger.info("level 0")
        return f"shown {self.depth}"

    __repr__ = __str__


def test_I5_a_value_that_logs_while_it_is_shown_loses_neither_record(recorder):
    """I5"""
    recorder.logger.info("outer %s", Logging(recorder.logger), extra={"order": 7})

    inner, outer = recorder.records()
    assert inner["body"] == "level 0"
    assert outer["body"] == "outer shown 0"
    assert outer["attributes"]["order"] == 7
    assert "order" not in inner["attributes"]


@pytest.mark.parametrize("place", ["args", "extra", "nested", "exception", "context"])
def test_I5_a_value_may_log_wherever_it_stands(recorder, place):
    """I5"""
    value = Logging(recorder.logger)
    if place == "args":
        recorder.logger.info("outer %s", value)
    elif place == "extra":
        recorder.logger.info("outer", extra={"value": value})
    elif place == "nested":
        recorder.logger.info("outer", extra={"before": 1, "value": [{"deep": value}], "after": 2})
    elif place == "exception":
        recorder.logger.info("outer", exc_info=ValueError(value))
    else:
        with telesink.context(value=value):
            recorder.handler.handle(logging.makeLogRecord({"msg": "outer", "name": "shop"}))

    bodies = [record["body"] for record in recorder.records()]
    assert bodies[-1].startswith("outer")
    assert "level 0" in bodies
    outer = recorder.records()[-1]
    if place == "nested":
        attributes = outer["attributes"]
        assert (attributes["before"], attributes["value"], attributes["after"]) == (
            1,
            [{"deep": "shown 0"}],
            2,
        )


def test_I5_what_nests_deeper_is_counted_and_ends(recorder):
    """I5, S3-5: counted, where the predecessor dropped silently."""
    recorder.logger.info("outer %s", Logging(recorder.logger, depth=10))

    stats = recorder.stats()
    assert stats.rejected == {"reentrant": 1}
    assert stats.accepted == 3
    assert recorder.records()[-1]["body"] == "outer shown 10"


def test_an_endless_recursion_ends_in_a_count(recorder):
    """I5, I6"""

    class Endless:
        def __str__(self):
            recorder.logger.info("again %s", self)
            return "endless"

    recorder.logger.info("outer %s", Endless())

    assert recorder.stats().rejected["reentrant"] >= 1
    assert recorder.records()[-1]["body"] == "outer endless"


def test_I5_finalizers_that_log_in_the_middle_of_a_capture_lose_nothing(recorder):
    """I5"""
    finalized = 0

    class Finalized:
        def __init__(self):
            # A cycle, so that only the garbage collector ends it.
            self.me = self

        def __del__(self):
            nonlocal finalized
            finalized += 1
            recorder.logger.info("finalized", extra={"values": [1, {"a": "b"}]})

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(300):
            Finalized()
            recorder.logger.info(
                "number %d of %s", number, Logging(recorder.logger), extra={"values": [[number], {"n": {}}]}
            )
    finally:
        gc.set_threshold(*threshold)
        gc.collect()

    records = recorder.records()
    stats = recorder.stats()
    assert finalized == 300
    assert stats.offered == 300 + 300 + finalized
    assert len(records) == stats.offered - sum(stats.rejected.values())
    outer = [record for record in records if record["body"].startswith("number")]
    assert [record["attributes"]["values"] for record in outer] == [[[n], {"n": {}}] for n in range(300)]


def test_I4_four_threads_that_log_from_everywhere_end_without_a_deadlock(recorder):
    """I4, I5"""

    class Finalized:
        def __init__(self):
            self.me = self

        def __del__(self):
            recorder.logger.info("finalized")

    def work(number):
        for count in range(200):
            Finalized()
            recorder.logger.info("%d %d %s", number, count, Logging(recorder.logger, depth=1))
            if count % 50 == 0:
                recorder.pipeline.flush(timeout_seconds=5)
                recorder.pipeline.stats()

    threshold = gc.get_threshold()
    gc.set_threshold(2)
    try:
        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive()
    finally:
        gc.set_threshold(*threshold)
        gc.collect()

    records = recorder.records()
    stats = recorder.stats()
    assert len(records) == stats.accepted
    for number in range(4):
        own = [record["body"] for record in records if record["body"].startswith(f"{number} ")]
        assert own == [f"{number} {count} shown 1" for count in range(200)]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timer")
def test_I14_a_signal_handler_may_log_at_any_moment(recorder):
    """I5"""
    handled = 0

    def handle(_number, _frame):
        nonlocal handled
        handled += 1
        recorder.logger.info("signal", extra={"values": [handled]})

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    logged = 0
    end = time.monotonic() + DEADLINE_SECONDS
    try:
        while handled < 200 and time.monotonic() < end:
            recorder.logger.info("%d %s", logged, [logged], extra={"values": [[logged]]})
            logged += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert handled >= 200
    records = recorder.records()
    stats = recorder.stats()
    assert stats.offered == logged + handled
    assert len(records) == stats.accepted
    own = [record for record in records if record["body"] != "signal"]
    assert [record["attributes"]["values"] for record in own] == [[[number]] for number in range(logged)]


def test_I4_a_value_may_close_the_pipeline_it_is_captured_for():
    """I4"""
    pipeline = telesink.Pipeline("memory://")

    class Closing:
        def __repr__(self):
            pipeline.close()
            return "closing"

    pipeline.enqueue({"body": "odd", "value": Closing()})

    stats = pipeline.stats()
    assert (stats.offered, stats.rejected) == (1, {"closed": 1})


def test_I4_a_value_may_flush_the_pipeline_it_is_captured_for(recorder):
    """I4"""

    class Flushing:
        def __str__(self):
            return str(recorder.pipeline.flush(timeout_seconds=5).complete)

    recorder.logger.info("before")
    recorder.logger.info("flushed: %s", Flushing())

    assert [record["body"] for record in recorder.records()] == ["before", "flushed: True"]


def test_a_handler_of_the_same_logger_may_log_too(recorder):
    """I6"""

    class Echo(logging.Handler):
        def emit(self, record):
            if record.msg != "echo":
                recorder.logger.info("echo")

    recorder.logger.addHandler(Echo())
    recorder.logger.info("paid")

    assert [record["body"] for record in recorder.records()] == ["paid", "echo"]
