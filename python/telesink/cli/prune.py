"""`telesink prune`: delete what is older than people want to keep, beside the programs that write."""

import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

import telesink
from telesink import _native
from telesink.cli.failure import INTERRUPTED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.render import NANO, escaped
from telesink.cli.target import command_error_of, dsn_of

#: A unit behind the number: "30" alone could be days to one and seconds to another.
UNIT = re.compile(r"[^\W\d_]")

AGE_EXPECTED = 'expected a length of time with its unit, such as "30 days", "12 h" or "2 weeks"'


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be deleted."""

    before: datetime
    partitions: Sequence[tuple[str, int | None]]
    rows: int
    gives_back: bool


@dataclass(slots=True)
class Deleted:
    """What was deleted so far."""

    partitions: list[str] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0


def run_prune(
    target: str, older_than: str, *, preset: str | None = None, is_dry_run: bool, **policy: str | None
) -> int:
    """Delete old records, and return the exit code.

    Args:
        target: what stands on the command line.
        older_than: how old, with a unit.
        preset: whose tables, if the DSN does not say.
        is_dry_run: delete nothing.
        policy: which records: `level`, `logger`, `table`.

    Raises:
        CommandError: the destination or the age cannot be used, or it failed on the way.
    """
    seconds = age_seconds(older_than)
    dsn = dsn_of(target)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    try:
        options = [] if preset is None else [("preset", preset)]
        parts = (policy.get("table"), policy.get("level"), policy.get("logger"), seconds)
        prune = _native.Prune(dsn, options, str(Path.cwd()), [parts], time.time_ns())
        scope = _scope(prune, must_count=is_dry_run)
    except telesink.TelesinkError as error:
        raise command_error_of(error) from error
    what = "".join(f", {name} {escaped(value)}" for name, value in policy.items() if value is not None)
    console.print(f"records before {scope.before:%Y-%m-%d %H:%M:%S} UTC{what} in {escaped(prune.target)}")
    if is_dry_run:
        _tell(console, scope)
        return 0
    deleted = Deleted()
    failed: telesink.TelesinkError | None = None
    with _between_steps() as interrupted:
        try:
            with PruneProgress(console, scope) as progress:
                while (piece := prune.step()) is not None:
                    _note(deleted, piece)
                    progress.show(deleted, is_waiting=piece[0] == "wait")
                    if interrupted.is_set():
                        break
                else:
                    # All was done before it came.
                    interrupted.clear()
        except telesink.TelesinkError as error:
            failed = error
    # Every piece is final as it is done, so an end on the way is told with what it has come to.
    _report(console, scope, deleted)
    if failed is not None:
        raise command_error_of(failed)
    if interrupted.is_set():
        console.print("interrupted: the rest is still there")
        return INTERRUPTED_EXIT_CODE
    return 0


def age_seconds(text: str) -> float:
    """Return an age in seconds.

    Raises:
        CommandError: it is no length of time, is zero, or has no unit.
    """
    seconds = _native.parse_seconds(text)
    if not seconds or UNIT.search(text) is None:
        raise CommandError(f"--older-than is `{escaped(text)}`", hint=AGE_EXPECTED, exit_code=USAGE_EXIT_CODE)
    return seconds


class PruneProgress:
    """Shows how far it is, in a terminal. A context manager: inside it `show` may be called."""

    def __init__(self, console: Console, scope: Scope) -> None:
        self._partitions = len(scope.partitions)
        self._rows = scope.rows
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(40),
            TextColumn("{task.fields[counts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks = {
            name: self._bar.add_task(name, total=total, counts="")
            for name, total in (("partitions", self._partitions), ("rows", self._rows))
            if total
        }

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, deleted: Deleted, *, is_waiting: bool) -> None:
        """Show the counters of now."""
        waiting = "  waiting for another process that works on the tables" if is_waiting else ""
        done = {"partitions": len(deleted.partitions), "rows": deleted.rows}
        for name, task in self._tasks.items():
            total = self._partitions if name == "partitions" else self._rows
            counts = f"{done[name]:,} of {total:,}{waiting}"
            self._bar.update(task, completed=done[name], counts=counts)


@contextmanager
def _between_steps() -> Iterator[Event]:
    """Note Ctrl+C instead of raising in the middle, where a step that is done might not be counted.

    The second one ends the process as ever.
    """
    interrupted = Event()

    def note(_signal: int, _frame: FrameType | None) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, ended_by)

    ended_by = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, ended_by)


def _scope(prune: _native.Prune, *, must_count: bool) -> Scope:
    found = prune.scope()
    before = datetime.fromtimestamp(found["limits_unix_nano"][0] // NANO, UTC)
    try:
        rows = sum(prune.count())
    except telesink.TelesinkError:
        if must_count:
            raise
        # It is only how far it is that cannot be shown.
        rows = 0
    return Scope(before, found["partitions"], rows, found["gives_back"])


def _note(deleted: Deleted, piece: tuple[str, str | int]) -> None:
    match piece:
        case ("partition", str(name)):
            deleted.partitions.append(name)
        case ("rows", int(rows)):
            deleted.rows += rows
        case ("bytes", int(count)):
            deleted.bytes += count


def _tell(console: Console, scope: Scope) -> None:
    """Say what would be deleted."""
    for name, rows in scope.partitions:
        console.print(f"would drop    {escaped(name)}{_about(rows)}")
    if scope.rows or not scope.partitions:
        console.print(f"would delete  {_count(scope.rows, 'row')}")
    console.print("nothing was changed: this is a dry run")


def _report(console: Console, scope: Scope, deleted: Deleted) -> None:
    """Say what was deleted."""
    rows_of = dict(scope.partitions)
    for name in deleted.partitions:
        console.print(f"dropped     {escaped(name)}{_about(rows_of.get(name))}")
    if deleted.rows or not deleted.partitions:
        console.print(f"deleted     {_count(deleted.rows, 'row')}")
    if deleted.bytes:
        console.print(f"given back  {deleted.bytes / 1_000_000:,.1f} MB")
    elif deleted.rows and not scope.gives_back:
        console.print("the file keeps its size and is filled again; VACUUM makes it smaller")
    sys.stdout.flush()


def _about(rows: int | None) -> str:
    return "" if rows is None else f"  about {_count(rows, 'row')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
