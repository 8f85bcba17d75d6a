"""Every record costs bounded memory and time, whatever the program logs."""

import json
import logging
import sys
import threading
import time

import pytest

import telesink

MIB = 1024 * 1024

# Memory that a call may cost beside the value itself: one record of 1 MiB in a few stages, and what the
# interpreter rounds up to.
GROWTH_BYTES_MAX = 16 * MIB

MEASURE = """
import json, logging, sys, telesink, time

try:
    import resource
except ImportError:  # Windows, where the memory is not looked at

    def peak_bytes():
        return 0
else:
    UNIT = 1 if sys.platform == "darwin" else 1024

    def peak_bytes():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT

handler = telesink.LogHandler("memory://")
handler.handle(logging.makeLogRecord({"msg": "warm"}))
handler.pipeline.flush()
value = eval(sys.argv[1])
before = peak_bytes()
started = time.perf_counter()
handler.handle(logging.makeLogRecord(eval(sys.argv[2])))
seconds = time.perf_counter() - started
growth = peak_bytes() - before
handler.pipeline.flush()
attributes = handler.pipeline.recent()[-1]["attributes"]
marks = {key: value for key, value in attributes.items() if key.startswith("telesink.")}
print(json.dumps([growth, seconds, marks, handler.stats().truncated]))
"""


TEXTS = ["'x' * 100_000_000", "'é' * 50_000_000", "'\U0001f600' * 25_000_000", "'\\udc80' * 10_000_000"]
PLACES = ["{'msg': value}", "{'msg': 'paid', 'value': value}", "{'msg': {'event': 'paid', 'value': [value]}}"]
BYTES = ["b'x' * 100_000_000", "bytearray(100_000_000)"]


@pytest.mark.parametrize(
    ("value", "place"),
    [(text, place) for text in TEXTS for place in PLACES] + [(one, PLACES[1]) for one in BYTES],
)
def test_R9_a_text_of_100_mb_costs_no_memory_and_hardly_time(run_python, value, place):
    """R9"""
    result = run_python(MEASURE, value, place)

    growth, seconds, marks, truncated = json.loads(result.stdout)
    assert growth < GROWTH_BYTES_MAX
    assert seconds < 0.5
    assert marks["telesink.truncated_from"] > MIB
    assert truncated == 1


@pytest.mark.parametrize(
    "value",
    [
        "list(range(1_000_000))",
        "dict.fromkeys(range(1_000_000))",
        "set(range(1_000_000))",
        "[[0] * 1_000 for _ in range(1_000)]",
    ],
)
def test_R9_a_million_values_cost_no_memory_and_hardly_time(run_python, value):
    """R9"""
    result = run_python(MEASURE, value, "{'msg': 'paid', 'value': value}")

    growth, seconds, _marks, truncated = json.loads(result.stdout)
    assert growth < GROWTH_BYTES_MAX
    assert seconds < 0.5
    assert truncated == 1


@pytest.mark.slow
def test_R9_a_million_extra_fields_end_in_one_record_in_reasonable_time(run_python):
    """R9"""
    code = MEASURE.replace("logging.makeLogRecord(eval(sys.argv[2]))", "record").replace(
        "before =", "record = logging.makeLogRecord({'msg': 'paid', **value})\nbefore ="
    )

    result = run_python(code, "{f'k{number}': number for number in range(1_000_000)}")

    _growth, seconds, _marks, truncated = json.loads(result.stdout)
    assert seconds < 5.0
    assert truncated == 1


def test_R9_what_is_cut_is_cut_at_a_character_and_says_how_long_it_was(recorder):
    """R9"""
    recorder.logger.info("é" * MIB, extra={"value": "x"})

    record = recorder.only()
    assert set(record["body"]) == {"é"}
    assert len(record["body"].encode()) <= MIB
    assert record["attributes"]["telesink.truncated_from"] >= MIB
    assert record["attributes"]["value"] == "x"
    assert recorder.stats().truncated == 1


def test_a_shorter_limit_can_be_set():
    with telesink.Pipeline("memory://", record_bytes_max="4 KiB") as pipeline:
        pipeline.enqueue({"body": "x" * 5_000, "value": "y" * 5_000})
        assert pipeline.flush().complete

        [record] = pipeline.recent()

    assert len(record["body"]) + len(record["attributes"]["value"]) < 4_096
    assert record["attributes"]["telesink.truncated_from"] == 5_000


def test_what_fits_is_not_marked(recorder):
    recorder.logger.info("x" * (MIB // 2), extra={"value": "y" * (MIB // 4)})

    record = recorder.only()
    assert (len(record["body"]), len(record["attributes"]["value"])) == (MIB // 2, MIB // 4)
    assert not any(key.startswith("telesink.") for key in record["attributes"])
    assert recorder.stats().truncated == 0


def nested(kind, depth):
    value = "end"
    for _ in range(depth):
        value = kind(value)
    return value


KINDS = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {"k": value},
    "mixed": lambda value: [{"k": (value,)}],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [65, 1_000, 100_000])
def test_R4_nesting_past_the_limit_ends_in_a_mark(recorder, kind, depth):
    """R4"""
    value = nested(KINDS[kind], depth)

    stored = recorder.stored(value)

    levels = 0
    while not isinstance(stored, str):
        levels += 1
        stored = stored[0] if isinstance(stored, list) else stored["k"]
    assert (levels, stored) == (64, "<too deep>")
    assert recorder.attributes()["telesink.sanitised"] is True
    unnest(value)


def unnest(value):
    """
    Take a deep value apart from outside: CPython's own destructor may run out of stack with dicts.
    """
    while not isinstance(value, str):
        value = value[0] if isinstance(value, (list, tuple)) else value["k"]


@pytest.mark.parametrize("kind", KINDS)
def test_R4_nesting_up_to_the_limit_is_stored_as_it_is(recorder, kind):
    """R4"""
    value = nested(KINDS[kind], 21 if kind == "mixed" else 64)

    assert recorder.stored(value) == json.loads(json.dumps(value))
    assert "telesink.sanitised" not in recorder.attributes()


def test_R4_what_contains_itself_ends_in_a_mark(recorder):
    """R4"""
    mapping, sequence = {"n": 1}, [1]
    mapping["self"] = mapping
    sequence.append({"self": sequence})

    assert recorder.stored(mapping) == {"n": 1, "self": "<cycle>"}
    assert recorder.stored(sequence) == [1, {"self": "<cycle>"}]
    assert recorder.stats().sanitised == 2


def test_a_value_that_stands_twice_is_no_cycle(recorder):
    """R4"""
    shared = [1]

    assert recorder.stored([shared, shared, {"again": shared}]) == [[1], [1], {"again": [1]}]
    assert "telesink.sanitised" not in recorder.attributes()


def test_R4_deep_values_need_little_stack(recorder):
    """R4"""
    size = threading.stack_size(256 * 1024)
    try:
        value = nested(KINDS["list"], 10_000)
        thread = threading.Thread(target=lambda: recorder.logger.info("deep", extra={"value": value}))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)

    assert recorder.attributes()["telesink.sanitised"] is True


def test_R3_a_slow_value_holds_up_nobody_else(recorder):
    """R3: no lock is held while a value's own code runs."""
    reached, release = threading.Event(), threading.Event()

    class Slow:
        def __str__(self):
            reached.set()
            assert release.wait(30)
            return "slow"

    thread = threading.Thread(target=lambda: recorder.logger.info("%s", Slow()))
    thread.start()
    assert reached.wait(30)
    started = time.perf_counter()
    for number in range(1_000):
        recorder.logger.info("%d", number)
    seconds = time.perf_counter() - started
    assert recorder.pipeline.flush().complete
    release.set()
    thread.join()

    assert seconds < 1.0
    assert [record["body"] for record in recorder.records()] == [*(str(n) for n in range(1_000)), "slow"]


def test_a_dict_that_changes_while_it_is_read_costs_no_record(recorder):
    """I5"""
    shared = {}

    class Meddler:
        def __repr__(self):
            shared.clear()
            shared.update({str(number): self for number in range(100)})
            return "meddler"

    shared.update({"a": Meddler(), "b": 1})

    assert recorder.stored(shared) == {"a": "meddler", "b": 1}


def test_a_record_with_many_attributes_keeps_what_fits(recorder):
    """R9"""
    fields = {f"field_{number}": "x" * 10_000 for number in range(200)}

    recorder.handler.handle(logging.makeLogRecord({"msg": "paid", **fields}))

    attributes = recorder.attributes()
    assert attributes["field_0"] == "x" * 10_000
    assert sum(len(str(value)) for value in attributes.values()) < MIB
    assert recorder.stats().truncated == 1


def test_the_recursion_limit_is_left_alone(recorder):
    limit = sys.getrecursionlimit()

    recorder.stored(nested(KINDS["list"], 1_000))

    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("place", ["{'msg': 'x', 'extra': value}", "{'msg': {'event': 'x', 'extra': value}}"])
@pytest.mark.parametrize("value", ["cycle()", "chain(100_000)"])
def test_loguru_fields_inside_loguru_fields_are_values(run_python, place, value):
    """R4: in a process of its own, because what goes wrong here ends the process."""
    finished = run_python(
        "import logging, sys, telesink\n"
        "def cycle():\n"
        "    fields = {'order': 7}\n"
        "    fields['extra'] = fields\n"
        "    return fields\n"
        "def chain(depth):\n"
        "    fields = {}\n"
        "    for _ in range(depth):\n"
        "        fields = {'extra': fields, 'order': 7}\n"
        "    return fields\n"
        f"value = {value}\n"
        "handler = telesink.LogHandler('memory://')\n"
        f"handler.handle(logging.makeLogRecord({place}))\n"
        "handler.pipeline.flush()\n"
        "print(handler.pipeline.recent()[0]['attributes']['telesink.sanitised'])\n"
        "while value:\n"
        "    value = value.pop('extra', None)\n"
    )

    assert finished.stdout == "True\n"
