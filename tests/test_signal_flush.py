"""`install_signal_flush`: a signal ends the program as ever, but not before everything is delivered."""

import os
import re
import signal
import sys
import threading
import time

import pytest
from delivery.harness import Subjects, locked
from delivery.programs import FORK, INSTALL

import telesink

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the subjects need named pipes and signals")

#: Waits for a signal. Not `signal.pause`, which sleeps for ever if the signal came just before it.
WAIT = """
import signal
def wait():
    while True:
        time.sleep(0.05)
"""

#: Nothing is stored before it is asked for: the linger is longer than the test.
SLOW = f"""{WAIT}
telesink.install_logging(sys.argv[1] if len(sys.argv) > 1 else DSN, linger_seconds=600)
"""


@pytest.fixture
def subjects(tmp_path):
    with Subjects(tmp_path) as started:
        yield started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_I13_everything_arrives_and_the_signal_still_ends_the_program(subjects, number):
    """I13: without it, SIGTERM is as `kill -9`."""
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
telesink.install_signal_flush([signal.SIGTERM, signal.SIGHUP])
log_many(log, 0, 500)
tell("ready")
wait()
"""
    )
    subject.hear()

    subject.interrupt(number)

    assert subject.ends() == -number
    subjects.rows().check_exactly(subjects.keys())
    assert subject.errors == []


def test_I13_without_it_what_waits_is_lost(subjects):
    """What the test above would see if nothing were installed."""
    subject = subjects.start(f"{INSTALL}{SLOW}\nlog_many(log, 0, 500)\ntell('ready')\nwait()\n")
    subject.hear()

    subject.interrupt(signal.SIGTERM)

    assert subject.ends() == -signal.SIGTERM
    assert not subjects.database.exists() or subjects.rows().keys == []


def test_what_threads_log_meanwhile_arrives_or_is_refused_and_told(subjects):
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
telesink.install_signal_flush()
def work(number):
    for counter in range(10_000_000):
        if telesink.enqueue({{"body": f"{{os.getpid()}} {{number}} {{counter}}"}}):
            took(number, counter)
threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
for thread in threads:
    thread.start()
time.sleep(0.3)
tell("ready")
wait()
"""
    )
    subject.hear()

    subject.interrupt(signal.SIGTERM)

    assert subject.ends() == -signal.SIGTERM
    rows = subjects.rows()
    rows.check_once()
    rows.check_order()
    assert set(subjects.keys()) <= set(rows.keys)


@pytest.mark.parametrize("timeout_seconds", [0.2, 1.0])
def test_a_dead_destination_delays_the_end_by_the_timeout_and_no_more(subjects, timeout_seconds):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{INSTALL}{WAIT}
telesink.install_logging(DSN)
telesink.install_signal_flush(timeout_seconds={timeout_seconds})
log_many(log, 0, 300)
tell("ready")
wait()
"""
        )
        subject.hear()
        told_at = time.monotonic()
        subject.interrupt(signal.SIGTERM)
        code = subject.process.wait(60)
        seconds = time.monotonic() - told_at
        subject.ends()

    assert code == -signal.SIGTERM
    assert timeout_seconds <= seconds <= timeout_seconds + 0.5
    (line,) = [line for line in subject.own_lines if "not delivered" in line]
    assert sum(int(count) for count in re.findall(r"(\d+) exit_", line)) == 300


GOES_ON_AFTER_CTRL_C = f"""{INSTALL}
import signal

def wait():
    while True:
        try:
            while True:
                time.sleep(0.05)
        except KeyboardInterrupt:
            tell("goes on")

def telling(work):
    def told(seconds, **options):
        if seconds:
            tell("waits")
        return work(seconds, **options)
    return told

telesink.install_logging(DSN)
"""


def test_I13_ctrl_c_meanwhile_does_not_keep_the_signal_from_ending_the_program(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{GOES_ON_AFTER_CTRL_C}
telesink.install_signal_flush(timeout_seconds=2)
telesink._lifecycle.close_all = telling(telesink._lifecycle.close_all)
log_many(log, 0, 300)
tell("ready")
wait()
"""
        )
        assert subject.hear() == "ready"
        subject.interrupt(signal.SIGTERM)
        assert subject.hear() == "waits"

        subject.interrupt(signal.SIGINT)

        assert subject.ends() == -signal.SIGTERM
    (line,) = [line for line in subject.own_lines if "not delivered" in line]
    assert sum(int(count) for count in re.findall(r"(\d+) exit_", line)) == 300


def test_I13_ctrl_c_meanwhile_does_not_keep_the_signal_from_the_programs_handler(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{GOES_ON_AFTER_CTRL_C}
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
telesink.install_signal_flush(timeout_seconds=30)
telesink._lifecycle.flush = telling(telesink._lifecycle.flush)
log_many(log, 0, 300)
tell("ready")
wait()
"""
        )
        assert subject.hear() == "ready"
        subject.interrupt(signal.SIGTERM)
        assert subject.hear() == "waits"

        subject.interrupt(signal.SIGINT)

        assert subject.ends() == 7


def test_I13_the_handler_of_the_program_is_called_when_all_is_delivered(subjects):
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
import sqlite3
from delivery.subject_side import DATABASE

def stop(number, frame):
    tell([number, sqlite3.connect(DATABASE).execute("SELECT count(*) FROM telesink_logs").fetchone()[0]])
    log_many(log, 1, 20)
    sys.exit(7)

signal.signal(signal.SIGTERM, stop)
telesink.install_signal_flush()
log_many(log, 0, 500)
tell("ready")
wait()
"""
    )
    subject.hear()

    subject.interrupt(signal.SIGTERM)

    assert subject.hear() == [signal.SIGTERM, 500]
    assert subject.ends() == 7
    subjects.rows().check_exactly(subjects.keys())


def test_a_signal_that_was_ignored_still_ends_nothing(subjects):
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
signal.signal(signal.SIGHUP, signal.SIG_IGN)
telesink.install_signal_flush([signal.SIGHUP, signal.SIGCHLD])
tell("ready")
os.kill(os.getpid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGCHLD)
os.kill(os.getpid(), signal.SIGCHLD)
log_many(log, 0, 3)
tell("still here")
"""
    )
    assert [subject.hear(), subject.hear()] == ["ready", "still here"]
    assert subject.ends() == 0
    subjects.rows().check_exactly(subjects.keys())


def test_a_signal_in_the_middle_of_a_log_call_hangs_nobody(subjects):
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
telesink.install_signal_flush()
class Value:
    def __str__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return "never shown"
log_many(log, 0, 10)
log.info("%s", Value())
"""
    )
    assert subject.ends() == -signal.SIGTERM
    subjects.rows().check_exactly(subjects.keys())


def test_a_signal_during_a_flush_hangs_nobody(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{INSTALL}{WAIT}
telesink.install_logging(DSN)
telesink.install_signal_flush(timeout_seconds=0.2)
log_many(log, 0, 10)
tell("ready")
telesink.flush(60)
"""
        )
        subject.hear()
        subject.interrupt(signal.SIGTERM)

        assert subject.ends() == -signal.SIGTERM


def test_a_child_of_a_fork_delivers_its_own_records(subjects):
    subject = subjects.run(
        f"""{FORK}{SLOW}
telesink.install_signal_flush()
log_many(log, 0, 10)
reading, writing = os.pipe()
def child():
    log_many(log, 1, 10)
    os.write(writing, b"x")
    wait()
pid = forked(child)
os.read(reading, 1)
os.kill(pid, signal.SIGTERM)
tell(reap([pid]))
"""
    )
    assert subject.hear() == [-signal.SIGTERM]
    subjects.rows().check_exactly(subjects.keys())


@pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux's")
def test_T4_the_first_process_of_a_container_delivers_and_ends(subjects):
    """T4: for process 1 the kernel ignores signals that nobody handles."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    subject = subjects.start(
        f"""{INSTALL}{SLOW}
telesink.install_signal_flush()
log_many(log, 0, 50)
tell(os.getpid())
# From a process of its own: what the process says to itself is ignored by the kernel in any case.
pid = os.fork()
if pid == 0:
    os.kill(1, signal.SIGTERM)
    os._exit(0)
wait()
""",
        prefix=["unshare", *as_root, "--pid", "--fork"],
    )
    assert subject.hear() == 1
    assert subject.ends() == 128 + signal.SIGTERM
    subjects.rows().check_exactly(subjects.keys())


@pytest.fixture
def handlers():
    """The handlers of two signals, put back after the test."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield lambda: [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_calling_it_again_changes_only_the_time(handlers):
    calls = []
    signal.signal(signal.SIGTERM, lambda *_: calls.append("own"))
    telesink.install_signal_flush(timeout_seconds=1.0)
    telesink.install_signal_flush(timeout_seconds=3.0)

    signal.raise_signal(signal.SIGTERM)

    assert calls == ["own"]
    assert handlers()[0].before.__name__ == "<lambda>"


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        (signal.SIGTERM, "a sequence, such as (signal.SIGTERM,)"),
        ([0], "holds 0, which is no signal"),
        (["SIGTERM"], "holds 'SIGTERM', which is no signal"),
        ([True], "holds True, which is no signal"),
        ([signal.SIGHUP, signal.SIGKILL], "SIGKILL cannot be handled"),
    ],
)
def test_what_is_no_signal_is_an_error_and_nothing_is_installed(handlers, signals, words):
    before = handlers()

    with pytest.raises(telesink.ConfigError, match=re.escape(words)):
        telesink.install_signal_flush(signals)

    assert handlers() == before


@pytest.mark.parametrize("timeout_seconds", [0, -1, float("nan"), float("inf"), "2", None, True])
def test_a_time_that_is_not_positive_is_an_error(handlers, timeout_seconds):
    before = handlers()

    with pytest.raises(telesink.ConfigError, match="`timeout_seconds` is"):
        telesink.install_signal_flush(timeout_seconds=timeout_seconds)

    assert handlers() == before


def test_outside_of_the_main_thread_it_is_an_error():
    found = []

    def work():
        try:
            telesink.install_signal_flush()
        except telesink.ConfigError as error:
            found.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert "call it there" in found[0]
