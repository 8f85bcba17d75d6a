"""Signals that arrive while a program ends, under a host whose handlers are C code."""

import contextlib
import signal
import sys
from pathlib import Path

import pytest
from delivery.harness import locked
from delivery.programs import INSTALL
from waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who handles a signal")

#: As uWSGI has it: the handler ends the process wherever it is. What the program does last it tells.
ENDING = f"""{INSTALL}
import ctypes, signal

libc = ctypes.CDLL(None)
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal(signal.SIGHUP, ctypes.cast(libc.exit, ctypes.c_void_p))
telesink.install_logging(DSN, linger_seconds=30, urgent_level="CRITICAL")
log_many(log, 0, 50)
assert telesink.flush()
log_many(log, 0, 50, 50)
hear()
atexit.register(tell, "ending")
"""


@contextlib.contextmanager
def last_flush(subjects, program, number):
    """A subject that waits for its database in its last flush, and keeps this signal waiting."""
    subject = subjects.start(program)
    wait_until(lambda: len(subjects.keys()) == 100, "all records")
    with locked(subjects.database):
        subject.say()
        assert subject.hear() == "ending"
        wait_until(lambda: is_kept_waiting(subject.pid, number), "the last flush")
        yield subject


def test_F9_a_host_that_exits_once_more_in_a_signal_handler_cuts_off_no_last_flush(subjects):
    with last_flush(subjects, ENDING, signal.SIGHUP) as subject:
        subject.interrupt(signal.SIGHUP)

    # The handler's: it came in the end.
    assert subject.ends() == signal.SIGHUP
    subjects.rows().check_exactly(subjects.keys())
    assert subject.own_lines == []


def test_I12_a_signal_that_nobody_handles_ends_a_last_flush_at_once(subjects):
    with last_flush(subjects, ENDING.replace("SIGHUP", "SIGTERM"), signal.SIGTERM) as subject:
        subject.interrupt(signal.SIGUSR1)
        # Less than the last flush may take.
        assert subject.ends(3) == -signal.SIGUSR1


def test_I12_what_python_handles_is_handled_when_the_last_flush_is_over(subjects):
    handled = "signal.signal(signal.SIGHUP, lambda *_: tell('handled'))\nhear()"
    with last_flush(subjects, ENDING.replace("hear()", handled), signal.SIGHUP) as subject:
        subject.interrupt(signal.SIGHUP)

    assert subject.hear() == "handled"
    assert subject.ends() == 0
    subjects.rows().check_exactly(subjects.keys())


def is_kept_waiting(pid, number):
    """Whether the process has blocked this signal."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return int(blocked.split()[1], 16) >> (number - 1) & 1
