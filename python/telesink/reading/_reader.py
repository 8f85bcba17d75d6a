"""The reader: one face for both databases and all tables that telesink fills by name.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from telesink import _native
from telesink.exceptions import ConfigError
from telesink.reading._logs import (
    OWN,
    OWN_IN_POSTGRES,
    SYSTEMPROMPT,
    Cells,
    Logs,
    behind,
    columns,
    conditions,
    json_of,
    mapping_of,
    row_of,
    where_of,
)
from telesink.reading._rows import Call, LogRow, Page, Run, Step, Summary
from telesink.reading._sql import Dialect, aware, moment, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

#: Rows on a page unless it says otherwise, and at most.
PER_PAGE = 100
PER_PAGE_MAX = 10_000

#: Rows asked for at once where all are wanted.
_AT_ONCE = 1_000

#: Loggers in a summary.
_TOP = 10


class Reader:
    """Reads what a program with telesink has stored.

    :param dsn: where, as the program writes it: ``sqlite://`` or ``postgresql://``, with its ``preset``.
    :param preset: which tables, if the DSN names none: ``systemprompt`` or ``chronicle``.
    :raises ConfigError: the DSN is wrong, or names a sink that cannot be read.
    :raises TelesinkError: the database is not to be had.

    >>> import telesink
    >>> from telesink.reading import Reader
    >>> with telesink.Pipeline("sqlite:///app.db") as pipeline:
    ...     _ = pipeline.enqueue({"body": "paid", "logger": "shop", "amount": 12})
    >>> [(row.logger, row.body, row.attributes) for row in Reader("sqlite:///app.db").logs()]
    [('shop', 'paid', {'amount': 12})]
    """

    def __init__(self, dsn: str, *, preset: str | None = None) -> None:
        self._native = _native.Selection(dsn, os.getcwd(), preset)
        self._dialect = Dialect(self._native.dialect)
        self._prefix = self._native.prefix
        self._layout = self._native.layout

    def logs(
        self,
        *,
        level: str | None = None,
        logger: str | None = None,
        text: str | None = None,
        since: datetime | None = None,
        trace_id: str | None = None,
        page: int = 1,
        per_page: int = PER_PAGE,
    ) -> Page[LogRow]:
        """Log records, newest first.

        :param level: this level's name, exactly.
        :param logger: this logger, and those below it.
        :param text: what the message has to hold, in any case.
        :param since: not older than this; without a zone it is local time.
        :param trace_id: of this trace.
        :param page: which page; the first is 1.
        :param per_page: most rows on it, up to 10,000.
        :raises ConfigError: the tables hold no log records, or a page is below 1.
        """
        chosen: dict[str, Any] = {
            "level": level,
            "logger": logger,
            "text": text,
            "since": since,
            "trace_id": trace_id,
        }
        return self._log_page(conditions(self._logs(), self._dialect, **chosen), page, per_page)

    def log(self, id: str) -> LogRow | None:  # noqa: A002 - the column's name
        """The log record of that id; None if there is none."""
        logs = self._logs()
        where = self._dialect.is_id("id", str(id), is_uuid=logs is OWN_IN_POSTGRES)
        rows = self._ask(
            f"SELECT {columns(logs, self._dialect)} FROM {self._prefix}{logs.table} WHERE {where} LIMIT 1"
        )
        return row_of(rows[0], logs) if rows else None

    def all_logs(self, *, after: str | None = None, **chosen: Any) -> Iterator[LogRow]:
        """All log records from the oldest to the newest, a thousand at a time.

        :param after: the id of a record: begin behind it.
        :param chosen: ``level``, ``logger``, ``text``, ``since``, ``trace_id``, as for :meth:`logs`.
        :raises ConfigError: there is no record of that id, or the tables hold no log records.
        """
        logs, dialect = self._logs(), self._dialect
        where = conditions(logs, dialect, **chosen)
        ask = f"SELECT {columns(logs, dialect)} FROM {self._prefix}{logs.table}"
        order = f" ORDER BY {logs.order}, {dialect.text('id')} LIMIT {_AT_ONCE}"
        last: Cells | None = None
        if after is not None:
            found = self._ask(f"{ask} WHERE {dialect.is_id('id', after, is_uuid=logs is OWN_IN_POSTGRES)}")
            if not found:
                raise ConfigError(f"there is no record {after} to begin behind", "begin anew")
            last = found[0]
        while True:
            mark = [] if last is None else [behind(logs, dialect, last["place"] or "", last["id"] or "")]
            rows = self._ask(f"{ask}{where_of([*where, *mark])}{order}")
            yield from (row_of(cells, logs) for cells in rows)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]

    def summary(self, **chosen: Any) -> Summary:
        """How many log records there are, by level and logger, and from when to when.

        :param chosen: ``level``, ``logger``, ``text``, ``since``, ``trace_id``, as for :meth:`logs`.
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
            self._runs_sql(), "chronicle_runs", where, "created_at DESC, id", page, per_page
        )
        return Page([self._run(row) for row in rows], total=total, page=page, per_page=per_page)

    def run(self, id: str) -> Run | None:  # noqa: A002 - the column's name
        """A run with its steps and calls as a tree; None if there is none of that id.

        :raises ConfigError: the DSN does not say ``preset=chronicle``.
        """
        self._expect_runs()
        found = self._ask(f"{self._runs_sql()} WHERE {self._dialect.is_id('id', str(id))}")
        if not found:
            return None
        run = self._run(found[0])
        steps = {step.id: step for step in self._steps(str(id))}
        for step in steps.values():
            parent = steps.get(step.parent_id or "")
            # A step that is its own ancestor stands on top, so that it is seen.
            (run.steps if parent is None or _is_above(step, parent, steps) else parent.steps).append(step)
        for call in self._calls(str(id)):
            step_of = steps.get(call.step_id or "")
            (run.calls if step_of is None else step_of.calls).append(call)
        return run

    def run_ids(self, start: str) -> list[str]:
        """The ids that begin so, two at most: enough to know whether one is meant."""
        self._expect_runs()
        begins = self._dialect.literal(start.lower())
        column = self._dialect.text("id")
        table = f"{self._prefix}chronicle_runs"
        where = f"substr({column}, 1, {len(start)}) = {begins}"
        return [
            cells["id"] or ""
            for cells in self._ask(f"SELECT {column} AS id FROM {table} WHERE {where} LIMIT 2")
        ]

    def _logs(self) -> Logs:
        if self._layout == "chronicle":
            message = "the tables of preset=chronicle hold no log records"
            raise ConfigError(message, "read runs(), or name the DSN of the sink that stores log records")
        if self._layout == "systemprompt":
            return SYSTEMPROMPT
        return OWN_IN_POSTGRES if self._dialect.is_postgres else OWN

    def _log_page(self, where: list[str], page: int, per_page: int) -> Page[LogRow]:
        logs = self._logs()
        sql = f"SELECT {columns(logs, self._dialect)} FROM {self._prefix}{logs.table}"
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

    def _runs_sql(self) -> str:
        times = [
            f"{self._dialect.micros(name, 'seconds')} AS {name}" for name in ("created_at", "updated_at")
        ]
        plain = ["name", "description", "application", "environment", "status", "trace_id"]
        texts = [f"{self._dialect.text(name)} AS {name}" for name in ("id", "input", "output", "info")]
        columns = [*plain, *texts, *times, self._tags()]
        return f"SELECT {', '.join(columns)} FROM {self._prefix}chronicle_runs"

    def _tags(self) -> str:
        return "to_json(tags)::text AS tags" if self._dialect.is_postgres else "tags"

    def _run(self, row: Cells) -> Run:
        created, updated = moment(row["created_at"]), moment(row["updated_at"])
        return Run(
            name=row["name"],
            description=row["description"],
            application=row["application"],
            environment=row["environment"],
            trace_id=row["trace_id"],
            id=row["id"] or "",
            status=row["status"] or "",
            input=json_of(row["input"]),
            output=json_of(row["output"]),
            tags=self._listed(row["tags"]),
            info=mapping_of(row["info"], "info"),
            created=created,
            updated=updated,
        )

    def _listed(self, tags: str | None) -> list[str]:
        if not tags:
            return []
        return list(json.loads(tags)) if self._dialect.is_postgres else tags.split("|")

    def _steps(self, run: str) -> list[Step]:
        texts = [
            f"{self._dialect.text(name)} AS {name}"
            for name in ("id", "run_id", "parent_step", "input", "output", "info")
        ]
        times = [f"{self._dialect.micros(name, 'seconds')} AS {name}" for name in ("start_time", "end_time")]
        columns = ", ".join(["type", "name", "status", *texts, *times, self._tags()])
        table = f"{self._prefix}chronicle_steps"
        where = self._dialect.is_id("run_id", run)
        sql = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY start_time, id"
        return [self._step(row) for row in self._ask(sql)]

    def _step(self, row: Cells) -> Step:
        started = moment(row["start_time"])
        return Step(
            id=row["id"] or "",
            run_id=row["run_id"] or "",
            parent_id=row["parent_step"],
            type=row["type"] or "",
            name=row["name"],
            status=row["status"] or "",
            input=json_of(row["input"]),
            output=json_of(row["output"]),
            tags=self._listed(row["tags"]),
            info=mapping_of(row["info"], "info"),
            started=started,
            ended=moment_of(row["end_time"]),
        )

    def _calls(self, run: str) -> list[Call]:
        names = ("id", "step_id", "chat_request", "chat_response", "error", "meta", "response_meta")
        texts = [f"{self._dialect.text(name)} AS {name}" for name in names]
        time = f"{self._dialect.micros('created_at', 'seconds')} AS created_at"
        columns = ", ".join(["event_type", "provider", "model", "total_latency_ms", time, *texts])
        table = f"{self._prefix}chronicle_events"
        where = self._dialect.is_id("run_id", run)
        sql = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY created_at, id"
        return [_call(row) for row in self._ask(sql)]


def _call(row: Cells) -> Call:
    time = moment(row["created_at"])
    meta = json_of(row["response_meta"])
    said = meta if isinstance(meta, dict) else {}
    usage = said.get("usage")
    told = usage if isinstance(usage, dict) else {}
    cost = said.get("cost_usd")
    latency = row["total_latency_ms"]
    return Call(
        id=row["id"] or "",
        type=row["event_type"],
        step_id=row["step_id"],
        time=time,
        provider=row["provider"],
        model=row["model"] or None,
        request=json_of(row["chat_request"]),
        response=json_of(row["chat_response"]),
        error=json_of(row["error"]),
        meta=json_of(row["meta"]),
        latency_ms=None if latency is None else round(float(latency)),
        usage={kind: count for kind, count in told.items() if _is_number(count)},
        cost_usd=cost if _is_number(cost) else None,
    )


def _is_above(step: Step, parent: Step, steps: dict[str, Step]) -> bool:
    """Whether a step stands somewhere above its own parent."""
    seen: set[str] = set()
    one: Step | None = parent
    while one is not None and one.id not in seen:
        if one.id == step.id:
            return True
        seen.add(one.id)
        one = steps.get(one.parent_id or "")
    return False


def _is_number(value: object) -> bool:
    """Whether it can be added up; others may have written anything."""
    return isinstance(value, int | float) and not isinstance(value, bool)
