"""One value at a time that raises, lies, overflows, forges or takes its time: what a record makes of it."""

import logging
import os
import threading
import time

import pytest
from reliability.strategies import SPECIAL

import telesink


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize(
    "method", ["__str__", "__repr__", "__bool__", "__iter__", "__getattribute__", "__len__", "keys"]
)
def test_R2_an_exception_meant_for_the_program_passes_or_is_not_provoked(recorder, error, method):
    def fail(*_arguments):
        raise error("no")

    bases = (object, dict, list, set, str, int, ValueError)
    values = [type("Odd", (base,), {method: fail})() for base in bases]
    passed = 0

    for value in values:
        for keywords in (
            {"msg": value},
            {"args": (value, 1)},
            {"args": value},
            {"value": [value]},
            {"exc_info": value},
        ):
            record = logging.makeLogRecord({"name": "shop", "msg": "paid", "levelno": 20, **keywords})
            try:
                recorder.handler.handle(record)
            except error:
                passed += 1
    for number in range(1_000):
        recorder.logger.info("%d", number)

    stats = recorder.stats()
    assert stats.offered == len(values) * 5 - passed + 1_000
    assert stats.rejected == {}
    assert [record["body"] for record in recorder.records()[-1_000:]] == [str(n) for n in range(1_000)]


def test_R2_ctrl_c_while_an_error_is_shown_reaches_the_program(recorder):
    class ShowingError(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    class Value:
        def __str__(self):
            raise ShowingError

    with pytest.raises(KeyboardInterrupt):
        recorder.logger.info("%s", Value())
    recorder.logger.info("next")

    assert recorder.only()["body"] == "next"


@pytest.mark.parametrize("kind", [dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float])
def test_R10_a_subclass_that_lies_about_itself_is_read_as_what_it_holds(recorder, kind):
    truth = {
        dict: {"true": 1},
        list: [1],
        tuple: (1,),
        set: {1},
        frozenset: {1},
        str: "truth",
        bytes: b"ab",
        bytearray: bytearray(b"ab"),
        int: 10**30,
        float: 0.5,
    }[kind]

    def lie(*_arguments):
        raise ValueError("no")

    names = (
        "__iter__",
        "__len__",
        "__getitem__",
        "__str__",
        "__repr__",
        "__bytes__",
        "keys",
        "items",
        "bit_length",
    )
    lying = type("Lying", (kind,), dict.fromkeys(names, lie))(truth)
    expected = {int: str(truth), tuple: [1], set: [1], frozenset: [1], bytearray: b"ab"}.get(kind, truth)

    with telesink.context(bound=lying):
        recorder.logger.info("paid", extra={"value": lying})

    attributes = recorder.attributes()
    assert attributes["value"] == expected
    assert attributes["bound"] == expected


def test_R9_a_long_text_of_a_class_with_its_own_slices_is_cut_like_any_other(recorder):
    class Sliced(str):
        __slots__ = ()

        def __getitem__(self, _at):
            raise ValueError("no")

    recorder.logger.info("paid", extra={"value": Sliced("x" * 2**21)})

    attributes = recorder.attributes()
    assert set(attributes["value"]) == {"x"}
    assert attributes["telesink.truncated_from"] == 2**21


@pytest.mark.parametrize("stack_bytes", [64 * 1024, 256 * 1024])
@pytest.mark.parametrize(
    "value",
    [
        "nested(lambda v: [v], 100_000)",
        "nested(lambda v: {'k': v}, 64)",
        "nested(lambda v: [{'k': (v,)}], 10_000)",
        "nested(lambda v: ExceptionGroup('g', [v]), 500, ValueError('end'))",
        "nested(chained, 10_000, ValueError('end'))",
    ],
)
def test_R4_the_smallest_stacks_are_enough(run_python, value, stack_bytes):
    """In a process of its own, because what goes wrong here ends the process."""
    finished = run_python(
        "import logging, threading, telesink\n"
        "def nested(kind, depth, value='end'):\n"
        "    for _ in range(depth):\n"
        "        value = kind(value)\n"
        "    return value\n"
        "def chained(inner):\n"
        "    error = ValueError('outer')\n"
        "    error.__cause__ = inner\n"
        "    return error\n"
        f"value = {value}\n"
        "handler = telesink.LogHandler('memory://')\n"
        # Not the error as a value: CPython's own `repr` of nested groups needs more.
        "place = 'exc_info' if isinstance(value, BaseException) else 'value'\n"
        "record = logging.makeLogRecord({'msg': 'deep', place: value})\n"
        f"threading.stack_size({stack_bytes})\n"
        "thread = threading.Thread(target=handler.handle, args=(record,))\n"
        "thread.start()\n"
        "thread.join()\n"
        "handler.pipeline.flush()\n"
        "print(handler.pipeline.recent()[0]['body'], flush=True)\n"
        # Deep values may overflow the stack of CPython's own destructors.
        "import os; os._exit(0)\n"
    )

    assert finished.stdout == "deep\n"


def test_R4_arrays_that_hold_one_another_end_in_a_text(recorder):
    assert isinstance(recorder.stored(SPECIAL["arrays in a circle"]()), str)


#: What forges lines, drives terminals or turns text around.
FORGERIES = (
    *(
        "\n",
        "\r",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
        "\x1b[31m",
        "\x9b2J",
    ),
    *(
        "\x1b]0;t\x07",
        "\x08",
        "\x7f",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u061c",
        "\x1bP1$r\x1b\\",
        "\0",
        "\x9d",
        "\x90",
    ),
)


@pytest.mark.parametrize("layout", ["plain", "pretty", "json"])
def test_R14_one_record_is_one_line_and_nothing_in_it_is_raw(tmp_path, layout):
    with (tmp_path / "lines").open("wb") as lines:
        kept = os.dup(1)
        os.dup2(lines.fileno(), 1)
        try:
            with telesink.Pipeline(f"console://stdout?format={layout}&color=never") as pipeline:
                for forged in FORGERIES:
                    text = f"a{forged}b"
                    pipeline.enqueue(
                        {"body": text, "logger": text, "value": text, text: [text], "event_name": text}
                    )
                assert pipeline.flush(30).complete
        finally:
            os.dup2(kept, 1)
            os.close(kept)

    text = (tmp_path / "lines").read_bytes().decode()
    assert text.count("\n") == len(FORGERIES)
    assert len(text.splitlines()) == len(FORGERIES)
    raw = {character for forged in FORGERIES for character in forged if not character.isprintable()} - {"\n"}
    assert not raw & set(text)


LOOKUPS = (
    "${jndi:ldap://x/a}",
    "{0}",
    "{record.msg}",
    "{0.__class__.__mro__}",
    "%(message)s",
    "%s",
    "$(id)",
    "{{7*7}}",
)


@pytest.mark.parametrize("text", LOOKUPS)
def test_R14_nothing_in_a_record_is_looked_up_or_formatted(recorder, text):
    recorder.logger.info(text, extra={"value": text, text: [text]})
    recorder.logger.info("%s", text)

    first, second = recorder.records()
    assert (first["body"], second["body"]) == (text, text)
    assert first["attributes"]["value"] == text
    assert first["attributes"][text] == [text]


def test_R3_a_value_that_takes_its_time_keeps_only_its_own_thread(recorder):
    """Two seconds, while other threads log, flush and read counters."""
    reached, release = threading.Event(), threading.Event()

    class Slow:
        def __repr__(self):
            reached.set()
            assert release.wait(30)
            return "slow"

    thread = threading.Thread(target=lambda: recorder.logger.info("slow", extra={"value": [Slow()]}))
    thread.start()
    assert reached.wait(30)
    started = time.perf_counter()
    for number in range(200):
        recorder.logger.info("%d", number)
        assert recorder.pipeline.flush().complete
        recorder.pipeline.stats()
    seconds = time.perf_counter() - started
    release.set()
    thread.join()

    assert seconds < 20
    assert recorder.records()[-1]["attributes"]["value"] == ["slow"]


def test_R13_what_is_changed_by_a_handler_behind_is_not_stored(recorder):
    class Vandal(logging.Handler):
        def emit(self, record):
            for name in list(vars(record)):
                setattr(record, name, "vandalised")

    recorder.logger.addHandler(Vandal())
    values = [{"deep": ["kept"]}]
    recorder.logger.info("paid %s", "kept", extra={"value": values})
    values[0]["deep"][:] = ["vandalised"]
    values.clear()

    assert "vandalised" not in str(recorder.only())
    assert recorder.only()["attributes"]["value"] == [{"deep": ["kept"]}]
