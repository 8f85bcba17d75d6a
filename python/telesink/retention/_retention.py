"""Deleting what is older than its policy, when asked and on a schedule."""

from __future__ import annotations

import atexit
import dataclasses
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from telesink import _native
from telesink.exceptions import ConfigError, TelesinkError
from telesink.retention._policy import BY_LEVEL, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telesink._table_map import TableMap

#: Every day at two.
DAILY = "0 0 2 * * *"

#: Nanoseconds of a second.
_NANO = 1_000_000_000

#: A clock may be set while the thread waits, so it looks at it again.
_WAIT_SECONDS_MAX = 60.0

#: Waits of half a second for somebody else who works on the tables, in a row.
_WAITS_MAX = 50

#: Between two attempts to find out when to run, should that fail.
_RETRY_SECONDS = 60.0

#: How long `stop` waits for the step that is under way.
_STOP_SECONDS_MAX = 5.0


@dataclasses.dataclass(frozen=True)
class Preview:
    """What a run would delete.

    :ivar by_policy: records that go one by one, by policy.
    :ivar partitions: names of partitions that go as a whole, with the rows that they have as the server
        believes.
    """

    by_policy: tuple[tuple[Policy, int], ...]
    partitions: tuple[tuple[str, int | None], ...]

    @property
    def rows(self) -> int:
        """Records that go one by one."""
        return sum(rows for _, rows in self.by_policy)


@dataclasses.dataclass(frozen=True)
class Pruned:
    """What a run has deleted.

    :ivar rows: records that went one by one.
    :ivar partitions: names of partitions that went as a whole.
    :ivar bytes: what the file system got back, in SQLite.
    :ivar is_partial: it was stopped on the way, or somebody else worked on the tables for half a minute; the
        rest is still there, or gone by the other's work.
    """

    rows: int
    partitions: tuple[str, ...]
    bytes: int
    is_partial: bool


class Retention:
    """Deletes records that are older than their policy, in SQLite and Postgres.

    In Postgres, partitions of which nothing is to stay are dropped as a whole; everything else goes in
    transactions that look at a bounded part of a table, with limits of their own for locks and statements.
    Several processes may have the same retention: they take turns.

    :param dsn: the database, as the program that writes names it.
    :param policies: in the order in which they are asked; the first that fits a record decides, and records
        that none fits stay.
    :param schedule: when to run, as a cron pattern in UTC, with or without seconds in front.
    :param preset: whose tables, if the DSN does not say: ``systemprompt`` or ``chronicle``.
    :param table_map: the table, if it is one of your own.
    :param is_enabled: False lets `start` do nothing.
    :param folder: where a relative path in the DSN begins, instead of the working directory.
    :param clock: tells the time, nanoseconds since the Unix epoch; for tests.
    :raises ConfigError: the DSN, a policy or the schedule is wrong.
    """

    def __init__(
        self,
        dsn: str,
        policies: Iterable[Policy] = BY_LEVEL,
        *,
        schedule: str = DAILY,
        preset: str | None = None,
        table_map: TableMap | None = None,
        is_enabled: bool = True,
        folder: str | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._dsn = str(dsn)
        self._folder = os.getcwd() if folder is None else folder
        given = (("preset", preset), ("table_map", table_map))
        self._options = [(name, str(value)) for name, value in given if value is not None]
        self._policies = tuple(policies)
        if not self._policies:
            message = "there is no policy"
            raise ConfigError(message, 'for example [Policy("30 days")]')
        self._schedule = schedule
        self._clock = clock
        self._is_enabled = is_enabled
        _native.check_retention(self._dsn, self._options, self._folder, self._parts())
        if _native.next_moment(schedule, clock()) is None:
            message = f"the schedule `{schedule}` names no moment"
            raise ConfigError(message, f"for example `{DAILY}`, every day at two (UTC)")
        self._state = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._runs = 0
        self._failures = 0
        self._last: Pruned | None = None
        self._last_error = ""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies, in their order."""
        return self._policies

    @property
    def runs(self) -> int:
        """How often the schedule has run it to an end."""
        return self._runs

    @property
    def failures(self) -> int:
        """How often the schedule has run it in vain; it comes again at the next moment."""
        return self._failures

    @property
    def last(self) -> Pruned | None:
        """What the last run of the schedule has deleted."""
        return self._last

    @property
    def last_error(self) -> str:
        """Why the last run that failed has."""
        return self._last_error

    @property
    def next_run(self) -> datetime | None:
        """When the schedule runs it next; None while it does not run."""
        if not self.is_running:
            return None
        moment = _native.next_moment(self._schedule, self._clock())
        return None if moment is None else datetime.fromtimestamp(moment / _NANO, UTC)

    @property
    def is_running(self) -> bool:
        """Whether it waits for its next moment, or is at work."""
        thread = self._thread
        return thread is not None and thread.is_alive() and os.getpid() == self._process

    def preview(self) -> Preview:
        """Tell what a run would delete, and delete nothing.

        It reads all that may have to go.

        :raises TelesinkError: the database is not to be had, or takes more than a minute for a table.
        """
        prune = self._open()
        counted = prune.count()
        return Preview(
            tuple(zip(self._policies, counted, strict=True)), tuple(map(tuple, prune.scope()["partitions"]))
        )

    def run(self) -> Pruned:
        """Delete what is to go, now.

        :raises TelesinkError: it failed on the way; what is deleted stays deleted, the rest goes next time.
        """
        return self._run(threading.Event())

    def start(self) -> bool:
        """Run on the schedule, on a thread of its own. False if it is switched off or runs already.

        In a child of a fork it has to be started again.
        """
        if not self._is_enabled:
            return False
        if os.getpid() != self._process:
            # Its lock may be held by a thread that this process does not have.
            self._state, self._wake, self._thread = threading.Lock(), threading.Event(), None
            self._process = os.getpid()
        with self._state:
            if self.is_running:
                return False
            self._wake = threading.Event()
            wake = self._wake
            # The process may end in the middle: each step is complete in itself.
            self._thread = threading.Thread(
                target=self._follow, args=(wake,), name="telesink-retention", daemon=True
            )
            self._thread.start()
            # The interpreter must not end while the thread is in a step.
            atexit.register(self.stop)
        return True

    def stop(self) -> None:
        """End the schedule; wait a few seconds for the step that is under way."""
        if os.getpid() != self._process:
            return
        with self._state:
            thread, self._thread = self._thread, None
            self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_SECONDS_MAX)
        atexit.unregister(self.stop)

    def _parts(self) -> list[tuple[str | None, str | None, str | None, float | None]]:
        return [(policy.table, policy.level, policy.logger, policy.seconds) for policy in self._policies]

    def _open(self) -> _native.Prune:
        return _native.Prune(self._dsn, self._options, self._folder, self._parts(), self._clock())

    def _run(self, ends: threading.Event) -> Pruned:
        prune = self._open()
        rows, count, partitions = 0, 0, list[str]()
        is_partial, waits = False, 0
        while (piece := prune.step()) is not None:
            waits = waits + 1 if piece[0] == "wait" else 0
            match piece:
                case ("partition", str(name)):
                    partitions.append(name)
                case ("rows", int(found)):
                    rows += found
                case ("bytes", int(found)):
                    count += found
            # Whoever is at it for so long is doing this work.
            if ends.is_set() or waits >= _WAITS_MAX:
                is_partial = True
                break
        return Pruned(rows, tuple(partitions), count, is_partial)

    def _follow(self, wake: threading.Event) -> None:
        while not wake.is_set():
            try:
                if self._is_due(wake):
                    self._last = self._run(wake)
                    self._runs += not self._last.is_partial
            except Exception as error:  # noqa: BLE001 - the schedule goes on, whatever a clock or a database does
                self._failures += 1
                self._last_error = str(error)
                if not isinstance(error, TelesinkError):
                    wake.wait(_RETRY_SECONDS)

    def _is_due(self, wake: threading.Event) -> bool:
        """Wait for the next moment; False if it is to end."""
        moment = _native.next_moment(self._schedule, self._clock())
        if moment is None:
            # Not as far as the calendar goes; asked again, should the clock be set.
            wake.wait(_WAIT_SECONDS_MAX)
            return False
        while (left := (moment - self._clock()) / _NANO) > 0:
            if wake.wait(min(left, _WAIT_SECONDS_MAX)):
                return False
        return True
