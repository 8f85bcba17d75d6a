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
    ever; Python runs its own handlers after the last flush anyway. Raises only what those raise: where
    nothing can be kept waiting, off Linux or in an interpreter that is half gone, nothing is.
    """
    held = _held()
    if not held:
        yield
        return
    from signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask

    before = pthread_sigmask(SIG_BLOCK, ())
    try:
        # Python runs its handlers for what came before, and one of them may raise.
        pthread_sigmask(SIG_BLOCK, held)
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)


def _held() -> list[int]:
    """The signals to keep waiting; none where that cannot be done."""
    try:
        with open(_STATUS, "rb") as status:
            line = next(line for line in status if line.startswith(b"SigCgt:"))
        bits = int(line.split()[1], 16)
        caught = [number for number in _TOLD_BY if bits >> (number - 1) & 1]
        if caught:
            import signal  # noqa: F401 - gone, or refused, when the interpreter is half gone

            caught.append(_INTERRUPT)
    except Exception:  # noqa: BLE001 - the flush comes first
        return []
    return caught
