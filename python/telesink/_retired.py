"""Pipelines that nobody holds any more: their last records are to be settled, and their losses told."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from telesink import _native

#: Those that may still hold records, and how long each may hold up the end of the program.
_retired: deque[tuple[_native.Pipeline, float]] = deque()

#: What those that have left did not deliver, by sink and cause.
_lost: dict[str, dict[str, int]] = {}


def retire(native: _native.Pipeline, timeout_seconds: float) -> None:
    """Let the pipeline settle what it has; called when the last reference to it is gone."""
    native.begin_close(timeout_seconds, True)  # noqa: FBT003 - a native call
    _retired.append((native, timeout_seconds))
    settle()


def settle() -> None:
    """Let go of those that have settled everything, and keep the account of their losses."""
    # Item by item, because another thread may retire a pipeline between any two steps.
    for _ in range(len(_retired)):
        try:
            native, timeout_seconds = _retired.popleft()
        except IndexError:
            return
        counters = native.stats()
        lanes = counters["lanes"]
        if any(lane["pending"] for lane in lanes):
            _retired.append((native, timeout_seconds))
            continue
        of_lanes = {lane["name"]: {**lane["rejected"], **lane["dropped"]} for lane in lanes}
        for name, found in [*of_lanes.items(), *unaccounted(counters).items()]:
            causes = _lost.setdefault(name, {})
            for cause, count in found.items():
                causes[cause] = causes.get(cause, 0) + count


def unaccounted(counters: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Find what stands in no present sink's account: records that came to none, and removed sinks' losses."""
    found: dict[str, dict[str, int]] = {}
    waiting = {"pending": counters["late_pending"]} if counters["late_pending"] else {}
    # What lies outside of a sample was left out on purpose.
    turned_away = {cause: count for cause, count in counters["turned_away"].items() if cause != "sampled_out"}
    found["pipeline" if counters["lanes"] else "no sink"] = {**waiting, **turned_away}
    removed = counters["removed"]
    if removed:
        found["removed sinks"] = {**removed["rejected"], **removed["dropped"]}
    return found


def retired() -> list[tuple[_native.Pipeline, float]]:
    """Those that may still hold records, and how long each may hold up the end of the program."""
    return list(_retired)


def lost() -> dict[str, dict[str, int]]:
    """What the others did not deliver, by sink and cause."""
    return _lost


def forget() -> None:
    """Start anew in the child of a fork: what the parent has left behind is the parent's."""
    _retired.clear()
    _lost.clear()
