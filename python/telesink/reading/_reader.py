"""The reader: one face for both databases and all tables that telesink fills by name.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from telesink import _native
from telesink.exceptions import ConfigError
from telesink.reading._following import Following, changes_of
from telesink.reading._logs import (
    OWN,
    OWN_IN_POSTGRES,
    SYSTEMPROMPT,
    Cells,
    Chosen,
    Logs,
    columns,
    conditions,
    row_of,
    where_of,
)
from telesink.reading._rows import LogRow, Page, Run, Summary
from telesink.reading._runs import RunTables
from telesink.reading._sql import Dialect, aware, moment_of
from telesink.reading._walking import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Self, Unpack

#: Rows on a page unless it says otherwise, and at most.
PER_PAGE = 100
PER_PAGE_MAX = 10_000

#: Loggers in a summary.
_TOP = 10


class Reader:
    """Reads what a program with telesink has stored.

    :param dsn: where, as the program writes it: ``sqlite://`` or ``postgresql://``, with its ``preset``.
    :param preset: which tables, if the DSN names none: ``systemprompt`` or ``chronicle``.
    :raises ConfigError: the DSN is wrong, or names a sink that cannot be read.
    :raises TelesinkError: the database is not to be had.

    A reader is for one thread at a time, and closed by `close` or at the end of a ``with`` block. Should the
    connection be lost, or the file be replaced, the next question opens it again.

    >>> import telesink
    >>> from telesink.reading import Reader
    >>> with telesink.Pipeline("sqlite:///app.db") as pipeline:
    ...     _ = pipeline.enqueue({"body": "paid", "logger": "shop", "amount": 12})
    >>> [(row.logger, row.body, row.attributes) for row in Reader("sqlite:///app.db").logs()]
    [('shop', 'paid', {'amount': 12})]
    """

    #: Whether the destination is opened so that its rows can be changed.
    _to_change = False

    def __init__(self, dsn: str, *, preset: str | None = None) -> None:
        self._native = _native.Selection(dsn, os.getcwd(), preset, self._to_change)
        self._dialect = Dialect(self._native.dialect)
        self._prefix = self._native.prefix
        self._layout = self._native.layout
        self._runs = RunTables(self._ask, self._dialect, self._prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; nothing if that is done. What is asked then raises `TelesinkError`."""
        self._native.close()

    def logs(
        self,
        *,
        level: str | None = None,
        logger: str | Sequence[str] | None = None,
        text: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        trace_id: str | None = None,
        page: int = 1,
        per_page: int = PER_PAGE,
    ) -> Page[LogRow]:
        """Log records, newest first.

        :param level: this level's name, exactly; WARNING is WARN, and CRITICAL is FATAL.
        :param logger: this logger, and those below it; or any of several.
        :param text: what the message has to hold, in any case.
        :param since: not older than this; without a zone it is local time.
        :param until: older than this.
        :param trace_id: of this trace.
        :param page: which page; the first is 1.
        :param per_page: most rows on it, up to 10,000.
        :raises ConfigError: the tables hold no log records, or a page is below 1.
        """
        chosen: Chosen = {
            "level": level,
            "logger": logger,
            "text": text,
            "since": since,
            "until": until,
            "trace_id": trace_id,
        }
        return self._log_page(conditions(self._logs(), self._dialect, **chosen), page, per_page)

    def log(self, id: str) -> LogRow | None:  # noqa: A002 - the column's name
        """The log record of that id; None if there is none."""
        logs = self._logs()
        where = self._dialect.is_id("id", str(id), is_uuid=logs is OWN_IN_POSTGRES)
        asked = columns(logs, self._dialect, self._prefix)
        rows = self._ask(f"SELECT {asked} FROM {self._prefix}{logs.table} WHERE {where} LIMIT 1")
        return row_of(rows[0], logs) if rows else None

    def all_logs(self, *, after: str | None = None, **chosen: Unpack[Chosen]) -> Iterator[LogRow]:
        """All log records from the oldest to the newest, a thousand at a time.

        :param after: the id of a record: begin behind it.
        :param chosen: ``level``, ``logger``, ``text``, ``since``, ``until``, ``trace_id``, as for
            :meth:`logs`.
        :raises ConfigError: there is no record of that id, or the tables hold no log records.
        """
        logs, dialect = self._logs(), self._dialect
        walk = Walk(self._ask, logs, dialect, self._prefix, conditions(logs, dialect, **chosen))
        last: Cells | None = None
        if after is not None:
            where = dialect.is_id("id", after, is_uuid=logs is OWN_IN_POSTGRES)
            asked = columns(logs, dialect, self._prefix)
            found = self._ask(f"SELECT {asked} FROM {self._prefix}{logs.table} WHERE {where}")
            if not found:
                raise ConfigError(f"there is no record {after} to begin behind", "begin anew")
            last = found[0]
        for cells in walk.rows(last):
            yield row_of(cells, logs)

    def follow(
        self,
        *,
        level: str | None = None,
        logger: str | Sequence[str] | None = None,
        text: str | None = None,
        trace_id: str | None = None,
        since: datetime | None = None,
        poll_seconds: float = 1.0,
        idle_seconds_max: float | None = None,
    ) -> Iterator[LogRow]:
        """Log records as they arrive, from now on, or from `since` on.

        In SQLite a record is there some 50 ms after it was written. In Postgres it is told of at once if both
        the program that writes and this DSN say ``notify=true`` (and no pooler by transaction stands
        between); otherwise within `poll_seconds`, if it arrives within ten seconds of its time. One whose
        time lies before `since`, or more than ten seconds before this call, is no news, and neither is one
        that comes later than 50,000 others.

        :param level: as for :meth:`logs`, and so are `logger`, `text` and `trace_id`.
        :param since: begin with what is there already since then.
        :param poll_seconds: between two looks where nobody tells.
        :param idle_seconds_max: end after so long without a record; None: never.
        :raises ConfigError: the tables hold no log records, or a number is none.
        :raises TelesinkError: the database is gone; what came before was told.

        >>> import telesink
        >>> from telesink.reading import Reader
        >>> with telesink.Pipeline("sqlite:///app.db") as pipeline:
        ...     _ = pipeline.enqueue({"body": "paid", "time": "2026-01-31T12:00:00Z"})
        >>> from datetime import datetime, UTC
        >>> reader = Reader("sqlite:///app.db")
        >>> [row.body for row in reader.follow(since=datetime(2026, 1, 1, tzinfo=UTC), idle_seconds_max=0.1)]
        ['paid']
        """
        chosen: Chosen = {"level": level, "logger": logger, "text": text, "trace_id": trace_id}
        logs = self._logs()
        where = conditions(logs, self._dialect, **chosen)
        following = Following(self._native, self._ask, logs, self._dialect, where)
        return following.rows(since, poll_seconds, idle_seconds_max)

    def summary(self, **chosen: Unpack[Chosen]) -> Summary:
        """How many log records there are, by level and logger, and from when to when.

        :param chosen: ``level``, ``logger``, ``text``, ``since``, ``until``, ``trace_id``, as for
            :meth:`logs`.
        """
        logs, dialect = self._logs(), self._dialect
        source = f"FROM {self._prefix}{logs.table}{where_of(conditions(logs, dialect, **chosen))}"
        first, last = (dialect.micros(f"{which}({logs.time})", logs.form) for which in ("min", "max"))
        (ends,) = self._ask(f"SELECT count(*) AS total, {first} AS first, {last} AS last {source}")
        levels = self._ask(f"SELECT level, count(*) AS total {source} GROUP BY level ORDER BY 2 DESC, 1")
        loggers = self._ask(
            f"SELECT {logs.logger} AS logger, count(*) AS total {source}"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_TOP}"
        )
        return Summary(
            total=int(ends["total"] or 0),
            first=moment_of(ends["first"]),
            last=moment_of(ends["last"]),
            levels={cells["level"] or "": int(cells["total"] or 0) for cells in levels},
            loggers={cells["logger"] or "": int(cells["total"] or 0) for cells in loggers},
        )

    def runs(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        page: int = 1,
        per_page: int = PER_PAGE,
    ) -> Page[Run]:
        """Runs without their steps, newest first.

        :param name: those of this name.
        :param status: those with this status.
        :param since: those that began not before.
        :raises ConfigError: the DSN does not say ``preset=chronicle``, or a page is below 1.
        """
        self._expect_runs()
        where = []
        if name is not None:
            where.append(f"name = {self._dialect.literal(name)}")
        if status is not None:
            where.append(f"status = {self._dialect.literal(status)}")
        if since is not None:
            where.append(f"created_at >= {self._dialect.moment(aware(since), 'seconds')}")
        rows, total = self._page(
            self._runs.sql(), "chronicle_runs", where, "created_at DESC, id", page, per_page
        )
        return Page([self._runs.run(row) for row in rows], total=total, page=page, per_page=per_page)

    def run(self, id: str) -> Run | None:  # noqa: A002 - the column's name
        """A run with its steps and calls as a tree; None if there is none of that id.

        :raises ConfigError: the DSN does not say ``preset=chronicle``.
        """
        self._expect_runs()
        return self._runs.tree(str(id))

    def follow_run(
        self,
        id: str,  # noqa: A002 - the column's name
        *,
        poll_seconds: float = 1.0,
        idle_seconds_max: float | None = None,
    ) -> Iterator[Run]:
        """A run as it is, and again each time that something of it has changed.

        Nothing while it is not there. In Postgres a change is told of at once if both the program that writes
        and this DSN say ``notify=true``.

        :param poll_seconds: between two looks where nobody tells.
        :param idle_seconds_max: end after so long without a change; None: never.
        :raises ConfigError: the DSN does not say ``preset=chronicle``.
        """
        self._expect_runs()
        tree = self._runs.tree
        return changes_of(self._native, str(id), lambda: tree(str(id)), poll_seconds, idle_seconds_max)

    def run_ids(self, start: str) -> list[str]:
        """The ids of runs that begin so, two at most: enough to know whether one is meant."""
        self._expect_runs()
        return self._ids("chronicle_runs", start)

    def log_ids(self, start: str) -> list[str]:
        """The ids of log records that begin so, two at most: enough to know whether one is meant."""
        return self._ids(self._logs().table, start)

    def _ids(self, table: str, start: str) -> list[str]:
        column = self._dialect.text("id")
        where = f"substr({column}, 1, {len(start)}) = {self._dialect.literal(start.lower())}"
        found = self._ask(f"SELECT {column} AS id FROM {self._prefix}{table} WHERE {where} LIMIT 2")
        return [cells["id"] or "" for cells in found]

    def _logs(self) -> Logs:
        if self._layout == "chronicle":
            message = "the tables of preset=chronicle hold no log records"
            raise ConfigError(message, "read runs(), or name the DSN of the sink that stores log records")
        if self._layout == "systemprompt":
            return SYSTEMPROMPT
        return OWN_IN_POSTGRES if self._dialect.is_postgres else OWN

    def _log_page(self, where: list[str], page: int, per_page: int) -> Page[LogRow]:
        logs = self._logs()
        sql = f"SELECT {columns(logs, self._dialect, self._prefix)} FROM {self._prefix}{logs.table}"
        order = f"{logs.order} DESC, id DESC"
        rows, total = self._page(sql, logs.table, where, order, page, per_page)
        return Page([row_of(row, logs) for row in rows], total=total, page=page, per_page=per_page)

    def _page(
        self, sql: str, table: str, where: Sequence[str], order: str, page: int, per_page: int
    ) -> tuple[list[Cells], int]:
        if page < 1 or not 1 <= per_page <= PER_PAGE_MAX:
            message = f"page {page} of {per_page} rows; pages begin at 1 and have 1 to {PER_PAGE_MAX:,} rows"
            raise ConfigError(message, "for example page=2, per_page=50")
        condition = where_of(where)
        counted = self._ask(f"SELECT count(*) AS total FROM {self._prefix}{table}{condition}")
        total = int(counted[0]["total"] or 0)
        offset = (page - 1) * per_page
        return self._ask(f"{sql}{condition} ORDER BY {order} LIMIT {per_page} OFFSET {offset}"), total

    def _ask(self, sql: str) -> list[Cells]:
        names, rows = self._native.ask(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _expect_runs(self) -> None:
        if self._layout != "chronicle":
            message = "the DSN names no tables of runs"
            raise ConfigError(message, "add ?preset=chronicle to it, as the program that writes has it")
