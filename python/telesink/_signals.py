"""Signals that end a program without its exit hooks, and what is delivered before they do."""

from __future__ import annotations

import os
import signal
from signal import SIGTERM

from telesink import _lifecycle
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

#: What a shell shows for a program that a signal has ended: this and the number of the signal.
_ENDED_BY_SIGNAL = 128

#: Signals that do not end a program when nobody handles them.
_HARMLESS = {
    getattr(signal, name)
    for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGTTOU")
    if hasattr(signal, name)
}


def install_signal_flush(signals: Iterable[int] = (SIGTERM,), timeout_seconds: float = 2.0) -> None:
    """Deliver what is waiting before one of these signals ends the program.

    Python runs no exit hooks when SIGTERM ends it, so that records in memory are lost with it. After this
    call the first thing that happens is a flush of all pipelines, for ``timeout_seconds`` at most; then
    whatever was there before goes on as if nothing had been in between: the program's own handler is
    called, or the signal ends the program with the same exit status as ever, and one line on standard
    error says what was not delivered. A signal that was ignored stays without effect. As process 1 of a
    container, where the kernel would ignore the signal, the program ends with ``128 + signal``.

    Call it in the main thread, after the program's own handlers are installed: a handler installed later
    takes the place of this one. Calling it again only changes the time. Python runs handlers in the main
    thread and between two steps of the interpreter, so a main thread that hangs in native code flushes
    nothing.

    Raises :class:`ConfigError` for a number that is no signal or cannot be handled (SIGKILL), for a
    signal that is handled outside of Python, for a time that is not positive or has no end, and outside
    of the thread. Then nothing has been installed.

    >>> import signal, telesink
    >>> telesink.install_signal_flush([signal.SIGTERM], timeout_seconds=2.0)
    >>> telesink.install_signal_flush([0])
    Traceback (most recent call last):
        ...
    telesink.exceptions.ConfigError: `signals` holds 0, which is no signal (name signals like signal.SIGTERM)
    """
    if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, (int, float)):
        raise ConfigError(f"`timeout_seconds` is {timeout_seconds!r}", "a number of seconds, such as 2.0")
    if not 0 < timeout_seconds < float("inf"):
        raise ConfigError(
            f"`timeout_seconds` is {timeout_seconds!r}", "it must be greater than zero, and end"
        )
    found = [(number, _handler_of(number)) for number in _numbers(signals)]
    installed: list[tuple[int, Callable[[int, FrameType | None], object] | int]] = []
    for number, before in found:
        handler = _FlushHandler(
            before.before if isinstance(before, _FlushHandler) else before, timeout_seconds
        )
        try:
            signal.signal(number, handler)
        except (OSError, ValueError) as error:
            for done, previous in installed:
                signal.signal(done, previous)
            hint = "signals are handled in the main thread: call it there"
            if isinstance(error, OSError):
                hint = "the system lets nobody handle this one"
            raise ConfigError(f"signal {_name(number)} cannot be handled: {error}", hint) from None
        installed.append((number, before))


def _numbers(signals: object) -> list[int]:
    """Look at each signal that was asked for."""
    try:
        asked = list(signals)  # type: ignore[call-overload]
    except TypeError:
        raise ConfigError(f"`signals` is {signals!r}", "a sequence, such as (signal.SIGTERM,)") from None
    known = signal.valid_signals()
    for number in asked:
        if isinstance(number, bool) or not isinstance(number, int) or number not in known:
            hint = "name signals like signal.SIGTERM"
            raise ConfigError(f"`signals` holds {number!r}, which is no signal", hint)
    return [int(number) for number in asked]


def _handler_of(number: int) -> Callable[[int, FrameType | None], object] | int:
    """Find what happens on a signal at present."""
    before = signal.getsignal(number)
    if before is None:
        raise ConfigError(
            f"signal {_name(number)} is handled outside of Python, where it cannot be called from here",
            "let that program stop Python in an orderly way, so that its exit hooks run",
        )
    return before


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class _FlushHandler:
    """Flushes, then does what was done before."""

    def __init__(
        self, before: Callable[[int, FrameType | None], object] | int, timeout_seconds: float
    ) -> None:
        self.before = before
        self._timeout_seconds = timeout_seconds

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # Another signal, such as Ctrl-C, may end the wait by an exception, and does not undo this one.
        before = self.before
        if callable(before):
            # The program goes on, at least for a while: what it logs from here on has its exit hooks.
            try:
                _lifecycle.flush(self._timeout_seconds)
            finally:
                before(number, frame)
        elif before == signal.SIG_IGN or number in _HARMLESS:
            try:
                _lifecycle.flush(self._timeout_seconds)
            finally:
                if before == signal.SIG_DFL:
                    self._pass_on(number)
                    signal.signal(number, self)
        else:
            try:
                _lifecycle.drain_before_end(self._timeout_seconds)
            finally:
                self._pass_on(number)
                # Only process 1 of a container comes so far: for it the kernel does nothing by default.
                os._exit(_ENDED_BY_SIGNAL + number)

    @staticmethod
    def _pass_on(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
