"""The part of `telesink replay` that offers letters, batch by batch, and counts what becomes of each."""

import base64
import binascii
import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import telesink
from telesink import _native
from telesink._pipeline import sink_source
from telesink.cli.failure import CommandError
from telesink.cli.letters import Letter, Unreadable, letter_at

#: Letters that are offered before their outcome is waited for.
BATCH_MAX = 256

#: How long a batch may take; afterwards the destination is taken for gone.
BATCH_SECONDS_MAX = 60.0

#: How often a wait looks at what became of the batch.
LOOK_SECONDS = 0.1

#: How long the end may take once it is known that a batch does not arrive.
GIVE_UP_SECONDS = 0.5

#: Destinations that know what they hold.
STORES = ("sqlite", "postgresql")

#: Causes by which a record was set aside again.
SET_ASIDE = ("poison", "sink_panic")

#: What the native side takes of a letter beside the record.
NATIVE = ("id", "instance", "seq", "time_unix_nano", "logger")

#: The attributes of a program.
Resource = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a file."""

    wanted: list[Letter] = field(default_factory=list)
    stored: int = 0
    twice: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    #: Of the wanted ones, those that turned out to be unreadable.
    unreadable_late: int = 0
    replayed: int = 0
    refused: int = 0
    left_out: int = 0
    #: Refused, and not set aside.
    lost: int = 0
    #: Everything else that was given up, by cause.
    given_up: Counter[str] = field(default_factory=Counter)
    #: Why the ledger has kept a row of a replay that stored nothing.
    unforgotten: str = ""

    @property
    def not_offered(self) -> int:
        """How many are left, because it ended before."""
        known = self.replayed + self.refused + self.left_out + self.lost + self.unreadable_late
        return max(0, len(self.wanted) - known - self.given_up.total())

    @property
    def not_stored(self) -> int:
        """How many of the lines are not in the destination."""
        told = self.refused + self.left_out + self.lost + self.given_up.total() + self.not_offered
        return told + len(self.unreadable)

    def note(self, stats: telesink.Stats) -> None:
        """Add what became of the records of a pipeline."""
        self.replayed += stats.delivered
        self.left_out += stats.accepted - stats.routed
        for cause, count in (*stats.rejected.items(), *stats.dropped.items()):
            if cause in SET_ASIDE:
                self.refused += count
            elif cause == "dead_letter_full":
                self.lost += count
            else:
                self.given_up[cause] += count


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let a second Ctrl+C wait for an end that is near: it has to be told what was stored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(slots=True)
class Offering:
    """Offers letters to a destination.

    Args:
        file: the letters.
        dsn: the destination.
        kind: its kind.
        settings: how.
        outcome: where to count.
        advance: told how many letters are done.
    """

    file: IO[bytes]
    dsn: str
    kind: str
    settings: telesink.Settings
    outcome: Outcome
    advance: Callable[[int], None]

    def offer(self, letters: Iterable[Letter], resource: Resource) -> None:
        """Offer the letters of one program, through a pipeline of its own: sinks store the program once.

        Raises:
            CommandError: the destination does not take them.
        """
        pipeline = telesink.Pipeline(settings=self.settings)
        native = pipeline._native  # noqa: SLF001 - the other half of the class
        native.set_resource(list(resource))
        native.add_sinks([sink_source(self.dsn, {}, self.settings)])
        ordered = list(letters)
        is_whole = False
        try:
            for start in range(0, len(ordered), BATCH_MAX):
                batch = ordered[start : start + BATCH_MAX]
                for letter in batch:
                    self._offer_one(native, letter)
                _wait(pipeline)
                self.advance(len(batch))
            is_whole = True
        finally:
            with undisturbed():
                pipeline.close(self.settings.exit_timeout_seconds if is_whole else GIVE_UP_SECONDS)
                stats = pipeline.stats()
                self.outcome.note(stats)
                self._forget(native.instance, stats)

    def _offer_one(self, native: _native.Pipeline, letter: Letter) -> None:
        whole = letter_at(self.file, letter)
        reason = ""
        # Another id or time would not have been looked for.
        if isinstance(whole, Unreadable) or whole.without_record() != letter:
            reason = "changed while it was read"
        else:
            try:
                otlp = base64.b64decode(whole.otlp, validate=True)
                _native.replay(native, otlp, {name: getattr(whole, name) for name in NATIVE})
            except binascii.Error:
                reason = "its record is no base64"
            except ValueError as error:
                reason = str(error)
        if reason:
            self.outcome.unreadable.append(Unreadable(letter.line, reason))
            self.outcome.unreadable_late += 1

    def _forget(self, instance: str, stats: telesink.Stats) -> None:
        """Take the row out of the ledger that only counts refused records: `check` would look for them."""
        refused = sum(stats.dropped.get(cause, 0) for cause in (*SET_ASIDE, "dead_letter_full"))
        is_certain = not stats.delivered and not stats.pending and not stats.dropped.get("exit_unresolved", 0)
        if self.kind not in STORES or not refused or not is_certain:
            return
        try:
            inspection = _native.Inspection(self.dsn, [], str(Path.cwd()))
            inspection.forget(instance, time.time_ns())
        except telesink.TelesinkError as error:
            self.outcome.unforgotten = error.message


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
