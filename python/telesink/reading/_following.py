"""Log records and runs as they come.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from telesink.exceptions import ConfigError
from telesink.reading._logs import behind, columns, conditions, row_of, where_of
from telesink.reading._sql import moment, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telesink._native import Selection
    from telesink.reading._logs import Cells, Logs
    from telesink.reading._rows import LogRow
    from telesink.reading._sql import Dialect

State = TypeVar("State")

#: How late a record may arrive in Postgres where nobody tells of it: it waits in a batch, and clocks differ.
LOOKBACK = timedelta(seconds=10)

#: Ids of records that were told already, so many at most.
TOLD_MAX = 100_000

#: Rows asked for at once.
_AT_ONCE = 1_000

#: Longest wait in the native module, which knows no Ctrl+C.
_WAIT_SECONDS_MAX = 0.5

#: Between two looks whether a file has changed.
_LOOK_SECONDS = 0.05


class Following:
    """New rows of a table of log records.

    :param ask: asks a question, and answers with rows.
    :param chosen: which rows, as `conditions` takes them.
    """

    def __init__(
        self,
        native: Selection,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        chosen: dict[str, Any],
    ) -> None:
        for name in ("since", "until"):
            if name in chosen:
                message = f"`{name}` does not choose among records that are followed"
                raise ConfigError(message, "leave it out")
        self._native = native
        self._ask = ask
        self._logs = logs
        self._dialect = dialect
        self._where = conditions(logs, dialect, **chosen)
        self._prefix = native.prefix
        self._table = f"{native.prefix}{logs.table}"
        self._channel = f"telesink:{logs.table}" if native.notifies else ""
        #: Of SQLite: the last row that was looked at.
        self._row = 0
        #: Of Postgres: from when on to look, and from when on it is known what was told.
        self._from = self._known_from = datetime.min.replace(tzinfo=UTC)
        self._told: dict[str, datetime] = {}

    def rows(
        self, since: datetime | None, poll_seconds: float, idle_seconds_max: float | None
    ) -> Iterator[LogRow]:
        """Yield rows as they come."""
        waiting = Waiting(self._native, self._channel, poll_seconds, idle_seconds_max)
        # Heard from now on, so that nothing comes between this look and the next.
        self._begin(since)
        return self._endless(waiting)

    def _endless(self, waiting: Waiting) -> Iterator[LogRow]:
        told: list[str] = []
        while True:
            for row in self._new_in_postgres(told) if self._dialect.is_postgres else self._new_in_sqlite():
                waiting.has_news()
                yield row
            found = waiting.wait()
            if found is None:
                return
            told = found

    def _begin(self, since: datetime | None) -> None:
        if since is not None:
            self._where += conditions(self._logs, self._dialect, since=since)
        if not self._dialect.is_postgres:
            if since is None:
                (newest,) = self._ask(f"SELECT coalesce(max(rowid), 0) AS row FROM {self._table}")
                self._row = int(newest["row"] or 0)
            return
        now = self._now()
        self._from = self._known_from = now if since is None else since.astimezone(UTC)
        if since is None:
            # What is there already is not new, though its time may lie behind the beginning.
            for row in self._look(now - LOOKBACK):
                self._told[row["id"] or ""] = moment(row["time"])
            self._known_from = now - LOOKBACK
            self._from = self._known_from

    def _new_in_sqlite(self) -> Iterator[LogRow]:
        (newest,) = self._ask(f"SELECT coalesce(max(rowid), 0) AS row FROM {self._table}")
        last = int(newest["row"] or 0)
        # The newest rows may have been deleted: their numbers are given again.
        self._row = min(self._row, last)
        while self._row < last:
            where = where_of([*self._where, f"rowid > {self._row}", f"rowid <= {last}"])
            asked = columns(self._logs, self._dialect, self._prefix)
            rows = self._ask(
                f"SELECT {asked}, rowid AS number FROM {self._table}{where} ORDER BY rowid LIMIT {_AT_ONCE}"
            )
            is_all = len(rows) < _AT_ONCE
            self._row = last if is_all else int(rows[-1]["number"] or 0)
            yield from (row_of(row, self._logs) for row in rows)

    def _new_in_postgres(self, told: list[str]) -> Iterator[LogRow]:
        now = self._now()
        late = [found for text in told if (found := moment_of(text or None)) is not None]
        start = max(min([self._from, *late]), self._known_from)
        for cells in self._look(start):
            row = row_of(cells, self._logs)
            if row.id not in self._told:
                self._told[row.id] = row.time
                yield row
        # What is committed after this look is at least about so young.
        self._from = max(self._from, now - LOOKBACK)
        self._forget()

    def _look(self, start: datetime) -> Iterator[Cells]:
        logs, dialect = self._logs, self._dialect
        ask = f"SELECT {columns(logs, dialect, self._prefix)} FROM {self._table}"
        of_age = f"{logs.time} >= {dialect.moment(start, logs.form)}"
        order = f" ORDER BY {logs.order}, {dialect.text('id')} LIMIT {_AT_ONCE}"
        last: Cells | None = None
        while True:
            mark = [] if last is None else [behind(logs, dialect, last["place"] or "", last["id"] or "")]
            rows = self._ask(f"{ask}{where_of([*self._where, of_age, *mark])}{order}")
            yield from rows
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]

    def _forget(self) -> None:
        """Keep what was told bounded: what is older than the oldest of it is not looked at again."""
        if len(self._told) <= TOLD_MAX:
            return
        by_age = sorted(self._told.items(), key=lambda item: item[1])
        gone = by_age[: len(by_age) - TOLD_MAX // 2]
        # Of the same moment may be others.
        self._known_from = max(self._known_from, gone[-1][1] + timedelta(microseconds=1))
        self._told = dict(by_age[len(gone) :])

    def _now(self) -> datetime:
        (row,) = self._ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
        return moment(row["now"])


class Waiting:
    """Waits until there may be something new.

    :param channel: where it is told; empty if nobody tells.
    """

    def __init__(
        self, native: Selection, channel: str, poll_seconds: float, idle_seconds_max: float | None
    ) -> None:
        self._native = native
        self._channel = channel
        self._poll_seconds = poll_seconds
        self._idle_seconds_max = idle_seconds_max
        self._is_told = bool(channel) or native.dialect == "sqlite"
        self._idle_from = time.monotonic()
        if self._is_told:
            # The first time it only begins to listen.
            native.wait(channel, 0.0)

    def has_news(self) -> None:
        """There was something."""
        self._idle_from = time.monotonic()

    def wait(self) -> list[str] | None:
        """Wait for the next look, and answer what was told; None: it was quiet for too long."""
        end = time.monotonic() + self._poll_seconds
        if self._idle_seconds_max is not None:
            quiet_until = self._idle_from + self._idle_seconds_max
            if quiet_until <= time.monotonic():
                return None
            end = min(end, quiet_until)
        while (left := end - time.monotonic()) > 0:
            if not self._is_told:
                time.sleep(left)
                continue
            if told := self._native.wait(self._channel, min(left, _WAIT_SECONDS_MAX)):
                return told
            if not self._channel:
                time.sleep(min(left, _LOOK_SECONDS))
        return []


def changes_of(
    native: Selection,
    run_id: str,
    look: Callable[[], State | None],
    poll_seconds: float,
    idle_seconds_max: float | None,
) -> Iterator[State]:
    """Yield what `look` finds, and again each time that it is something else."""
    channel = f"chronicle_run:{run_id.lower()}" if native.notifies else ""
    waiting = Waiting(native, channel, poll_seconds, idle_seconds_max)

    def endless() -> Iterator[State]:
        last: State | None = None
        while True:
            found = look()
            if found is not None and found != last:
                last = found
                waiting.has_news()
                yield found
            if waiting.wait() is None:
                return

    return endless()
