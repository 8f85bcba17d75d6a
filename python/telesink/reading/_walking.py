"""All rows of a table of log records, some at once, in the order of their times.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from telesink.reading._logs import Cells, Logs, behind, columns, where_of
from telesink.reading._sql import Dialect, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Rows asked for at once.
_AT_ONCE = 1_000

#: Rows of a stretch of time, about: Postgres reads all of it for each thousand.
_STRETCH_ROWS = 10 * _AT_ONCE

#: The first stretch, the shortest and the longest.
_STRETCH = timedelta(minutes=1)
_STRETCH_MIN = timedelta(milliseconds=1)
_STRETCH_MAX = timedelta(days=366)


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

    def rows_since(self, start: datetime) -> Iterator[Cells]:
        """The rows that are not older than a moment, which is not long ago."""
        return self._pages([self._since(start)], None)

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
        low, high = self._ends(after)
        if low is None or high is None:
            # Nothing, or only what happens never.
            yield from self._pages([], after)
            return
        stretch, is_first = _STRETCH, after is None
        while True:
            while stretch > _STRETCH_MIN and self._is_long(low, low + stretch):
                stretch /= 4
            upper = low + stretch
            is_last = upper > high
            bounds = [] if is_first else [self._since(low)]
            if not is_last:
                bounds.append(self._before(upper))
            count = 0
            for cells in self._pages(bounds, after):
                yield cells
                count += 1
            if is_last:
                return
            if count < _AT_ONCE:
                stretch = min(stretch * 4, _STRETCH_MAX)
            # The mark was for the stretch that it stands in.
            low, is_first, after = upper, False, None

    def _before(self, end: datetime) -> str:
        return f"{self._logs.time} < {self._dialect.moment(end, self._logs.form)}"

    def _ends(self, after: Cells | None) -> tuple[datetime | None, datetime | None]:
        mark = [] if after is None else [behind(self._logs, self._dialect, after)]
        time = self._logs.time
        first, last = (self._dialect.micros(f"{which}({time})", self._logs.form) for which in ("min", "max"))
        where = where_of([*self._where, *mark, f"isfinite({time})"])
        (ends,) = self._ask(f"SELECT {first} AS first, {last} AS last FROM {self._table}{where}")
        return moment_of(ends["first"]), moment_of(ends["last"])

    def _is_long(self, low: datetime, upper: datetime) -> bool:
        where = where_of([*self._where, self._since(low), self._before(upper)])
        part = f"SELECT 1 FROM {self._table}{where} LIMIT {_STRETCH_ROWS + 1}"
        (counted,) = self._ask(f"SELECT count(*) AS total FROM ({part}) AS part")
        return int(counted["total"] or 0) > _STRETCH_ROWS
