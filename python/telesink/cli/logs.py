"""`telesink logs`: log records in pages, one by one, counted, and written into a file."""

import dataclasses
import json as json_module
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from telesink import TelesinkError
from telesink.cli import output
from telesink.cli.export import Form, as_json, run_export
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.render import escaped, safe_json
from telesink.cli.runs import moment_of
from telesink.cli.target import command_error_of, count_of, dsn_of
from telesink.reading import Editor, LogRow, Reader

Answer = TypeVar("Answer")

#: Characters that the beginning of an id has at least.
_ID_CHARACTERS_MIN = 4

commands = typer.Typer(
    name="logs",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at log records in SQLite and Postgres, also those of `?preset=systemprompt`.",
)

LogsDsn = Annotated[
    str,
    typer.Argument(
        metavar="DSN",
        help="Which database: the DSN that the program has, or the path of a SQLite file.",
        show_default=False,
    ),
]
Level = Annotated[str | None, typer.Option("--level", "-l", help="Only this level, by its name.")]
Logger = Annotated[str | None, typer.Option(help="Only this logger and those below it.")]
Since = Annotated[
    str | None, typer.Option(metavar="AGE", help='Not older than "7 days", or than 2026-01-31T12:00.')
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object a line.")]


def reader_of(target: str) -> Reader:
    """Open the tables that a DSN names.

    Raises:
        CommandError: the DSN is wrong, or the database is not to be had.
    """
    return _told(lambda: Reader(dsn_of(target)))


def _told(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except TelesinkError as error:
        raise command_error_of(error) from error


def chosen_of(
    level: str | None, logger: str | None, since: str | None, text: str | None = None
) -> dict[str, Any]:
    """Return what a reader is asked for."""
    moment = None if since is None else moment_of(since, datetime.now(UTC))
    return {"level": level, "logger": logger, "since": moment, "text": text}


def line_of(row: LogRow) -> str:
    """A record on one line: time, level, logger, message and attributes.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    >>> parts = {"level": "INFO", "logger": "shop", "body": "paid", "attributes": {"n": 1}}
    >>> line_of(LogRow(id="1", time=noon, trace_id=None, **parts))
    '2026-01-31T12:00:00.000000Z [INFO ] shop: paid {"n": 1}'
    """
    attributes = f" {json_module.dumps(row.attributes, ensure_ascii=False)}" if row.attributes else ""
    text = f"{row.time:%Y-%m-%dT%H:%M:%S.%f}Z [{row.level:<5}] {row.logger}: {row.body}{attributes}"
    return escaped(text)


def run_view(dsn: str, *, page: int, per_page: int, is_json: bool, **chosen: Any) -> None:
    """Show a page, its oldest record first."""
    reader = reader_of(dsn)
    found = _told(lambda: reader.logs(page=page, per_page=per_page, **chosen))
    for row in reversed(found):
        print(as_json(row) if is_json else line_of(row))
    if found.pages > 1:
        output.flush()
        output.say(f"telesink: page {found.page} of {found.pages}, {count_of(found.total, 'record')}")


def run_follow(dsn: str, *, is_json: bool, **chosen: Any) -> None:
    """Show records as they come, until Ctrl+C."""
    reader = reader_of(dsn)
    with suppress(KeyboardInterrupt):
        rows = _told(lambda: reader.follow(**chosen))
        while (row := _told(lambda: next(rows, None))) is not None:
            print(as_json(row) if is_json else line_of(row))
            output.flush()


def run_show(dsn: str, id: str, *, is_json: bool) -> None:  # noqa: A002 - the column's name
    """Show the record of an id, the records of a trace, or the record whose id begins so."""
    reader = reader_of(dsn)
    one = _told(lambda: reader.log(id) or reader.log(id.lower()))
    rows = [one] if one else _told(lambda: list(reader.all_logs(trace_id=id)))
    if not rows and len(id) >= _ID_CHARACTERS_MIN:
        ids = _told(lambda: reader.log_ids(id))
        if len(ids) > 1:
            message = f"more than one record has an id that begins with {escaped(id)}"
            raise CommandError(message, hint="give more of it", exit_code=USAGE_EXIT_CODE)
        found = _told(lambda: [reader.log(one) for one in ids])
        rows = [row for row in found if row]
    if not rows:
        message = f"there is neither a record nor a trace {escaped(id)}"
        raise CommandError(message, hint="`telesink logs view --json` shows the ids of those that are there")
    for row in rows:
        print(as_json(row) if is_json else line_of(row))


def run_delete(dsn: str, ids: list[str], *, is_sure: bool) -> None:
    """Delete the records of these ids."""
    if not is_sure:
        if not sys.stdin.isatty():
            message = f"{count_of(len(ids), 'record')} would be deleted"
            raise CommandError(message, hint="add -y to delete them", exit_code=USAGE_EXIT_CODE)
        typer.confirm(f"Delete {count_of(len(ids), 'record')}?", abort=True, err=True)
    deleted = _told(lambda: Editor(dsn_of(dsn)).delete_many(ids))
    print(f"deleted {count_of(deleted, 'record')}")
    if deleted < len(set(ids)):
        message = f"{len(set(ids)) - deleted} of them were not there"
        raise CommandError(message, hint="`telesink logs view --json` shows the ids of those that are there")


def run_summary(dsn: str, *, is_json: bool, **chosen: Any) -> None:
    """Show how many records there are."""
    reader = reader_of(dsn)
    found = _told(lambda: reader.summary(**chosen))
    if is_json:
        ends = {
            name: moment and moment.isoformat()
            for name, moment in (("first", found.first), ("last", found.last))
        }
        print(safe_json({**dataclasses.asdict(found), **ends}))
        return
    span = (
        f", {found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC"
        if found.first and found.last
        else ""
    )
    print(f"{count_of(found.total, 'record')}{span}")
    for title, counts in (("level", found.levels), ("logger", found.loggers)):
        for name, count in counts.items():
            print(f"{title}\t{escaped(name)}\t{count}")


@commands.command()
def view(
    dsn: LogsDsn,
    level: Level = None,
    logger: Logger = None,
    since: Since = None,
    page: Annotated[int, typer.Option(min=1, help="Which page; the first has the newest.")] = 1,
    per_page: Annotated[int, typer.Option("--per-page", "-n", min=1, max=10_000, help="Records on it.")] = 50,
    json: Json = False,
) -> None:
    """Show a page of log records, the newest last.

    Example: telesink logs view postgresql://app@db/app --level ERROR --since "2 h"
    """
    output.end_with_reader()
    run_view(dsn, page=page, per_page=per_page, is_json=json, **chosen_of(level, logger, since))


@commands.command()
def follow(
    dsn: LogsDsn,
    level: Level = None,
    logger: Logger = None,
    since: Since = None,
    text: Annotated[str | None, typer.Option(help="Only if the message holds this, in any case.")] = None,
    json: Json = False,
) -> None:
    """Show log records as they arrive, in SQLite and Postgres, until Ctrl+C.

    In Postgres within a second, or at once if the program and this DSN say notify=true.

    Example: telesink logs follow "postgresql://app@db/app?notify=true" --level ERROR
    """
    output.end_with_reader()
    run_follow(dsn, is_json=json, **chosen_of(level, logger, since, text))


@commands.command()
def search(
    dsn: LogsDsn,
    text: Annotated[
        str, typer.Argument(help="What the message has to hold, in any case.", show_default=False)
    ],
    level: Level = None,
    logger: Logger = None,
    since: Since = None,
    page: Annotated[int, typer.Option(min=1, help="Which page; the first has the newest.")] = 1,
    per_page: Annotated[int, typer.Option("--per-page", "-n", min=1, max=10_000, help="Records on it.")] = 50,
    json: Json = False,
) -> None:
    """Show log records whose message holds a text.

    Example: telesink logs search app.db "order 7"
    """
    output.end_with_reader()
    run_view(dsn, page=page, per_page=per_page, is_json=json, **chosen_of(level, logger, since, text))


@commands.command()
def show(
    dsn: LogsDsn,
    id: Annotated[  # noqa: A002 - the column's name
        str,
        typer.Argument(
            metavar="ID",
            help="The id of a record or the beginning of it, or the id of a trace.",
            show_default=False,
        ),
    ],
    json: Json = False,
) -> None:
    """Show one record, or all of a trace.

    Example: telesink logs show app.db 0af7651916cd43dd8448eb211c80319c
    """
    output.end_with_reader()
    run_show(dsn, id, is_json=json)


@commands.command()
def delete(
    dsn: LogsDsn,
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The whole ids of records.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete log records by their ids. What is older than some age: `telesink prune`.

    Example: telesink logs delete app.db 0197a6d2-4d20-7d3f-9d60-6cbb0e7e4bd9
    """
    run_delete(dsn, ids, is_sure=yes)


@commands.command()
def summary(
    dsn: LogsDsn, level: Level = None, logger: Logger = None, since: Since = None, json: Json = False
) -> None:
    """Count log records by level, and by the ten loggers that said most.

    Example: telesink logs summary app.db --since "1 day"
    """
    output.end_with_reader()
    run_summary(dsn, is_json=json, **chosen_of(level, logger, since))


@commands.command()
def export(
    dsn: LogsDsn,
    format: Annotated[Form, typer.Option("--format", "-f", help="What to write.")] = Form.JSONL,  # noqa: A002
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; standard output without it."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on behind the last record of the file (csv and jsonl).")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 writes all.")] = 0,
    level: Level = None,
    logger: Logger = None,
    since: Since = None,
) -> None:
    """Write log records, the oldest first.

    In a terminal it says how far it is. What was cut short goes on with --resume.

    Example: telesink logs export app.db --format csv --output app.csv
    """
    output.end_with_reader()
    chosen = chosen_of(level, logger, since)
    run_export(reader_of(dsn), format, to, resumes=resume, limit=limit, **chosen)
