"""What the programs under test use to say what they did. It never asks telesink what should have arrived."""

import atexit
import json
import os
import sys
import threading
import time
from pathlib import Path

from delivery.key import KEY

FOLDER = Path(os.environ["SUBJECT_FOLDER"])
DATABASE = FOLDER / "app.db"
DSN = f"sqlite:///{DATABASE}"

_keys = os.open(os.environ["SUBJECT_KEYS"], os.O_WRONLY | os.O_CLOEXEC)


def took(thread, counter):
    """Tell the outside that the call for this record has returned."""
    os.write(_keys, KEY.pack(os.getpid(), thread, counter))


def body(thread, counter):
    return f"{os.getpid()} {thread} {counter}"


def log_many(logger, thread, count, start=0):
    """Log `count` records, and tell the key of each after its call has returned."""
    for counter in range(start, start + count):
        logger.info("%d %d %d", os.getpid(), thread, counter)
        took(thread, counter)


def log_until_killed(thread, logger, start, pause_seconds):
    """Log without an end, 20 records at a time."""
    counter = 0
    while True:
        for _ in range(20):
            # Numbered by time, so that the oracle knows when the call for a lost record has returned.
            counter = max(counter + 1, (time.monotonic_ns() - start) // 1_000)
            logger.info("%d %d %d", os.getpid(), thread, counter)
            took(thread, counter)
        time.sleep(pause_seconds)


def in_threads(work, *arguments, count=4):
    """Run `work(number, *arguments)` in `count` threads."""
    threads = [threading.Thread(target=work, args=(number, *arguments)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tell(value):
    """Write one JSON line for the test to read."""
    os.write(1, json.dumps(value, default=dict).encode() + b"\n")


def hear():
    """Wait for one line from the test."""
    return sys.stdin.readline().strip()


def cpu_seconds():
    times = os.times()
    return times.user + times.system


def peak_bytes():
    """The most memory that this process has used so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Not getrusage: there Linux counts the program that was here before, too.
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def note_stats(*, is_quiet=True):
    """Write the counters of all pipelines where the test, at its end, checks the identities."""
    lifecycle = sys.modules.get("telesink._lifecycle")
    if lifecycle is None:
        return
    lines = [
        json.dumps({"pid": os.getpid(), "is_quiet": is_quiet, "stats": pipeline.stats().as_dict()}) + "\n"
        for pipeline in lifecycle.live_pipelines()
    ]
    descriptor = os.open(FOLDER / "stats", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, "".join(lines).encode())
    os.close(descriptor)


def become_ordinary():
    """Start this program again without the right of root to open whatever it likes."""
    if os.geteuid() != 0 or os.environ.get("SUBJECT_IS_ORDINARY"):
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "could not drop a capability")
    # What is left out of the bounding set is gone with the next program.
    os.environ["SUBJECT_IS_ORDINARY"] = "1"
    os.execv(sys.executable, sys.orig_argv)


# Imported before telesink, hence called after its own hook, when everything is settled.
if not os.environ.get("SUBJECT_IS_LOUD"):
    atexit.register(note_stats)
