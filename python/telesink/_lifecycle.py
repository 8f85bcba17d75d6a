"""The life of the process: the shared pipeline, forks, and the end of the program."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

from telesink import _native
from telesink._host_signals import host_signals_waiting
from telesink._pipeline import Pipeline, live_pipelines, until_done
from telesink._retired import forget, retired, settle, unaccounted
from telesink._retired import lost as retired_losses
from telesink._stats import merged, sink_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from telesink._stats import Receipt, Stats


class _Process:
    """What belongs to this process and no other."""

    shared: Pipeline | None = None
    #: Set once the program ends: how much longer it may be held up.
    exit_seconds_left: float | None = None
    #: Whether a signal is about to end it: then a closed pipeline stays closed.
    is_ending: bool = False
    #: What the end of the program has already told.
    told: str = ""
    #: Whether multiprocessing's own hooks for children know of us; children inherit them.
    knows_multiprocessing: bool = False
    #: Which process it is about; see `notice_fork`.
    generation: int = _native.process_generation()


#: The priority of a finalizer of multiprocessing that runs after all others, which may log.
_LAST = -sys.maxsize

#: Questions asked once when the program ends; each answers a line to tell, or None.
last_words: list[Callable[[], str | None]] = []

#: Called where nobody will flush any more, although something may still log: each record settles itself then.
past_last_flush: list[Callable[[], None]] = []


def shared_pipeline() -> Pipeline:
    """The process-wide pipeline, made without sinks on first use: records wait in it for the first sink."""
    notice_fork()
    if _Process.shared is None or (_Process.shared._native.is_closed and not _Process.is_ending):  # noqa: SLF001
        _Process.shared = Pipeline()
    return _Process.shared


def present_pipeline() -> Pipeline | None:
    """The process-wide pipeline, if there is one that takes records; none is made."""
    notice_fork()
    shared = _Process.shared
    return None if shared is None or shared._native.is_closed else shared  # noqa: SLF001


def enqueue(record: Mapping[str, Any]) -> bool:
    """Offer one record to the process-wide pipeline; answer whether it was taken.

    Before anything is installed, up to 1 000 records (1 MiB) wait for the first sink. See
    :meth:`Pipeline.enqueue`.

    >>> import telesink
    >>> telesink.enqueue({"body": "started before any sink was there"})
    True
    """
    return shared_pipeline()._native.enqueue(record)  # noqa: SLF001


def recent(count: int = 100, *, level: int | str = 0, logger: str | None = None) -> list[dict[str, Any]]:
    """The last records of the process-wide pipeline; see :meth:`Pipeline.recent`.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.recent(10)
    []
    """
    return shared_pipeline().recent(count, level=level, logger=logger)


def flush(timeout_seconds: float = 5.0) -> Receipt:
    """Wait until everything accepted before the call is settled, in all pipelines, under one deadline.

    >>> import telesink
    >>> telesink.flush(timeout_seconds=1.0).complete
    True
    """
    tickets = [native.begin_flush() for native in _natives()]
    end = time.monotonic() + timeout_seconds
    try:
        for ticket in tickets:
            ticket.wait(max(end - time.monotonic(), 0.0))
    finally:
        receipts = [ticket.finish() for ticket in tickets]
    return merged(receipts)


async def aflush(timeout_seconds: float = 5.0) -> Receipt:
    """Wait like :func:`flush`, without blocking the event loop.

    >>> import asyncio, telesink
    >>> asyncio.run(telesink.aflush()).complete
    True
    """
    tickets = [native.begin_flush() for native in _natives()]
    try:
        await until_done(tickets, timeout_seconds)
    finally:
        receipts = [ticket.finish() for ticket in tickets]
    return merged(receipts)


def stats() -> dict[str, Stats]:
    """Read the counters of every sink of the process by name; a second one of a name is ``sqlite#2``.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.stats()["memory"].state
    'idle'
    """
    return {name: sink_stats(lane) for name, lane, _ in _named_lanes()}


def queue_capacities() -> dict[str, int]:
    """How many records the queue of each sink holds at most, by the names of `stats`."""
    capacities: dict[int, dict[str, int]] = {}
    found = {}
    for name, lane, pipeline in _named_lanes():
        known = capacities.setdefault(id(pipeline), pipeline._signals.capacities())  # noqa: SLF001
        # A sink that has gone has no queue.
        if lane["name"] in known:
            found[name] = known[lane["name"]]
    return found


def _named_lanes() -> list[tuple[str, dict[str, Any], Pipeline]]:
    """The counters of every sink of the process, each under a name of its own, and its pipeline."""
    found: dict[str, tuple[str, dict[str, Any], Pipeline]] = {}
    for pipeline in _in_order():
        for lane in pipeline._native.stats()["lanes"]:  # noqa: SLF001 - the other half of the class
            name, number = lane["name"], 1
            while name in found:
                number += 1
                name = f"{lane['name']}#{number}"
            found[name] = (name, lane, pipeline)
    return list(found.values())


def _in_order() -> list[Pipeline]:
    """The process-wide pipeline first."""
    return sorted(live_pipelines(), key=lambda pipeline: pipeline is not _Process.shared)


def _natives() -> list[_native.Pipeline]:
    """The native halves of all pipelines, those that nobody holds any more last."""
    held = [pipeline._native for pipeline in _in_order()]  # noqa: SLF001 - the other half of the class
    return held + [native for native, _ in retired()]


def close_all(timeout_seconds: float, *, stop: bool) -> Receipt:
    """Settle all pipelines in parallel under one deadline."""
    natives = _natives()
    # Before anybody is asked to settle: what the first ones settle meanwhile belongs to the receipt.
    tickets = [native.begin_flush() for native in natives]
    end = time.monotonic() + timeout_seconds
    for native in natives:
        native.begin_close(timeout_seconds, stop)
    for native in natives:
        native.close(max(end - time.monotonic(), 0.0), stop)
    return merged([ticket.finish() for ticket in tickets])


def _at_exit() -> None:
    """Drain everything once and say what was lost. What is logged later still reaches `flush_at_exit`."""
    notice_fork()
    _say_last_words()
    seconds = _exit_timeout_seconds()
    if seconds is None:
        # Nobody to wait for; but pipelines that nobody held any more may have given up records long ago.
        _tell_losses()
        return
    _Process.exit_seconds_left = seconds
    flush_at_exit()


def _at_child_end() -> None:
    """The same for a child of ``multiprocessing`` that leaves by ``os._exit``, after all of its threads.

    Before 3.13 multiprocessing runs its finalizers before it waits for the threads, whose last records would
    come too late. Waiting here is the same wait: the second call, multiprocessing's own, returns at once.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_start_method", None) == "spawn":
        # Ends as any program does: waits for its threads, then runs its exit hooks.
        return
    try:
        threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - includes those of executors
    finally:
        _at_exit()
        # No `logging.shutdown` will follow, but multiprocessing tells errors and the exit code after this.
        for settle_each in past_last_flush:
            settle_each()


def _exit_timeout_seconds() -> float | None:
    """How long the end of the program may be held up, if there is anything to wait for."""
    timeouts = [pipeline.settings.exit_timeout_seconds for pipeline in live_pipelines()]
    timeouts += [timeout_seconds for _, timeout_seconds in retired()]
    return max(timeouts, default=None)


def drain_before_end(timeout_seconds: float) -> None:
    """Drain everything and say what was lost: the process is about to end without its exit hooks.

    Nothing is taken any more: what other threads log from here on is refused and counted.
    """
    notice_fork()
    _Process.is_ending = True
    try:
        _say_last_words()
        close_all(timeout_seconds, stop=True)
    except BaseException:
        # Another signal, such as Ctrl-C: nobody waits any longer, and what is left is counted.
        close_all(0.0, stop=True)
        raise
    finally:
        _tell_losses()


def _say_last_words() -> None:
    for ask in last_words:
        line = ask()
        if line is not None:
            _native.write_line(line)


def flush_at_exit() -> bool:
    """The last flush, called by ``logging.shutdown``; answers whether the program is ending."""
    notice_fork()
    if _Process.exit_seconds_left is None:
        return False
    with host_signals_waiting():
        _flush_last(_Process.exit_seconds_left)
    return True


def _flush_last(seconds: float) -> None:
    begun = time.monotonic()
    try:
        close_all(seconds, stop=False)
    finally:
        # Only our own waits count: the program's exit handlers may take their time and log in between.
        _Process.exit_seconds_left = max(seconds - (time.monotonic() - begun), 0.0)
    _tell_losses()


def is_past_last_flush() -> bool:
    """Whether the program is ending, so that nobody will ask for another flush."""
    return _Process.exit_seconds_left is not None


def settle_last_record() -> None:
    """Settle what a destructor or an early exit handler has just logged, within what is left of the time-out.

    Never raises: the modules around this one may be half gone. Other threads are not held up: the program
    does not wait for them.
    """
    try:
        notice_fork()
        seconds = _Process.exit_seconds_left
        if seconds is not None and threading.get_ident() == threading.main_thread().ident:
            # Signals are not kept waiting: what it takes to ask for them is gone.
            _flush_last(seconds)
    except Exception:  # noqa: BLE001, S110 - there is nobody left to tell
        pass


#: Records that a sink was told not to keep.
_ASKED_FOR = ("switched_off", "unattributed")


def _tell_losses() -> None:
    settle()
    lost = {name: {**counters.rejected, **counters.dropped} for name, counters in stats().items()}
    for name, causes in retired_losses().items():
        known = lost.setdefault(name, {})
        for cause, count in causes.items():
            known[cause] = known.get(cause, 0) + count
    for counters in [native.stats() for native in _natives()]:
        for name, causes in unaccounted(counters).items():
            known = lost.setdefault(name, {})
            for cause, count in causes.items():
                known[cause] = known.get(cause, 0) + count
    for causes in lost.values():
        for cause in _ASKED_FOR:
            causes.pop(cause, None)
    text = "; ".join(
        f"{name}: " + ", ".join(f"{count} {cause}" for cause, count in causes.items())
        for name, causes in lost.items()
        if causes
    )
    if text and text != _Process.told:
        _Process.told = text
        _native.write_line(f"records were not delivered ({text}); telesink.stats() has the counters")


def notice_fork() -> None:
    """Leave everything of the parent's alone, once, if this is the child of a fork.

    Python's hook calls it, and so does whoever needs to know: not every fork runs the hook (uWSGI, a C
    extension). No lock, no thread, no goodbye to the parent's connections. Pipelines notice by themselves,
    and start anew with the first record.
    """
    generation = _native.process_generation()
    if generation == _Process.generation:
        return
    _Process.generation = generation
    _Process.is_ending = False
    forget()
    if _Process.exit_seconds_left is not None:
        # A child of an exit handler that ran after ours, whose hooks are behind it as well.
        _Process.exit_seconds_left = _exit_timeout_seconds()
    _Process.told = ""
    if not _Process.knows_multiprocessing:
        _register_multiprocessing()
    _register_child_end()


def _register_multiprocessing() -> None:
    """Drain at the end of a ``multiprocessing`` child, which leaves by ``os._exit`` and runs no ``atexit``.

    Its finalizers are cleared when the child starts and only those registered after that run; so in a forked
    child registration waits for multiprocessing's own after-fork hooks.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return

    def register(_anchor: object) -> None:
        util.Finalize(None, _at_child_end, exitpriority=_LAST)

    util.register_after_fork(_register_multiprocessing, register)
    _Process.knows_multiprocessing = True


def _register_child_end() -> None:
    """The same in a child that imports telesink after its finalizers were cleared, and in what it forks."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _at_child_end, exitpriority=_LAST)


def _register() -> None:
    # Registered at import: hooks registered later run earlier, so the program's own come first and may still
    # log.
    atexit.register(_at_exit)
    register_at_fork: Callable[..., None] | None = getattr(os, "register_at_fork", None)
    if register_at_fork is not None:
        register_at_fork(
            before=_native.before_fork,
            after_in_parent=_native.after_fork_in_parent,
            after_in_child=notice_fork,
        )
    # The child of a fork server imports the main program, and telesink, before it clears its finalizers.
    _register_multiprocessing()
    _register_child_end()


_register()
