"""Fields that are bound once and stored with every record of a block, task or request."""

import asyncio
import contextvars
import functools
import sys
import threading

import pytest

import telesink

# What tells a bound field from those that every record has.
OWN = ("code.", "thread.", "asyncio.", "telesink.")


def fields(record):
    return {key: value for key, value in record["attributes"].items() if not key.startswith(OWN)}


def test_fields_are_stored_with_every_record_of_a_block_and_no_other(recorder):
    """S0-14"""
    recorder.logger.info("before")
    with telesink.context(user_id="u-7", order=7):
        recorder.logger.info("inside")
    recorder.logger.info("after")

    assert [fields(record) for record in recorder.records()] == [{}, {"user_id": "u-7", "order": 7}, {}]


def test_any_name_can_be_bound(recorder):
    """S0-14: the six names of the predecessor and any other."""
    names = ["user_id", "session_id", "task_id", "trace_id", "context_id", "client_id", "tenant", "self"]

    with telesink.context(**dict.fromkeys(names, "x")):
        recorder.logger.info("paid")

    assert fields(recorder.only()) == dict.fromkeys(names, "x")


def test_the_inner_block_wins_name_by_name(recorder):
    """S0-15"""
    with telesink.context(user_id="outer", session_id="s-1"):
        with telesink.context(user_id="inner"):
            recorder.logger.info("inside")
        recorder.logger.info("outside")

    inside, outside = recorder.records()
    assert fields(inside) == {"user_id": "inner", "session_id": "s-1"}
    assert fields(outside) == {"user_id": "outer", "session_id": "s-1"}


def test_extra_wins_over_context(recorder):
    with telesink.context(user_id="context", order=1):
        recorder.logger.info("paid", extra={"user_id": "extra"})

    assert fields(recorder.only()) == {"user_id": "extra", "order": 1}


def test_the_fields_of_a_dict_message_win_over_context(recorder):
    with telesink.context(user_id="context"):
        recorder.logger.info({"event": "paid", "user_id": "message"})

    assert fields(recorder.only()) == {"user_id": "message"}


@pytest.mark.parametrize("name", ["task_id", "context_id", "client_id"])
def test_an_empty_text_leaves_these_names_as_they_were(recorder, name):
    """S0-16"""
    with telesink.context(**{name: "outer"}), telesink.context(**{name: ""}):
        recorder.logger.info("paid")

    assert fields(recorder.only()) == {name: "outer"}


@pytest.mark.parametrize("name", ["user_id", "session_id", "trace_id", "tenant"])
def test_an_empty_text_replaces_all_other_names(recorder, name):
    """S0-16"""
    with telesink.context(**{name: "outer"}), telesink.context(**{name: ""}):
        recorder.logger.info("paid")

    assert fields(recorder.only()) == {name: ""}


def test_fields_bound_later_are_stored_from_then_on(recorder):
    """S0-17"""
    with telesink.context(user_id="u-7"):
        recorder.logger.info("before")
        telesink.bind(task_id="t-1")
        recorder.logger.info("after")
    recorder.logger.info("outside")

    assert [fields(record) for record in recorder.records()] == [
        {"user_id": "u-7"},
        {"user_id": "u-7", "task_id": "t-1"},
        {},
    ]


def test_fields_can_be_taken_out_again(recorder):
    with telesink.context(user_id="u-7", plan="gold"):
        telesink.unbind("plan", "never bound")
        recorder.logger.info("paid")

    assert fields(recorder.only()) == {"user_id": "u-7"}


def test_current_context_is_a_copy():
    with telesink.context(user_id="u-7"):
        telesink.current_context()["user_id"] = "changed"

        assert telesink.current_context() == {"user_id": "u-7"}
    assert telesink.current_context() == {}


def test_a_block_ends_also_when_it_fails(recorder):
    with pytest.raises(ZeroDivisionError), telesink.context(user_id="u-7"):
        1 / 0  # noqa: B018

    assert telesink.current_context() == {}


def test_a_block_can_be_used_again_and_inside_itself():
    block = telesink.context(user_id="u-7")
    for _ in range(2):
        with block, block:
            assert telesink.current_context() == {"user_id": "u-7"}
        assert telesink.current_context() == {}


def test_a_decorated_function_runs_inside_the_context():
    @telesink.context(job="import")
    def work(*arguments, **keywords):
        """Do it."""
        return arguments, keywords, telesink.current_context()

    assert work(1, a=2) == ((1,), {"a": 2}, {"job": "import"})
    assert telesink.current_context() == {}
    assert (work.__name__, work.__doc__) == ("work", "Do it.")


def test_a_decorated_function_may_call_itself():
    @telesink.context(job="import")
    def work(depth):
        return telesink.current_context() if depth == 0 else work(depth - 1)

    assert work(5) == {"job": "import"}
    assert telesink.current_context() == {}


def test_a_decorated_coroutine_runs_inside_the_context():
    @telesink.context(job="import")
    async def work():
        before = telesink.current_context()
        await asyncio.sleep(0)
        return before, telesink.current_context()

    async def main():
        coroutine = work()
        outside = telesink.current_context()
        return outside, await coroutine, telesink.current_context()

    assert asyncio.run(main()) == ({}, ({"job": "import"}, {"job": "import"}), {})
    assert asyncio.iscoroutinefunction(work)


def test_a_generator_cannot_be_decorated():
    with pytest.raises(TypeError, match="generator work; use a with-block"):

        @telesink.context(job="import")
        def work():
            yield 1


def test_anything_else_that_can_be_called_can_be_decorated():
    found = telesink.context(job="import")(functools.partial(telesink.current_context))()

    assert found == {"job": "import"}


def test_tasks_of_an_event_loop_keep_their_own_fields(recorder):
    async def request(number):
        with telesink.context(request=number):
            for _ in range(5):
                recorder.logger.info("step", extra={"expected": number})
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(request(number) for number in range(20)))

    asyncio.run(main())

    records = recorder.records()
    assert len(records) == 100
    assert all(record["attributes"]["request"] == record["attributes"]["expected"] for record in records)


def test_a_task_starts_with_the_fields_of_its_maker():
    async def child():
        telesink.bind(child=True)
        return telesink.current_context()

    async def main():
        with telesink.context(user_id="u-7"):
            return await asyncio.create_task(child()), telesink.current_context()

    assert asyncio.run(main()) == ({"user_id": "u-7", "child": True}, {"user_id": "u-7"})


def test_threads_start_without_fields_unless_they_are_given_a_context():
    found = []

    def work():
        found.append(telesink.current_context())

    with telesink.context(user_id="u-7"):
        for target in (work, functools.partial(contextvars.copy_context().run, work)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    # The free-threaded build of Python 3.14 gives every thread the context of its maker.
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert found == [{"user_id": "u-7"} if inherits else {}, {"user_id": "u-7"}]


def test_secrets_in_context_are_hidden(recorder):
    """S0-23"""
    with telesink.context(api_key="hunter2", note="password=hunter2", tokens=7):
        recorder.logger.info("paid")

    assert fields(recorder.only()) == {"api_key": "[REDACTED]", "note": "password=[REDACTED]", "tokens": 7}


def test_a_new_redaction_set_holds_for_fields_bound_before(recorder):
    with telesink.context(iban="DE00"):
        recorder.logger.info("before")
        recorder.pipeline.set_redaction(telesink.Redaction(names=["iban"]))
        recorder.logger.info("after")
        recorder.pipeline.set_redaction(redact=False)
        recorder.logger.info("at last")

    assert [fields(record)["iban"] for record in recorder.records()] == ["DE00", "[REDACTED]", "DE00"]


def test_two_pipelines_hide_bound_fields_each_in_its_own_way():
    with (
        telesink.Pipeline("memory://", redact=False) as frank,
        telesink.Pipeline("memory://", redact=telesink.Redaction(names=["iban"])) as careful,
        telesink.context(iban="DE00"),
    ):
        for pipeline in (frank, careful, frank):
            pipeline.enqueue({"body": "paid"})
            assert pipeline.flush().complete

        assert [record["attributes"]["iban"] for record in frank.recent()] == ["DE00", "DE00"]
        assert [record["attributes"]["iban"] for record in careful.recent()] == ["[REDACTED]"]


def test_values_of_every_type_can_be_bound(recorder):
    """S0-18."""
    with telesink.context(order=7, share=0.5, gift=True, items=["A7"], nested={"a": None}, nothing=None):
        recorder.logger.info("paid")

    assert fields(recorder.only()) == {
        "order": 7,
        "share": 0.5,
        "gift": True,
        "items": ["A7"],
        "nested": {"a": None},
        "nothing": None,
    }


def test_a_bound_value_is_stored_as_it_was_with_the_first_record(recorder):
    items = ["A7"]
    with telesink.context(items=items):
        recorder.logger.info("first")
        items.append("B8")
        recorder.logger.info("second")

    assert [fields(record)["items"] for record in recorder.records()] == [["A7"], ["A7"]]


def test_a_bound_value_that_cannot_be_shown_marks_every_record(recorder):
    """R1"""

    class Unprintable:
        def __repr__(self):
            raise ValueError("no")

    with telesink.context(odd=Unprintable()):
        recorder.logger.info("first")
        recorder.logger.info("second")

    for record in recorder.records():
        assert record["attributes"]["odd"] == "<unprintable Unprintable: ValueError>"
        assert record["attributes"]["telesink.sanitised"] is True


def test_context_holds_for_enqueued_records_too():
    with telesink.Pipeline("memory://") as pipeline, telesink.context(user_id="u-7", order=1):
        pipeline.enqueue({"body": "paid", "order": 2})
        assert pipeline.flush().complete

        [record] = pipeline.recent()

    assert record["attributes"] == {"user_id": "u-7", "order": 2}


def test_seed_S0_30_work_of_the_system_has_an_actor_of_its_own():
    """S0-30, S0-39: user and session `system`, a fresh trace, the component as the client."""
    with telesink.system_context("scheduler"):
        first = telesink.current_context()
        with telesink.context(user_id="u-1"):
            assert telesink.current_context()["user_id"] == "u-1"
    with telesink.system_context():
        second = telesink.current_context()

    assert {name: first[name] for name in ("user_id", "session_id", "client_id")} == {
        "user_id": "system",
        "session_id": "system",
        "client_id": "system:scheduler",
    }
    assert len(first["trace_id"]) == 32
    assert first["trace_id"] != second["trace_id"]
    assert "client_id" not in second
