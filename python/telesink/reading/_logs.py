"""Log records of telesink's own tables and of `preset=systemprompt`: where they stand, which are meant.

Statements are put together from names of telesink's own and from values that went through `Dialect.literal`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from telesink.reading._rows import LogRow
from telesink.reading._sql import Dialect, aware, moment, moment_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Cells = dict[str, str | None]


class Chosen(TypedDict, total=False):
    """Which log records, as `Reader.logs` takes it."""

    level: str | None
    logger: str | Sequence[str] | None
    text: str | None
    since: datetime | None
    until: datetime | None
    trace_id: str | None


#: Names of Python under which no level is stored.
STORED = {"WARNING": "WARN", "CRITICAL": "FATAL"}

#: OpenTelemetry's numbers of levels that are stored by name only.
SEVERITIES = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}


class Logs(NamedTuple):
    """Where log records stand, and under which names."""

    table: str
    time: str
    #: How SQLite keeps times.
    form: str
    #: What orders rows by arrival or time.
    order: str
    logger: str
    body: str
    attributes: str
    #: What a row has beside, as it is.
    others: tuple[str, ...] = ()
    #: When telesink took the record.
    observed: str = ""
    attribution: tuple[str, ...] = ()


OWN = Logs(
    *("telesink_logs", "ts", "nanos", "row_id", "logger", "body", "attributes"),
    ("severity", "service", "event_name", "span_id", "seq"),
    "observed_ts",
)
OWN_IN_POSTGRES = OWN._replace(order="ts")
SYSTEMPROMPT = Logs(
    *("logs", "timestamp", "text", "timestamp", "module", "message", "metadata"),
    attribution=("user_id", "session_id", "task_id", "context_id", "client_id"),
)


def columns(logs: Logs, dialect: Dialect, prefix: str) -> str:
    """What is asked for. `prefix` stands in front of the names of tables."""
    of_own: list[str] = []
    if logs.observed:
        of_program = dialect.text("attributes")
        # A program that is not known any more is none.
        program = f"SELECT {of_program} FROM {prefix}telesink_resources AS programs"  # noqa: S608 - see above
        of_own = [
            f"{dialect.micros(logs.observed, logs.form)} AS observed",
            f"{dialect.text('instance')} AS instance",
            f"({program} WHERE programs.id = resource_id) AS resource",
        ]
    return ", ".join(
        [
            f"{dialect.text('id')} AS id",
            f"{dialect.micros(logs.time, logs.form)} AS time",
            "level",
            f"{logs.logger} AS logger",
            f"{logs.body} AS body",
            f"{dialect.text('trace_id')} AS trace_id",
            f"{dialect.text(logs.attributes)} AS attributes",
            # As it stands, to go on from it.
            f"{dialect.text(logs.order)} AS place",
            *logs.others,
            *logs.attribution,
            *of_own,
        ]
    )


def conditions(
    logs: Logs,
    dialect: Dialect,
    *,
    level: str | None = None,
    logger: str | Sequence[str] | None = None,
    text: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    trace_id: str | None = None,
) -> list[str]:
    """What rows have to fulfil."""
    where = []
    if level is not None:
        # As they are stored.
        names = {level, level.upper(), STORED.get(level.upper(), level)}
        where.append(f"level IN ({', '.join(dialect.literal(name) for name in sorted(names))})")
    if logger is not None:
        loggers = [logger] if isinstance(logger, str) else logger
        any_of = [_is_logger(logs, dialect, name) for name in loggers]
        where.append(f"({' OR '.join(any_of)})" if any_of else "1 = 0")
    if text is not None:
        where.append(dialect.contains(logs.body, text))
    if since is not None:
        where.append(f"{logs.time} >= {dialect.moment(aware(since), logs.form)}")
    if until is not None:
        where.append(f"{logs.time} < {dialect.moment(aware(until, 'until'), logs.form)}")
    if trace_id is not None:
        forms = sorted({trace_id, trace_id.lower(), trace_id.lower().replace("-", "")})
        among = ", ".join(dialect.literal(form) for form in forms)
        if logs is OWN_IN_POSTGRES:
            where.append(dialect.is_id("trace_id", _dashed(trace_id)))
        else:
            where.append(f"trace_id IN ({among})")
    return where


def _is_logger(logs: Logs, dialect: Dialect, name: str) -> str:
    below = dialect.literal(f"{name}.")
    same = f"{logs.logger} = {dialect.literal(name)}"
    return f"({same} OR substr({logs.logger}, 1, {len(name) + 1}) = {below})"


def behind(logs: Logs, dialect: Dialect, last: Cells) -> str:
    """What rows have to fulfil that come after one."""
    place = last["place"] or ""
    if logs.order == "row_id":
        return f"row_id > {int(place)}"
    mark = dialect.literal(place) + ("::timestamptz" if dialect.is_postgres else "")
    # The first half says the same with less, and an index knows it.
    after = f"({logs.order}, {dialect.text('id')}) > ({mark}, {dialect.literal(last['id'] or '')})"
    return f"({logs.order} >= {mark} AND {after})"


def row_of(cells: Cells, logs: Logs) -> LogRow:
    """Make a row of what a database said."""
    attributes = mapping_of(cells["attributes"], logs.attributes)
    for name in logs.attribution:
        if cells[name] is not None:
            attributes[name] = cells[name]
    return LogRow(
        id=cells["id"] or "",
        time=moment(cells["time"]),
        level=cells["level"] or "",
        logger=cells["logger"] or "",
        body=cells["body"] or "",
        trace_id=_digits(cells["trace_id"]),
        span_id=cells.get("span_id"),
        # A name that nobody knows counts as INFO.
        severity=int(cells.get("severity") or 0)
        or SEVERITIES.get((cells["level"] or "").upper(), SEVERITIES["INFO"]),
        service=cells.get("service"),
        event_name=cells.get("event_name"),
        observed_time=moment_of(cells.get("observed")),
        instance=cells.get("instance"),
        seq=_number(cells.get("seq")),
        resource=mapping_of(cells.get("resource"), "resource"),
        attributes=attributes,
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def json_of(text: str | None) -> Any:
    """JSON that a column holds; what is none as the text that it is: others have written it."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def mapping_of(text: str | None, name: str) -> dict[str, Any]:
    """The object that a column holds; anything else that others have written, under a name."""
    value = json_of(text)
    if value is None:
        return {}
    return value if isinstance(value, dict) else {name: value}


def where_of(conditions: Sequence[str]) -> str:
    """Conditions as SQL has them; empty without any."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _digits(trace_id: str | None) -> str | None:
    """A trace id in the one form of W3C; others as they are."""
    if trace_id is None:
        return None
    digits = trace_id.replace("-", "").lower()
    return digits if len(digits) == len("0123456789abcdef") * 2 else trace_id


def _dashed(trace_id: str) -> str:
    """A trace id as Postgres writes it, which keeps it as a UUID."""
    digits = trace_id.lower().replace("-", "")
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts) if len(digits) == len("0123456789abcdef") * 2 else trace_id.lower()
