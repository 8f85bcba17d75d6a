"""Signals that the host of the interpreter handles in C: kept waiting while the last records go out."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: With which a host asks a process to end: SIGHUP, SIGQUIT and SIGTERM on Linux. By number, because `signal`
#: takes a millisecond to import, and most programs have no handler for any of these.
_NUMBERS = (1, 3, 15)

#: Where Linux tells which signals have a handler, as bits from number 1 on.
_STATUS = "/proc/self/status"


@contextlib.contextmanager
def host_signals_waiting() -> Iterator[None]:
    """Keep signals from this thread whose handlers are not Python's; they arrive when the block ends.

    uWSGI may tell a worker to end twice, and its handler calls ``exit``: in the middle of the exit hooks,
    the second time skips what is left of them. A signal that nobody handles ends the program at once, as
    ever, and Python runs its own handlers when the flush is over. Off Linux nothing is kept waiting.
    """
    held = _foreign()
    if not held:
        yield
        return
    from signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask

    before = pthread_sigmask(SIG_BLOCK, held)
    try:
        yield
    finally:
        pthread_sigmask(SIG_SETMASK, before)


def _foreign() -> list[int]:
    """The signals with a handler that Python has not installed."""
    try:
        with open(_STATUS, "rb") as status:
            line = next(line for line in status if line.startswith(b"SigCgt:"))
    except (OSError, StopIteration):
        return []
    bits = int(line.split()[1], 16)
    caught = [number for number in _NUMBERS if bits >> (number - 1) & 1]
    if not caught:
        return []
    from signal import getsignal

    return [number for number in caught if not callable(getsignal(number))]
