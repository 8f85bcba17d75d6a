"""The commands that find out what is wrong, with their options: `doctor`, `check` and `replay`."""

from pathlib import Path
from typing import Annotated

import typer

from telesink.cli.failure import USAGE_EXIT_CODE, CommandError

#: What OpenTelemetry calls a program that says nothing of itself.
UNKNOWN_SERVICE = "unknown_service"

DatabaseDsn = Annotated[
    str,
    typer.Argument(
        metavar="DSN",
        help="Which database: postgresql://app@db/app, sqlite:///app.db, or the path of a file.",
        show_default=False,
    ),
]


def doctor(
    dsn: Annotated[
        str | None,
        typer.Argument(
            metavar="[DSN]",
            help="Which destination: any DSN that install_logging takes, or the path of a file. Without it, "
            "that of the program (--app), else $TELESINK_DSN, else sqlite:///telesink.db.",
            show_default=False,
        ),
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE[:CALLABLE]",
            help="Import this module, call this of it, and look at what it made of logging.",
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write/--no-write", help="Write one record, read it back, and delete it again."),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings end with 1, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object with every check.")] = False,
) -> None:
    """Look at installation, settings, program and destination, and say what to do next.

    Checks versions, settings and where each came from, forks, the variables that count, and for each
    destination connection, encryption, rights, tables, clock, one record, and the dead-letter file. With
    --app also handlers that would store records twice, formatters without effect, and loggers that do not
    arrive. The record is written as a program's first one would be, so missing tables are made, and stay. No
    secret is shown.

    Exit code: 0 if nothing failed, 1 if something did, or with --strict also if something is worth a warning,
    2 if the command line has to be changed.

    Examples: telesink doctor · telesink doctor postgresql://app@db/app --no-write · telesink doctor --app
    shop.main:configure --strict --json
    """
    from telesink.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(dsn, app=app, writes=write, is_strict=strict, as_json=json))


def check(
    dsn: DatabaseDsn,
    dead_letter: Annotated[
        list[Path] | None,
        typer.Option(
            "--dead-letter",
            metavar="FILE",
            help="A dead-letter file, which explains holes; may be repeated.",
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            "--sink", metavar="NAME", help="Of those files, only what this sink refused; may be repeated."
        ),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Nothing was ever deleted: numbers missing in front are holes, too."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object with every instance.")] = False,
) -> None:
    """Find records that are missing or stored twice, and the reason for each.

    Every instance (a pipeline in a process) numbers its records without gaps, so each gap is a loss. Loss
    markers, dead letters and replayed records are reasons; what is left has none. The ledger says what was
    stored last, so that a missing end is seen as well. The database counts itself, as one moment saw it, and
    nothing is changed. Ctrl+C ends it.

    Exit code: 0 if every missing number has a reason and nothing is stored twice, 1 if not, 2 if the command
    line has to be changed.

    Examples: telesink check app.db · telesink check postgresql://app@db/app --dead-letter refused.ndjson
    """
    from telesink.cli.check import run_check

    code = run_check(
        dsn, dead_letters=dead_letter or (), sinks=sink or (), is_complete=complete, as_json=json
    )
    raise typer.Exit(code)


def replay(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A dead-letter file. It is left as it is.", show_default=False),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DSN",
            help="Where the records go: any DSN that install_logging takes, or the path of a file.",
            show_default=False,
        ),
    ],
    dead_letter: Annotated[
        Path | None,
        typer.Option(
            "--dead-letter",
            metavar="OUT",
            help="Where records go that are refused again; FILE.refused by default.",
        ),
    ] = None,
    service: Annotated[
        str,
        typer.Option(
            "--service",
            metavar="NAME",
            help="The program that letters of old versions came from, which do not say so themselves.",
        ),
    ] = UNKNOWN_SERVICE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be replayed.")
    ] = False,
) -> None:
    """Offer the records of a dead-letter file again, once what they were refused for is mended.

    They keep their ids, times, contents and the program they came from; where each once stood is kept in the
    attributes telesink.original_instance and telesink.original_seq. Records that are stored already are
    passed over, so it can be run again. Lines that are torn or no dead letters are named and passed over.
    Ctrl+C ends it between two batches.

    Exit code: 0 if all are stored, 1 if some are not, with the causes, 2 if the command line has to be
    changed.

    Examples: telesink replay refused.ndjson --to app.db --dry-run · telesink replay refused.ndjson --to
    postgresql://app@db/app
    """
    from telesink.cli.replay import run_replay

    if not file.name:
        # `Path` makes "." of nothing.
        message = "FILE is empty, or the working directory"
        raise CommandError(message, hint="name a dead-letter file", exit_code=USAGE_EXIT_CODE)
    code = run_replay(file, to, dead_letter=dead_letter, service=service, is_dry_run=dry_run)
    raise typer.Exit(code)
