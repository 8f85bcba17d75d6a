"""`telesink query --trace ID`: the spans of a trace as a tree, each with the log records made in it."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

from telesink.cli.failure import FAILED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.reading import COLUMNS, StoredRecord, command_error, open_database, stored_record
from telesink.cli.render import escaped, plain

#: How long a lock of another program is waited for.
LOCK_SECONDS = 5.0

#: 16 bytes as hex digits, with or without the hyphens that Postgres writes.
TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)

#: Spans and log records of one trace that are shown, each; what is more is told.
SHOWN_MAX = 10_000

#: Deepest nesting that is drawn: what lies deeper stands under the last.
DEPTH_MAX = 64

STATUS = {1: "OK", 2: "ERROR"}

SPANS = (
    "SELECT ts, span_id, parent_span_id, name, duration_ns, status, status_message, service "
    "FROM telesink_spans WHERE trace_id = ? ORDER BY ts, row_id LIMIT ?"
)
LOGS = f"SELECT {COLUMNS} FROM telesink_logs WHERE trace_id = ? ORDER BY ts, row_id LIMIT ?"  # noqa: S608


class Span(NamedTuple):
    """A row of `telesink_spans`, as much of it as is shown."""

    ts: int
    span_id: str
    parent_span_id: str | None
    name: str
    duration_ns: int
    status: int
    status_message: str | None
    service: str


@dataclass(slots=True)
class Node:
    """A span with what happened in it."""

    span: Span
    children: list["Node"] = field(default_factory=list)
    logs: list[StoredRecord] = field(default_factory=list)


def run_trace(path: Path, trace_id: str, *, out: TextIO) -> None:
    """Write the trace called `trace_id` to `out`.

    Raises:
        CommandError: this is no trace id, the file cannot be read, or there is nothing of that trace.
    """
    wanted = trace_id.strip().replace("-", "").lower()
    if not TRACE_ID.fullmatch(wanted):
        message = "a trace id is 32 hex digits"
        raise CommandError(message, hint="see the column trace_id", exit_code=USAGE_EXIT_CODE)
    try:
        with closing(open_database(path, timeout_seconds=LOCK_SECONDS)) as connection:
            spans, logs = _read(connection, wanted)
    except sqlite3.Error as error:
        raise command_error(error, path) from error
    if not spans and not logs:
        message = f"nothing of trace {wanted} is stored in {path}"
        raise CommandError(message, hint="is it stored already?", exit_code=FAILED_EXIT_CODE)
    out.writelines(f"{line}\n" for line in lines_of(spans[:SHOWN_MAX], logs[:SHOWN_MAX]))
    if len(spans) > SHOWN_MAX or len(logs) > SHOWN_MAX:
        out.write(f"only the first {SHOWN_MAX:,} spans and log records are shown\n")


def _read(connection: sqlite3.Connection, trace_id: str) -> tuple[list[Span], list[StoredRecord]]:
    wanted = (trace_id, SHOWN_MAX + 1)
    # One moment for both tables.
    connection.execute("BEGIN")
    logs = [stored_record(row) for row in connection.execute(LOGS, wanted)]
    try:
        spans = [Span._make(row) for row in connection.execute(SPANS, wanted)]
    except sqlite3.OperationalError as error:
        # The file is of a version before spans.
        if "no such table: telesink_spans" not in str(error):
            raise
        spans = []
    return spans, logs


def lines_of(spans: Sequence[Span], logs: Sequence[StoredRecord]) -> Iterator[str]:
    """Draw the tree; log records that belong to no span that is there stand at the end."""
    nodes: dict[str, Node] = {}
    for span in spans:
        nodes.setdefault(span.span_id, Node(span))
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_span_id or "")
        if parent is None or _is_below(parent, node, nodes):
            roots.append(node)
        else:
            parent.children.append(node)
    alone: list[StoredRecord] = []
    for record in logs:
        owner = nodes.get(record.span_id or "")
        (alone if owner is None else owner.logs).append(record)
    for root in roots:
        yield _span_line(root.span)
        yield from _below(root, "", 1)
    if alone and nodes:
        yield "outside of these spans:"
    for record in alone:
        yield _log_line(record)


def _is_below(node: Node, other: Node, nodes: dict[str, Node]) -> bool:
    """Whether `other` lies above `node`: spans that name each other as parents have no top otherwise."""
    for _ in range(DEPTH_MAX * 4):
        if node is other:
            return True
        above = nodes.get(node.span.parent_span_id or "")
        if above is None:
            return False
        node = above
    return True


def _below(node: Node, indent: str, depth: int) -> Iterator[str]:
    inside: list[Node | StoredRecord] = sorted([*node.children, *node.logs], key=_begin)
    for at, one in enumerate(inside):
        is_last = at == len(inside) - 1
        branch, rest = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        if isinstance(one, Node):
            yield f"{indent}{branch}{_span_line(one.span)}"
            yield from _below(one, indent if depth >= DEPTH_MAX else indent + rest, depth + 1)
        else:
            yield f"{indent}{branch}{_log_line(one)}"


def _begin(one: Node | StoredRecord) -> int:
    return one.span.ts if isinstance(one, Node) else one.ts


def _span_line(span: Span) -> str:
    status = STATUS.get(span.status, "")
    words = [
        span.name,
        f"{span.duration_ns / 1e6:g} ms",
        status,
        span.status_message or "",
        f"[{span.service}]",
    ]
    return escaped("  ".join(word for word in words if word))


def _log_line(record: StoredRecord) -> str:
    # Stack traces stand below a line; here each is one.
    return plain(record).partition("\n")[0]
