"""What an LLM application does, as events: runs, their steps, calls of models, and whatever else happens.

Events are records: every sink takes them, and the tables of ``?preset=chronicle`` keep a run, its steps and
its calls as rows. :class:`run`, :class:`step` and :class:`llm_call` tell them as they happen; the classes
are the same events written by hand.

>>> import telesink
>>> from telesink import events
>>> pipeline = telesink.Pipeline("memory://")
>>> with events.run("support chat", to=pipeline, tags=["beta"]) as run:
...     with events.step("look up", type="tool", input={"order": 7}) as step:
...         step.output = {"state": "sent"}
...     with events.llm_call(provider="acme", model="m-1", request={"messages": []}) as call:
...         call.response = {"text": "It is on its way."}
...         call.usage(input_tokens=12, output_tokens=6, cost_usd=0.0004)
...     run.output = "It is on its way."
>>> bool(pipeline.flush())
True
>>> [record["event_name"] for record in pipeline.recent()]
['run:start', 'step:start', 'step:end', 'llm:call', 'run:update']

:func:`validate` says what is wrong with an event that ``enqueue`` refuses.
"""

from __future__ import annotations

from telesink._native import event_problems as _event_problems
from telesink.events._block import current_run_id, current_step_id
from telesink.events._langfuse import LangfuseFeed, as_langfuse
from telesink.events._model import (
    CALL,
    Call,
    Event,
    Moment,
    RunStart,
    RunUpdate,
    StepEnd,
    StepError,
    StepStart,
    StepState,
    WorkflowEvent,
)
from telesink.events._telling import llm_call, run, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "CALL",
    "Call",
    "Event",
    "LangfuseFeed",
    "Moment",
    "RunStart",
    "RunUpdate",
    "StepEnd",
    "StepError",
    "StepStart",
    "StepState",
    "WorkflowEvent",
    "as_langfuse",
    "current_run_id",
    "current_step_id",
    "llm_call",
    "run",
    "step",
    "validate",
]


def validate(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event, each fault with its path; empty if ``enqueue`` takes it.

    >>> from telesink import events
    >>> events.validate({"type": "step:state", "step_id": "7", "data": {"state": "waiting"}})[1]
    'run_id: is missing, expected a UUID'
    """
    return _event_problems(event)
