"""What has arrived in a table of log records since the last look.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from telesink.reading._logs import columns, conditions, where_of
from telesink.reading._sql import moment, moment_of
from telesink.reading._walking import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telesink.reading._logs import Cells, Logs
    from telesink.reading._sql import Dialect

#: How late a record may arrive in Postgres where nobody tells of it: it waits in a batch, and clocks differ.
LOOKBACK = timedelta(seconds=10)

#: Ids of records that were told already: at least so many are remembered, and at most twice as many.
TOLD_MAX = 50_000

#: So many times that, where clocks of others are ahead.
_FUTURE_TIMES = 10

#: Rows asked for at once.
_AT_ONCE = 1_000

#: Rows of a file that are known again, should the newest be deleted.
_MARKS = 100


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
        #: The last rows that were looked at, the newest first, and the number of that.
        self._marks = self._newest() if since is None else []
        self._row = _number_of(self._marks)

    def new_rows(self, _told: list[str]) -> Iterator[Cells]:
        """Yield what was added since the last look."""
        newest = self._newest()
        last = _number_of(newest)
        if self._marks and self._there(self._marks[:1]) is None:
            # It was deleted, and numbers of the newest rows that go are given again.
            known = self._there(self._marks)
            self._row = self._row_before_news(self._marks[0], last) if known is None else known
        while self._row < last:
            where = where_of([*self._where, f"rowid > {self._row}", f"rowid <= {last}"])
            rows = self._ask(f"{self._select}{where} ORDER BY rowid LIMIT {_AT_ONCE}")
            is_all = len(rows) < _AT_ONCE
            self._row = last if is_all else _number_of(rows[-1:])
            yield from rows
        self._marks, self._row = newest, last

    def _newest(self) -> list[Cells]:
        asked = f"rowid AS number, id, {self._taken} AS taken"
        return self._ask(f"SELECT {asked} FROM {self._table} ORDER BY rowid DESC LIMIT {_MARKS}")

    @property
    def _taken(self) -> str:
        return self._logs.observed or self._logs.time

    def _there(self, marks: list[Cells]) -> int | None:
        """The number of the newest of these rows that is still the row it was."""
        numbers = ", ".join(str(_number_of([mark])) for mark in marks)
        rows = self._ask(f"SELECT rowid AS number, id FROM {self._table} WHERE rowid IN ({numbers})")
        found = {(row["number"], row["id"]) for row in rows}
        return next((_number_of([mark]) for mark in marks if (mark["number"], mark["id"]) in found), None)

    def _row_before_news(self, mark: Cells, last: int) -> int:
        """All rows that are known are gone: what was taken after them is new."""
        taken = mark["taken"] or ""
        value = str(int(taken)) if self._logs.observed else self._dialect.literal(taken)
        found = self._ask(f"SELECT min(rowid) AS number FROM {self._table} WHERE {self._taken} > {value}")
        return last if found[0]["number"] is None else _number_of(found) - 1


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
        #: How many there may be before the oldest are forgotten.
        self._told_max = 2 * TOLD_MAX
        #: The server's clock at the last look.
        self._now = self._clock()
        self._known_from = self._now - LOOKBACK
        #: Whether all that is there since the beginning is still to be told.
        self._is_first = since is not None
        self._looked = time.monotonic()
        if since is not None:
            self._known_from = since.astimezone(UTC)
            return
        # What is there already is not new, though its time may lie behind the beginning.
        for cells in self._walk.rows_between(self._known_from):
            self._note(cells)

    def new_rows(self, told: list[str]) -> Iterator[Cells]:
        """Yield what has arrived since the last look, or in the batches that were told of."""
        stretches = _stretches(told)
        is_due = time.monotonic() - self._looked >= LOOKBACK.total_seconds()
        if stretches and not is_due and not self._is_first:
            for start, end in stretches:
                if end >= self._known_from:
                    yield from self._untold(self._walk.rows_between(max(start, self._known_from), end))
            return
        # What is committed after this look is at least about so young.
        start = max(self._now - LOOKBACK, self._known_from)
        self._now, self._looked = self._clock(), time.monotonic()
        if self._is_first:
            self._is_first = False
            yield from self._untold(self._walk.rows())
            return
        yield from self._untold(self._walk.rows_between(start))
        for late, end in stretches:
            if late < start and end >= self._known_from:
                yield from self._untold(self._walk.rows_between(max(late, self._known_from), end))

    def _untold(self, rows: Iterator[Cells]) -> Iterator[Cells]:
        for cells in rows:
            if (cells["id"] or "") not in self._told:
                self._note(cells)
                yield cells

    def _note(self, cells: Cells) -> None:
        """Remember what was told; what is older than the oldest of it is not looked at again."""
        self._told[cells["id"] or ""] = moment(cells["time"])
        if len(self._told) < self._told_max:
            return
        by_age = sorted(self._told.values())
        # Of the same moment may be others.
        start = by_age[-TOLD_MAX - 1] + timedelta(microseconds=1)
        if len(self._told) < _FUTURE_TIMES * TOLD_MAX:
            # A clock that is ahead must not keep what is told by others.
            start = min(start, self._now - LOOKBACK)
        self._known_from = max(self._known_from, start)
        self._told = {one: when for one, when in self._told.items() if when >= self._known_from}
        self._told_max = len(self._told) + TOLD_MAX

    def _clock(self) -> datetime:
        (row,) = self._ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
        return moment(row["now"])


def _stretches(told: list[str]) -> list[tuple[datetime, datetime]]:
    """The times that notifications name, those that overlap as one."""
    ends = []
    for text in told:
        found = [moment_of(part) for part in text.split(" ") if part.isdigit()]
        if found and found[0] is not None and found[-1] is not None:
            ends.append((found[0], found[-1]))
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(ends):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _number_of(rows: list[Cells]) -> int:
    return int(rows[0]["number"] or 0) if rows else 0
