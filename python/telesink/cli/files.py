"""`telesink files`: look at, follow and delete the files of `file:` DSNs."""

import enum
import json as json_module
import sys
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import unquote

import typer
from rich.console import Console
from rich.table import Table

from telesink import TelesinkError, files
from telesink.cli import output
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.render import escaped
from telesink.cli.target import command_error_of, count_of

commands = typer.Typer(
    name="files",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at, follow and delete the files that `file:` DSNs write. No program has to run.",
)

Folder = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER",
        help="Which folder: its path, or the DSN that a program has for it.",
        show_default=False,
    ),
]

#: Binary units, each 1,024 of the one before.
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Signal(enum.StrEnum):
    """The signals that have files."""

    LOGS = "logs"
    TRACES = "traces"
    METRICS = "metrics"


Service = Annotated[str | None, typer.Option("--service", "-s", metavar="NAME", help="Only of this service.")]
OnlySignal = Annotated[Signal | None, typer.Option("--signal", help="Only of this signal.")]


def run_status(folder: str, *, service: str | None, as_json: bool, is_plain: bool) -> None:
    """Show what files there are."""
    found = _inventory(folder, service)
    if as_json:
        print(json_module.dumps([entry.as_dict() for entry in found], ensure_ascii=False))
    elif is_plain or not sys.stdout.isatty():
        for entry in found:
            fields = (entry.service, entry.signal, binary(entry.size_bytes), str(entry.file_count))
            print(
                "\t".join(
                    [*map(escaped, fields), f"{entry.newest_time:%Y-%m-%dT%H:%M:%SZ}", escaped(entry.path)]
                )
            )
    elif not found:
        print(f"no files in {folder}")
    else:
        _show(found)


def run_wipe(folder: str, *, service: str | None, signal: str | None, is_sure: bool, as_json: bool) -> None:
    """Delete files, once somebody has said so."""
    path = path_of(folder)
    if service == "":
        message = "--service is empty"
        raise CommandError(message, hint="name a service, or leave it out", exit_code=USAGE_EXIT_CODE)
    doomed = [entry for entry in _inventory(folder, service) if signal in (None, entry.signal)]
    count = sum(entry.file_count for entry in doomed)
    size = binary(sum(entry.size_bytes for entry in doomed))
    if doomed and not is_sure:
        if as_json or not sys.stdin.isatty():
            message = f"{count_of(count, 'file')} ({size}) would be deleted"
            raise CommandError(message, hint="add -y to delete them", exit_code=USAGE_EXIT_CODE)
        _show(doomed)
        output.flush()
        typer.confirm(f"Delete {count_of(count, 'file')} ({size})?", abort=True, err=True)
    try:
        wiped = files.wipe(path, service, signal)
    except TelesinkError as error:
        raise command_error_of(error) from error
    if as_json:
        left = [entry.as_dict() for entry in files.inventory(path)]
        print(json_module.dumps({"success": True, "inventory": left}, ensure_ascii=False))
    else:
        print(f"deleted {count_of(wiped.files, 'file')} ({binary(wiped.size_bytes)})")


def run_tail(folder: str, service: str, signal: str, *, from_start: bool, follow: bool) -> None:
    """Show lines as they are written."""
    try:
        lines = files.tail(path_of(folder), service, signal, from_start=from_start, follow=follow)
        for line in lines:
            # Whatever somebody else has put there must not reach a terminal.
            print("".join(map(_shown, line)) if not line.isprintable() else line, flush=True)
    except OSError as error:
        raise CommandError(str(error), hint="see whether you may read the folder") from error


@commands.command()
def status(
    folder: Folder,
    service: Service = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON list.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Write values separated by tabs, also in a terminal.")
    ] = False,
) -> None:
    """Show how many files there are of each service and signal, and how large they are.

    Example: telesink files status /var/log/app --service github
    """
    run_status(folder, service=service, as_json=json, is_plain=plain)


@commands.command()
def wipe(
    folder: Folder,
    service: Service = None,
    signal: OnlySignal = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write what is left, as JSON.")] = False,
) -> None:
    """Delete files, active ones included. Programs that write them go on in new ones; other files stay.

    Exit code: 0 if they are gone, 1 if some are not, 2 if nobody could be asked.

    Example: telesink files wipe /var/log/app --service github --signal traces -y
    """
    run_wipe(folder, service=service, signal=signal.value if signal else None, is_sure=yes, as_json=json)


@commands.command()
def tail(
    folder: Folder,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Whose files.", show_default=False)],
    signal: Annotated[Signal, typer.Option("--signal", help="Which of its files.", show_default=False)],
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest line that is still there.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f/-F", help="Go on with lines as they are written.")
    ] = True,
) -> None:
    """Follow the lines of a service from now on, also into the next files; never half a line. Ctrl+C ends it.

    Example: telesink files tail /var/log/app github --signal logs
    """
    output.end_with_reader()
    run_tail(folder, service, signal.value, from_start=from_start, follow=follow)


def path_of(folder: str) -> str:
    """Return the path of a folder that was named by it or by a DSN."""
    if not folder.startswith("file:"):
        return folder
    path = unquote(folder.removeprefix("file:").partition("?")[0])
    return path.removeprefix("//") if path.startswith("///") else path


def binary(size_bytes: int) -> str:
    """Return a size in the largest binary unit that leaves a whole number in front.

    >>> binary(1536), binary(5), binary(100 * 1024 * 1024)
    ('1.5 KiB', '5 B', '100.0 MiB')
    """
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004 - the step of binary units
            return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{size_bytes} B"


def _inventory(folder: str, service: str | None) -> list[files.FileSet]:
    try:
        return files.inventory(path_of(folder), service)
    except OSError as error:
        raise CommandError(str(error), hint="see whether you may read the folder") from error


def _show(found: Sequence[files.FileSet]) -> None:
    table = Table("service", "signal", box=None, pad_edge=False)
    for name in ("files", "size"):
        table.add_column(name, justify="right")
    table.add_column("oldest")
    table.add_column("newest")
    for entry in found:
        moments = (
            f"{moment.astimezone():%Y-%m-%d %H:%M}" for moment in (entry.oldest_time, entry.newest_time)
        )
        count, size = f"{entry.file_count:,}", binary(entry.size_bytes)
        table.add_row(escaped(entry.service), entry.signal, count, size, *moments)
    Console(highlight=False, markup=False, emoji=False).print(table)


def _shown(character: str) -> str:
    return character if character.isprintable() or character == "\t" else f"\\u{ord(character):04x}"
