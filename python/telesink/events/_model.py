"""The events as classes: frozen, keywords only, each with the form in which ``enqueue`` takes it."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A moment: a datetime, text in the form of RFC 3339, or nanoseconds since 1970.
Moment = datetime | str | int

#: The type of a call of a model that names no other.
CALL = "llm:call"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkflowEvent:
    """What all events have.

    :ivar time: when it happened; the time of the call without one.
    """

    type: ClassVar[str] = ""
    #: Fields that stand in ``data``.
    _inner: ClassVar[frozenset[str]] = frozenset()
    #: Fields that are sent although they are None.
    _always: ClassVar[frozenset[str]] = frozenset()

    time: Moment | None = None

    def as_event(self) -> dict[str, Any]:
        """Answer the event as a mapping, as ``enqueue`` takes it. Fields that are None are left out."""
        event: dict[str, Any] = {"type": self.type}
        data: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name not in self._always:
                continue
            place = data if field.name in self._inner else event
            place[_WIRE.get(field.name, field.name)] = str(value) if isinstance(value, UUID) else value
        if self._inner:
            event["data"] = data
        return event


_WIRE = {"kind": "type"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunStart(WorkflowEvent):
    """A run begins.

    :ivar id: its id.
    :ivar name: what it is called.
    :ivar status: ``started`` unless it says otherwise.
    :ivar tags: words to find it by.
    :ivar info: whatever else belongs to it, by name.

    >>> from telesink.events import RunStart
    >>> RunStart(id="0197a6d2-9c5a-7c40-8a3e-2f6d1b0c4e77", name="chat").as_event()
    {'type': 'run:start', 'id': '0197a6d2-9c5a-7c40-8a3e-2f6d1b0c4e77', 'name': 'chat'}
    """

    type = "run:start"

    id: UUID | str
    name: str
    description: str | None = None
    application: str | None = None
    environment: str | None = None
    input: Any = None
    trace_id: str | None = None
    span_id: str | None = None
    status: str | None = None
    tags: Sequence[str] | None = None
    info: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunUpdate(WorkflowEvent):
    """Something about a run is new; its end, unless ``status`` says otherwise."""

    type = "run:update"

    id: UUID | str
    status: str | None = None
    output: Any = None
    info: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepStart(WorkflowEvent):
    """A step begins. ``kind`` is its type: ``model``, ``tool``, whatever the program tells apart."""

    type = "step:start"
    _inner = frozenset({"kind", "name", "parent_step", "span_id", "tags", "info", "input"})

    step_id: UUID | str
    run_id: UUID | str
    kind: str
    name: str | None = None
    parent_step: UUID | str | None = None
    span_id: str | None = None
    tags: Sequence[str] | None = None
    info: Mapping[str, Any] | None = None
    input: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepEnd(WorkflowEvent):
    """A step has ended well."""

    type = "step:end"
    _inner = frozenset({"output", "info"})
    _always = frozenset({"output"})

    step_id: UUID | str
    run_id: UUID | str
    output: Any = None
    info: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepError(WorkflowEvent):
    """A step has failed."""

    type = "step:error"
    _inner = frozenset({"error"})

    step_id: UUID | str
    run_id: UUID | str
    error: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepState(WorkflowEvent):
    """A step is in another state, named by the program."""

    type = "step:state"
    _inner = frozenset({"state"})

    step_id: UUID | str
    run_id: UUID | str
    state: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event(WorkflowEvent):
    """Anything else that happens, in a run or outside of one.

    :ivar name: the event's type; none of those above.

    >>> from telesink.events import Event
    >>> Event(name="cache:miss", data={"key": "k-1"}).as_event()
    {'type': 'cache:miss', 'data': {'key': 'k-1'}}
    """

    name: str
    id: UUID | str | None = None
    run_id: UUID | str | None = None
    step_id: UUID | str | None = None
    data: Any = None
    error: Any = None

    def as_event(self) -> dict[str, Any]:
        """Answer the event as a mapping, as ``enqueue`` takes it."""
        event = super().as_event()
        event["type"] = event.pop("name")
        return event


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call(WorkflowEvent):
    """A call of a model.

    :ivar name: the event's type.
    :ivar request: what the provider was sent.
    :ivar response: what it answered.
    :ivar provider: who.
    :ivar model: which; the answer's own name for it counts more, if it has one.
    :ivar latency_ms: of the attempt that was answered, milliseconds.
    :ivar total_latency_ms: of all attempts and the pauses between them.
    :ivar retries: attempts after the first.
    :ivar rate_limited: whether one of them was refused for coming too soon.
    :ivar input_tokens: read by the model; stored under ``response_meta.usage``.
    :ivar cost_usd: what it cost; stored under ``response_meta``.

    >>> from telesink.events import Call
    >>> call = Call(provider="acme", model="m-1", input_tokens=12, output_tokens=6)
    >>> call.as_event()["response_meta"]
    {'usage': {'input_tokens': 12, 'output_tokens': 6}}
    """

    name: str = CALL
    id: UUID | str | None = None
    run_id: UUID | str | None = None
    step_id: UUID | str | None = None
    request: Any = None
    response: Any = None
    provider: str | None = None
    model: str | None = None
    latency_ms: float | None = None
    total_latency_ms: float | None = None
    retries: int | None = None
    rate_limited: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    error: Any = None
    meta: Mapping[str, Any] | None = None

    def as_event(self) -> dict[str, Any]:
        """Answer the event as a mapping; provider and model have OpenTelemetry's names."""
        event = super().as_event()
        event["type"] = event.pop("name")
        usage = {name: event.pop(name) for name in _USAGE if name in event}
        meta = {"usage": usage} if usage else {}
        if self.cost_usd is not None:
            meta["cost_usd"] = event.pop("cost_usd")
        if meta:
            event["response_meta"] = meta
        for own, name in _CONVENTIONS.items():
            value = event.pop(own, None)
            if value is not None:
                event[name] = value
        return event


_USAGE = ("input_tokens", "output_tokens", "total_tokens")
_CONVENTIONS = {"provider": "gen_ai.provider.name", "model": "gen_ai.request.model"}
