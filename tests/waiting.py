"""Waiting for what happens in another thread or process."""

import time

#: For whatever a healthy subject is waited for.
DEADLINE_SECONDS = 60.0


def wait_until(is_true, what, seconds=DEADLINE_SECONDS):
    """Poll until `is_true()`, and answer what it answered."""
    deadline = time.monotonic() + seconds
    while not (answer := is_true()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.005)
    return answer
