"""Arbitrary objects through every door: nothing raises, nothing is unbounded, and every sink holds the same.

`TELESINK_TEST_EXAMPLES` chooses how many values are drawn for each door, of which there are five.
"""

import contextlib
import logging
import os
import time

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reliability.sinks import EverySink, a_database
from reliability.strategies import RECIPES, build

import telesink

#: 2,000 for each of the five doors make the 10,000 of the long run.
EXAMPLES = int(os.environ.get("TELESINK_TEST_EXAMPLES", "150"))

#: Far above what any value may cost, and far below what a quadratic one would.
SECONDS_MAX = 5.0

#: A record of 1 MiB, every byte of which became an escape of six.
ROW_BYTES_MAX = 6 * 2**20 + 4_096

DRAWN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.fixture(scope="module")
def database():
    with a_database() as made:
        yield made


@pytest.fixture
def every(tmp_path, database):
    database.sql("DROP TABLE IF EXISTS telesink_logs CASCADE")
    database.sql("DROP TABLE IF EXISTS telesink_meta, telesink_ledger, telesink_resources CASCADE")
    return EverySink(tmp_path, database)


def check_door(every, offer, expected=1):
    """Offer drawn values; each must leave as many records as `expected`, the same in every sink."""
    offered = 0

    @DRAWN
    @given(recipe=RECIPES)
    def check(recipe):
        nonlocal offered
        value = build(recipe)
        started = time.perf_counter()
        offer(value)
        assert time.perf_counter() - started < SECONDS_MAX
        offered += expected
        if offered % 200 == 0:
            every.settle()

    with every:
        check()

        assert every.settle().offered == offered
        assert every.check_same() == offered
    assert max(map(len, every.lines.read_bytes().split(b"\n"))) < ROW_BYTES_MAX


@pytest.mark.slow
def test_R1_any_object_as_message_and_argument_leaves_one_record_the_same_in_every_sink(every):
    def offer(value):
        record = logging.LogRecord("shop", 20, "", 1, value, None, None)
        every.logger.handle(record)
        every.logger.info("%s of %5.2f", value, value)
        record = logging.LogRecord("shop", 20, "", 1, "template %s", None, None)
        record.args = value
        every.logger.handle(record)

    check_door(every, offer, expected=3)


@pytest.mark.slow
def test_R1_any_object_as_extra_leaves_one_record_the_same_in_every_sink(every):
    def offer(value):
        every.logger.info("paid", extra={"value": value, "nested": [{"deep": (value,)}]})

    check_door(every, offer)


@pytest.mark.slow
def test_R12_any_object_as_any_field_of_a_record_leaves_one_record_the_same_in_every_sink(every):
    fields = sorted(vars(logging.makeLogRecord({})).keys() - {"levelno"})
    turn = iter(range(10**9))

    def offer(value):
        record = logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, "levelname": "INFO"})
        vars(record)[fields[next(turn) % len(fields)]] = value
        every.handler.handle(record)

    check_door(every, offer)


@pytest.mark.slow
def test_R1_any_object_given_to_enqueue_leaves_one_record_the_same_in_every_sink(every):
    def offer(value):
        body = "None" if value is None else value
        assert every.pipeline.enqueue(
            {"body": body, "value": value, 7: value, "event_name": value, "attributes": {"nested": [value]}}
        )

    check_door(every, offer)


@pytest.mark.slow
def test_R1_any_object_in_the_context_leaves_one_record_the_same_in_every_sink(every):
    def offer(value):
        with telesink.context(value=value, task_id=value):
            every.logger.info("paid")
            assert telesink.current_context().keys() >= {"value"}

    check_door(every, offer)


KEYS_WITH_A_MEANING = (
    "level",
    "logger",
    "time",
    "event_name",
    "trace_id",
    "span_id",
    "attributes",
    "type",
    "body",
)


@pytest.mark.slow
def test_R10_enqueue_takes_a_record_or_says_what_is_wrong_with_it_and_raises_nothing_else():
    @DRAWN
    @given(recipe=RECIPES, key=st.sampled_from(KEYS_WITH_A_MEANING))
    def check(recipe, key):
        value = build(recipe)
        for record in (value, {"body": "paid", key: value}):
            with contextlib.suppress(TypeError, ValueError):
                pipeline.enqueue(record)

    with telesink.Pipeline("null://") as pipeline:
        check()
        stats = pipeline.stats()
    assert stats.offered == stats.accepted


@pytest.mark.parametrize(
    "place", ["body", "logger", "key", "value", "nested key", "exception", "context", "event", "file"]
)
def test_R5_nul_and_lone_surrogates_reach_every_sink_in_the_same_form(every, place):
    # Every lone surrogate, each beside a NUL.
    bad = "".join(f"\0{chr(code)}" for code in range(0xD800, 0xE000, 7))
    record = logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, "levelname": "INFO"})
    changes = {
        "body": {"msg": bad},
        "logger": {"name": bad},
        "key": {bad[:100]: 1},
        "value": {"value": bad},
        "nested key": {"value": [{bad[:100]: bad}]},
        "exception": {"exc_info": ValueError(bad)},
        "event": {"otel.event.name": bad},
        "file": {"pathname": bad, "threadName": bad, "funcName": bad},
    }
    vars(record).update(changes.get(place, {}))

    with every:
        with telesink.context(**({"bound": bad} if place == "context" else {})):
            every.handler.handle(record)

        assert every.check_same() == 1
    assert "\\u0000" not in every.lines.read_text()
    assert "\N{SYMBOL FOR NULL}\ufffd" in every.lines.read_text()


def test_R1_the_objects_that_do_everything_wrong_are_the_same_in_every_sink(every):
    with every:
        for evil in hostile.all_of_them():
            # Two, because a `LogRecord` itself looks closely at a single one.
            every.logger.info("%s %s", evil, evil, extra={"value": evil})

        assert every.check_same() == len(hostile.all_of_them())
