"""All rows of a table of log records, some at once, in the order of their times.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from telesink.reading._logs import Cells, Logs, behind, columns, where_of
from telesink.reading._sql import Dialect, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Rows asked for at once.
_AT_ONCE = 1_000

#: Rows of a stretch of time, about: Postgres reads all of it for each thousand.
_STRETCH_ROWS = 10 * _AT_ONCE

#: The first stretch, and the shortest.
_STRETCH = timedelta(minutes=1)
_STRETCH_MIN = timedelta(milliseconds=1)


class Walk:
    """Walks through the rows of a table.

    :param ask: asks a question, and answers with rows.
    :param prefix: what stands in front of the names of tables.
    :param where: which rows.
    """

    def __init__(
        self,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        prefix: str,
        where: Sequence[str],
    ) -> None:
        self._ask = ask
        self._logs = logs
        self._dialect = dialect
        self._where = list(where)
        self._table = f"{prefix}{logs.table}"
        self._select = f"SELECT {columns(logs, dialect, prefix)} FROM {self._table}"

    def rows(self, after: Cells | None = None) -> Iterator[Cells]:
        """All rows; `after` a row: those behind it."""
        if self._dialect.is_postgres:
            return self._in_stretches(after)
        return self._pages([], after)

    def rows_between(self, start: datetime, end: datetime | None = None) -> Iterator[Cells]:
        """The rows of a short time: not older than a moment, nor younger than another."""
        bounds = [self._since(start)]
        if end is not None:
            bounds.append(self._before(end + timedelta(microseconds=1)))
        return self._pages(bounds, None)

    def _since(self, start: datetime) -> str:
        return f"{self._logs.time} >= {self._dialect.moment(start, self._logs.form)}"

    def _pages(self, bounds: list[str], after: Cells | None) -> Iterator[Cells]:
        order = f" ORDER BY {self._logs.order}, {self._dialect.text('id')} LIMIT {_AT_ONCE}"
        while True:
            mark = [] if after is None else [behind(self._logs, self._dialect, after)]
            rows = self._ask(f"{self._select}{where_of([*self._where, *bounds, *mark])}{order}")
            yield from rows
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1]

    def _in_stretches(self, after: Cells | None) -> Iterator[Cells]:
        # No index has the order: the whole table would be read for each thousand rows.
        mark = [] if after is None else [behind(self._logs, self._dialect, after)]
        low, high = self._ends(mark)
        if low is None or high is None:
            # Nothing, or only what happens never.
            yield from self._pages([], after)
            return
        stretch = _STRETCH
        bounds: list[str] = []
        while True:
            while stretch > _STRETCH_MIN and self._is_long(low, _later(low, stretch)):
                stretch /= 4
            upper = _later(low, stretch)
            if upper > high:
                yield from self._pages(bounds, after)
                return
            count = 0
            for cells in self._pages([*bounds, self._before(upper)], after):
                yield cells
                count += 1
            if count < _AT_ONCE:
                stretch *= 4
            # The mark was for the stretch that it stands in.
            bounds, after = [self._since(upper)], None
            if count == 0:
                # Nothing for a while: go on where there is something.
                low, _ = self._ends(bounds)
                upper = high if low is None else low
            low = upper

    def _before(self, end: datetime) -> str:
        return f"{self._logs.time} < {self._dialect.moment(end, self._logs.form)}"

    def _ends(self, bounds: list[str]) -> tuple[datetime | None, datetime | None]:
        time = self._logs.time
        first, last = (self._dialect.micros(f"{which}({time})", self._logs.form) for which in ("min", "max"))
        where = where_of([*self._where, *bounds, f"isfinite({time})"])
        (ends,) = self._ask(f"SELECT {first} AS first, {last} AS last FROM {self._table}{where}")
        return moment_of(ends["first"]), moment_of(ends["last"])

    def _is_long(self, low: datetime, upper: datetime) -> bool:
        where = where_of([*self._where, self._since(low), self._before(upper)])
        part = f"SELECT 1 FROM {self._table}{where} LIMIT {_STRETCH_ROWS + 1}"
        (counted,) = self._ask(f"SELECT count(*) AS total FROM ({part}) AS part")
        return int(counted["total"] or 0) > _STRETCH_ROWS


def _later(moment: datetime, stretch: timedelta) -> datetime:
    """So much later, or the end of the calendar."""
    latest = datetime.max.replace(tzinfo=UTC)
    return latest if latest - moment < stretch else moment + stretch
