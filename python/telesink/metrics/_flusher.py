"""Writing counters down: a line of each server that has changed, now and then and at the end."""

from __future__ import annotations

import atexit
import json
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from telesink import _native
from telesink.exceptions import ConfigError, TelesinkError
from telesink.metrics._accumulator import Cost, Tokens, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: How long `stop` waits for a write that another thread is in, at most.
_STOP_SECONDS_MAX = 10.0


class Source(Protocol):
    """Whatever has counters: an `Accumulator`, or something of the program's own."""

    def snapshot(self) -> Mapping[str, Usage]:
        """Return the counters of all servers as they are now."""

    def restored(self) -> Mapping[str, Usage]:
        """Return what of them was written down by a program before."""


class MetricsFlusher:
    """Writes a line for each server whose counters have changed, to ``<folder>/<server>/metrics.jsonl``.

    A line holds what was added since the last one, and the total. The first line of a server, and the first
    one after a reset, is told by a line that says ``reset`` and nothing else, and holds everything. Costs
    have a reset of their own and no keys where there are none. What could not be written is part of the
    next line.

    Args:
        source: the counters.
        interval_seconds: the time between two looks.
        dsn: a ``file:`` DSN with its options, as for logs: ``file:telemetry?rotate=10 MB``.
        clock: tells the time; for tests.

    Raises:
        ConfigError: the interval is not positive, or the DSN is none of files.

    `start` and `stop` may be called more than once and from several threads; `stop` writes what is left,
    also if nobody has called `start`, and a program that ends does so by itself. What a source raises is
    counted as a failure. In a child of a fork both do nothing: it makes a flusher of its own.
    """

    def __init__(
        self,
        source: Source,
        interval_seconds: float = 60.0,
        *,
        dsn: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not interval_seconds > 0:
            message = f"interval_seconds is {interval_seconds}"
            raise ConfigError(message, "give a number of seconds above 0")
        self._source = source
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._appender = _native.FileAppender(dsn, [], os.getcwd())
        self._written: dict[str, Usage] = {}
        self._state = threading.Lock()
        self._turn = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._stopper = 0
        self._has_ended = threading.Event()
        self._is_stopped = False
        self._failures = 0
        self._last_error = ""

    @property
    def failures(self) -> int:
        """How many writes have failed; what they held is in a later line, or still to come."""
        return self._failures

    @property
    def last_error(self) -> str:
        """Why the last one has."""
        return self._last_error

    def start(self) -> None:
        """Begin to write every `interval_seconds`; nothing if it runs already, or has been stopped."""
        if os.getpid() != self._process:
            # A child of a fork: its locks may be held by threads that it does not have.
            return
        with self._state:
            if self._is_stopped or self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="telesink-metrics", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def stop(self) -> None:
        """Write what is left and close the files; wait for whoever is doing so already."""
        if os.getpid() != self._process:
            # A child of a fork: what was counted before it is written by its parent.
            return
        with self._state:
            is_first = not self._is_stopped
            self._is_stopped = True
            self._wake.set()
            thread = self._thread
            if is_first:
                self._stopper = threading.get_ident()
        if not is_first:
            # One that comes back into itself, by a source or a signal, does not wait for itself.
            if self._stopper != threading.get_ident():
                self._has_ended.wait(_STOP_SECONDS_MAX)
            return
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_SECONDS_MAX)
        # A thread that hangs in a write must not keep the program from ending.
        if self._turn.acquire(timeout=_STOP_SECONDS_MAX):
            try:
                self._flush_quietly()
                self._close()
            finally:
                self._turn.release()
        self._has_ended.set()
        atexit.unregister(self.stop)

    def _close(self) -> None:
        try:
            self._appender.close()
        except TelesinkError as error:
            self._note(error)

    def flush(self) -> int:
        """Write what has changed now. Returns how many lines; none in the child of a fork.

        Raises:
            TelesinkError: something could not be written; it is part of the next line.
        """
        if os.getpid() != self._process:
            return 0
        with self._turn:
            return self._flush()

    def _run(self) -> None:
        while not self._wake.wait(self._interval_seconds):
            with self._turn:
                self._flush_quietly()

    def _flush_quietly(self) -> None:
        try:
            self._flush()
        except TelesinkError:
            # Counted, kept as `last_error`, and tried again.
            return
        except Exception as error:  # noqa: BLE001 - a source of the program's own must not end the thread
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._failures += 1
        self._last_error = str(error)

    def _flush(self) -> int:
        found = self._source.snapshot()
        # A server that is gone begins anew when it comes back.
        self._written = {server: usage for server, usage in self._written.items() if server in found}
        restored = self._source.restored()
        count = 0
        failure: TelesinkError | None = None
        for server, usage in found.items():
            before = self._written.get(server) or restored.get(server)
            lines = lines_of(server, before, usage, self._clock())
            if not lines:
                continue
            try:
                # Both lines of a reset at once: they are in one file together, or not at all.
                if not self._appender.append(server, lines):
                    # Switched off: what is used meanwhile is part of the next line that is written.
                    continue
            except TelesinkError as error:
                self._note(error)
                failure = error
                continue
            self._written[server] = usage
            count += len(lines)
        if failure is not None:
            raise failure
        return count


def lines_of(server: str, before: Usage | None, now: Usage, moment: datetime) -> list[str]:
    """Return the lines that tell what has happened between two snapshots; none if nothing has."""
    is_reset = before is None or _is_lower(before, now)
    is_cost_reset = (
        before is None or before.cost_resets != now.cost_resets or _any_lower(before.cost, now.cost)
    )
    tokens_before = Tokens() if before is None or is_reset else before.tokens
    cost_before = Cost() if before is None or is_reset or is_cost_reset else before.cost
    diff = Tokens(*(new - old for new, old in zip(now.tokens, tokens_before, strict=True)))
    cost_diff = Cost(*(new - old for new, old in zip(now.cost, cost_before, strict=True)))
    has_new_use = before is None or dict(now.tools) != dict(before.tools)
    is_cost_told = any(now.cost) or (is_cost_reset and before is not None and any(before.cost))
    if not (is_reset or any(diff) or any(cost_diff) or has_new_use or (is_cost_reset and is_cost_told)):
        return []
    ts = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    line: dict[str, Any] = {"ts": ts, "server": server}
    if is_reset:
        line["reset"] = True
    line["diff"], line["total"] = _tokens(diff), _tokens(now.tokens)
    if now.tools:
        line["tool_usage"] = {name: _tool(use) for name, use in now.tools.items()}
    if is_cost_told:
        if is_cost_reset:
            line["cost_reset"] = True
        line["cost_diff"], line["cost_total"] = _cost(cost_diff), _cost(now.cost)
    sentinel = [_json({"ts": ts, "server": server, "reset": True})] if is_reset else []
    return [*sentinel, _json(line)]


def _is_lower(before: Usage, now: Usage) -> bool:
    return before.resets != now.resets or _any_lower(before.tokens, now.tokens)


def _any_lower(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    return any(new < old for new, old in zip(now, before, strict=True))


def _tokens(tokens: Tokens) -> dict[str, int]:
    return {"input_tokens": tokens.input, "output_tokens": tokens.output, "total_tokens": tokens.total}


def _cost(cost: Cost) -> dict[str, int]:
    return {
        "input_micro_usd": cost.input,
        "output_micro_usd": cost.output,
        "cache_read_micro_usd": cost.cache_read,
        "cache_write_micro_usd": cost.cache_write,
    }


def _tool(use: tuple[int, int, int, int]) -> dict[str, Any]:
    calls, last, given, back = use
    called = datetime.fromtimestamp(last / 1e9, UTC).isoformat().replace("+00:00", "Z")
    tool: dict[str, Any] = {"calls": calls, "last_called_at": called}
    if given:
        tool["input_tokens"] = given
    if back:
        tool["output_tokens"] = back
    return tool


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
