"""`telesink replay`: offer refused records again, with the ids and times that they had."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import telesink
from telesink import _native
from telesink._pipeline import sink_source
from telesink.cli.asking import asked
from telesink.cli.doctor_dead_letter import dead_letter_file
from telesink.cli.failure import (
    FAILED_EXIT_CODE,
    INTERRUPTED_EXIT_CODE,
    USAGE_EXIT_CODE,
    CommandError,
)
from telesink.cli.findings import Status
from telesink.cli.letters import Letter, Unreadable, letters_of, open_letters
from telesink.cli.offering import BATCH_SECONDS_MAX, STORES, Offering, Outcome, Resource, undisturbed
from telesink.cli.render import escaped
from telesink.cli.target import command_error_of, count_of, dsn_of

#: Letters whose ids are looked up at once; each time a table without an index on them is read.
LOOK_UP_MAX = 20_000

#: How often a locked file is looked at again before it counts as being replayed, and the pause between.
LOCK_LOOKS, LOCK_PAUSE_SECONDS = 10, 0.02

#: Lines that are named one by one.
NAMED_MAX = 20

#: Settings by which a sink gives records up that could wait: here nothing is in a hurry.
GIVING_UP = ("max_age_seconds", "when_full", "block_timeout_seconds")


def run_replay(path: Path, target: str, *, dead_letter: Path | None, service: str, is_dry_run: bool) -> int:
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
        if is_dry_run:
            _tell(console, path, plan, outcome, service, is_dry_run=True)
            return FAILED_EXIT_CODE if outcome.unreadable else 0
        failed, is_interrupted = None, False
        try:
            _replay(console, file, dsn, plan["kind"], settings, outcome, service)
        except CommandError as error:
            failed = error
        except KeyboardInterrupt:
            is_interrupted = True
        # What is stored stays stored, so an end on the way is told with what it has come to.
        with undisturbed():
            _tell(console, path, plan, outcome, service, is_dry_run=False)
            if is_interrupted:
                console.print("interrupted: run it again to go on, what is stored is passed over")
    if failed is not None:
        raise failed
    if is_interrupted:
        return INTERRUPTED_EXIT_CODE
    return FAILED_EXIT_CODE if outcome.not_stored else 0


@contextlib.contextmanager
def _alone(file: IO[bytes], path: Path) -> Iterator[None]:
    """Keep a second replay of the same file away: both would find that nothing is stored yet."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    for is_last in (False,) * LOCK_LOOKS + (True,):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if is_last:
                message = f"{path} is being replayed by another process"
                raise CommandError(message, hint="wait for its end") from error
        # A program that appends a line holds it for a moment.
        time.sleep(LOCK_PAUSE_SECONDS)
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
    hasty = [name for name in GIVING_UP if name in plan["from_dsn"]]
    if hasty:
        message = f"the DSN sets `{hasty[0]}`, by which records would be given up that are replayed"
        raise CommandError(message, hint="leave the option out of the DSN", exit_code=USAGE_EXIT_CODE)
    if path.resolve() == aside.resolve():
        message = "records that are refused again cannot go into the file that is replayed"
        raise CommandError(message, hint="name another one: --dead-letter OUT", exit_code=USAGE_EXIT_CODE)
    finding = dead_letter_file(plan)
    if finding.status is Status.FAILED:
        message = f"records that are refused again could not be set aside: {finding.text}"
        hint = f"{finding.next_step}, or name another one: --dead-letter OUT"
        raise CommandError(message, hint=hint, exit_code=USAGE_EXIT_CODE)
    return plan


def _look_through(file: IO[bytes], dsn: str, plan: dict[str, Any]) -> Outcome:
    """Read the whole file once, and leave out what is stored already."""
    outcome, seen = Outcome(), set()
    for one in letters_of(file):
        if isinstance(one, Unreadable):
            outcome.unreadable.append(one)
        elif one.signal != "log":
            outcome.unreadable.append(
                Unreadable(one.line, f"a {one.signal}, and only log records are replayed")
            )
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
    # Records of one time stand together.
    ordered = [(name, moment) for moment, name in sorted((one.time_unix_nano, one.id) for one in letters)]

    def look_up() -> set[str]:
        facts = inspection.facts()
        if facts.get("exists") is False or facts["tables_version"] is None:
            return set()
        found: set[str] = set()
        for start in range(0, len(ordered), LOOK_UP_MAX):
            found.update(inspection.stored(ordered[start : start + LOOK_UP_MAX]))
        return found

    return asked(inspection, look_up)


def _replay(
    console: Console,
    file: IO[bytes],
    dsn: str,
    kind: str,
    settings: telesink.Settings,
    outcome: Outcome,
    service: str,
) -> None:
    """Offer the letters, program after program."""
    bar = Progress(
        TextColumn("replaying"),
        BarColumn(40),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    programs: dict[Resource, list[Letter]] = {}
    for letter in outcome.wanted:
        programs.setdefault(_program(letter, service), []).append(letter)
    with bar:
        task = bar.add_task("", total=len(outcome.wanted))
        offering = Offering(file, dsn, kind, settings, outcome, lambda count: bar.update(task, advance=count))
        for resource, letters in programs.items():
            offering.offer(letters, resource)


def _program(letter: Letter, service: str) -> Resource:
    return (("service.name", service),) if letter.resource is None else letter.resource


def _tell(
    console: Console, path: Path, plan: dict[str, Any], outcome: Outcome, service: str, *, is_dry_run: bool
) -> None:
    letters = len(outcome.wanted) + outcome.stored + outcome.twice
    console.print(f"{escaped(str(path))}: {count_of(letters, 'dead letter')}")
    did = "would be replayed" if is_dry_run else "replayed"
    rest = len(outcome.wanted) if is_dry_run else outcome.replayed
    given_up = ", ".join(f"{count:,} {cause}" for cause, count in sorted(outcome.given_up.items()))
    lines = [
        (did, rest, f" to {escaped(plan['target'])}"),
        ("stored already", outcome.stored, ""),
        ("twice in the file", outcome.twice, ""),
        ("refused again", outcome.refused, f", set aside in {escaped(str(plan['dead_letter']))}"),
        ("left out by the DSN's level or loggers", outcome.left_out, ""),
        ("refused again, and not set aside", outcome.lost, f": {_why_not_aside(plan, outcome)}"),
        ("not stored", outcome.given_up.total(), f": {given_up}"),
        ("not offered", 0 if is_dry_run else outcome.not_offered, ", still in the file"),
        ("unreadable", len(outcome.unreadable), f": {_named(outcome.unreadable)}"),
    ]
    wide = max(len(name) for name, count, _ in lines if count or name == did)
    for name, count, more in lines:
        if count or name == did:
            console.print(f"  {name.ljust(wide)}  {count:,}{more}")
    bare = sum(1 for letter in outcome.wanted if letter.resource is None)
    if bare:
        told = f"{count_of(bare, 'letter')} of an old version without the program's name"
        how = "would be filed" if is_dry_run else "filed"
        console.print(f"{told}: {how} under the service {escaped(service)} (--service)")
    if outcome.unforgotten:
        told = "the ledger keeps a row of this replay, and `telesink check` will look for its records"
        console.print(f"{told}: {escaped(outcome.unforgotten)}")
    if is_dry_run:
        console.print("nothing was changed: this is a dry run")
    sys.stdout.flush()


def _why_not_aside(plan: dict[str, Any], outcome: Outcome) -> str:
    """Say why the file took no more."""
    finding = dead_letter_file(plan)
    if finding.status is Status.FAILED:
        return escaped(finding.text)
    file, longest = Path(plan["dead_letter"]), max((letter.bytes for letter in outcome.wanted), default=0)
    size = file.stat().st_size if file.exists() else 0
    # A letter grows by where it once stood.
    if size + 2 * longest > plan["dead_letter_bytes_max"]:
        return f"{escaped(str(file))} has no room for it: {size:,} of {plan['dead_letter_bytes_max']:,} bytes"
    return f"{escaped(str(file))} could not be written"


def _named(lines: Sequence[Unreadable]) -> str:
    ordered = sorted(lines, key=lambda one: one.line)
    told = ", ".join(f"line {one.line} ({one.reason})" for one in ordered[:NAMED_MAX])
    return told + (", …" if len(ordered) > NAMED_MAX else "")
