"""Eight events of one run, as chronicle's own test has them, and the rows that they end in."""

from uuid import UUID

#: Metadata that both events have.
ABSENT = {
    "organization_id": None,
    "project_id": None,
    "user_id": None,
    "environment": None,
    "application": None,
    "workflow_id": None,
    "workflow_name": None,
    "step_index": None,
    "prompt_id": None,
    "prompt_version": None,
    "request_organization_id": None,
    "request_project_id": None,
    "request_user_id": None,
    "response_meta": None,
}


def identifier(number, part):
    """The id of a part of the run with this number."""
    return str(UUID(int=(number << 8) | part))


def at(second):
    """A moment, so many seconds after 1970 began."""
    return f"1970-01-01T00:00:{second:02}Z"


def entries(number=0):
    """The eight events in the order in which they happened."""
    run, first, second = (identifier(number, part) for part in (1, 2, 3))
    return [
        {
            "type": "run:start", "id": run, "name": "test run", "description": "a run", "application": "shop",
            "environment": "test", "input": {"question": "why?"}, "trace_id": "trace-1", "span_id": "span-1",
            "tags": ["tag1", "tag2"], "info": {"info1": "value1", "info2": "value2"}, "time": at(1),
        },
        {
            "type": "step:start", "step_id": first, "run_id": run, "time": at(2),
            "data": {"type": "model", "name": "first", "input": {"text": "hello"}, "tags": ["a", "b"],
                     "span_id": "span-2", "info": {"model": "m1"}},
        },
        {
            "type": "step:start", "step_id": second, "run_id": run, "time": at(3),
            "data": {"type": "tool", "parent_step": first, "tags": [], "input": None},
        },
        {
            "type": "query", "id": identifier(number, 4), "run_id": run, "step_id": first, "time": at(4),
            "request": {"model": "m1", "messages": []}, "response": {"model": "m1-large", "choices": []},
            "provider": "acme", "meta": {"some_key": "some_value"}, "retries": 2, "rate_limited": True,
            "latency_ms": 1000, "total_latency_ms": 5000,
        },
        {
            "type": "an_event", "id": identifier(number, 5), "run_id": run, "step_id": second, "time": at(5),
            "data": {"key": "value"}, "error": {"message": "something went wrong"},
        },
        {"type": "step:error", "step_id": second, "run_id": run, "time": at(5),
         "data": {"error": {"message": "an error"}}},
        {"type": "step:end", "step_id": first, "run_id": run, "time": at(5),
         "data": {"output": {"text": "hi"}, "info": {"info3": "value3"}}},
        {"type": "run:update", "id": run, "time": at(5), "status": "finished", "output": {"answer": 42},
         "info": {"info2": "new_value", "info3": "value3"}},
    ]  # fmt: skip


def run(number=0):
    """The row of the run."""
    return {
        "id": identifier(number, 1), "name": "test run", "description": "a run", "application": "shop",
        "environment": "test", "input": {"question": "why?"}, "output": {"answer": 42}, "status": "finished",
        "trace_id": "trace-1", "span_id": "span-1", "tags": ["tag1", "tag2"],
        "info": {"info1": "value1", "info2": "new_value", "info3": "value3"}, "updated_at": 5,
        "created_at": 1,
    }  # fmt: skip


def steps(number=0):
    """The rows of its steps."""
    run, first, second = (identifier(number, part) for part in (1, 2, 3))
    return [
        {
            "id": first, "run_id": run, "type": "model", "parent_step": None, "name": "first",
            "input": {"text": "hello"}, "output": {"text": "hi"}, "status": "finished", "tags": ["a", "b"],
            "info": {"model": "m1", "info3": "value3"}, "span_id": "span-2", "start_time": 2, "end_time": 5,
        },
        {
            "id": second, "run_id": run, "type": "tool", "parent_step": first, "name": None, "input": None,
            "output": {"message": "an error"}, "status": "error", "tags": None, "info": None, "span_id": None,
            "start_time": 3, "end_time": 5,
        },
    ]  # fmt: skip


def events(number=0):
    """The rows of its call and its event."""
    run, first, second = (identifier(number, part) for part in (1, 2, 3))
    return [
        {
            **ABSENT, "id": identifier(number, 4), "event_type": "query", "run_id": run, "step_id": first,
            "chat_request": {"model": "m1", "messages": []}, "error": None, "model": "m1-large",
            "chat_response": {"model": "m1-large", "choices": []}, "provider": "acme", "retries": 2,
            "meta": {"some_key": "some_value"}, "rate_limited": True, "request_latency_ms": 1000,
            "total_latency_ms": 5000, "created_at": 4,
        },
        {
            **ABSENT, "id": identifier(number, 5), "event_type": "an_event", "run_id": run, "step_id": second,
            "chat_request": None, "chat_response": None, "error": {"message": "something went wrong"},
            "model": "", "provider": None, "retries": None, "meta": {"key": "value"}, "rate_limited": None,
            "request_latency_ms": None, "total_latency_ms": None, "created_at": 5,
        },
    ]  # fmt: skip
