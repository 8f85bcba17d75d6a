"""What a reader answers with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from datetime import datetime

Row = TypeVar("Row")


class Page(Sequence[Row], Generic[Row]):
    """Some of the rows that were asked for, newest first.

    :ivar total: how many there are on all pages.
    :ivar page: which this is; the first is 1.
    :ivar per_page: most rows on a page.
    """

    __slots__ = ("_rows", "page", "per_page", "total")

    def __init__(self, rows: Sequence[Row], *, total: int, page: int, per_page: int) -> None:
        self._rows = list(rows)
        self.total = total
        self.page = page
        self.per_page = per_page

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.per_page)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Page {self.page} of {self.pages}, {len(self)} of {self.total} rows>"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogRow:
    """A log record.

    :ivar id: its id, a UUID.
    :ivar time: when it happened, UTC, to the microsecond.
    :ivar level: the level's name.
    :ivar logger: who said it.
    :ivar body: what.
    :ivar trace_id: 32 hexadecimal digits; of ``preset=systemprompt`` whatever stands there.
    :ivar severity: OpenTelemetry's number of the level, 1 to 24; 9 (INFO) where the level is no name of it.
    :ivar span_id: None in ``preset=systemprompt``, as are the service, the name of an event and all below but
        the attributes.
    :ivar observed_time: when telesink took it.
    :ivar instance: the pipeline in a process that took it, and `seq` its number there: holes are losses.
    :ivar resource: what the program says about itself; empty in ``preset=systemprompt``.
    :ivar attributes: everything else; of ``preset=systemprompt`` also the attribution.
    """

    id: str
    time: datetime
    level: str
    logger: str
    body: str
    trace_id: str | None
    span_id: str | None
    severity: int
    service: str | None
    event_name: str | None
    attributes: dict[str, Any]
    observed_time: datetime | None = None
    instance: str | None = None
    seq: int | None = None
    resource: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """How many log records there are.

    :ivar levels: by the level's name, most first.
    :ivar loggers: the ten loggers that said most.
    :ivar first: the time of the oldest; None without any.
    """

    total: int
    levels: dict[str, int]
    loggers: dict[str, int]
    first: datetime | None
    last: datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """An event of a run: a call of a model, or anything else.

    :ivar type: the event's type.
    :ivar latency_ms: of all attempts, milliseconds.
    :ivar usage: tokens by kind, as they were told.
    :ivar cost_usd: what it cost.
    """

    id: str
    type: str | None
    step_id: str | None
    time: datetime
    provider: str | None
    model: str | None
    request: Any
    response: Any
    error: Any
    meta: Any
    latency_ms: int | None
    usage: dict[str, int]
    cost_usd: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a run, with the steps and events inside of it."""

    id: str
    run_id: str
    parent_id: str | None
    type: str
    name: str | None
    status: str
    input: Any
    output: Any
    tags: list[str]
    info: dict[str, Any]
    started: datetime
    ended: datetime | None
    steps: list[Step] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A run; its steps and calls are there when it was asked for by id.

    :ivar steps: the steps that stand under no other.
    :ivar calls: the events that belong to no step.
    """

    id: str
    name: str | None
    description: str | None
    application: str | None
    environment: str | None
    status: str
    input: Any
    output: Any
    tags: list[str]
    info: dict[str, Any]
    trace_id: str | None
    created: datetime
    updated: datetime
    steps: list[Step] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From its start to its last change."""
        return (self.updated - self.created).total_seconds()

    def usage(self) -> dict[str, int]:
        """Tokens of all its calls by kind."""
        total: dict[str, int] = {}
        for call in self.all_calls():
            for kind, count in call.usage.items():
                total[kind] = total.get(kind, 0) + count
        return total

    def cost_usd(self) -> float:
        """What all its calls cost, as far as they told."""
        return sum(call.cost_usd or 0.0 for call in self.all_calls())

    def all_calls(self) -> list[Call]:
        """All its events, those of its steps among them, in the order of time."""
        found, steps = list(self.calls), list(self.steps)
        while steps:
            step = steps.pop()
            found += step.calls
            steps += step.steps
        return sorted(found, key=lambda call: call.time)
