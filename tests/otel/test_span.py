"""telesink.span and @telesink.traced: spans for programs without the SDK."""

import asyncio
import logging
import os
import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import telesink


@pytest.fixture(autouse=True)
def _installed():
    telesink.install_logging("memory://", level="DEBUG")


def stored():
    assert telesink.flush().complete
    return {record["body"]: record for record in telesink.recent()}


def test_S3_44_spans_nest_and_log_records_inside_carry_their_ids():
    """S0-40."""
    with telesink.span("outer") as outer:
        with telesink.span("inner", amount=12) as inner:
            logging.getLogger("shop").info("paid")
        logging.getLogger("shop").info("done")

    records = stored()
    assert records["inner"]["parent_span_id"] == records["outer"]["span_id"] == outer.span_id
    assert records["inner"]["trace_id"] == records["outer"]["trace_id"] == outer.trace_id
    assert records["outer"]["parent_span_id"] is None
    assert records["inner"]["attributes"] == {"amount": 12}
    assert records["paid"]["span_id"] == inner.span_id
    assert records["done"]["span_id"] == outer.span_id


def test_S3_44_the_current_ids_can_be_asked_for_and_are_none_without_a_span():
    assert telesink.current_span_id() is None
    assert telesink.current_trace_id() is None

    with telesink.span("pay") as pay:
        assert telesink.current_span_id() == pay.span_id
        assert telesink.current_trace_id() == pay.trace_id
        assert len(pay.span_id) == 16
        assert len(pay.trace_id) == 32

    assert telesink.current_span_id() is None


def test_S3_44_a_function_a_coroutine_and_generators_can_be_traced():
    @telesink.traced
    def plain(amount):
        return telesink.current_span_id(), amount

    @telesink.traced("a coroutine", currency="EUR")
    async def coroutine():
        await asyncio.sleep(0)
        return telesink.current_span_id()

    @telesink.traced()
    def generator():
        received = yield telesink.current_span_id()
        yield received
        return "end"

    @telesink.traced
    async def async_generator():
        yield telesink.current_span_id()
        await asyncio.sleep(0)
        yield telesink.current_span_id()

    def through():
        return (yield from generator())

    async def collect():
        return [item async for item in async_generator()]

    ids = {"plain": plain(7)[0], "coroutine": asyncio.run(coroutine())}
    steps = through()
    ids["generator"] = next(steps)
    assert telesink.current_span_id() is None
    assert steps.send("sent") == "sent"
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value == "end"
    first, second = asyncio.run(collect())
    assert first == second

    records = stored()
    of_plain = next(record for name, record in records.items() if name.endswith("plain"))
    assert of_plain["span_id"] == ids["plain"]
    assert records["a coroutine"]["span_id"] == ids["coroutine"]
    assert records["a coroutine"]["attributes"] == {"currency": "EUR"}
    assert (
        next(one for name, one in records.items() if name.endswith(".generator"))["span_id"]
        == ids["generator"]
    )
    assert next(one for name, one in records.items() if name.endswith("async_generator"))["span_id"] == first
    assert plain.__name__ == "plain"


def test_an_exception_makes_the_span_an_error_and_leaves_as_it_was():
    error = ValueError("no money")

    with pytest.raises(ValueError, match="no money") as raised, telesink.span("pay"):
        raise error

    assert raised.value is error
    record = stored()["pay"]
    assert (record["status_code"], record["status_message"]) == (2, "ValueError: no money")
    [event] = record["events"]
    assert event["name"] == "exception"
    assert event["attributes"]["exception.type"] == "ValueError"
    assert event["attributes"]["exception.message"] == "no money"
    assert "raise error" in event["attributes"]["exception.stacktrace"]


def test_a_generator_that_is_closed_early_still_has_a_span():
    closed = []

    @telesink.traced("numbers")
    def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append(telesink.current_span_id())

    steps = numbers()
    next(steps)
    with telesink.span("outer"):
        steps.close()
        after = telesink.current_span_id()

    records = stored()
    assert records["numbers"]["status_code"] == 0
    assert closed == [records["numbers"]["span_id"]]
    assert after == records["outer"]["span_id"]


def test_an_asynchronous_generator_that_is_closed_early_ends_inside_of_its_span():
    closed = []

    @telesink.traced("pages")
    async def pages():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(telesink.current_span_id())

    async def first():
        steps = pages()
        await anext(steps)
        with telesink.span("outer") as outer:
            await steps.aclose()
            assert telesink.current_span_id() == outer.span_id

    asyncio.run(first())

    assert closed == [stored()["pages"]["span_id"]]


def test_an_exception_thrown_into_a_generator_reaches_it():
    @telesink.traced("numbers")
    def numbers():
        try:
            yield 1
        except KeyError:
            yield 2

    steps = numbers()
    next(steps)

    assert steps.throw(KeyError("x")) == 2


def test_events_can_be_added():
    with telesink.span("pay") as pay:
        pay.add_event("asked", bank="B")

    [event] = stored()["pay"]["events"]
    assert (event["name"], event["attributes"]) == ("asked", {"bank": "B"})


def test_secrets_in_the_names_of_a_span_and_of_its_events_are_hidden():
    with telesink.span("GET /?password=hunter2") as get:
        get.add_event("login token=abc123")

    [record] = stored().values()
    assert record["body"] == "GET /?password=[REDACTED]"
    assert record["events"][0]["name"] == "login token=[REDACTED]"


@pytest.mark.parametrize(("name", "shown"), [(None, "None"), (5, "5"), (b"x", "b'x'")])
def test_names_that_are_no_text_are_shown_as_one_and_hide_no_exception(name, shown):
    error = LookupError("the program's own")

    def work():
        with telesink.span(name) as odd:
            odd.add_event(name)
            raise error

    with pytest.raises(LookupError) as raised:
        work()

    assert raised.value is error
    [record] = stored().values()
    assert (record["body"], record["events"][0]["name"]) == (shown, shown)


def test_spans_follow_tasks_and_not_threads():
    seen = {}

    async def child(name):
        with telesink.span(name) as one:
            await asyncio.sleep(0)
            seen[name] = (telesink.current_span_id(), one.span_id)

    async def main():
        with telesink.span("main"):
            await asyncio.gather(child("a"), child("b"))

    asyncio.run(main())
    with telesink.span("here"):
        thread = threading.Thread(target=lambda: seen.update(thread=telesink.current_span_id()))
        thread.start()
        thread.join()

    records = stored()
    assert seen["a"][0] == seen["a"][1]
    assert records["a"]["parent_span_id"] == records["b"]["parent_span_id"] == records["main"]["span_id"]
    assert seen["thread"] is None


def test_the_current_opentelemetry_span_is_the_parent_and_later_ones_are_children():
    tracer = TracerProvider().get_tracer("shop")

    with tracer.start_as_current_span("theirs") as theirs:
        with telesink.span("ours") as ours, tracer.start_as_current_span("inside") as inside:
            logging.getLogger("shop").info("paid")
        assert telesink.current_span_id() == f"{theirs.get_span_context().span_id:016x}"

    records = stored()
    assert records["ours"]["parent_span_id"] == f"{theirs.get_span_context().span_id:016x}"
    assert records["ours"]["trace_id"] == f"{theirs.get_span_context().trace_id:032x}"
    assert f"{inside.parent.span_id:016x}" == ours.span_id
    assert records["paid"]["span_id"] == f"{inside.get_span_context().span_id:016x}"


def test_a_trace_that_opentelemetry_does_not_keep_is_not_kept():
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("shop")

    with tracer.start_as_current_span("theirs"), telesink.span("ours"):
        pass

    assert "ours" not in stored()


def test_a_span_can_be_entered_again_but_not_twice_at_once():
    one = telesink.span("pay")
    with one:
        first = one.span_id
        with pytest.raises(RuntimeError, match="open already"):
            one.__enter__()
    with one:
        assert one.span_id != first


def test_a_class_cannot_be_traced():
    with pytest.raises(TypeError, match="methods of a class"):
        telesink.traced(int)


def test_the_scope_is_the_module_that_made_the_span():
    with telesink.span("pay"):
        pass

    assert stored()["pay"]["logger"] == __name__


PROGRAM = """
import sys
import telesink
telesink.install_logging("memory://")
with telesink.span("child") as child:
    environment = telesink.child_environment()
telesink.flush()
[record] = telesink.recent()
print(record["trace_id"], record["parent_span_id"])
print(environment["TRACEPARENT"] == f"00-{child.trace_id}-{child.span_id}-01")
print("opentelemetry" in sys.modules)
"""


def test_without_the_sdk_a_span_is_the_child_of_the_one_that_was_handed_down():
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    environment = {**os.environ, "TRACEPARENT": f"00-{trace_id}-{span_id}-01"}

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )

    assert done.stdout.split() == [trace_id, span_id, "True", "False"]
