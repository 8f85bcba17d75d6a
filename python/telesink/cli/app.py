"""The commands with their options: what is read from the command line, and the exit codes."""

import enum
import functools
import os
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from telesink import ConfigError, __version__, _native
from telesink.cli import output
from telesink.cli.commands import DatabaseDsn, check, doctor, replay
from telesink.cli.ending import code_of, end_with_threads
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.files import commands as files_commands
from telesink.cli.logs import commands as logs_commands
from telesink.cli.parsing import Commands
from telesink.cli.query import Format, run_query
from telesink.cli.reading import StoredRecord, database_path
from telesink.cli.render import as_json, plain, pretty, style_of
from telesink.cli.runs import commands as runs_commands
from telesink.cli.selection import Selection
from telesink.cli.tail import run_tail

Parameters = ParamSpec("Parameters")

app = typer.Typer(
    name="telesink",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DsnToRead = Annotated[
    str,
    typer.Argument(
        metavar="DSN",
        help="Which database: sqlite:///app.db, or the path of a file that exists.",
        show_default=False,
    ),
]


PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="The tables of systemprompt or chronicle, not telesink's own."
    ),
]


class Dialect(enum.StrEnum):
    """The databases that have tables of their own."""

    POSTGRES = "postgres"
    SQLITE = "sqlite"


def run() -> int:
    """Run the command line of this process and return its exit code."""
    output.take()

    def parse_and_run() -> None:
        try:
            app(prog_name="telesink")
        except SystemExit as end:
            raise typer.Exit(end.code if isinstance(end.code, int) else int(end.code is not None)) from None

    # Help, too, may meet a full disk.
    code = code_of(parse_and_run)
    end_with_threads(code)
    return code


def _say(text: str) -> None:
    """Tell something that is not part of the output."""
    output.flush()
    output.say(f"telesink: {text}")


def _guarded(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Let a command end with an exit code and a clear line, whatever ends it."""

    @functools.wraps(command)
    def guarded(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        raise typer.Exit(code_of(lambda: command(*arguments, **options)))

    return guarded


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"telesink {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Examples:\n\n"
    "  telesink demo\n\n"
    "  telesink tail sqlite:///app.db --level warning --logger shop.cart\n\n"
    "  telesink tail app.db --no-follow --lines 100 --json order_id=1234\n\n"
    '  telesink query app.db "select level, count(*) from telesink_logs group by 1"\n\n'
    '  telesink prune postgresql://app@db/app --older-than "30 days" --dry-run\n\n'
    "  telesink schema --dialect postgres | psql app\n\n"
    "  telesink doctor sqlite:///app.db --app shop.main:configure\n\n"
    "  telesink check postgresql://app@db/app --dead-letter refused.ndjson\n\n"
    "  telesink replay refused.ndjson --to postgresql://app@db/app --dry-run\n\n"
    "  telesink files status /var/log/app\n\n"
    "  telesink runs list app.db"
)
def describe(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Watch, query, check and prune what telesink stored, find out what is wrong, or see it at work."""


@app.command()
@_guarded
def demo(
    dsn: Annotated[
        str, typer.Option(help="Where the records go; any DSN that install_logging takes.")
    ] = "sqlite:///telesink-demo.db",
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long the traffic lasts.")] = 5.0,
    rate: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Records per second in calm times.")
    ] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
) -> None:
    """Make the traffic of a small shop, store it, and account for every record.

    A shop with an assistant that calls a language model logs from several threads: calm times, a burst as
    fast as it can, and a slow time in which its providers fail. Then the ledger is shown and compared with
    what was stored. Another run with the same database adds to it.

    Exit code: 0 if every record was delivered and counted, 1 if not, 2 if the DSN cannot be used, 130 after
    Ctrl+C.
    """
    from telesink.cli.demo import run_demo

    raise typer.Exit(run_demo(dsn, seconds=seconds, rate=rate, seed=seed))


@app.command()
@_guarded
def tail(
    dsn: DsnToRead,
    filters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER",
            help="key=value: a column (level, logger, service, event_name, trace_id, span_id), or else an "
            "attribute. Text is compared as it is, other values as JSON: paid=true. A dot belongs to an "
            "attribute's name, or leads into nested values.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Show so many of the stored records first.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f/-F", help="Go on with records as they are stored.")
    ] = True,
    level: Annotated[
        str | None,
        typer.Option("--level", "-l", help="This level and above: a name, or a number as in logging."),
    ] = None,
    logger: Annotated[str | None, typer.Option(help="This logger and those below it.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object a line, with everything stored.")
    ] = False,
) -> None:
    """Show the last records of a database, and follow it.

    Waits for a file that does not exist yet, and goes on with the new one when the file is replaced. In a
    terminal times are local and long values are cut; elsewhere times are UTC and nothing is cut. NO_COLOR
    and FORCE_COLOR are obeyed. Ctrl+C ends it.
    """
    path = database_path(dsn)
    selection = Selection.parse(filters or [], level=level, logger=logger)
    style = style_of(sys.stdout, os.environ)

    def show(record: StoredRecord) -> str:
        if json:
            return as_json(record)
        return plain(record) if style is None else pretty(record, style)

    output.end_with_reader()
    run_tail(path, selection, lines=lines, follows=follow, show=show, out=sys.stdout, say=_say)


@app.command()
@_guarded
def query(
    dsn: DsnToRead,
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="One statement that reads.", show_default=False)
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            "--trace",
            metavar="ID",
            help="Show the spans of this trace as a tree, with their log records, in place of SQL.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object a line.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Write comma-separated values, quoted where needed.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Show at most so many rows; 0 shows all.")] = 1_000,
) -> None:
    """Run one SQL statement on a database, without the right to change anything.

    Writes a table in a terminal, and tab-separated values with a header elsewhere; line ends, tabs and
    control characters inside a value are shown as escapes. Values stay as they are stored: times (ts,
    observed_ts) are integers, nanoseconds since the Unix epoch; datetime(ts / 1e9, 'unixepoch') makes them
    readable, and the views telesink_log_lines, telesink_span_lines and telesink_metric_lines show them so.
    The tables are telesink_logs, telesink_spans, telesink_metrics, telesink_resources, telesink_ledger and
    telesink_meta. Ctrl+C interrupts the statement.
    """
    if (sql is None) == (trace is None):
        raise CommandError(
            "a query takes a statement, or --trace with the id of a trace",
            hint="name one of the two",
            exit_code=USAGE_EXIT_CODE,
        )
    if trace is not None or sql is None:
        from telesink.cli.trace import run_trace

        if json or csv:
            raise CommandError(
                "--trace is shown as a tree only",
                hint="leave --json and --csv out",
                exit_code=USAGE_EXIT_CODE,
            )
        output.end_with_reader()
        run_trace(database_path(dsn), trace or "", out=sys.stdout)
        return
    if json and csv:
        raise CommandError(
            "--json and --csv exclude each other", hint="choose one", exit_code=USAGE_EXIT_CODE
        )
    default = Format.TABLE if sys.stdout.isatty() else Format.TABS
    form = Format.JSON if json else Format.CSV if csv else default
    output.end_with_reader()
    run_query(database_path(dsn), sql, form=form, limit=limit, out=sys.stdout, say=_say)


@app.command()
@_guarded
def prune(
    dsn: DatabaseDsn,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help='Delete records older than this: a number with its unit, such as "30 days" or "12 h".',
            show_default=False,
        ),
    ],
    level: Annotated[
        str | None, typer.Option("--level", "-l", metavar="NAME", help="Only records of this level.")
    ] = None,
    logger: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only records of this logger and those below it.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this table: logs, spans, metrics; runs, steps, events with preset=chronicle.",
        ),
    ] = None,
    preset: PresetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete old records, beside the programs that write.

    In Postgres, partitions that hold nothing younger are dropped as a whole, and other old rows are deleted,
    at most 10,000 in one transaction. In SQLite all rows are deleted so, and then the file is made smaller.
    Ctrl+C ends it between two steps; what is deleted stays deleted.

    Example: telesink prune app.db --older-than "1 day" --level DEBUG
    """
    from telesink.cli.prune import run_prune

    policy = {"level": level, "logger": logger, "table": table}
    raise typer.Exit(run_prune(dsn, older_than, preset=preset, is_dry_run=dry_run, **policy))


@app.command()
@_guarded
def schema(
    dialect: Annotated[Dialect, typer.Option("--dialect", help="For which database.", show_default=False)],
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="NAME", help="Make the tables in this schema (Postgres only)."),
    ] = None,
    preset: PresetOption = None,
) -> None:
    """Print the statements that make the tables, for psql or sqlite3.

    Programs make their tables themselves, unless the DSN says create_schema=false. The statements can be run
    again, and bring older tables up to date.
    """
    try:
        print(_native.table_definitions(dialect.value, schema, preset), end="")
    except ConfigError as error:
        raise CommandError(error.message, hint=error.hint, exit_code=USAGE_EXIT_CODE) from error


for _command in (check, doctor, replay):
    app.command()(_guarded(_command))

for _group in (files_commands, logs_commands, runs_commands):
    for _info in _group.registered_commands:
        _info.callback = _guarded(_info.callback) if _info.callback else None
    app.add_typer(_group)
