"""Signals that ask the process to end, kept waiting while the last records go out."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: SIGHUP, SIGQUIT and SIGTERM on Linux. By number, because `signal` takes a millisecond to import, and most
#: programs have no handler for any of these.
_TOLD_BY = (1, 3, 15)

#: SIGINT: Python itself has a handler in every program, which a host may have replaced.
_INTERRUPT = 2

#: Where Linux tells which signals have a handler, as bits from number 1 on.
_STATUS = "/proc/self/status"


@contextlib.contextmanager
def host_signals_waiting() -> Iterator[None]:
    """Keep what asks the process to end from this thread, if somebody handles it; it arrives after the block.

    uWSGI may tell a worker to end twice, and its handler calls ``exit``: in the middle of the exit hooks,
    the second time skips what is left of them. A signal that nobody handles ends the program at once, as
    ever; Python runs its own handlers after the last flush anyway. Never raises: where nothing can be kept
    waiting, off Linux or in an interpreter that is half gone, nothing is.
    """
    before = _hold()
    try:
        yield
    finally:
        if before is not None:
            _release(before)


def _hold() -> set[int] | None:
    """The signals that this thread kept waiting before; None if nothing has changed."""
    try:
        with open(_STATUS, "rb") as status:
            line = next(line for line in status if line.startswith(b"SigCgt:"))
        bits = int(line.split()[1], 16)
        caught = [number for number in _TOLD_BY if bits >> (number - 1) & 1]
        if not caught:
            return None
        from signal import SIG_BLOCK, pthread_sigmask

        return set(pthread_sigmask(SIG_BLOCK, [*caught, _INTERRUPT]))
    except Exception:  # noqa: BLE001 - the flush comes first
        return None


def _release(before: set[int]) -> None:
    from signal import SIG_SETMASK, pthread_sigmask

    pthread_sigmask(SIG_SETMASK, before)
