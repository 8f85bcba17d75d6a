"""What an agent does, told as Langfuse events: turns, model calls, tool calls, sub-agents, compactions.

A projector is pure: it reads no clock and makes no ids. Both are passed in, so the same calls always give the
same events. Give them to :meth:`telesink.Ingest.enqueue_many`.

====================  ==================================  =========================================
what                  becomes                             with the id
====================  ==================================  =========================================
turn                  a trace                             as passed in
model call            a step, and a generation inside     ``{prefix}-step-{n}``, ``{step}-gen``
tool call             a span under the current step       ``{prefix}-tool-{call_id}``
sub-agent             a span under its tool call          ``{trace}-sub-{call_id}[-sub-{call_id}…]``
compaction            an event of the trace               ``{prefix}-compaction-{n}``
====================  ==================================  =========================================

The prefix is the trace's id, or the sub-agent's own. ``agent`` names the sub-agent that something happens in:
the call ids of the tool calls that lead to it, outermost first; ``()`` is the main agent.

>>> from telesink.agents import TurnProjector
>>> projector = TurnProjector(session_id="session-1")
>>> [event["type"] for event in projector.turn_started("t1", time="2026-01-01T00:00:00Z", input="hello")]
['trace-create']
>>> started = projector.model_call_started(time="2026-01-01T00:00:01Z", model="m", input="hello")
>>> [(event["type"], event["body"]["id"]) for event in started]
[('span-create', 't1-step-1'), ('generation-create', 't1-step-1-gen')]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["TurnProjector", "chat_messages"]

#: Most sub-agents and tool calls that may be open at once; of more, the oldest are forgotten.
OPEN_MAX = 10_000

_Events = list[dict[str, Any]]


@dataclasses.dataclass
class _Agent:
    """An agent at work, the main one or a sub-agent."""

    trace_id: str
    prefix: str
    #: What its steps stand under; None for the main agent, whose steps stand under the trace.
    span_id: str | None
    steps: int = 0
    compactions: int = 0
    #: The step that is open.
    step_id: str | None = None
    #: The generation that is open.
    generation_id: str | None = None


class TurnProjector:
    """Tells the turns of one session, one after another.

    :param session_id: the session that the turns belong to.
    :param user_id: who is served.
    :param environment: where: 1 to 40 of ``a-z``, ``0-9``, ``-`` and ``_``.
    :param name: the name of each turn's trace.
    :param tags: tags of each trace.
    :param release: the program's release.
    :param version: the version of whatever is observed.
    """

    def __init__(
        self,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        environment: str | None = None,
        name: str = "turn",
        tags: Sequence[str] = (),
        release: str | None = None,
        version: str | None = None,
    ) -> None:
        self._environment = environment
        self._version = version
        self._trace = {
            "name": name,
            "sessionId": session_id,
            "userId": user_id,
            "tags": list(tags) or None,
            "release": release,
        }
        self._main: _Agent | None = None
        self._usage: dict[str, float] = {}
        # Sub-agents may outlive the turn that started them.
        self._agents: dict[tuple[str, ...], _Agent] = {}
        # What became of each tool call, until it is finished: its span and its trace.
        self._tools: dict[tuple[tuple[str, ...], str], tuple[str, str]] = {}

    def turn_started(self, trace_id: str, *, time: Any, input: Any = None) -> _Events:  # noqa: A002 - the field's name
        """A turn begins; what was open of the one before is closed."""
        closed = self._close_step(self._main, time) if self._main else []
        self._main = _Agent(trace_id=trace_id, prefix=trace_id, span_id=None)
        self._usage = {}
        body = {"id": trace_id, **self._trace, "timestamp": time, "input": input}
        return [*closed, self._event("trace-create", time, body)]

    def turn_finished(
        self,
        *,
        time: Any,
        output: str = "",
        stop_reason: str | None = None,
        usage: Mapping[str, float] | None = None,
    ) -> _Events:
        """A turn ends; its trace keeps its start. Without ``usage`` it is the sum over the model calls."""
        agent, self._main = self._main, None
        if agent is None:
            return []
        spent = dict(usage) if usage is not None else self._usage
        metadata = _known({"stop_reason": stop_reason, "usage": spent or None})
        body = {"id": agent.trace_id, "output": output or None, "metadata": metadata or None}
        return [*self._close_step(agent, time), self._event("trace-create", time, body)]

    def model_call_started(
        self,
        *,
        time: Any,
        model: str,
        input: Any = None,  # noqa: A002 - the field's name
        attempt: int = 1,
        model_parameters: Mapping[str, Any] | None = None,
        agent: Sequence[str] = (),
    ) -> _Events:
        """A model is called: a new step begins, the one before is closed. See :func:`chat_messages`."""
        working = self._agent(agent)
        if working is None:
            return []
        closed = self._close_step(working, time)
        working.steps += 1
        step_id = working.step_id = f"{working.prefix}-step-{working.steps}"
        working.generation_id = f"{step_id}-gen"
        step = self._observation(working, step_id, working.span_id, f"step-{working.steps}", time)
        generation = {
            **self._observation(working, working.generation_id, step_id, "llm_call", time),
            "model": model,
            "modelParameters": dict(model_parameters) if model_parameters else None,
            "input": input,
            "metadata": {"attempt": attempt},
        }
        return [
            *closed,
            self._event("span-create", time, step),
            self._event("generation-create", time, generation),
        ]

    def model_call_finished(
        self,
        *,
        time: Any,
        output: Any = None,
        reasoning: str | None = None,
        usage_details: Mapping[str, float | None] | None = None,
        first_token_time: Any = None,
        error: str | None = None,
        agent: Sequence[str] = (),
    ) -> _Events:
        """A model has answered, or failed with ``error``. Parts of the usage that are None are left out."""
        working = self._agent(agent)
        if working is None or working.generation_id is None:
            return []
        generation_id, working.generation_id = working.generation_id, None
        usage = _known(usage_details or {})
        if self._main is not None and working.trace_id == self._main.trace_id:
            for name, count in usage.items():
                self._usage[name] = self._usage.get(name, 0) + count
        body = {
            "id": generation_id,
            "traceId": working.trace_id,
            "endTime": time,
            "completionStartTime": first_token_time,
            "output": output or None,
            "metadata": {"reasoning": reasoning} if reasoning else None,
            "usageDetails": usage or None,
            **_failure(error),
        }
        return [self._event("generation-update", time, body)]

    def tool_started(
        self,
        call_id: str,
        *,
        time: Any,
        name: str,
        input: Any = None,  # noqa: A002 - the field's name
        agent: Sequence[str] = (),
    ) -> _Events:
        """A tool is called, under the current step."""
        working = self._agent(agent)
        if working is None:
            return []
        span_id = f"{working.prefix}-tool-{call_id}"
        self._tools[tuple(agent), call_id] = (span_id, working.trace_id)
        _forget_oldest(self._tools)
        parent = working.step_id or working.span_id
        body = {**self._observation(working, span_id, parent, name, time), "input": input}
        return [self._event("span-create", time, body)]

    def tool_finished(
        self,
        call_id: str,
        *,
        time: Any,
        output: Any = None,
        error: str | None = None,
        agent: Sequence[str] = (),
    ) -> _Events:
        """A tool has answered, or failed with ``error``; its start need not have been seen."""
        known = self._tools.pop((tuple(agent), call_id), None)
        if known is None:
            working = self._agent(agent)
            if working is None:
                return []
            known = (f"{working.prefix}-tool-{call_id}", working.trace_id)
        span_id, trace_id = known
        body = {"id": span_id, "traceId": trace_id, "endTime": time, "output": output, **_failure(error)}
        return [self._event("span-update", time, body)]

    def sub_agent_started(
        self,
        agent: Sequence[str],
        *,
        time: Any,
        kind: str,
        input: Any = None,  # noqa: A002 - the field's name
    ) -> _Events:
        """A tool call has started an agent of its own. ``agent`` ends with that call's id."""
        chain = tuple(agent)
        if not chain:
            return []
        *outer, call_id = chain
        parent = self._agent(outer)
        if parent is None:
            return []
        known = self._tools.get((tuple(outer), call_id))
        tool_id, trace_id = known or (f"{parent.prefix}-tool-{call_id}", parent.trace_id)
        span_id = f"{trace_id}{''.join(f'-sub-{one}' for one in chain)}"
        started = _Agent(trace_id=trace_id, prefix=span_id, span_id=span_id)
        self._agents[chain] = started
        _forget_oldest(self._agents)
        body = {**self._observation(started, span_id, tool_id, f"subagent:{kind}", time), "input": input}
        return [self._event("span-create", time, body)]

    def sub_agent_finished(
        self, agent: Sequence[str], *, time: Any, output: Any = None, error: str | None = None
    ) -> _Events:
        """A sub-agent has ended, perhaps long after the turn that it began in."""
        finished = self._agents.pop(tuple(agent), None)
        if finished is None:
            return []
        body = {
            "id": finished.span_id,
            "traceId": finished.trace_id,
            "endTime": time,
            "output": output,
            **_failure(error),
        }
        return [*self._close_step(finished, time), self._event("span-update", time, body)]

    def compacted(
        self,
        *,
        time: Any,
        tokens_before: int,
        tokens_after: int,
        cleared: int | None = None,
        agent: Sequence[str] = (),
    ) -> _Events:
        """A context was made shorter. ``cleared``: how many results of tools were taken out of it."""
        working = self._agent(agent)
        if working is None:
            return []
        working.compactions += 1
        event_id = f"{working.prefix}-compaction-{working.compactions}"
        counts = {"tokens_before": tokens_before, "tokens_after": tokens_after, "cleared": cleared}
        body = {
            **self._observation(working, event_id, working.span_id, "compaction", time),
            "metadata": _known(counts),
        }
        return [self._event("event-create", time, body)]

    def _agent(self, agent: Sequence[str]) -> _Agent | None:
        return self._agents.get(tuple(agent)) if agent else self._main

    def _observation(
        self, agent: _Agent, span_id: str, parent: str | None, name: str, time: Any
    ) -> dict[str, Any]:
        return {
            "id": span_id,
            "traceId": agent.trace_id,
            "parentObservationId": parent,
            "name": name,
            "startTime": time,
            "version": self._version,
        }

    def _close_step(self, agent: _Agent, time: Any) -> _Events:
        step_id, agent.step_id = agent.step_id, None
        if step_id is None:
            return []
        # A call that was never heard of again ends with its step.
        events = []
        if agent.generation_id is not None:
            body = {"id": agent.generation_id, "traceId": agent.trace_id, "endTime": time}
            events.append(self._event("generation-update", time, body))
            agent.generation_id = None
        body = {"id": step_id, "traceId": agent.trace_id, "endTime": time}
        return [*events, self._event("span-update", time, body)]

    def _event(self, kind: str, time: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": kind, "timestamp": time, "body": _known({**body, "environment": self._environment})}


def chat_messages(messages: Sequence[Mapping[str, Any]], *, system: str | None = None) -> _Events:
    """Messages of a chat as the input of a model call: the system's first, and nothing that repeats.

    A content of one text is that text. Other contents are lists of parts: text, thinking and calls of tools
    as they are, results of tools without their content (it is the output of the tool's own span), images as
    their media type alone.

    >>> from telesink.agents import chat_messages
    >>> chat_messages([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], system="be brief")
    [{'role': 'system', 'content': 'be brief'}, {'role': 'user', 'content': 'hi'}]
    """
    told = [
        {"role": message.get("role"), "content": _content(message.get("content"))} for message in messages
    ]
    return [{"role": "system", "content": system}, *told] if system else told


def _content(content: Any) -> Any:
    if not isinstance(content, (list, tuple)):
        return content
    parts = [_part(part) for part in content]
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        return parts[0].get("text")
    return parts


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    kind = part.get("type")
    if kind == "tool_result":
        return {name: value for name, value in part.items() if name != "content"}
    if kind == "image":
        source = part.get("source")
        named = source.get("media_type") if isinstance(source, Mapping) else None
        return _known({"type": "image", "media_type": part.get("media_type") or named})
    return dict(part)


def _failure(error: str | None) -> dict[str, Any]:
    return {} if error is None else {"level": "ERROR", "statusMessage": error}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not None: absent values are left out of events."""
    return {name: value for name, value in values.items() if value is not None}


def _forget_oldest(known: dict[Any, Any]) -> None:
    while len(known) > OPEN_MAX:
        del known[next(iter(known))]
