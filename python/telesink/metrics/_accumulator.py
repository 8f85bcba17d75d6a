"""The counters: native, so that counting costs less than a microsecond, and typed snapshots of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from telesink import _native
from telesink.exceptions import ConfigError
from telesink.metrics._seed import read_totals

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

#: Largest count that is taken.
_COUNT_MAX = 2**63 - 1


class Tokens(NamedTuple):
    """Counts of tokens."""

    input: int = 0
    output: int = 0
    total: int = 0


class Cost(NamedTuple):
    """Costs in millionths of a US dollar."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class ToolUse(NamedTuple):
    """What one tool was used for; the time of its last call is in nanoseconds since the Unix epoch."""

    calls: int = 0
    last_called_unix_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


_NO_TOKENS = Tokens()
_NO_COST = Cost()


@dataclass(frozen=True, slots=True)
class Usage:
    """The counters of one server at one moment.

    Attributes:
        tokens: since the start or the last reset.
        cost: the same, or since the costs alone were reset.
        tools: by the name of the tool.
        resets: how often all counters were reset.
        cost_resets: how often the costs were, alone or with the rest.
        minutes: tokens by minute since the Unix epoch, oldest first; a day of minutes that had any.
    """

    tokens: Tokens = _NO_TOKENS
    cost: Cost = _NO_COST
    tools: Mapping[str, ToolUse] = field(default_factory=dict)
    resets: int = 0
    cost_resets: int = 0
    minutes: tuple[tuple[int, Tokens], ...] = ()


class Accumulator:
    """Counters of tokens, costs and tool calls by server, safe to use from any thread.

    At most 1,024 servers, and tools of one server, are told apart; more are counted together as ``others``.

    >>> usage = Accumulator()
    >>> usage.add("github", input_tokens=120, output_tokens=30, output_micro_usd=450)
    >>> usage.add_tool_call("github", "search_code")
    >>> usage.snapshot()["github"].tokens
    Tokens(input=120, output=30, total=150)
    """

    def __init__(self) -> None:
        self._counters = _native.UsageCounters()
        self._restored: dict[str, Usage] = {}

    def add(
        self,
        server: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        total_tokens: int | None = None,
        input_micro_usd: int = 0,
        output_micro_usd: int = 0,
        cache_read_micro_usd: int = 0,
        cache_write_micro_usd: int = 0,
    ) -> None:
        """Add what one call of a model has used.

        Args:
            server: whose counters.
            input_tokens: tokens that the model read.
            output_tokens: tokens that it wrote.
            total_tokens: what the provider says about both; without it, their sum.
            input_micro_usd: what the tokens read have cost, in millionths of a US dollar.
            output_micro_usd: what those written have.
            cache_read_micro_usd: what those read from a cache have.
            cache_write_micro_usd: what those put into one have.

        Raises:
            ConfigError: a count is negative, or above 2^63 - 1.
        """
        total = input_tokens + output_tokens if total_tokens is None else total_tokens
        tokens = (input_tokens, output_tokens, total)
        cost = (input_micro_usd, output_micro_usd, cache_read_micro_usd, cache_write_micro_usd)
        _check(*tokens, *cost)
        self._counters.add(server, tokens, cost)

    def add_tool_call(self, server: str, tool: str, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Count a call of a tool, now.

        Raises:
            ConfigError: a count is negative, or above 2^63 - 1.
        """
        _check(input_tokens, output_tokens)
        self._counters.add_tool_call(server, tool, input_tokens, output_tokens)

    def reset(self, server: str | None = None) -> None:
        """Set the counters of a server, or of all, back to zero."""
        self._counters.reset(server)

    def reset_cost(self, server: str | None = None) -> None:
        """Set the costs alone back to zero."""
        self._counters.reset_cost(server)

    def remove(self, server: str) -> None:
        """Forget a server."""
        self._counters.remove(server)
        self._restored.pop(server, None)

    def snapshot(self) -> dict[str, Usage]:
        """Return the counters of all servers as they are now."""
        return {server: _usage(found) for server, found in self._counters.snapshot().items()}

    def restored(self) -> dict[str, Usage]:
        """Return what `seed_from_file` has put under the counters, by server: what is written already."""
        return dict(self._restored)

    def seed_from_file(self, path: str | os.PathLike[str], n: int = 500) -> int:
        """Put the totals of before under the counters, from the last `n` lines of a metrics file.

        Rotated files are read as well, compressed or not. The last total of each server counts; the
        differences of lines that are no reset fill the minutes. Lines that are malformed or torn are passed
        over, so is a file that is missing, and so are servers that were seeded before.

        Args:
            path: the active file, ``<folder>/<server>/metrics.jsonl``.
            n: so many lines from the end.

        Returns:
            How many lines were used.

        Raises:
            ConfigError: n is not positive.
            OSError: a file is there and cannot be read.
        """
        if n < 1:
            message = f"n is {n}"
            raise ConfigError(message, "say how many lines to read, at least 1")
        lines, servers = read_totals(path, n)
        for server, total in servers.items():
            if server in self._restored:
                # Once is enough: what was read before is part of the counters.
                continue
            tools = {name: tuple(use) for name, use in total.tools.items()}
            minutes = sorted(total.minutes.items())
            resets = self._counters.restore(server, total.tokens, total.cost, tools, minutes)
            if resets is None:
                # One server more than are told apart.
                continue
            self._restored[server] = Usage(
                resets=resets[0],
                cost_resets=resets[1],
                tokens=Tokens(*total.tokens),
                cost=Cost(*total.cost),
                tools={name: ToolUse(*use) for name, use in total.tools.items()},
            )
        return lines


def _check(*counts: int) -> None:
    for count in counts:
        if not 0 <= count <= _COUNT_MAX:
            message = f"a count is {count}"
            raise ConfigError(message, "counts are whole numbers from 0 to 2^63 - 1")


def _usage(found: Mapping[str, object]) -> Usage:
    tools, minutes = found["tools"], found["minutes"]
    return Usage(
        tokens=Tokens(*found["tokens"]),  # type: ignore[misc] # the native module's tuples
        cost=Cost(*found["cost"]),  # type: ignore[misc]
        tools={name: ToolUse(*use) for name, use in tools.items()},  # type: ignore[attr-defined]
        resets=found["resets"],  # type: ignore[arg-type]
        cost_resets=found["cost_resets"],  # type: ignore[arg-type]
        minutes=tuple((minute, Tokens(*tokens)) for minute, tokens in minutes),  # type: ignore[attr-defined]
    )
