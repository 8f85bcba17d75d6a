"""telesink minus NullHandler: what its handler adds to a call, run by run, beside what it may add."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benches.tables import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNS = 7
RECORDS = 30_000

CASES = (
    ("plain", "flood", 1),
    ("extra", "flood", 1),
    ("exception", "flood", 1),
    ("exception_info", "flood", 1),
    ("plain", "paced", 1),
    ("plain", "flood", 4),
)

# Microseconds over NullHandler.
ADDED_US_MAX = {"plain": 1.0, "extra": 1.5, "exception": 2.5, "exception_info": 2.5}
# A call into a full queue, against one into a queue with room.
FULL_RATIO_MAX = 2.0
# p99 of four threads, against NullHandler.
THREADS_RATIO_MAX = 1.5

# Those that store what they are given have targets; the others show what a part of the work costs.
_STORING = ("telesink", "telesink_postgres")
_OURS = (*_STORING, "telesink_null", "telesink_full")


def covers(names: Iterable[str]) -> bool:
    """Whether these contestants are the few that this comparison is about."""
    return compares(names) and set(names) <= {"noop", "null", *_OURS}


def compares(names: Iterable[str]) -> bool:
    """Whether there is a telesink with targets among these contestants, and what it is compared with."""
    return "null" in names and any(name in names for name in _STORING)


def table(results: list[dict[str, Any]]) -> str:
    """A markdown table; a line is the median of differences (or ratios) between runs of the same round."""
    lines = []
    for contestant in _OURS:
        is_storing = contestant in _STORING
        for scenario, target in ADDED_US_MAX.items():
            shown = f"≤ {target}" if is_storing else ""
            statistics_shown = [("ns_per_call", "batches"), ("p50", "p50")]
            for key, statistic in statistics_shown if is_storing else statistics_shown[:1]:
                pairs = _pairs(results, contestant, "null", key, scenario, "flood", 1)
                added = [(ours - null) / 1_000 for ours, null in pairs]
                lines.append(_line(f"{contestant}, {scenario}, {statistic}: µs added", added, shown))
        if not is_storing:
            continue
        pairs = _pairs(results, contestant, "null", "p50", "plain", "paced", 1)
        lines.append(_line(f"{contestant}, paced, p50: µs added", [(a - b) / 1_000 for a, b in pairs], ""))
        ratios = [a / b for a, b in _pairs(results, contestant, "null", "p99", "plain", "flood", 4)]
        what = f"{contestant}, four threads, p99 / NullHandler's"
        lines.append(_line(what, ratios, f"≤ {THREADS_RATIO_MAX}"))
    full = _pairs(results, "telesink_full", "telesink", "ns_per_call", "plain", "flood", 1)
    lines.append(_line("full queue / queue with room", [a / b for a, b in full], f"≤ {FULL_RATIO_MAX}"))
    lines = [line for line in lines if line]
    losses = [_loss(result) for result in results if result["contestant"] in _STORING and _loss(result)]
    verdict = "; ".join(losses) or "every record of every telesink run is in the database"
    return markdown(["", "median", "range over runs", "target"], lines) + f"\n{verdict}\n"


def _pairs(
    results: list[dict[str, Any]], first: str, second: str, key: str, scenario: str, mode: str, threads: int
) -> list[tuple[float, float]]:
    """The figure of both contestants, for each round that has both."""
    by_run: dict[int, dict[str, float]] = {}
    for result in results:
        if (result["scenario"], result["mode"], result["threads"]) == (
            scenario,
            mode,
            threads,
        ) and key in result:
            by_run.setdefault(result["run"], {})[result["contestant"]] = result[key]
    return [(found[first], found[second]) for found in by_run.values() if {first, second} <= set(found)]


def _line(name: str, values: list[float], target: str) -> list[str]:
    if not values:
        return []
    return [name, f"{statistics.median(values):.2f}", f"{min(values):.2f} … {max(values):.2f}", target]


def _loss(result: dict[str, Any]) -> str:
    """Says what is missing; nothing if every record arrived."""
    if "error" in result:
        return f"run {result['run']} {result['scenario']}: {result['error']}"
    if result["delivered"] != result["offered"]:
        return (
            f"run {result['run']} {result['scenario']}: {result['delivered']} of {result['offered']} stored"
        )
    return ""
