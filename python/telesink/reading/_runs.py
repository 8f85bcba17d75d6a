"""Runs, steps and calls in the tables of `preset=chronicle`, and the tree that they are.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from telesink.reading._logs import Cells, json_of, mapping_of
from telesink.reading._rows import Call, Run, Step
from telesink.reading._sql import moment, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from telesink.reading._sql import Dialect


class RunTables:
    """The three tables.

    :param ask: asks a question, and answers with rows.
    :param prefix: what stands in front of the names of tables.
    """

    def __init__(self, ask: Callable[[str], list[Cells]], dialect: Dialect, prefix: str) -> None:
        self._ask = ask
        self._dialect = dialect
        self._prefix = prefix

    def tree(self, id: str) -> Run | None:  # noqa: A002 - the column's name
        """A run with its steps and calls; None if there is none of that id."""
        found = self._ask(f"{self.sql()} WHERE {self._dialect.is_id('id', id)}")
        if not found:
            return None
        run = self.run(found[0])
        steps = {step.id: step for step in self._steps(id)}
        for step in steps.values():
            parent = steps.get(step.parent_id or "")
            # A step that is its own ancestor stands on top, so that it is seen.
            (run.steps if parent is None or _is_above(step, parent, steps) else parent.steps).append(step)
        for call in self._calls(id):
            step_of = steps.get(call.step_id or "")
            (run.calls if step_of is None else step_of.calls).append(call)
        return run

    def sql(self) -> str:
        """What is asked for of runs."""
        times = [
            f"{self._dialect.micros(name, 'seconds')} AS {name}" for name in ("created_at", "updated_at")
        ]
        plain = ["name", "description", "application", "environment", "status", "trace_id"]
        texts = [f"{self._dialect.text(name)} AS {name}" for name in ("id", "input", "output", "info")]
        columns = [*plain, *texts, *times, self._tags()]
        return f"SELECT {', '.join(columns)} FROM {self._prefix}chronicle_runs"

    def _tags(self) -> str:
        return "to_json(tags)::text AS tags" if self._dialect.is_postgres else "tags"

    def run(self, row: Cells) -> Run:
        """Make a run of a row, without its steps."""
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
