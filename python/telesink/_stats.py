"""The ledger of outcomes, as Python sees it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from telesink._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self


class _Counters(Frozen):
    """Named values with a plain form."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: Mapping[str, object]) -> None:
        for name in self.__slots__:
            value = values[name]
            object.__setattr__(
                self, name, MappingProxyType(dict(value)) if isinstance(value, Mapping) else value
            )

    def as_dict(self) -> dict[str, Any]:
        """All values by name, as plain dicts and numbers."""
        return {name: _plain(value) for name, value in self._values().items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._values() == other._values()

    def __hash__(self) -> int:
        values = self._values().values()
        return hash(tuple(frozenset(value.items()) if isinstance(value, dict) else value for value in values))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, object]]]:
        return type(self), (self._values(),)

    def _values(self) -> dict[str, object]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _plain(value: object) -> object:
    if isinstance(value, _Counters):
        return value.as_dict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


class Stats(_Counters):
    """Counters of a pipeline, or of one of its sinks, at one moment. Frozen and printable.

    Two identities hold: ``offered == accepted + sum(rejected.values())`` and ``routed == delivered +
    sum(dropped.values()) + pending``; exactly when nobody logs, and with ``pending`` over-stated at most in a
    live snapshot. Totals only grow while the process lives and start at zero in the child of a fork.

    :ivar offered: records handed over that passed the levels and filters.
    :ivar accepted: records taken; for a sink, the same as ``routed``.
    :ivar rejected: records not taken, by cause: ``queue_full``, ``closed``, ``reentrant``, ``encode_error``,
        ``panic``; of events ``invalid_event``, ``sampled_out``.
    :ivar routed: records given to sinks; with several sinks a record counts once for each.
    :ivar delivered: records that a sink has confirmed.
    :ivar dropped: accepted records given up, by cause: ``evicted``, ``expired``, ``poison``,
        ``dead_letter_full``, ``exit_deadline``, ``exit_unresolved``, ``sink_panic``, ``rejected_by_server``,
        ``unrouted``, ``switched_off`` and ``unattributed`` (both on purpose), ``internal``.
    :ivar pending: records in memory: queue, batch and in flight.
    :ivar bytes_pending: their bytes.
    :ivar retries: attempts repeated after a failure.
    :ivar state: ``idle``, ``running``, ``retrying``, ``held`` or ``closed``; the worst one of several sinks.
    :ivar last_error: the last failure, without secrets; empty if there was none.
    :ivar sanitised: records in which something could not be represented and was replaced.
    :ivar truncated: records in which something was cut.
    :ivar format_errors: records whose message and arguments did not fit.
    :ivar duplicates_suppressed: records found stored already after an unknown outcome.
    :ivar mended: records of which the destination holds something else than was said, to fit its columns:
        text cut to its length, an id that was none left out.
    :ivar server_rolled_back: records the destination had confirmed and no longer has.
    :ivar loss_markers: records written by telesink itself to tell of losses.
    :ivar sink_panics: panics of sinks, each caught.
    :ivar sinks: the counters of each sink by name; empty for a sink. Sinks that were removed are not among
        them, and stay counted in the totals.
    """

    __slots__ = (
        "accepted",
        "bytes_pending",
        "delivered",
        "dropped",
        "duplicates_suppressed",
        "format_errors",
        "last_error",
        "loss_markers",
        "mended",
        "offered",
        "pending",
        "rejected",
        "retries",
        "routed",
        "sanitised",
        "server_rolled_back",
        "sink_panics",
        "sinks",
        "state",
        "truncated",
    )

    accepted: int
    bytes_pending: int
    delivered: int
    dropped: Mapping[str, int]
    duplicates_suppressed: int
    format_errors: int
    last_error: str
    loss_markers: int
    mended: int
    offered: int
    pending: int
    rejected: Mapping[str, int]
    retries: int
    routed: int
    sanitised: int
    server_rolled_back: int
    sink_panics: int
    sinks: Mapping[str, Stats]
    state: str
    truncated: int

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)

    def __str__(self) -> str:
        rejected = "".join(f", {count} {cause}" for cause, count in self.rejected.items())
        dropped = "".join(f", {count} {cause}" for cause, count in self.dropped.items())
        return (
            f"{self.state}: {self.offered} offered, {self.accepted} accepted{rejected}; "
            f"{self.routed} routed, {self.delivered} delivered, {self.pending} pending{dropped}"
        )


class Receipt(_Counters):
    """What a flush achieved for the records pending when it was called. True if none is pending any more.

    :ivar complete: whether every one of them is settled (delivered, or dropped and counted).
    :ivar delivered: records confirmed by their sinks meanwhile.
    :ivar dropped: records given up meanwhile, by cause.
    :ivar pending: records still not settled.
    :ivar seconds: how long it took.
    """

    __slots__ = ("complete", "delivered", "dropped", "pending", "seconds")

    complete: bool
    delivered: int
    dropped: Mapping[str, int]
    pending: int
    seconds: float

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__({"complete": values["pending"] == 0, **values})

    def __bool__(self) -> bool:
        return self.complete


# From harmless to grave; a pipeline is as well as its worst sink.
_STATES = ("idle", "closed", "running", "retrying", "held")

_SUMS = (
    "routed",
    "delivered",
    "pending",
    "bytes_pending",
    "retries",
    "duplicates_suppressed",
    "mended",
    "server_rolled_back",
    "loss_markers",
    "sink_panics",
)


def sink_stats(lane: Mapping[str, Any]) -> Stats:
    """Make the counters of one sink."""
    return Stats(
        {
            **lane,
            "accepted": lane["routed"],
            "sanitised": 0,
            "truncated": 0,
            "format_errors": 0,
            "sinks": {},
        }
    )


def pipeline_stats(values: Mapping[str, Any]) -> Stats:
    """Make the counters of a pipeline: its own, and the sums over its sinks."""
    sinks = {lane["name"]: sink_stats(lane) for lane in values["lanes"]}
    removed = values["removed"]
    counted = [*sinks.values(), *([sink_stats(removed)] if removed else [])]
    dropped: dict[str, int] = {}
    for stats in counted:
        for cause, count in stats.dropped.items():
            dropped[cause] = dropped.get(cause, 0) + count
    sums = {name: sum(getattr(stats, name) for stats in counted) for name in _SUMS}
    states = [stats.state for stats in sinks.values()] or ["idle"]
    errors = [stats.last_error for stats in sinks.values() if stats.last_error]
    late = values["late_pending"]
    sums["routed"] += late
    sums["pending"] += late
    return Stats(
        {
            **values,
            **sums,
            "dropped": dropped,
            "state": max(states, key=_STATES.index),
            "last_error": errors[-1] if errors else "",
            "sinks": sinks,
        }
    )


def merged(receipts: list[dict[str, Any]]) -> Receipt:
    """Join the receipts of several pipelines."""
    dropped: dict[str, int] = {}
    for receipt in receipts:
        for cause, count in receipt["dropped"].items():
            dropped[cause] = dropped.get(cause, 0) + count
    return Receipt(
        {
            "delivered": sum(receipt["delivered"] for receipt in receipts),
            "dropped": dropped,
            "pending": sum(receipt["pending"] for receipt in receipts),
            "seconds": max((receipt["seconds"] for receipt in receipts), default=0.0),
        }
    )
