"""Runs, steps and calls told by the program: blocks and decorators, nesting, errors, defaults."""

import asyncio
import logging
from uuid import UUID

import pytest

import telesink
from telesink import events


@pytest.fixture
def pipeline():
    with telesink.Pipeline("memory://") as opened:
        yield opened


def told(pipeline):
    """The events so far: type and attributes."""
    assert pipeline.flush(10).complete
    return [(record["event_name"], record["attributes"]) for record in pipeline.recent()]


def test_seed_S1_24_blocks_nest_and_name_their_run_and_parent(pipeline):
    with events.run("chat", to=pipeline, tags=["beta"], input="hi") as run:
        with events.step("outer", type="agent") as outer, events.step("inner", type="tool", input=1) as inner:
            inner.output = 2
        run.output = "bye"

    found = dict(zip(("run", "outer", "inner", "inner end", "outer end", "end"), told(pipeline), strict=True))
    assert [name for name, _ in found.values()] == [
        "run:start", "step:start", "step:start", "step:end", "step:end", "run:update",
    ]  # fmt: skip
    assert found["run"][1]["id"] == run.id
    assert found["run"][1]["tags"] == ["beta"]
    assert found["outer"][1]["run_id"] == run.id
    assert "parent_step" not in found["outer"][1]["data"]
    assert found["inner"][1]["data"] == {"type": "tool", "name": "inner", "parent_step": outer.id, "input": 1}
    assert found["inner end"][1]["data"] == {"output": 2}
    assert found["end"][1] == {"id": run.id, "status": "finished", "output": "bye"}
    assert UUID(run.id) != UUID(inner.id)


def test_seed_S1_24_a_step_outside_of_a_run_makes_one_of_its_own(pipeline):
    with events.step("alone", to=pipeline) as step:
        assert events.current_run_id() == step.run_id
    assert (events.current_run_id(), events.current_step_id()) == (None, None)

    (start, (_, first), _, (_, last)) = told(pipeline)
    assert start == ("run:start", {"id": step.run_id, "name": "alone"})
    assert first["run_id"] == step.run_id
    assert last["status"] == "finished"


def test_seed_S1_24_the_status_of_the_end_can_be_chosen_and_info_grows(pipeline):
    with events.run("chat", to=pipeline, info={"a": 1}) as run:
        run.status = "cancelled"
        run.info["b"] = 2

    ((_, start), (_, end)) = told(pipeline)
    assert (start["info"], end["info"], end["status"]) == ({"a": 1}, {"b": 2}, "cancelled")


def test_seed_S1_24_errors_have_type_and_text(pipeline):
    class BrokenError(Exception):
        pass

    with pytest.raises(BrokenError), events.run("chat", to=pipeline), events.step("s"):
        raise BrokenError("no luck")

    failed = dict(told(pipeline))
    error = {"type": f"{__name__}.{BrokenError.__qualname__}", "message": "no luck"}
    assert failed["step:error"]["data"] == {"error": error}
    assert (failed["run:update"]["status"], failed["run:update"]["info"]) == ("error", {"error": error})


def test_a_call_tells_request_response_usage_and_how_long_it_took(pipeline):
    """S1-21."""
    request = {"messages": [{"role": "user", "content": "my password is 123"}], "api_key": "sk-1"}
    with (
        events.run("chat", to=pipeline) as run,
        events.step("ask") as step,
        events.llm_call(provider="acme", model="m-1", request=request) as call,
    ):
        call.response = {"text": "yes"}
        call.retries, call.rate_limited = 1, True
        call.usage(input_tokens=12, output_tokens=6, cost_usd=0.25)

    attributes = dict(told(pipeline))["llm:call"]
    assert attributes["gen_ai.provider.name"] == "acme"
    assert attributes["gen_ai.request.model"] == "m-1"
    assert attributes["response_meta"] == {
        "usage": {"input_tokens": 12, "output_tokens": 6},
        "cost_usd": 0.25,
    }
    assert (attributes["run_id"], attributes["step_id"]) == (run.id, step.id)
    assert (attributes["retries"], attributes["rate_limited"]) == (1, True)
    assert attributes["total_latency_ms"] >= 0
    # Names hide what they stand for; what a model was told is kept.
    assert attributes["request"]["api_key"] == "[REDACTED]"
    assert attributes["request"]["messages"] == request["messages"]


def test_a_call_that_fails_is_told_with_its_error(pipeline):
    with pytest.raises(TimeoutError), events.llm_call(provider="acme", to=pipeline):
        raise TimeoutError("too slow")

    ((_, attributes),) = told(pipeline)
    assert attributes["error"] == {"type": "TimeoutError", "message": "too slow"}


def test_functions_and_coroutines_can_be_decorated(pipeline):
    @events.step(type="tool")
    def double(number):
        return 2 * number

    @events.run(to=pipeline)
    async def answer(number):
        await asyncio.sleep(0)
        return double(number)

    async def both():
        return await asyncio.gather(answer(1), answer(2))

    assert asyncio.run(both()) == [2, 4]
    found = told(pipeline)
    runs = {attributes["id"] for name, attributes in found if name == "run:start"}
    steps = [attributes for name, attributes in found if name == "step:start"]
    outputs = [attributes["data"]["output"] for name, attributes in found if name == "step:end"]
    assert len(runs) == 2
    assert {step["run_id"] for step in steps} == runs
    assert {step["data"]["name"] for step in steps} == {"double"}
    assert sorted(outputs) == [2, 4]


def test_classes_and_generators_are_refused_with_what_to_do_instead():
    with pytest.raises(TypeError, match="decorate its methods"):
        events.run()(int)
    with pytest.raises(TypeError, match="use a with-block"):
        events.step()(lambda: (yield))


def test_tasks_that_run_at_the_same_time_do_not_see_each_others_steps(pipeline):
    async def work(name):
        with events.step(name) as step:
            await asyncio.sleep(0.001)
            assert events.current_step_id() == step.id

    async def main():
        with events.run("both", to=pipeline):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())
    parents = [
        attributes["data"].get("parent_step") for name, attributes in told(pipeline) if name == "step:start"
    ]
    assert parents == [None, None]


def test_seed_S1_17_defaults_are_used_only_where_the_run_says_nothing(store):
    """S1-17: `application` and `environment` have columns, everything else goes into the info."""
    defaults = {"application": "shop", "environment": "test", "workflow_id": "w-1", "tenant": {"id": 7}}
    with telesink.Pipeline(store.dsn(preset="chronicle")) as pipeline, telesink.context(**defaults):
        with events.run("chat", to=pipeline, environment="live", info={"workflow_id": "mine"}):
            pipeline.enqueue({"type": "an_event"})
        assert pipeline.flush(30).complete

    (run,) = store.rows("chronicle_runs")
    assert (run["application"], run["environment"]) == ("shop", "live")
    assert run["info"] == {"workflow_id": "mine", "tenant": {"id": 7}}
    (event,) = store.rows("chronicle_events")
    assert (event["run_id"], event["application"], event["workflow_id"]) == (run["id"], "shop", "w-1")


def test_log_records_inside_carry_the_ids_of_run_and_step(pipeline):
    handler = telesink.install_logging("memory://")
    with events.run("chat", to=pipeline) as run, events.step("s") as step:
        logging.getLogger("shop").warning("inside")
    assert handler is not None
    telesink.flush()

    (record,) = [one for one in telesink.recent() if one["body"] == "inside"]
    assert record["attributes"]["run_id"] == run.id
    assert record["attributes"]["step_id"] == step.id


@pytest.mark.parametrize(
    "event",
    [
        events.RunStart(id=UUID(int=1), name="n", tags=["a"], info={"x": 1}, time="2026-01-01T00:00:00Z"),
        events.RunUpdate(id=UUID(int=1), output=None),
        events.StepStart(step_id=UUID(int=2), run_id=UUID(int=1), kind="tool", parent_step=UUID(int=3)),
        events.StepEnd(step_id=UUID(int=2), run_id=UUID(int=1)),
        events.StepError(step_id=UUID(int=2), run_id=UUID(int=1), error="no"),
        events.StepState(step_id=UUID(int=2), run_id=UUID(int=1), state="waiting"),
        events.Event(name="cache:miss", run_id=UUID(int=1), data={"a": 1}),
        events.Call(provider="acme", request={}, response={}, input_tokens=1, cost_usd=0.5, error=None),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_class_makes_an_event_that_is_taken(pipeline, event):
    """S1-15."""
    assert events.validate(event.as_event()) == []
    assert pipeline.enqueue(event.as_event())


def test_events_can_be_given_to_langfuse(pipeline):
    with events.run("chat", to=pipeline) as run, events.step("look up", type="tool") as step:
        with events.llm_call(provider="acme", model="m", request={"q": 1}) as call:
            call.usage(input_tokens=3, output_tokens=4, cost_usd=0.5)
        with pytest.raises(ValueError, match="no"), events.step("fails"):
            raise ValueError("no")

    for_langfuse = [
        one for name, attributes in told(pipeline) for one in events.as_langfuse({"type": name, **attributes})
    ]
    assert [one["type"] for one in for_langfuse] == [
        "trace-create", "span-create", "generation-create", "span-create", "span-update", "span-update",
        "trace-create",
    ]  # fmt: skip
    ingest = telesink.Ingest("http://localhost:1", ("pk", "sk"))
    assert [ingest.validate(one) for one in for_langfuse] == [[]] * 7
    ingest.close(timeout_seconds=0)
    generation = for_langfuse[2]["body"]
    assert generation["usageDetails"] == {"input": 3, "output": 4}
    assert generation["costDetails"] == {"total": 0.5}
    assert (generation["traceId"], generation["parentObservationId"]) == (run.id, step.id)
    assert for_langfuse[4]["body"]["level"] == "ERROR"
