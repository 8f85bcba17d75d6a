"""Waiting for what happens in another thread or process."""

import time
from pathlib import Path

#: For whatever a healthy subject is waited for.
DEADLINE_SECONDS = 60.0


def wait_until(is_true, what, seconds=DEADLINE_SECONDS):
    """Poll until `is_true()`, and answer what it answered."""
    deadline = time.monotonic() + seconds
    while not (answer := is_true()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.005)
    return answer


def is_alive(pid):
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
