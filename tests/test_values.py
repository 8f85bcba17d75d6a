"""What becomes of values of every type: nothing raises, nothing is unbounded, and what changed is marked."""

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import time
import uuid

import hostile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import telesink

ROUND_TRIPS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

INT64 = st.integers(-(2**63), 2**63 - 1)
# Neither NUL nor lone surrogates, which are replaced.
TEXT = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=50)
SCALARS = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
TREES = st.recursive(
    SCALARS | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    LARGE = 3


class Kind(enum.StrEnum):
    GIFT = "gift"


@dataclasses.dataclass
class Order:
    number: int


@pytest.fixture
def keep():
    """
    What a pipeline without redaction makes of one value.
    """
    with telesink.Pipeline("memory://?records_max=1", redact=False) as pipeline:

        def kept(value):
            assert pipeline.enqueue({"body": "a value", "attributes": {"value": value}})
            assert pipeline.flush().complete
            return pipeline.recent()[0]["attributes"]["value"]

        yield kept


@pytest.mark.slow
@ROUND_TRIPS
@given(value=TREES)
def test_plain_values_come_back_as_they_were(keep, value):
    stored = keep(value)

    assert stored == value
    assert repr(stored) == repr(value)


@ROUND_TRIPS
@given(texts=st.lists(st.text(), max_size=5))
def test_R5_every_text_can_be_stored(keep, texts):
    """R5, R6: what cannot be stored is replaced, the rest stays."""
    stored = keep(texts)

    for text, kept in zip(texts, stored, strict=True):
        expected = "".join(
            "\N{SYMBOL FOR NULL}" if char == "\0" else "\ufffd" if "\ud800" <= char <= "\udfff" else char
            for char in text
        )
        assert kept == expected


@pytest.mark.slow
def test_R1_any_value_at_any_place_leaves_one_record(recorder):
    """R1, R19"""
    anything = st.recursive(
        SCALARS | st.text() | st.integers() | st.floats() | st.builds(hostile.Evil) | st.binary(),
        lambda inner: (
            st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner)
        ),
        max_leaves=10,
    )
    logged = 0

    @settings(max_examples=300, deadline=None)
    @given(msg=anything, args=st.lists(anything, max_size=3), extra=st.dictionaries(st.text(), anything))
    def check(msg, args, extra):
        nonlocal logged
        record = recorder.logger.makeRecord("shop", 20, __file__, 1, msg, tuple(args), None)
        vars(record).update({f"x{key}": value for key, value in extra.items()})
        recorder.logger.handle(record)
        logged += 1

    check()

    assert len(recorder.records()) == logged


@pytest.mark.parametrize("index", range(len(hostile.all_of_them())))
def test_R1_a_hostile_object_costs_no_record_wherever_it_stands(recorder, index):
    """R1, R19"""
    logger = recorder.logger
    evil = hostile.all_of_them()[index]

    logger.info(evil)
    # Two, because a `LogRecord` itself looks closely at a single one.
    logger.info("%s %s", evil, evil)
    logger.info("%r %d", evil, evil)
    logger.info("extra", extra={"value": evil})
    logger.info("nested", extra={"value": [{"deep": (evil,)}]})

    assert len(recorder.records()) == 5


def test_R1_an_object_that_cannot_be_shown_is_replaced_by_its_type_and_error(recorder):
    """R1"""
    assert recorder.stored(hostile.Evil()) == "<unprintable Evil: ValueError>"
    assert recorder.stored([hostile.NotAText()]) == ["<unprintable NotAText: TypeError>"]

    assert all(record["attributes"]["telesink.sanitised"] for record in recorder.records())
    assert recorder.stats().sanitised == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("place", ["msg", "args", "extra", "nested", "exception"])
def test_R2_an_exception_meant_for_the_program_reaches_it_and_leaves_nothing_behind(recorder, error, place):
    """R2"""
    evil = hostile.Evil(error)
    keywords = {
        "msg": {"msg": evil},
        "args": {"msg": "%s", "args": (evil,)},
        "extra": {"msg": "paid", "value": evil},
        "nested": {"msg": "paid", "value": [{"deep": evil}]},
        "exception": {"msg": "paid", "exc_info": EvilError()},
    }[place]
    EvilError.error = error
    record = recorder.logger.makeRecord("shop", 20, __file__, 1, "", (), None)
    vars(record).update(keywords)

    with pytest.raises(error):
        recorder.logger.handle(record)
    for number in range(1_000):
        recorder.logger.info("%d", number, extra={"number": number})

    records = recorder.records()
    assert [record["attributes"]["number"] for record in records] == list(range(1_000))
    assert recorder.stats().offered == 1_000


class EvilError(Exception):
    error = ValueError

    def __str__(self):
        raise self.error("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ([1.5, float("nan")], [1.5, "NaN"]),
        ({"worst": float("-inf")}, {"worst": "-Infinity"}),
        (np.float64("nan"), "NaN"),
        (np.float32("inf"), "Infinity"),
    ],
)
def test_R7_numbers_that_json_lacks_become_their_names(recorder, value, expected):
    """R7"""
    assert recorder.stored(value) == expected
    assert recorder.attributes()["telesink.sanitised"] is True


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0b", "a\N{SYMBOL FOR NULL}b"),
        ("a\udc80b", "a\ufffdb"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ({"k\0": "v\0"}, {"k\N{SYMBOL FOR NULL}": "v\N{SYMBOL FOR NULL}"}),
        ({"k\udcff": 1}, {"k\ufffd": 1}),
    ],
)
def test_R6_what_texts_may_not_hold_is_replaced_and_marked(recorder, value, expected):
    """R5, R6"""
    assert recorder.stored(value) == expected
    assert recorder.attributes()["telesink.sanitised"] is True
    assert recorder.stats().sanitised == 1


@pytest.mark.parametrize("place", ["body", "logger", "key", "thread", "exception", "level"])
def test_R6_nul_and_surrogates_cost_no_record_wherever_they_stand(recorder, place):
    """R5, R6"""
    bad = "a\0b\udc80c"
    record = recorder.logger.makeRecord("shop", 20, __file__, 1, "paid", (), None)
    changes = {
        "body": {"msg": bad},
        "logger": {"name": bad},
        "key": {bad: 1},
        "thread": {"threadName": bad},
        "exception": {"exc_info": ValueError(bad)},
        "level": {"levelname": bad},
    }
    vars(record).update(changes[place])

    recorder.logger.handle(record)

    assert recorder.attributes()["telesink.sanitised"] is True
    assert "a\N{SYMBOL FOR NULL}b\ufffdc" in str(recorder.only())
    assert "\0" not in str(recorder.only())


def test_R5_every_lone_surrogate_is_replaced(keep):
    """R5"""
    surrogates = [chr(code) for code in range(0xD800, 0xE000)]

    assert keep(surrogates) == ["\ufffd"] * len(surrogates)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**100, "1" + "0" * 100),
        ([2**64], ["18446744073709551616"]),
    ],
)
def test_R8_integers_past_64_bits_become_their_digits(recorder, value, expected):
    """R8"""
    assert recorder.stored(value) == expected


@pytest.mark.parametrize("digits", [4_299, 4_300, 4_301, 100_000, 1_000_000])
def test_R8_integers_of_many_digits_cost_no_time(keep, digits):
    """R8"""
    value = 10**digits

    started = time.perf_counter()
    stored = keep(value)
    seconds = time.perf_counter() - started

    assert stored in (f"<integer of {value.bit_length()} bits>", "1" + "0" * digits)
    assert seconds < 1.0


@pytest.mark.parametrize("digits", [10_000, 1_000_000])
def test_R8_a_message_with_an_integer_too_long_to_show_is_kept(recorder, digits):
    """R8"""
    started = time.perf_counter()
    recorder.logger.info("number %d of %s", 10**digits, "A7")
    seconds = time.perf_counter() - started

    record = recorder.only()
    assert record["body"] == "number %d of %s"
    assert "'A7'" in record["attributes"]["log.args"]
    assert seconds < 1.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"abc"), b"abc"),
        (decimal.Decimal("1.10"), "1.10"),
        (fractions.Fraction(1, 3), "1/3"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/tmp/a b"), "/tmp/a b"),
        (ipaddress.ip_address("::1"), "::1"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.UTC), "2026-01-02T03:04:05.000006+00:00"),
        (dt.datetime(1, 1, 1), "0001-01-01T00:00:00"),  # noqa: DTZ001 - naive on purpose
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(seconds=90), "0:01:30"),
        (Colour.RED, "<Colour.RED: 1>"),
        (Size.LARGE, 3),
        (Kind.GIFT, "gift"),
        (Order(7), "Order(number=7)"),
        ((1, "a"), [1, "a"]),
        ({1}, [1]),
        (frozenset({"a"}), ["a"]),
        (range(3), "range(0, 3)"),
        (complex(1, 2), "(1+2j)"),
        (..., "Ellipsis"),
        (hostile.LyingDict(true=1), {"true": 1}),
        (hostile.LyingText("truth"), "truth"),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.array([1, 2]), "array([1, 2])"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_R10_each_type_has_one_form(recorder, value, expected):
    """R10"""
    stored = recorder.stored(value)

    assert stored == expected
    assert type(stored) is type(expected)
    assert "telesink.sanitised" not in recorder.attributes()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", None: "b", (2, 3): "c"}, {"1": "a", "None": "b", "(2, 3)": "c"}),
        ({"": 1}, {"": 1}),
        ({"a.b": 1, "a": {"b": 2}}, {"a.b": 1, "a": {"b": 2}}),
        ({hostile.Evil(): 1}, {"<unprintable Evil: ValueError>": 1}),
        ({1: "first", "1": "last"}, {"1": "first"}),
    ],
)
def test_R16_keys_become_texts_and_the_first_of_a_name_wins(recorder, value, expected):
    """R16"""
    assert recorder.stored(value) == expected


def test_R16_a_long_key_is_cut(recorder):
    """R16"""
    recorder.logger.info("paid", extra={"k" * 1_000: 1, "nested": {"é" * 200: 2}})

    attributes = recorder.attributes()
    assert attributes["k" * 256] == 1
    assert attributes["nested"] == {"é" * 128: 2}
    assert attributes["telesink.truncated_from"] == 1_000


def test_a_web_request_is_shown_not_walked(recorder):
    from django.conf import settings as django_settings
    from django.http import HttpRequest

    if not django_settings.configured:
        django_settings.configure()
    request = HttpRequest()
    request.method, request.path = "GET", "/orders/7"

    assert recorder.stored(request) == "<HttpRequest: GET '/orders/7'>"


def test_R16_a_name_that_stands_twice_reads_the_same_in_every_sink(recorder):
    """R16: SQLite's own JSON functions take the first of two equal names, every other reader the last."""
    recorder.logger.info("paid", extra={"value": {1: "first", "1": "last"}, "code.line.number": "mine"})

    attributes = recorder.attributes()
    [found] = recorder.query(
        "SELECT attributes ->> '$.value.\"1\"', attributes ->> '$.\"code.line.number\"' FROM telesink_logs"
    )
    assert found == (attributes["value"]["1"], attributes["code.line.number"])
