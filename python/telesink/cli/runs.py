"""`telesink runs`: runs of LLM programs with their steps and calls, as `?preset=chronicle` keeps them."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from telesink import TelesinkError, _native
from telesink.cli import output
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.render import escaped, safe_json
from telesink.cli.target import command_error_of, dsn_of
from telesink.reading import Call, Page, Reader, Run, Step

commands = typer.Typer(
    name="runs",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at runs of LLM programs, as `?preset=chronicle` keeps them in SQLite and Postgres.",
)

RunsDsn = Annotated[
    str,
    typer.Argument(
        metavar="DSN",
        help="Which database: the DSN that the program has, or the path of a SQLite file.",
        show_default=False,
    ),
]

#: Hexadecimal digits of an id that a list shows; `show` takes as many.
_ID_CHARACTERS_MIN = 8

_TREE = ("├─ ", "└─ ", "│  ", "   ")


def reader_of(target: str) -> Reader:
    """Open the tables of runs that a DSN names.

    Raises:
        CommandError: the DSN is wrong, or the database is not to be had.
    """
    try:
        return Reader(dsn_of(target), preset="chronicle")
    except TelesinkError as error:
        raise command_error_of(error) from error


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that `7d`, `2 hours` or `2026-01-31` names; without a zone it is local time.

    Raises:
        CommandError: it names none.
    """
    seconds = _native.parse_seconds(text)
    if seconds is not None:
        return now - timedelta(seconds=seconds)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        message = f"--since is {escaped(text)}, which is neither a length of time nor a moment"
        hint = 'write "7 days", "2 h" or 2026-01-31T12:00'
        raise CommandError(message, hint=hint, exit_code=USAGE_EXIT_CODE) from error


def seconds_of(value: float | None) -> str:
    """Return a length of time as people read it.

    >>> seconds_of(0.0421), seconds_of(12.34), seconds_of(125.0), seconds_of(None)
    ('42 ms', '12.3 s', '2 min 5 s', '')
    """
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1_000:.0f} ms"
    minutes, seconds = divmod(value, 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{value:.1f} s"


def usage_of(usage: dict[str, int], cost_usd: float | None) -> str:
    """Return tokens and costs as people read them; empty if nothing was told.

    >>> usage_of({"input_tokens": 1200, "output_tokens": 34}, 0.0125)
    '1,200 in, 34 out, $0.0125'
    """
    names = {"input_tokens": "in", "output_tokens": "out"}
    parts = [f"{usage[name]:,} {word}" for name, word in names.items() if name in usage]
    if cost_usd:
        parts.append(f"${cost_usd:.6f}".rstrip("0").rstrip("."))
    return ", ".join(parts)


def tree_of(run: Run) -> Iterator[str]:
    """Lines of a run with its steps and calls, in the order of time."""
    head = [run.name or "run", run.status, seconds_of(run.seconds), usage_of(run.usage(), run.cost_usd())]
    yield "  ".join(escaped(part) for part in head if part)
    yield from _branches(run.steps, run.calls, "")


def _branches(steps: list[Step], calls: list[Call], indent: str) -> Iterator[str]:
    parts: list[Step | Call] = sorted([*steps, *calls], key=_time_of)
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        yield (
            indent
            + (_TREE[1] if is_last else _TREE[0])
            + "  ".join(escaped(word) for word in _words(part) if word)
        )
        if isinstance(part, Step):
            yield from _branches(part.steps, part.calls, indent + (_TREE[3] if is_last else _TREE[2]))


def _time_of(part: Step | Call) -> datetime:
    return part.started if isinstance(part, Step) else part.time


def _words(part: Step | Call) -> Iterable[str]:
    if isinstance(part, Step):
        return (part.type, part.name or "", part.status, seconds_of(part.seconds))
    model = " ".join(word for word in (part.provider, part.model) if word)
    latency = None if part.latency_ms is None else part.latency_ms / 1_000
    failed = "error" if part.error is not None else ""
    return (part.type or "event", model, failed, seconds_of(latency), usage_of(part.usage, part.cost_usd))


def as_dict(row: Run) -> dict[str, Any]:
    """A run as JSON takes it."""
    return dict(_plain(dataclasses.asdict(row)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value


def run_list(dsn: str, *, as_json: bool, limit: int, **chosen: Any) -> None:
    """Show the newest runs."""
    try:
        page = reader_of(dsn).runs(per_page=limit, **chosen)
    except TelesinkError as error:
        raise command_error_of(error) from error
    if as_json:
        for run in page:
            told = {name: value for name, value in as_dict(run).items() if name not in ("steps", "calls")}
            print(safe_json(told))
        return
    rows = [
        (
            f"{run.created.astimezone():%Y-%m-%d %H:%M:%S}",
            run.id,
            run.name or "",
            run.status,
            seconds_of(run.seconds),
        )
        for run in page
    ]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(map(escaped, row)))
        _say_more(page)
        return
    table = Table("started", "id", "name", "status", box=None, pad_edge=False)
    table.add_column("took", justify="right")
    for row in rows:
        table.add_row(*map(escaped, row))
    Console(highlight=False, markup=False, emoji=False).print(table)
    _say_more(page)


def _say_more(page: Page[Run]) -> None:
    if page.total > len(page):
        output.flush()
        output.say(f"telesink: {page.total - len(page):,} more; --limit shows them")


def run_show(dsn: str, id: str, *, as_json: bool) -> None:  # noqa: A002 - the column's name
    """Show one run."""
    reader = reader_of(dsn)
    try:
        found = reader.run(id)
        if found is None and len(id) >= _ID_CHARACTERS_MIN:
            matching = reader.run_ids(id)
            if len(matching) > 1:
                message = f"several runs have an id that begins with {escaped(id)}"
                raise CommandError(message, hint="write more of it", exit_code=USAGE_EXIT_CODE)
            found = reader.run(matching[0]) if matching else None
    except TelesinkError as error:
        raise command_error_of(error) from error
    if found is None:
        message = f"there is no run {escaped(id)}"
        raise CommandError(message, hint="`telesink runs list` shows those that are there")
    if as_json:
        print(safe_json(as_dict(found)))
        return
    for line in tree_of(found):
        print(line)


@commands.command("list")
def list_runs(
    dsn: RunsDsn,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those with this status.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help='Not older than "7 days", or than 2026-01-31T12:00.')
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line.")] = False,
) -> None:
    """Show runs, newest first.

    Writes a table in a terminal, and tab-separated values elsewhere.

    Example: telesink runs list postgresql://app@db/app --status error --since "1 day"
    """
    moment = None if since is None else moment_of(since, datetime.now(UTC))
    output.end_with_reader()
    run_list(dsn, as_json=json, limit=limit, name=name, status=status, since=moment)


@commands.command()
def show(
    dsn: RunsDsn,
    id: Annotated[  # noqa: A002 - the column's name
        str,
        typer.Argument(metavar="ID", help="Its id, or the first eight characters of it.", show_default=False),
    ],
    json: Annotated[bool, typer.Option("--json", help="Write it as JSON, with steps and calls.")] = False,
) -> None:
    """Show a run as a tree: its steps and calls, how long they took, tokens and costs.

    Example: telesink runs show app.db 0197a6d2
    """
    output.end_with_reader()
    run_show(dsn, id, as_json=json)
