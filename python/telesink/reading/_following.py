"""Log records and runs as they come.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from telesink.exceptions import ConfigError
from telesink.reading._logs import columns, conditions, row_of, where_of
from telesink.reading._sql import moment, moment_of
from telesink.reading._walking import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telesink._native import Selection
    from telesink.reading._logs import Cells, Logs
    from telesink.reading._rows import LogRow
    from telesink.reading._sql import Dialect

State = TypeVar("State")

#: How late a record may arrive in Postgres where nobody tells of it: it waits in a batch, and clocks differ.
LOOKBACK = timedelta(seconds=10)

#: Ids of records that were told already: at least so many are remembered, and at most twice as many.
TOLD_MAX = 50_000

#: Rows asked for at once.
_AT_ONCE = 1_000

#: Longest wait in the native module, which knows no Ctrl+C.
_WAIT_SECONDS_MAX = 0.5

#: Between two looks whether a file has changed.
_LOOK_SECONDS = 0.05


class Following:
    """New rows of a table of log records.

    :param ask: asks a question, and answers with rows.
    :param where: which rows.
    """

    def __init__(
        self,
        native: Selection,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        where: list[str],
    ) -> None:
        self._native = native
        self._logs = logs
        self._channel = f"telesink:{logs.table}" if native.notifies else ""
        self._table = InPostgres if dialect.is_postgres else InSqlite
        self._arguments = (ask, logs, dialect, native.prefix, where)

    def rows(
        self, since: datetime | None, poll_seconds: float, idle_seconds_max: float | None
    ) -> Iterator[LogRow]:
        """Yield rows as they come."""
        waiting = Waiting(self._native, self._channel, poll_seconds, idle_seconds_max)
        # Heard from now on, so that nothing comes between this look and the next.
        table = self._table(*self._arguments, since=since)
        return self._endless(table, waiting)

    def _endless(self, table: InSqlite | InPostgres, waiting: Waiting) -> Iterator[LogRow]:
        told: list[str] = []
        while True:
            has_news = False
            for cells in table.new_rows(told):
                has_news = True
                yield row_of(cells, self._logs)
            if has_news:
                # From now on, however long whoever asks has taken for them.
                waiting.has_news()
            found = waiting.wait()
            if found is None:
                return
            told = found


class InSqlite:
    """New rows of a file, in the order of their numbers."""

    def __init__(
        self,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        prefix: str,
        where: list[str],
        *,
        since: datetime | None,
    ) -> None:
        self._ask = ask
        self._logs = logs
        self._dialect = dialect
        self._table = f"{prefix}{logs.table}"
        asked = columns(logs, dialect, prefix)
        self._select = f"SELECT {asked}, rowid AS number FROM {self._table}"
        self._where = [*where, *([] if since is None else conditions(logs, dialect, since=since))]
        #: The last row that was looked at, and its number.
        self._mark = self._newest() if since is None else None
        self._row = _number_of(self._mark)

    def new_rows(self, _told: list[str]) -> Iterator[Cells]:
        """Yield what was added since the last look."""
        newest = self._newest()
        last = _number_of(newest)
        if self._mark is not None and not self._is_there(self._mark):
            # It was deleted, and numbers of the newest rows that go are given again.
            self._row = self._row_before_news(self._mark, last)
        while self._row < last:
            where = where_of([*self._where, f"rowid > {self._row}", f"rowid <= {last}"])
            rows = self._ask(f"{self._select}{where} ORDER BY rowid LIMIT {_AT_ONCE}")
            is_all = len(rows) < _AT_ONCE
            self._row = last if is_all else _number_of(rows[-1])
            yield from rows
        self._mark, self._row = newest, last

    def _newest(self) -> Cells | None:
        asked = f"rowid AS number, id, {self._taken} AS taken"
        rows = self._ask(f"SELECT {asked} FROM {self._table} ORDER BY rowid DESC LIMIT 1")
        return rows[0] if rows else None

    @property
    def _taken(self) -> str:
        return self._logs.observed or self._logs.time

    def _is_there(self, mark: Cells) -> bool:
        number, found = _number_of(mark), self._dialect.literal(mark["id"] or "")
        return bool(self._ask(f"SELECT 1 FROM {self._table} WHERE rowid = {number} AND id = {found}"))

    def _row_before_news(self, mark: Cells, last: int) -> int:
        """What was stored since then is what was taken after the last row seen."""
        taken = mark["taken"] or ""
        value = str(int(taken)) if self._logs.observed else self._dialect.literal(taken)
        (found,) = self._ask(f"SELECT min(rowid) AS number FROM {self._table} WHERE {self._taken} > {value}")
        return last if found["number"] is None else _number_of(found) - 1


class InPostgres:
    """New rows of a server, which has no order of arrival.

    Those of the last seconds that were not told yet.
    """

    def __init__(
        self,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        prefix: str,
        where: list[str],
        *,
        since: datetime | None,
    ) -> None:
        self._ask = ask
        self._where = [*where, *([] if since is None else conditions(logs, dialect, since=since))]
        self._walk = Walk(ask, logs, dialect, prefix, self._where)
        #: Ids of what was told, with their times; complete from a moment on.
        self._told: dict[str, datetime] = {}
        self._known_from = self._now() - LOOKBACK
        #: From when on to look next; None: at all there is.
        self._from: datetime | None = self._known_from
        self._looked = time.monotonic()
        if since is not None:
            self._from, self._known_from = None, since.astimezone(UTC)
            return
        # What is there already is not new, though its time may lie behind the beginning.
        for cells in self._walk.rows_since(self._known_from):
            self._note(cells)

    def new_rows(self, told: list[str]) -> Iterator[Cells]:
        """Yield what has arrived since the last look, or in the batches that were told of."""
        late = [found for text in told if (found := moment_of(text or None)) is not None]
        is_due = time.monotonic() - self._looked >= LOOKBACK.total_seconds()
        if late and not is_due and self._from is not None:
            yield from self._untold(self._walk.rows_since(max(min(late), self._known_from)))
            return
        now, self._looked = self._now(), time.monotonic()
        if self._from is None:
            yield from self._untold(self._walk.rows())
        else:
            start = max(min([self._from, *late]), self._known_from)
            yield from self._untold(self._walk.rows_since(start))
        # What is committed after this look is at least about so young.
        self._from = now - LOOKBACK

    def _untold(self, rows: Iterator[Cells]) -> Iterator[Cells]:
        for cells in rows:
            if (cells["id"] or "") not in self._told:
                self._note(cells)
                yield cells

    def _note(self, cells: Cells) -> None:
        """Remember what was told; what is older than the oldest of it is not looked at again."""
        self._told[cells["id"] or ""] = moment(cells["time"])
        if len(self._told) <= 2 * TOLD_MAX:
            return
        by_age = sorted(self._told.items(), key=lambda item: item[1])
        # Of the same moment may be others.
        self._known_from = max(self._known_from, by_age[-TOLD_MAX - 1][1] + timedelta(microseconds=1))
        self._told = dict(by_age[-TOLD_MAX:])

    def _now(self) -> datetime:
        (row,) = self._ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
        return moment(row["now"])


def _number_of(cells: Cells | None) -> int:
    return 0 if cells is None else int(cells["number"] or 0)


class Waiting:
    """Waits until there may be something new.

    :param channel: where it is told; empty if nobody tells.
    """

    def __init__(
        self, native: Selection, channel: str, poll_seconds: float, idle_seconds_max: float | None
    ) -> None:
        for name, value, is_right in (
            ("poll_seconds", poll_seconds, poll_seconds > 0),
            ("idle_seconds_max", idle_seconds_max, idle_seconds_max is None or idle_seconds_max >= 0),
        ):
            if not is_right:
                message = f"`{name}` is {value}"
                raise ConfigError(message, "give a number of seconds above 0")
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
    # No name of a channel holds a NUL, and no id either.
    channel = f"chronicle_run:{run_id.lower()}".replace("\0", "") if native.notifies else ""
    waiting = Waiting(native, channel, poll_seconds, idle_seconds_max)

    def endless() -> Iterator[State]:
        last: State | None = None
        while True:
            found = look()
            if found is not None and found != last:
                last = found
                yield found
                waiting.has_news()
            if waiting.wait() is None:
                return

    return endless()
