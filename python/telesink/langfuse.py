"""Typed events for :class:`telesink.Ingest`: one dataclass for each type of Langfuse's ingestion API.

All are frozen and take keywords only. Fields that are left away are not sent. ``id`` is the object's own id,
by which later events are joined to it; ``event_id`` is the envelope's.

>>> from telesink.langfuse import SpanCreate
>>> SpanCreate(id="step-1", trace_id="turn-1", name="search").as_event()
{'type': 'span-create', 'body': {'id': 'step-1', 'traceId': 'turn-1', 'name': 'search'}}
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AgentCreate",
    "ChainCreate",
    "EmbeddingCreate",
    "EvaluatorCreate",
    "EventCreate",
    "GenerationCreate",
    "GenerationUpdate",
    "GuardrailCreate",
    "IngestionEvent",
    "ObservationCreate",
    "ObservationUpdate",
    "RetrieverCreate",
    "ScoreCreate",
    "SdkLog",
    "SpanCreate",
    "SpanUpdate",
    "ToolCreate",
    "TraceCreate",
]

#: A moment: an aware datetime, or ISO 8601 text with an offset.
Moment = datetime | str

Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestionEvent:
    """What all events have.

    :ivar event_id: the envelope's id, at most 800 characters; telesink's own without one.
    :ivar event_time: the envelope's timestamp; the time of the call without one.
    :ivar event_metadata: whatever belongs to the envelope.
    """

    type: ClassVar[str] = ""

    event_id: str | None = None
    event_time: Moment | None = None
    event_metadata: Any = None

    def as_event(self) -> dict[str, Any]:
        """Answer the event as a mapping, as it is sent."""
        body = {
            _camel(field.name): value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None and field.name not in _ENVELOPE
        }
        envelope = {
            name: value for field, name in _ENVELOPE.items() if (value := getattr(self, field)) is not None
        }
        return {"type": self.type, **envelope, "body": body}


_ENVELOPE = {"event_id": "id", "event_time": "timestamp", "event_metadata": "metadata"}

# Names whose wire form does not follow from the rule.
_CAMEL = {"observation_type": "type"}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return _CAMEL.get(name) or head + "".join(part.capitalize() for part in tail)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraceCreate(IngestionEvent):
    """A trace, or a later word on one: of two events with one ``id`` the later fields hold."""

    type: ClassVar[str] = "trace-create"

    id: str | None = None
    timestamp: Moment | None = None
    name: str | None = None
    external_id: str | None = None
    input: Any = None
    output: Any = None
    session_id: str | None = None
    user_id: str | None = None
    environment: str | None = None
    metadata: Any = None
    release: str | None = None
    version: str | None = None
    public: bool | None = None
    tags: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Observation(IngestionEvent):
    """What all observations have."""

    id: str | None = None
    trace_id: str | None = None
    parent_observation_id: str | None = None
    name: str | None = None
    start_time: Moment | None = None
    input: Any = None
    output: Any = None
    metadata: Any = None
    level: Level | None = None
    status_message: str | None = None
    version: str | None = None
    environment: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventCreate(_Observation):
    """Something that happened at one moment."""

    type: ClassVar[str] = "event-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanCreate(_Observation):
    """Something that takes time."""

    type: ClassVar[str] = "span-create"

    end_time: Moment | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanUpdate(SpanCreate):
    """A later word on a span."""

    type: ClassVar[str] = "span-update"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationCreate(SpanCreate):
    """A call of a model.

    :ivar usage_details: counts by name, such as ``{"input": 12, "output": 40}``.
    :ivar cost_details: costs by name, in US dollars.
    """

    type: ClassVar[str] = "generation-create"

    completion_start_time: Moment | None = None
    model: str | None = None
    model_parameters: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    usage_details: Mapping[str, int] | None = None
    cost_details: Mapping[str, float] | None = None
    prompt_name: str | None = None
    prompt_version: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationUpdate(GenerationCreate):
    """A later word on a generation."""

    type: ClassVar[str] = "generation-update"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AgentCreate(GenerationCreate):
    """An agent at work."""

    type: ClassVar[str] = "agent-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToolCreate(GenerationCreate):
    """A call of a tool."""

    type: ClassVar[str] = "tool-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainCreate(GenerationCreate):
    """A chain of steps."""

    type: ClassVar[str] = "chain-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrieverCreate(GenerationCreate):
    """A search for documents."""

    type: ClassVar[str] = "retriever-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorCreate(GenerationCreate):
    """A judgement of something."""

    type: ClassVar[str] = "evaluator-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingCreate(GenerationCreate):
    """A call of an embedding model."""

    type: ClassVar[str] = "embedding-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardrailCreate(GenerationCreate):
    """A check that may stop something."""

    type: ClassVar[str] = "guardrail-create"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservationCreate(GenerationCreate):
    """An observation in the older form, whose kind stands in its body.

    :ivar observation_type: ``SPAN``, ``GENERATION`` or ``EVENT``.
    """

    type: ClassVar[str] = "observation-create"

    observation_type: Literal["SPAN", "GENERATION", "EVENT"] = "SPAN"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservationUpdate(ObservationCreate):
    """A later word on an observation in the older form."""

    type: ClassVar[str] = "observation-update"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreCreate(IngestionEvent):
    """A score of a trace, an observation or a session.

    :ivar data_type: ``NUMERIC``, ``BOOLEAN`` (0 or 1), ``CATEGORICAL``, ``TEXT`` or ``CORRECTION``.
    """

    type: ClassVar[str] = "score-create"

    name: str
    value: float | str
    id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    observation_id: str | None = None
    dataset_run_id: str | None = None
    comment: str | None = None
    metadata: Any = None
    environment: str | None = None
    source: Literal["API", "EVAL", "ANNOTATION"] | None = None
    queue_id: str | None = None
    config_id: str | None = None
    data_type: Literal["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SdkLog(IngestionEvent):
    """A line of an SDK's own log. Servers that take spans only have no place for it."""

    type: ClassVar[str] = "sdk-log"

    log: Any
    id: str | None = None
