"""Turns of an agent as events: exact sequences, ids and nesting, from calls alone."""

import pytest

from telesink.agents import OPEN_MAX, TurnProjector, chat_messages


def at(second):
    return f"2026-01-01T00:00:{second:02}Z"


@pytest.fixture
def projector():
    """A projector within a turn that began at second 0."""
    projector = TurnProjector(session_id="s1", environment="staging")
    projector.turn_started("t1", time=at(0), input="hello")
    return projector


def told(events):
    """Type, id and parent of each event."""
    return [
        (event["type"], event["body"]["id"], event["body"].get("parentObservationId")) for event in events
    ]


def body_of(events, kind):
    [body] = [event["body"] for event in events if event["type"] == kind]
    return body


def test_a_turn_is_a_trace_that_has_its_input_from_the_first_event_and_keeps_its_start():
    """S2-20"""
    projector = TurnProjector(
        session_id="s1", environment="staging", user_id="u1", tags=["beta"], release="1.2"
    )

    [start] = projector.turn_started("t1", time=at(0), input="hello")
    [end] = projector.turn_finished(time=at(9), output="bye", stop_reason="end_turn", usage={"input": 3})

    assert start == {
        "type": "trace-create",
        "timestamp": at(0),
        "body": {
            "id": "t1",
            "name": "turn",
            "sessionId": "s1",
            "userId": "u1",
            "tags": ["beta"],
            "release": "1.2",
            "timestamp": at(0),
            "input": "hello",
            "environment": "staging",
        },
    }
    assert end == {
        "type": "trace-create",
        "timestamp": at(9),
        "body": {
            "id": "t1",
            "output": "bye",
            "metadata": {"stop_reason": "end_turn", "usage": {"input": 3}},
            "environment": "staging",
        },
    }


def test_an_empty_answer_is_left_out(projector):
    """S2-20"""
    [end] = projector.turn_finished(time=at(9))

    assert end["body"] == {"id": "t1", "environment": "staging"}


def test_two_turns_are_two_traces_and_the_second_closes_what_the_first_left_open(projector):
    """S2-20"""
    projector.model_call_started(time=at(1), model="m")

    second = projector.turn_started("t2", time=at(5))

    assert told(second) == [
        ("generation-update", "t1-step-1-gen", None),
        ("span-update", "t1-step-1", None),
        ("trace-create", "t2", None),
    ]


def test_a_model_call_is_a_step_with_a_generation_inside(projector):
    """S2-21"""
    started = projector.model_call_started(
        time=at(1), model="m", input="hi", attempt=2, model_parameters={"temperature": 0.5}
    )

    assert told(started) == [
        ("span-create", "t1-step-1", None),
        ("generation-create", "t1-step-1-gen", "t1-step-1"),
    ]
    assert body_of(started, "generation-create") == {
        "id": "t1-step-1-gen",
        "traceId": "t1",
        "parentObservationId": "t1-step-1",
        "name": "llm_call",
        "startTime": at(1),
        "model": "m",
        "modelParameters": {"temperature": 0.5},
        "input": "hi",
        "metadata": {"attempt": 2},
        "environment": "staging",
    }


def test_the_next_call_closes_the_step_before(projector):
    """S2-21"""
    projector.model_call_started(time=at(1), model="m")
    projector.model_call_finished(time=at(2), output="a")

    second = projector.model_call_started(time=at(3), model="m")

    assert told(second) == [
        ("span-update", "t1-step-1", None),
        ("span-create", "t1-step-2", None),
        ("generation-create", "t1-step-2-gen", "t1-step-2"),
    ]
    assert body_of(second, "span-update")["endTime"] == at(3)


def test_an_answer_updates_the_generation(projector):
    """S2-22"""
    projector.model_call_started(time=at(1), model="m")

    [update] = projector.model_call_finished(
        time=at(2),
        output="a",
        reasoning="because",
        usage_details={"input": 3, "output": None, "cache_read_input_tokens": 1},
        first_token_time=at(1),
    )

    assert update["type"] == "generation-update"
    assert update["body"] == {
        "id": "t1-step-1-gen",
        "traceId": "t1",
        "endTime": at(2),
        "completionStartTime": at(1),
        "output": "a",
        "metadata": {"reasoning": "because"},
        "usageDetails": {"input": 3, "cache_read_input_tokens": 1},
        "environment": "staging",
    }


def test_a_failed_call_has_its_error_and_no_usage_that_nobody_knows(projector):
    """S2-22"""
    projector.model_call_started(time=at(1), model="m")

    [update] = projector.model_call_finished(time=at(2), usage_details={"input": None}, error="overloaded")

    assert (update["body"]["level"], update["body"]["statusMessage"]) == ("ERROR", "overloaded")
    assert "usageDetails" not in update["body"]
    assert "output" not in update["body"]


def test_two_calls_have_their_own_usage_and_the_turn_the_sum(projector):
    """S2-22"""
    for second in (1, 3):
        projector.model_call_started(time=at(second), model="m")
        projector.model_call_finished(time=at(second + 1), usage_details={"input": 2, "output": second})

    end = projector.turn_finished(time=at(9))

    assert body_of(end, "trace-create")["metadata"] == {"usage": {"input": 4, "output": 4}}


def test_the_system_comes_first_and_parts_are_told_without_what_repeats():
    """S2-23"""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "look"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "it"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "is_error": False, "content": "long" * 1000},
                {"type": "image", "source": {"media_type": "image/png", "data": "A" * 1000}},
            ],
        },
    ]

    assert chat_messages(messages, system="be brief") == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "it"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "is_error": False},
                {"type": "image", "media_type": "image/png"},
            ],
        },
    ]


def test_a_tool_stands_under_the_current_step(projector):
    """S2-24"""
    projector.model_call_started(time=at(1), model="m")
    projector.model_call_finished(time=at(2))

    start = projector.tool_started("c1", time=at(3), name="search", input={"query": "x"})
    end = projector.tool_finished("c1", time=at(4), output="found")

    assert told(start) == [("span-create", "t1-tool-c1", "t1-step-1")]
    assert body_of(start, "span-create")["input"] == {"query": "x"}
    assert body_of(end, "span-update") == {
        "id": "t1-tool-c1",
        "traceId": "t1",
        "endTime": at(4),
        "output": "found",
        "environment": "staging",
    }


def test_a_failed_tool_is_an_error(projector):
    """S2-24"""
    projector.tool_started("c1", time=at(3), name="search")

    [end] = projector.tool_finished("c1", time=at(4), error="not found")

    assert (end["body"]["level"], end["body"]["statusMessage"]) == ("ERROR", "not found")


def test_a_tool_whose_start_was_not_seen_has_the_id_that_it_would_have_had(projector):
    """S2-24"""
    assert told(projector.tool_finished("c9", time=at(4))) == [("span-update", "t1-tool-c9", None)]


def test_a_sub_agent_stands_under_the_tool_call_that_started_it(projector):
    """S2-25"""
    projector.tool_started("A", time=at(1), name="task")

    start = projector.sub_agent_started(["A"], time=at(2), kind="search", input="find it")
    call = projector.model_call_started(time=at(3), model="m", agent=["A"])
    tool = projector.tool_started("x", time=at(4), name="grep", agent=["A"])
    end = projector.sub_agent_finished(["A"], time=at(5), output="found")

    assert told(start) == [("span-create", "t1-sub-A", "t1-tool-A")]
    assert body_of(start, "span-create")["name"] == "subagent:search"
    assert told(call) == [
        ("span-create", "t1-sub-A-step-1", "t1-sub-A"),
        ("generation-create", "t1-sub-A-step-1-gen", "t1-sub-A-step-1"),
    ]
    assert told(tool) == [("span-create", "t1-sub-A-tool-x", "t1-sub-A-step-1")]
    assert told(end) == [
        ("generation-update", "t1-sub-A-step-1-gen", None),
        ("span-update", "t1-sub-A-step-1", None),
        ("span-update", "t1-sub-A", None),
    ]


def test_a_sub_agent_of_a_sub_agent_has_the_chain_in_its_id(projector):
    """S2-25"""
    projector.tool_started("A", time=at(1), name="task")
    projector.sub_agent_started(["A"], time=at(2), kind="outer")
    projector.tool_started("B", time=at(3), name="task", agent=["A"])

    inner = projector.sub_agent_started(["A", "B"], time=at(4), kind="inner")
    call = projector.model_call_started(time=at(5), model="m", agent=["A", "B"])

    assert told(inner) == [("span-create", "t1-sub-A-sub-B", "t1-sub-A-tool-B")]
    assert told(call)[0] == ("span-create", "t1-sub-A-sub-B-step-1", "t1-sub-A-sub-B")


def test_a_sub_agent_outlives_its_turn_and_stays_in_its_trace(projector):
    """S2-25"""
    projector.tool_started("A", time=at(1), name="task")
    projector.sub_agent_started(["A"], time=at(2), kind="background")
    projector.turn_finished(time=at(3))
    projector.turn_started("t2", time=at(4))

    call = projector.model_call_started(time=at(5), model="m", agent=["A"])
    answer = projector.model_call_finished(time=at(6), usage_details={"input": 9}, agent=["A"])
    end = projector.sub_agent_finished(["A"], time=at(7))

    assert {event["body"]["traceId"] for event in (*call, *answer, *end)} == {"t1"}
    assert "metadata" not in body_of(projector.turn_finished(time=at(8)), "trace-create")


def test_what_happens_in_an_agent_that_nobody_knows_is_dropped(projector):
    """S2-25"""
    assert projector.model_call_started(time=at(1), model="m", agent=["?"]) == []
    assert projector.tool_started("c", time=at(1), name="n", agent=["?"]) == []
    assert projector.sub_agent_started(["?", "A"], time=at(1), kind="k") == []
    assert projector.sub_agent_started([], time=at(1), kind="k") == []
    assert projector.sub_agent_finished(["?"], time=at(1)) == []


def test_a_compaction_is_an_event_of_the_trace(projector):
    """S2-26"""
    [event] = projector.compacted(time=at(1), tokens_before=900, tokens_after=100, cleared=3)

    assert event == {
        "type": "event-create",
        "timestamp": at(1),
        "body": {
            "id": "t1-compaction-1",
            "traceId": "t1",
            "name": "compaction",
            "startTime": at(1),
            "metadata": {"tokens_before": 900, "tokens_after": 100, "cleared": 3},
            "environment": "staging",
        },
    }


def test_nothing_is_told_before_the_first_turn():
    """S2-27"""
    projector = TurnProjector()

    calls = [
        projector.model_call_started(time=at(1), model="m"),
        projector.model_call_finished(time=at(1)),
        projector.tool_started("c", time=at(1), name="n"),
        projector.tool_finished("c", time=at(1)),
        projector.sub_agent_started(["A"], time=at(1), kind="k"),
        projector.compacted(time=at(1), tokens_before=1, tokens_after=0),
        projector.turn_finished(time=at(1)),
    ]

    assert calls == [[]] * 7


def test_the_same_calls_give_the_same_events():
    """S2-28"""

    def tell():
        projector = TurnProjector()
        events = projector.turn_started("t1", time=at(0))
        events += projector.model_call_started(time=at(1), model="m")
        events += projector.tool_started("c", time=at(2), name="n")
        return events + projector.turn_finished(time=at(3))

    assert tell() == tell()


def test_what_never_ends_is_forgotten_beyond_a_bound(projector):
    for number in range(OPEN_MAX + 5):
        projector.tool_started(str(number), time=at(1), name="n")

    assert len(projector._tools) == OPEN_MAX
