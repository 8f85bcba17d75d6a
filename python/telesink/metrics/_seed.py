"""Totals read back from files of metrics: those of telesink, and those of the format that they follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from telesink.files._last import last_lines

if TYPE_CHECKING:
    import os

_TOKENS = ("input_tokens", "output_tokens", "total_tokens")
#: The year 2262: nanoseconds since 1970 fit 63 bits.
_SECONDS_MAX = 2**63 / 1e9

_COSTS = ("input_micro_usd", "output_micro_usd", "cache_read_micro_usd", "cache_write_micro_usd")


@dataclass(slots=True)
class Total:
    """What the lines of one server add up to."""

    tokens: tuple[int, ...] = (0, 0, 0)
    cost: tuple[int, ...] = (0, 0, 0, 0)
    tools: dict[str, tuple[int, ...]] = field(default_factory=dict)
    minutes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def read_totals(path: str | os.PathLike[str], n: int) -> tuple[int, dict[str, Total]]:
    """Return how many of the last `n` lines were used, and the totals by server."""
    servers: dict[str, Total] = {}
    used = 0
    for line in last_lines(path, n):
        server, total = line.get("server"), line.get("total")
        # A line that only tells of a reset has no total: the one behind it does.
        if not isinstance(server, str) or not isinstance(total, dict):
            continue
        try:
            _add(servers.setdefault(server, Total()), line)
        except (TypeError, ValueError, AttributeError, OverflowError):
            # Of the right form and still nothing that can be counted.
            continue
        used += 1
    return used, {server: total for server, total in servers.items() if total != Total()}


def _add(into: Total, line: dict[str, Any]) -> None:
    tokens = _counts(line["total"], _TOKENS)
    is_reset = line.get("reset") is True
    moment = _moment(line["ts"])
    tools = {name: _tool(use) for name, use in line.get("tool_usage", {}).items()}
    cost = _counts(line["cost_total"], _COSTS) if "cost_total" in line else None
    diff = _counts(line.get("diff", {}), _TOKENS)
    if is_reset:
        into.tools, into.cost = {}, (0, 0, 0, 0)
    into.tokens = tokens
    if cost is not None:
        into.cost = cost
    for name, use in tools.items():
        known = into.tools.get(name, (0, 0, 0, 0))
        into.tools[name] = tuple(map(max, known, use))
    if not is_reset and any(diff):
        minute = int(moment // 60)
        known = into.minutes.get(minute, (0, 0, 0))
        into.minutes[minute] = tuple(map(sum, zip(known, diff, strict=True)))


def _counts(found: dict[str, Any], names: tuple[str, ...]) -> tuple[int, ...]:
    counts = tuple(found.get(name, 0) for name in names)
    if not all(type(count) is int and 0 <= count < 2**63 for count in counts):
        message = "no counts"
        raise ValueError(message)
    return counts


def _tool(use: dict[str, Any]) -> tuple[int, ...]:
    calls, given, back = _counts(use, ("calls", "input_tokens", "output_tokens"))
    last = _moment(use["last_called_at"]) if "last_called_at" in use else 0.0
    return (calls, int(last * 1_000_000_000), given, back)


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text).timestamp()
    if not 0 <= moment < _SECONDS_MAX:
        message = "no moment that can be counted"
        raise ValueError(message)
    return moment
