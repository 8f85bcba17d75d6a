"""`telesink doctor`: looks at installation, program and destinations, and says what to do next."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

import telesink
from telesink._handler import dsns_or_default
from telesink._logging import _installed
from telesink.cli import doctor_logging, doctor_program, output
from telesink.cli.doctor_sink import Sink, look_at
from telesink.cli.failure import FAILED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.findings import Finding, Status
from telesink.cli.render import escaped
from telesink.cli.target import dsn_of

#: How a status looks: its mark with and without Unicode, and rich's name of its colour.
MARKS = {
    Status.OK: ("✓", "ok", "green"),
    Status.WARNING: ("!", "!!", "yellow"),
    Status.FAILED: ("✗", "NO", "bold red"),
    Status.SKIPPED: ("-", "--", "dim"),
}

#: Where the texts begin, behind mark and name.
NAME_CHARS = 14


def run_doctor(target: str | None, *, app: str | None, writes: bool, is_strict: bool, as_json: bool) -> int:
    """Look at everything, and return the exit code.

    Raises:
        CommandError: the DSN or `--app` on the command line is wrong.
    """
    findings: list[Finding] = []
    # What the program writes, at once or later, must not stand between or behind the lines of a report.
    out = sys.stdout if app is None else output.set_aside()
    console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
    shown: str | None = None
    for finding in _findings(target, app, writes=writes, as_json=as_json):
        # Shown as they come: a server that does not answer takes its time.
        findings.append(finding)
        if not as_json:
            if finding.target and finding.target != shown:
                console.print(f"\n{escaped(finding.target)}", style="bold")
            shown = finding.target or shown
            _print(console, finding)
    counts = {status: sum(1 for one in findings if one.status is status) for status in Status}
    is_failed = bool(counts[Status.FAILED] or (is_strict and counts[Status.WARNING]))
    exit_code = FAILED_EXIT_CODE if is_failed else 0
    if as_json:
        print(json.dumps(_report(findings, counts, exit_code)), file=out)
    else:
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        console.print(f"\n{told}")
    out.flush()
    return exit_code


def _report(findings: list[Finding], counts: dict[Status, int], exit_code: int) -> dict[str, Any]:
    """Everything for programs. The keys stay what they are."""
    return {
        "telesink": telesink.__version__,
        "exit_code": exit_code,
        "counts": {status.value: count for status, count in counts.items()},
        "checks": [finding.as_dict() for finding in findings],
    }


def _print(console: Console, finding: Finding) -> None:
    unicode_mark, ascii_mark, color = MARKS[finding.status]
    mark = ascii_mark.ljust(2) if console.options.ascii_only else unicode_mark
    console.print(Text.assemble((mark, color), " ", finding.check.ljust(NAME_CHARS), escaped(finding.text)))
    if finding.next_step:
        arrow = "->" if console.options.ascii_only else "→"
        console.print(f"{'':{len(mark) + 1 + NAME_CHARS}}{arrow} {escaped(finding.next_step)}", style="dim")


def _findings(target: str | None, app: str | None, *, writes: bool, as_json: bool) -> Iterator[Finding]:
    given = None if target is None else _given(target)
    if app is not None:
        doctor_logging.check_name(app)
    yield from doctor_program.versions()
    if app is None:
        yield doctor_logging.not_looked_at()
    else:
        # First of all the rest: programs read their settings from files, and set variables.
        loaded = doctor_logging.load(app)
        yield loaded
        if loaded.status is Status.OK:
            yield from doctor_logging.looked_at()
    yield from doctor_program.forks(is_program=app is not None)
    try:
        settings = telesink.Settings()
    except telesink.ConfigError as error:
        yield Finding("settings", Status.FAILED, error.message, error.hint)
        yield doctor_program.variables(None)
        return
    yield from _settings(settings)
    yield doctor_program.variables(_masked_variable(settings))
    try:
        sinks = _sinks(given, settings)
    except telesink.ConfigError as error:
        yield Finding("connection", Status.FAILED, error.message, error.hint)
        return
    if sinks is None:
        text = "a telesink.LogHandler keeps its DSN to itself"
        yield Finding("connection", Status.SKIPPED, text, "name it: telesink doctor DSN --app ...")
        return
    for sink in sinks:
        try:
            yield from look_at(sink, writes=writes, is_stdout_taken=as_json)
        except telesink.ConfigError as error:
            if given is not None:
                raise CommandError(error.message, hint=error.hint, exit_code=USAGE_EXIT_CODE) from error
            yield Finding("connection", Status.FAILED, error.message, error.hint)


def _given(target: str) -> str:
    """The DSN on the command line, checked before anything is shown."""
    dsn = dsn_of(target, must_exist=False)
    try:
        settings = telesink.Settings()
    except telesink.ConfigError:
        # Told among the findings: it is not the command line that has to be changed.
        return dsn
    try:
        Sink(dsn, {}, settings).described()
    except telesink.ConfigError as error:
        raise CommandError(error.message, hint=error.hint, exit_code=USAGE_EXIT_CODE) from error
    return dsn


def _settings(settings: telesink.Settings) -> Iterator[Finding]:
    """The settings of the program, if it has any of its own, else those of the environment."""
    own = {
        repr(handler.pipeline.settings): handler.pipeline.settings
        for handler in doctor_logging.telesink_handlers()
    }
    if not own:
        yield doctor_program.settings_in_effect(settings, "")
    for one in own.values():
        yield doctor_program.settings_in_effect(one, "of the program: ")


def _sinks(given: str | None, settings: telesink.Settings) -> list[Sink] | None:
    """What is to be looked at; None if the program has a handler that does not say where it writes."""
    if given is not None:
        return [Sink(given, {}, settings)]
    if _installed.sinks:
        return [Sink(one.dsn, one.options, one.settings) for one in _installed.sinks.values()]
    if doctor_logging.telesink_handlers():
        return None
    return [Sink(dsn, {}, settings) for dsn in dsns_or_default(None, console=False)]


def _masked_variable(settings: telesink.Settings) -> str | None:
    """$TELESINK_DSN without secrets; None if it is not set, or cannot be read."""
    if not os.environ.get("TELESINK_DSN", "").strip():
        return None
    try:
        shown = [
            Sink(dsn, {}, settings).described()["target"] for dsn in dsns_or_default(None, console=False)
        ]
    except telesink.ConfigError:
        return None
    return ",".join(shown)
