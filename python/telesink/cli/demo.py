"""`telesink demo`: made-up traffic, stored for real, and every record accounted for."""

import logging
import sqlite3
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

import telesink
from telesink.cli.failure import FAILED_EXIT_CODE, INTERRUPTED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.progress import DemoProgress
from telesink.cli.reading import command_error, database_path
from telesink.cli.report import checks_of, ledger, print_chart, print_checks, print_speed
from telesink.cli.stored import Stored, newest_row, read_run
from telesink.cli.traffic import Crew, Phase, PhaseResult, phases_of

#: How long a flush may take; a healthy disk needs milliseconds.
FLUSH_SECONDS = 5.0


@dataclass(slots=True)
class Run:
    """What was played."""

    results: list[PhaseResult] = field(default_factory=list)
    burst_stored_seconds: float | None = None
    is_interrupted: bool = False


def run_demo(dsn: str, *, seconds: float, rate: int, seed: int) -> int:
    """Run the demonstration and return its exit code.

    Raises:
        CommandError: the DSN cannot be used, or takes no record.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        telesink.install_logging(dsn, level="DEBUG", resource={"service.name": "shop"})
    except telesink.ConfigError as error:
        raise CommandError(error.message, hint=error.hint, exit_code=USAGE_EXIT_CODE) from error
    path = database_path(dsn) if dsn.strip().lower().startswith("sqlite:") else None
    after_row = 0 if path is None else newest_row(path)
    mark = uuid.uuid4().hex
    phases = phases_of(seconds, rate)
    total = sum(phase.records for phase in phases)
    console.print(
        f"telesink {telesink.__version__}  demo: {seconds:g} s of a small shop, about {total:,} records"
    )
    logging.getLogger("shop").info("the shop opens", extra={"demo_run": mark, "seed": seed})
    if not telesink.flush(FLUSH_SECONDS):
        # Traffic for a destination that takes not even one record would only be thrown away.
        why = "; ".join(stats.last_error for stats in telesink.stats().values()) or "no answer"
        telesink.shutdown(0)
        raise CommandError("could not store the first record", hint=why)

    has_bar = console.is_terminal and not dsn.startswith("console:")
    run = _play(phases, seed, DemoProgress(console, records=total, has_bar=has_bar))
    if run.is_interrupted:
        console.print("interrupted: storing what was logged so far")
    telesink.flush(FLUSH_SECONDS)
    lanes = telesink.stats()
    telesink.shutdown(FLUSH_SECONDS)

    stored = None if path is None else _read(console, path, after_row, mark)
    is_complete = _report(console, lanes, stored, run)
    if path is not None and stored is not None:
        _show_stored(console, dsn, path, stored)
    if run.is_interrupted:
        return INTERRUPTED_EXIT_CODE
    is_counted = path is None or stored is not None
    return 0 if is_complete and is_counted else FAILED_EXIT_CODE


def _play(phases: tuple[Phase, ...], seed: int, progress: DemoProgress) -> Run:
    run = Run()
    try:
        with Crew(seed) as crew, progress:
            for phase in phases:
                progress.begin(phase.name)
                started = time.perf_counter()
                run.results.append(crew.play(phase, progress.look))
                # Records that are made at leisure say nothing about speed; those of the burst do, once
                # stored.
                if phase.seconds is None and telesink.flush(FLUSH_SECONDS):
                    run.burst_stored_seconds = time.perf_counter() - started
    except KeyboardInterrupt:
        run.is_interrupted = True
    return run


def _read(console: Console, path: Path, after_row: int, mark: str) -> Stored | None:
    try:
        stored = read_run(path, after_row=after_row, mark=mark)
    except sqlite3.Error as error:
        console.print(f"could not count what was stored: {command_error(error, path).message}")
        return None
    if stored is None:
        console.print(f"could not count what was stored: {path} holds no record of this run")
    return stored


def _report(console: Console, lanes: Mapping[str, telesink.Stats], stored: Stored | None, run: Run) -> bool:
    """Print the ledger and the speed; answer whether every record was delivered and counted."""
    console.print()
    console.print(ledger(lanes))
    for name, stats in lanes.items():
        if stats.last_error:
            console.print(f"{name} is {stats.state}, its last error: {stats.last_error}")
    checks = list(checks_of(lanes, stored))
    print_checks(console, checks)
    console.print()
    print_speed(console, run.results, run.burst_stored_seconds)
    return all(check.holds for check in checks)


def _show_stored(console: Console, dsn: str, path: Path, stored: Stored) -> None:
    megabytes = path.stat().st_size / 1_000_000
    console.print(f"stored   {stored.rows:,} rows in {path}, which is {megabytes:.1f} MB now", soft_wrap=True)
    console.print()
    print_chart(console, stored.buckets)
    console.print()
    where = dsn.partition("?")[0]
    statement = "select logger, level, count(*) from telesink_logs group by 1, 2"
    console.print(f"try      telesink tail {where} --no-follow --level warning", soft_wrap=True)
    console.print(f"         telesink tail {where} --logger shop.assistant --lines 3 --json", soft_wrap=True)
    console.print(f'         telesink query {where} "{statement}"', soft_wrap=True)
