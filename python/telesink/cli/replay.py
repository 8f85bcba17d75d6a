"""`telesink replay`: offer refused records again, with the ids and times that they had."""

import base64
import binascii
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import telesink
from telesink import _native
from telesink._pipeline import sink_source
from telesink.cli.failure import (
    FAILED_EXIT_CODE,
    INTERRUPTED_EXIT_CODE,
    USAGE_EXIT_CODE,
    CommandError,
)
from telesink.cli.letters import Letter, Unreadable, letter_at, letters_of, open_letters
from telesink.cli.render import escaped
from telesink.cli.target import command_error_of, count_of, dsn_of

#: Letters whose ids are looked up at once; each time a table without an index on them is read.
LOOK_UP_MAX = 20_000

#: Letters that are offered before their outcome is waited for.
BATCH_MAX = 256

#: How long a batch may take; afterwards the destination is taken for gone.
BATCH_SECONDS_MAX = 60.0

#: How often a wait looks at what became of the batch.
LOOK_SECONDS = 0.1

#: How long the end may take once it is known that a batch does not arrive.
GIVE_UP_SECONDS = 0.5

#: Lines that are named one by one.
NAMED_MAX = 20

#: Destinations that know what they hold.
STORES = ("sqlite", "postgresql")

#: Causes by which a record was set aside again.
SET_ASIDE = ("poison", "sink_panic")


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a file."""

    wanted: list[Letter] = field(default_factory=list)
    stored: int = 0
    twice: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    replayed: int = 0
    refused: int = 0
    left_out: int = 0
    lost: int = 0


def run_replay(path: Path, target: str, *, dead_letter: Path | None, is_dry_run: bool) -> int:
    """Offer the records of a dead-letter file to a destination, and return the exit code.

    Raises:
        CommandError: the file or the destination cannot be used, or it failed on the way.
    """
    dsn = dsn_of(target, must_exist=False)
    aside = dead_letter or path.with_name(f"{path.name}.refused")
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with open_letters(path) as file, _alone(file, path):
        settings = _settings(aside)
        plan = _plan(dsn, settings, path, aside)
        outcome = _look_through(file, dsn, plan)
        shown = escaped(plan["target"])
        if is_dry_run:
            _tell(console, path, shown, outcome, aside, is_dry_run=True)
            return FAILED_EXIT_CODE if outcome.unreadable else 0
        failed, is_interrupted = None, False
        try:
            _replay(console, file, dsn, settings, outcome)
        except CommandError as error:
            failed = error
        except KeyboardInterrupt:
            is_interrupted = True
    # What is stored stays stored, so an end on the way is told with what it has come to.
    _tell(console, path, shown, outcome, aside, is_dry_run=False)
    if failed is not None:
        raise failed
    if is_interrupted:
        console.print("interrupted: run it again to go on, what is stored is passed over")
        return INTERRUPTED_EXIT_CODE
    return FAILED_EXIT_CODE if outcome.unreadable or outcome.refused or outcome.lost else 0


@contextlib.contextmanager
def _alone(file: IO[bytes], path: Path) -> Iterator[None]:
    """Keep a second replay of the same file away: both would find that nothing is stored yet."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"{path} is being replayed by another process"
        raise CommandError(message, hint="wait for its end") from error
    yield


def _settings(aside: Path) -> telesink.Settings:
    """Settings that wait rather than lose: old records are no reason to drop them here."""
    try:
        return telesink.Settings(
            dead_letter=aside,
            max_age_seconds=None,
            when_full="block",
            block_timeout_seconds=BATCH_SECONDS_MAX,
        )
    except telesink.ConfigError as error:
        raise command_error_of(error) from error


def _plan(dsn: str, settings: telesink.Settings, path: Path, aside: Path) -> dict[str, Any]:
    """Check everything before anything is touched."""
    try:
        plan = _native.describe_sink(sink_source(dsn, {}, settings))
    except telesink.ConfigError as error:
        raise command_error_of(error) from error
    if "dead_letter" in plan["from_dsn"]:
        message = "the DSN names a dead-letter file, and here it is --dead-letter"
        raise CommandError(message, hint="leave the option out of the DSN", exit_code=USAGE_EXIT_CODE)
    if path.resolve() == aside.resolve():
        message = "records that are refused again cannot go into the file that is replayed"
        raise CommandError(message, hint="name another one: --dead-letter OUT", exit_code=USAGE_EXIT_CODE)
    return plan


def _look_through(file: IO[bytes], dsn: str, plan: dict[str, Any]) -> Outcome:
    """Read the whole file once, and leave out what is stored already."""
    outcome, seen = Outcome(), set()
    for one in letters_of(file):
        if isinstance(one, Unreadable):
            outcome.unreadable.append(one)
        elif one.id in seen:
            outcome.twice += 1
        else:
            seen.add(one.id)
            outcome.wanted.append(one.without_record())
    if plan["kind"] in STORES and outcome.wanted:
        try:
            stored = _stored(dsn, outcome.wanted)
        except telesink.TelesinkError as error:
            raise command_error_of(error) from error
        outcome.stored = len(stored)
        outcome.wanted = [letter for letter in outcome.wanted if letter.id not in stored]
    return outcome


def _stored(dsn: str, letters: Sequence[Letter]) -> set[str]:
    inspection = _native.Inspection(dsn, [], str(Path.cwd()))
    facts = inspection.facts()
    if facts.get("exists") is False or facts["tables_version"] is None:
        return set()
    found: set[str] = set()
    # Records of one time stand together.
    ordered = sorted((letter.time_unix_nano, letter.id) for letter in letters)
    for start in range(0, len(ordered), LOOK_UP_MAX):
        some = ordered[start : start + LOOK_UP_MAX]
        found.update(inspection.stored([(name, moment) for moment, name in some]))
    return found


def _replay(
    console: Console, file: IO[bytes], dsn: str, settings: telesink.Settings, outcome: Outcome
) -> None:
    """Offer batch after batch, each waited for."""
    if not outcome.wanted:
        return
    pipeline = telesink.Pipeline(dsn, settings=settings)
    bar = Progress(
        TextColumn("replaying"),
        BarColumn(40),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    is_whole = False
    try:
        with bar:
            task = bar.add_task("", total=len(outcome.wanted))
            for start in range(0, len(outcome.wanted), BATCH_MAX):
                batch = outcome.wanted[start : start + BATCH_MAX]
                for letter in batch:
                    _offer(pipeline, file, letter, outcome)
                _wait(pipeline)
                bar.update(task, advance=len(batch))
        is_whole = True
    finally:
        pipeline.close(settings.exit_timeout_seconds if is_whole else GIVE_UP_SECONDS)
        _note(pipeline.stats(), outcome)


def _offer(pipeline: telesink.Pipeline, file: IO[bytes], letter: Letter, outcome: Outcome) -> None:
    whole = letter_at(file, letter)
    if isinstance(whole, Unreadable):
        outcome.unreadable.append(Unreadable(letter.line, "changed while it was read"))
        return
    try:
        otlp = base64.b64decode(whole.otlp, validate=True)
        native = pipeline._native  # noqa: SLF001 - the other half of the class
        _native.replay(native, otlp, whole.id, whole.instance, whole.seq, whole.logger)
    except binascii.Error:
        outcome.unreadable.append(Unreadable(letter.line, "its record is no base64"))
    except ValueError as error:
        outcome.unreadable.append(Unreadable(letter.line, str(error)))


def _wait(pipeline: telesink.Pipeline) -> None:
    """Wait for a batch.

    Raises:
        CommandError: the destination does not take it.
    """
    ticket = pipeline._native.begin_flush()  # noqa: SLF001 - the other half of the class
    waited = 0.0
    while not ticket.wait(LOOK_SECONDS):
        waited += LOOK_SECONDS
        stats = pipeline.stats()
        # A held sink has told why; whoever mends that runs the command again.
        if stats.state == "held" or waited >= BATCH_SECONDS_MAX:
            message, _, hint = stats.last_error.partition("; ")
            raise CommandError(message or "the destination takes nothing", hint=hint)
    ticket.finish()


def _note(stats: telesink.Stats, outcome: Outcome) -> None:
    outcome.replayed = stats.delivered
    outcome.refused = sum(stats.dropped.get(cause, 0) for cause in SET_ASIDE)
    outcome.left_out = stats.accepted - stats.routed
    outcome.lost = stats.dropped.get("dead_letter_full", 0)


def _tell(
    console: Console, path: Path, target: str, outcome: Outcome, aside: Path, *, is_dry_run: bool
) -> None:
    letters = len(outcome.wanted) + outcome.stored + outcome.twice
    console.print(f"{escaped(str(path))}: {count_of(letters, 'dead letter')}")
    did = "would be replayed" if is_dry_run else "replayed"
    rest = len(outcome.wanted) if is_dry_run else outcome.replayed
    lines = [
        (did, rest, f" to {target}"),
        ("stored already", outcome.stored, ""),
        ("twice in the file", outcome.twice, ""),
        ("refused again", outcome.refused, f", set aside in {escaped(str(aside))}"),
        ("left out by the DSN's level or loggers", outcome.left_out, ""),
        ("refused again, and not set aside: its file is full", outcome.lost, ""),
        ("unreadable", len(outcome.unreadable), f": {_named(outcome.unreadable)}"),
    ]
    wide = max(len(name) for name, count, _ in lines if count or name == did)
    for name, count, more in lines:
        if count or name == did:
            console.print(f"  {name.ljust(wide)}  {count:,}{more}")
    if is_dry_run:
        console.print("nothing was changed: this is a dry run")
    sys.stdout.flush()


def _named(lines: Sequence[Unreadable]) -> str:
    ordered = sorted(lines, key=lambda one: one.line)
    told = ", ".join(f"line {one.line} ({one.reason})" for one in ordered[:NAMED_MAX])
    return told + (", …" if len(ordered) > NAMED_MAX else "")
