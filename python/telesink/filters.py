"""Filters for ``logging``: once per interval, every n-th, loggers that talk too much, and a quiet start.

They work on any handler or logger of the standard library, telesink's or not. Each counts what it let
through and what it held back.

>>> import logging
>>> from telesink.filters import EveryNth
>>> every_third = EveryNth(3)
>>> log = logging.getLogger("doctest.filters")
>>> log.addFilter(every_third)
>>> for number in range(7):
...     log.warning("attempt %d", number)
>>> every_third.passed, every_third.held_back
(3, 4)
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping

from telesink._pipeline import level_number
from telesink.exceptions import ConfigError

__all__ = ["NOISY", "EveryNth", "OncePer", "Quiet", "StartupGate", "by_message", "by_place"]

#: Keys that one filter tells apart; past that the one that was not seen for longest begins anew.
KEYS_MAX = 4_096

#: Loggers that tell every step of what they do, and the level from which on they are worth reading.
NOISY: Mapping[str, int] = dict.fromkeys(
    (
        "aiokafka",
        "apscheduler",
        "botocore",
        "hpack",
        "httpcore",
        "httpx",
        "jinja2",
        "mcp",
        "s3transfer",
        "sqlalchemy.engine",
        "sqlalchemy.pool",
        "urllib3",
        "websockets",
    ),
    logging.WARNING,
)

Key = Callable[[logging.LogRecord], Hashable]


def by_place(record: logging.LogRecord) -> Hashable:
    """Tell records apart by the line of code that makes them."""
    return record.pathname, record.lineno


def by_message(record: logging.LogRecord) -> Hashable:
    """Tell records apart by logger and message, before its arguments are filled in."""
    return record.name, record.msg if isinstance(record.msg, str) else type(record.msg)


class _Counting(logging.Filter):
    """What the filters have in common: counts, and a lock that is held while counting."""

    def __init__(self) -> None:
        super().__init__()
        # Of a kind that a signal handler or a finalizer on the same thread may take again.
        self._lock = threading.RLock()
        self._passed = 0
        self._held_back = 0
        _living.add(self)

    @property
    def passed(self) -> int:
        """How many records were let through."""
        return self._passed

    @property
    def held_back(self) -> int:
        """How many were not."""
        return self._held_back

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through, or hold it back."""
        with self._lock:
            passes = self._passes(record)
            self._passed += passes
            self._held_back += not passes
        return passes

    def _passes(self, record: logging.LogRecord) -> bool:
        raise NotImplementedError


#: All filters: their locks may be held by threads that the child of a fork does not have.
_living: weakref.WeakSet[_Counting] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for one in _living:
        one._lock = threading.RLock()  # noqa: SLF001 - as `logging` does with its own


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class _Sampling(_Counting):
    """A filter that remembers something for each key, and how many it held back since the last that passed.

    The next record that passes has them as its attribute ``held_back``.
    """

    def __init__(self, key: Key) -> None:
        super().__init__()
        self._key = key
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through, or hold it back."""
        # The program's own code, which may log: outside of the lock.
        key, now = self._key(record), self._now()
        with self._lock:
            state, held_back = self._seen.get(key, (None, 0))
            state, passes = self._next(state, now)
            self._seen[key] = (state, 0 if passes else held_back + 1)
            self._seen.move_to_end(key)
            if len(self._seen) > KEYS_MAX:
                self._seen.popitem(last=False)
            self._passed += passes
            self._held_back += not passes
        if passes and held_back:
            record.held_back = held_back
        return passes

    def _now(self) -> float:
        return 0.0

    def _next(self, state: float | None, now: float) -> tuple[float, bool]:
        raise NotImplementedError


class OncePer(_Sampling):
    """Lets the first record of each place through, and then at most one per interval.

    Args:
        seconds: the interval; exactly at its end the next record passes.
        key: tells records apart; by default the line of code that makes them.
        clock: seconds that only grow; for tests.

    Raises:
        ConfigError: the interval is not positive.
    """

    def __init__(
        self, seconds: float, *, key: Key = by_place, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(key)
        if not seconds > 0:
            message = f"seconds is {seconds}"
            raise ConfigError(message, "give a number of seconds above 0")
        self._seconds = seconds
        self._clock = clock

    def _now(self) -> float:
        return self._clock()

    def _next(self, state: float | None, now: float) -> tuple[float, bool]:
        if state is None or now - state >= self._seconds:
            return now, True
        return state, False


class EveryNth(_Sampling):
    """Lets the first record of each place through, then the n+1st, the 2n+1st and so on.

    Args:
        n: of so many records one passes.
        key: tells records apart; by default the line of code that makes them.

    Raises:
        ConfigError: n is below 1.
    """

    def __init__(self, n: int, *, key: Key = by_place) -> None:
        super().__init__(key)
        if n < 1:
            message = f"n is {n}"
            raise ConfigError(message, "give a whole number from 1 on")
        self._n = n

    def _next(self, state: float | None, now: float) -> tuple[float, bool]:  # noqa: ARG002
        count = 0 if state is None else int(state)
        return (count + 1) % self._n, count == 0


class Quiet(_Counting):
    """Holds back what some loggers, and those below them, say below a level.

    Args:
        levels: the least level of each logger, by its name; a longer name counts before a shorter one. By
            default `NOISY`.

    >>> from telesink.filters import NOISY, Quiet
    >>> quiet = Quiet({**NOISY, "shop.cache": "ERROR"})
    """

    def __init__(self, levels: Mapping[str, int | str] = NOISY) -> None:
        super().__init__()
        self._levels = {name: level_number(level) for name, level in levels.items()}

    def _passes(self, record: logging.LogRecord) -> bool:
        name = record.name
        while name:
            level = self._levels.get(name)
            if level is not None:
                return record.levelno >= level
            name = name.rpartition(".")[0]
        return True


class StartupGate(_Counting):
    """Holds back what is below a level until the program has started, and nothing from then on.

    Args:
        level: what passes while the program starts.

    >>> from telesink.filters import StartupGate
    >>> gate = StartupGate()
    >>> gate.is_open
    False
    >>> gate.open()
    """

    def __init__(self, level: int | str = "WARNING") -> None:
        super().__init__()
        self._level = level_number(level)
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether the program has started."""
        return self._is_open

    def open(self) -> None:
        """Say that the program has started; more than once is harmless."""
        self._is_open = True

    def _passes(self, record: logging.LogRecord) -> bool:
        return self._is_open or record.levelno >= self._level
