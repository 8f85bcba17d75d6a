"""The locks that writers hold: on a file while they append, on a folder while they compress and delete."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telesink.exceptions import TelesinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long a lock is waited for: a writer holds one for milliseconds, compressing a file takes seconds.
LOCK_SECONDS_MAX = 10.0

#: Between two looks at a lock that somebody holds.
_LOOK_SECONDS = 0.005


@contextmanager
def locked(path: str, flags: int, *, seconds_max: float | None = None) -> Iterator[int]:
    """Open a path and hold its lock.

    Raises:
        TelesinkError: somebody else held it all the time.
        OSError: it cannot be opened.
    """
    import fcntl

    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        end = time.monotonic() + (LOCK_SECONDS_MAX if seconds_max is None else seconds_max)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    message = f"{path} is locked by another process"
                    raise TelesinkError(message, "try again, or see which process holds it") from None
                time.sleep(_LOOK_SECONDS)
        try:
            yield descriptor
        finally:
            # Said in so many words: a child that was forked meanwhile has a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
