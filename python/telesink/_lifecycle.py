"""The life of the process: the shared pipeline, forks, and the end of the program."""

from __future__ import annotations

import atexit
import os
import sys
import time

from telesink import _native
from telesink._pipeline import Pipeline, live
from telesink._stats import merged, sink_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from telesink._stats import Receipt, Stats


class _Process:
    """What belongs to this process and no other."""

    shared: Pipeline | None = None
    #: Set once the program ends: when everything has to be settled.
    exit_deadline: float | None = None
    #: What the end of the program has already told.
    told: str = ""


def shared_pipeline() -> Pipeline:
    """The process-wide pipeline; made without sinks on first use, and records wait in it for the first sink."""
    if _Process.shared is None or _Process.shared._native.is_closed:  # noqa: SLF001
        _Process.shared = Pipeline()
    return _Process.shared


def enqueue(record: Mapping[str, Any]) -> bool:
    """
    Offer one record to the process-wide pipeline; answer whether it was taken.

    Before anything is installed, up to 1 000 records (1 MiB) wait for the first sink. See :meth:`Pipeline.enqueue`.

    >>> import telesink
    >>> telesink.enqueue({"body": "started before any sink was there"})
    True
    """
    return shared_pipeline()._native.enqueue(record)  # noqa: SLF001


def recent(count: int = 100, *, level: int | str = 0, logger: str | None = None) -> list[dict[str, Any]]:
    """
    The last records of the process-wide pipeline; see :meth:`Pipeline.recent`.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.recent(10)
    []
    """
    return shared_pipeline().recent(count, level=level, logger=logger)


def flush(timeout_seconds: float = 5.0) -> Receipt:
    """
    Wait until everything accepted before the call is settled, in all pipelines, under one deadline.

    >>> import telesink
    >>> telesink.flush(timeout_seconds=1.0).complete
    True
    """
    tickets = [pipeline._native.begin_flush() for pipeline in tuple(live)]  # noqa: SLF001
    end = time.monotonic() + timeout_seconds
    try:
        for ticket in tickets:
            ticket.wait(max(end - time.monotonic(), 0.0))
    finally:
        receipts = [ticket.finish() for ticket in tickets]
    return merged(receipts)


async def aflush(timeout_seconds: float = 5.0) -> Receipt:
    """
    Wait like :func:`flush`, without blocking the event loop.

    >>> import asyncio, telesink
    >>> asyncio.run(telesink.aflush()).complete
    True
    """
    import asyncio  # noqa: PLC0415 - whoever awaits this has loaded it

    receipts = await asyncio.gather(*(pipeline.aflush(timeout_seconds) for pipeline in tuple(live)))
    return merged([receipt.as_dict() for receipt in receipts])


def stats() -> dict[str, Stats]:
    """
    The counters of every sink of the process by name; a second sink of one name is numbered (``sqlite#2``).

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.stats()["memory"].state
    'idle'
    """
    found: dict[str, Stats] = {}
    for pipeline in _in_order():
        for lane in pipeline._native.stats()["lanes"]:  # noqa: SLF001
            name, number = lane["name"], 1
            while name in found:
                number += 1
                name = f"{lane['name']}#{number}"
            found[name] = sink_stats(lane)
    return found


def _in_order() -> list[Pipeline]:
    """The process-wide pipeline first."""
    return sorted(live, key=lambda pipeline: pipeline is not _Process.shared)


def close_all(timeout_seconds: float, *, stop: bool) -> Receipt:
    """Settle all pipelines in parallel under one deadline."""
    pipelines = _in_order()
    end = time.monotonic() + timeout_seconds
    for pipeline in pipelines:
        pipeline._native.begin_close(timeout_seconds, stop)  # noqa: SLF001
    return merged(
        [pipeline._native.close(max(end - time.monotonic(), 0.0), stop) for pipeline in pipelines]  # noqa: SLF001
    )


def _at_exit() -> None:
    """Drain everything once, and say what was lost. Records logged later still reach :func:`flush_at_exit`."""
    pipelines = tuple(live)
    if not pipelines:
        return
    timeout_seconds = max(pipeline.settings.exit_timeout_seconds for pipeline in pipelines)
    _Process.exit_deadline = time.monotonic() + timeout_seconds
    close_all(timeout_seconds, stop=False)
    _tell_losses()


def flush_at_exit() -> bool:
    """The last flush, called by ``logging.shutdown``; answers whether the program is ending."""
    if _Process.exit_deadline is None:
        return False
    close_all(max(_Process.exit_deadline - time.monotonic(), 0.0), stop=False)
    _tell_losses()
    return True


def _tell_losses() -> None:
    lost = []
    for name, counters in stats().items():
        causes = {**counters.rejected, **counters.dropped}
        if counters.pending:
            causes["pending"] = counters.pending
        if causes:
            lost.append(f"{name}: " + ", ".join(f"{count} {cause}" for cause, count in causes.items()))
    text = "; ".join(lost)
    if text and text != _Process.told:
        _Process.told = text
        _native.write_line(f"records were not delivered ({text}); telesink.stats() has the counters")


def _after_fork_in_child() -> None:
    """
    Leave everything of the parent's alone: no lock, no thread, no goodbye to its connections.

    Pipelines notice by their generation and start anew with the first record.
    """
    _native.after_fork_in_child()
    _Process.exit_deadline = None
    _Process.told = ""
    _register_multiprocessing()


def _register_multiprocessing() -> None:
    """
    Drain at the end of a ``multiprocessing`` child, which leaves by ``os._exit`` and runs no ``atexit``.

    Its finalizers are cleared when the child starts and only those registered after that run; so in a forked child
    registration waits for multiprocessing's own after-fork hooks.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return

    def register(_anchor: object) -> None:
        util.Finalize(None, _at_exit, exitpriority=-100)

    util.register_after_fork(_register_multiprocessing, register)


def _register_spawned() -> None:
    """The same for a spawned child, which imports telesink after its finalizers were cleared."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _at_exit, exitpriority=-100)


def _register() -> None:
    # Registered at import: hooks registered later run earlier, so the program's own come first and may still log.
    atexit.register(_at_exit)
    register_at_fork: Callable[..., None] | None = getattr(os, "register_at_fork", None)
    if register_at_fork is not None:
        register_at_fork(after_in_child=_after_fork_in_child)
    _register_spawned()


_register()
