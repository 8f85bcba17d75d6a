"""Records given as mappings: what each key means, and what cannot be meant."""

import collections
import datetime as dt
import itertools
import time
import types

import hostile
import pytest

import telesink

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def pipeline():
    with telesink.Pipeline("memory://?records_max=100000") as pipeline:
        yield pipeline


@pytest.fixture
def stored(pipeline):
    """
    What becomes of one mapping.
    """

    def store(record):
        assert pipeline.enqueue(record) is True
        assert pipeline.flush().complete
        return pipeline.recent(1)[0]

    return store


def test_a_body_is_enough(stored):
    before = time.time_ns()

    record = stored({"body": "paid"})

    assert record["body"] == "paid"
    assert (record["level"], record["levelno"], record["logger"]) == ("INFO", 20, "root")
    assert (record["event_name"], record["trace_id"], record["span_id"]) == (None, None, None)
    assert record["attributes"] == {}
    assert before <= record["time_unix_nano"] == record["observed_unix_nano"] <= time.time_ns()


def test_every_key_has_its_meaning(stored):
    record = stored(
        {
            "body": "paid",
            "level": "ERROR",
            "logger": "shop.cart",
            "time": 1_700_000_000_123_456_789,
            "event_name": "order.paid",
            "trace_id": TRACE,
            "span_id": SPAN,
            "attributes": {"order": 7},
        }
    )

    assert (record["body"], record["level"], record["logger"]) == ("paid", "ERROR", "shop.cart")
    assert record["time_unix_nano"] == 1_700_000_000_123_456_789
    assert record["event_name"] == "order.paid"
    assert (record["trace_id"], record["span_id"]) == (TRACE, SPAN)
    assert record["attributes"] == {"order": 7}


def test_other_keys_become_attributes(stored):
    record = stored({"body": "paid", "order": 7, 3: "three", "attributes": {"items": ["A7"]}})

    assert record["attributes"] == {"items": ["A7"], "order": 7, "3": "three"}


def test_a_type_without_a_body_is_an_event(stored):
    record = stored({"type": "order.paid", "order": 7})

    assert (record["body"], record["event_name"]) == ("order.paid", "order.paid")
    assert record["attributes"]["order"] == 7


@pytest.mark.parametrize(
    ("level", "name", "levelno"),
    [
        ("debug", "DEBUG", 10),
        ("Warning", "WARN", 30),
        ("CRITICAL", "FATAL", 50),
        ("TRACE", "TRACE", 5),
        (35, "WARN", 35),
        ("45", "ERROR", 45),
        (0, "TRACE", 0),
        (None, "INFO", 20),
    ],
)
def test_levels_are_names_or_numbers(stored, level, name, levelno):
    """S0-29"""
    record = stored({"body": "paid", "level": level})

    assert (record["level"], record["levelno"]) == (name, levelno)


UTC_TIME = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, dt.UTC)


@pytest.mark.parametrize(
    ("given", "nanoseconds"),
    [
        (UTC_TIME, 1_767_323_045_678_901_000),
        (UTC_TIME.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30))), 1_767_323_045_678_901_000),
        (UTC_TIME.astimezone().replace(tzinfo=None), 1_767_323_045_678_901_000),
        (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 0),
        (dt.datetime(2200, 1, 1, 0, 0, 0, 999_999, dt.UTC), 7_258_118_400_999_999_000),
        (0, 0),
        (1_767_323_045_678_901_234, 1_767_323_045_678_901_234),
    ],
)
def test_times_are_datetimes_or_nanoseconds(stored, given, nanoseconds):
    """R17"""
    assert stored({"body": "paid", "time": given})["time_unix_nano"] == nanoseconds


@pytest.mark.parametrize(
    ("record", "error", "words"),
    [
        ({}, ValueError, "a record needs a `body`.*found only: nothing"),
        ({"message": "paid"}, ValueError, "a record needs a `body`.*found only: message"),
        ({"body": None}, ValueError, "a record needs a `body`"),
        ("paid", TypeError, r'enqueue takes a mapping such as .*"body".*, found str'),
        (None, TypeError, "found NoneType"),
        ([("body", "paid")], TypeError, "found list"),
        ({"body": "paid", "level": "LOUD"}, ValueError, "`level` is LOUD, expected .*DEBUG"),
        ({"body": "paid", "level": -1}, ValueError, "`level` is -1"),
        ({"body": "paid", "level": 1.5}, ValueError, "`level` is a float"),
        ({"body": "paid", "level": 10**30}, ValueError, "`level` is 1000"),
        ({"body": "paid", "logger": 7}, ValueError, "`logger` is a int, expected text"),
        ({"body": "paid", "time": "now"}, ValueError, "`time` is now, expected a time such as 2026-01-31T12"),
        ({"body": "paid", "time": 1.5}, ValueError, "`time` is a float"),
        ({"body": "paid", "time": -1}, ValueError, "`time` is -1"),
        ({"body": "paid", "time": 2**63}, ValueError, "`time` is 9223372036854775808"),
        (
            {"body": "paid", "time": dt.datetime(1960, 1, 1, tzinfo=dt.UTC)},
            ValueError,
            "`time` is 1960-01-01",
        ),
        (
            {"body": "paid", "time": dt.datetime(3000, 1, 1, tzinfo=dt.UTC)},
            ValueError,
            "`time` is 3000-01-01",
        ),
        ({"body": "paid", "attributes": 7}, ValueError, "`attributes` is a int, expected a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_was_found(pipeline, record, error, words):
    with pytest.raises(error, match=words):
        pipeline.enqueue(record)

    stats = pipeline.stats()
    assert (stats.offered, stats.accepted, stats.rejected) == (0, 0, {})


@pytest.mark.parametrize(
    "mapping",
    [
        types.MappingProxyType({"body": "paid", "order": 7}),
        collections.OrderedDict(body="paid", order=7),
        collections.ChainMap({"body": "paid"}, {"order": 7}),
        collections.UserDict(body="paid", order=7),
        collections.defaultdict(list, body="paid", order=7),
    ],
    ids=lambda mapping: type(mapping).__name__,
)
def test_any_mapping_will_do(stored, mapping):
    record = stored(mapping)

    assert (record["body"], record["attributes"]) == ("paid", {"order": 7})


def test_attributes_may_be_any_mapping(stored):
    assert stored({"body": "paid", "attributes": types.MappingProxyType({"a": 1})})["attributes"] == {"a": 1}


@pytest.mark.parametrize("body", [7, 1.5, True, ["a"], {"a": 1}, ValueError("x"), b"bytes"])
def test_a_body_of_another_type_is_shown_as_text(stored, body):
    assert stored({"body": body})["body"] == str(body)


@pytest.mark.parametrize("index", range(len(hostile.all_of_them())))
def test_hostile_values_never_make_it_fail(stored, index):
    """R1, R19"""
    evil = hostile.all_of_them()[index]

    assert stored({"body": evil})["body"]
    assert stored({"body": "paid", "value": evil, "attributes": {"nested": [evil]}})["body"] == "paid"


def test_a_dict_that_hides_its_items_is_read_as_it_is(stored):
    """R19"""
    assert stored(hostile.LyingDict(body="paid", order=7))["attributes"] == {"order": 7}


def test_the_mapping_is_left_as_it_was(stored):
    attributes = {"order": 7}
    record = {"body": "paid", "attributes": attributes, "other": [1]}

    stored(record)

    assert record == {"body": "paid", "attributes": {"order": 7}, "other": [1]}


def test_many_are_taken_in_order(pipeline):
    assert pipeline.enqueue_many({"body": str(number)} for number in range(500)) == 500

    assert pipeline.flush().complete
    assert [record["body"] for record in pipeline.recent(1_000)] == [str(number) for number in range(500)]


def test_one_wrong_record_of_many_stops_there_and_those_before_are_kept(pipeline):
    with pytest.raises(ValueError, match="needs a `body`"):
        pipeline.enqueue_many([{"body": "first"}, {}, {"body": "third"}])

    assert pipeline.flush().complete
    assert [record["body"] for record in pipeline.recent()] == ["first"]


def test_a_record_that_no_sink_wants_is_no_refusal():
    with telesink.Pipeline("memory://?level=ERROR") as pipeline:
        assert pipeline.enqueue({"body": "paid"}) is True

        assert pipeline.stats().offered == 0


def test_a_record_after_the_end_is_refused_and_counted():
    """Q: closed is a cause of its own."""
    pipeline = telesink.Pipeline("memory://")
    pipeline.close()

    assert pipeline.enqueue({"body": "late"}) is False
    assert pipeline.stats().rejected == {"closed": 1}


def test_records_before_any_sink_wait_for_the_first():
    """S0-26, S3-10: late attach, bounded."""
    for number in range(3):
        assert telesink.enqueue({"body": str(number), "level": "DEBUG"}) is True

    telesink.install_logging("memory://", level="DEBUG")

    assert telesink.flush().complete
    assert [record["body"] for record in telesink.recent()] == ["0", "1", "2"]


def test_records_that_wait_pass_the_level_of_the_sink_they_waited_for():
    telesink.enqueue({"body": "debug", "level": "DEBUG"})
    telesink.enqueue({"body": "error", "level": "ERROR"})

    telesink.install_logging("memory://", level="INFO")

    assert telesink.flush().complete
    assert [record["body"] for record in telesink.recent()] == ["error"]


@pytest.mark.parametrize(("size", "kept"), [(10, 1_000), (10_000, 100)])
def test_what_waits_is_bounded_and_the_rest_counted(size, kept):
    """S0-26"""
    taken = sum(telesink.enqueue({"body": "x" * size}) for _ in range(1_500))

    telesink.install_logging("memory://?records_max=2000")

    assert telesink.flush().complete
    stats = telesink.install_logging("memory://?records_max=2000").stats()
    assert stats.offered == 1_500
    assert stats.rejected == {"queue_full": 1_500 - stats.accepted}
    assert stats.accepted == pytest.approx(kept, rel=0.1)
    assert len(telesink.recent(2_000)) == stats.accepted
    assert taken == stats.accepted


def test_only_the_first_sink_gets_what_waited():
    pipeline = telesink.Pipeline()
    pipeline.enqueue({"body": "early"})
    pipeline.add_sink("memory://", name="first")
    pipeline.add_sink("memory://", name="second")
    pipeline.enqueue({"body": "late"})

    assert pipeline.flush().complete
    sinks = pipeline.stats().sinks
    assert (sinks["first"].delivered, sinks["second"].delivered) == (2, 1)
    pipeline.close()


def test_flush_says_what_waits_for_a_sink():
    telesink.enqueue({"body": "early"})

    receipt = telesink.flush(timeout_seconds=0.01)

    assert (receipt.complete, receipt.pending) == (False, 1)


class Endless(collections.abc.Mapping):
    """A mapping that never stops, and says that it is small."""

    def __init__(self, name):
        self.name = name

    def __getitem__(self, key):
        return "body" if key == "body" else 1

    def __iter__(self):
        yield "body"
        for number in itertools.count():
            yield self.name.format(number)

    def __len__(self):
        return 5


@pytest.mark.parametrize("name", ["k{}", "same"])
@pytest.mark.parametrize(
    "wrap", [lambda endless: endless, lambda endless: {"body": "x", "attributes": endless}]
)
def test_a_mapping_without_end_is_cut_and_counted(pipeline, stored, name, wrap):
    record = stored(wrap(Endless(name)))

    assert record["attributes"][name.format(0)] == 1
    assert len(record["attributes"]) <= 10_001
    assert pipeline.stats().truncated == 1


@pytest.mark.parametrize("at", ["top", "attributes"])
def test_names_of_telesinks_own_are_kept_apart(pipeline, stored, at):
    named = {"telesink.original_seq": 7, "telesink": 1, "telesinks": {"telesink.x": 2}}

    record = stored(
        {"body": "x", "event_name": "telesink.loss", **(named if at == "top" else {"attributes": named})}
    )

    assert record["event_name"] == "caller.telesink.loss"
    assert record["attributes"] == {
        "caller.telesink.original_seq": 7,
        "telesink": 1,
        "telesinks": {"telesink.x": 2},
        "telesink.sanitised": True,
    }


def test_what_lies_about_its_class_is_no_mapping_and_nothing_is_said_of_it(pipeline):
    class Odd(tuple):
        __slots__ = ()
        __class__ = property(lambda self: 1)

    # Whatever Python could not raise is an error of this test.
    with pytest.raises(TypeError, match="enqueue takes a mapping"):
        pipeline.enqueue(Odd((1, 2)))
