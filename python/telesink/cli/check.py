"""`telesink check`: whether all that was numbered is stored, once, and why what is missing is missing."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import telesink
from telesink import _native
from telesink.cli.asking import asked
from telesink.cli.failure import FAILED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.letters import Letter, Unreadable, letters_of, open_letters
from telesink.cli.render import escaped
from telesink.cli.target import command_error_of, count_of, dsn_of

#: Instances that the table shows; all are in the JSON form.
SHOWN_MAX = 50

#: Characters of an instance that are shown: those of a UUID. Whoever may write to the tables chooses them.
INSTANCE_CHARS = 36

#: The columns of the table: the key of an account, and its title.
COLUMNS = {
    "rows": "rows",
    "missing": "missing",
    "covered": "covered",
    "dead_lettered": "dead letters",
    "replayed": "replayed",
    "unexplained": "unexplained",
    "duplicates": "duplicates",
}

#: What is added up over all instances.
TOTALS = ("rows", "holes", "retired", *list(COLUMNS)[1:])

Accounts = list[dict[str, Any]]


def run_check(
    target: str, *, dead_letters: Sequence[Path], sinks: Sequence[str], is_complete: bool, as_json: bool
) -> int:
    """Compare the numbers with the rows, and return the exit code.

    Raises:
        CommandError: the destination or a dead-letter file cannot be used.
    """
    dsn = dsn_of(target)
    letters, unreadable = _letters(dead_letters, sinks)
    known = [(letter.instance, letter.seq) for letter in letters]
    try:
        inspection = _native.Inspection(dsn, [], str(Path.cwd()))
        accounts = asked(inspection, lambda: inspection.count(known, is_complete))
    except telesink.TelesinkError as error:
        raise command_error_of(error) from error
    summary = summary_of(inspection.target, accounts)
    if dead_letters:
        summary["dead_letter"] = {
            "letters": len(letters),
            "sinks": sorted({letter.sink for letter in letters}),
            "unreadable_lines": [one.line for _, one in unreadable],
            "unreadable": [{"file": str(path), "line": one.line} for path, one in unreadable],
        }
    if as_json:
        print(json.dumps(summary))
    else:
        _tell(Console(highlight=False, markup=False, emoji=False, soft_wrap=True), summary)
    return 0 if summary["is_clean"] else FAILED_EXIT_CODE


def summary_of(target: str, accounts: Accounts) -> dict[str, Any]:
    """Add the accounts up. The keys stay what they are: programs read them."""
    for account in accounts:
        # More than one sink of a process writes here, and rows do not say which.
        account["is_judged"] = account["sinks"] <= 1
    return {
        "target": target,
        "is_clean": not any(account["unexplained"] or account["duplicates"] for account in accounts),
        **{name: sum(account[name] for account in accounts) for name in TOTALS},
        "not_judged": sum(1 for account in accounts if not account["is_judged"]),
        "instances": accounts,
    }


def _letters(
    paths: Sequence[Path], sinks: Sequence[str]
) -> tuple[list[Letter], list[tuple[Path, Unreadable]]]:
    """Read the dead letters; those of some sinks, if they are named."""
    if sinks and not paths:
        message = "--sink says whose dead letters count, and there is no --dead-letter"
        raise CommandError(message, hint="add --dead-letter FILE", exit_code=USAGE_EXIT_CODE)
    letters, unreadable = [], []
    for path in paths:
        with open_letters(path) as file:
            for one in letters_of(file):
                if isinstance(one, Unreadable):
                    unreadable.append((path, one))
                elif not sinks or one.sink in sinks:
                    letters.append(one.without_record())
    return letters, unreadable


def _tell(console: Console, summary: dict[str, Any]) -> None:
    accounts: Accounts = summary["instances"]
    console.print(f"{escaped(summary['target'])}: {count_of(summary['rows'], 'row')}", end="")
    console.print(f" of {count_of(len(accounts), 'instance')}")
    loud = [account for account in accounts if _is_loud(account)]
    if loud:
        _table(console, loud[:SHOWN_MAX])
    if len(loud) > SHOWN_MAX:
        console.print(f"and {count_of(len(loud) - SHOWN_MAX, 'more instance')}; --json shows all")
    if len(accounts) > len(loud) > 0:
        console.print(f"{count_of(len(accounts) - len(loud), 'other instance')} without holes")
    for account in loud[:SHOWN_MAX]:
        _reasons(console, account)
    letters = summary.get("dead_letter", {})
    by_file: dict[str, list[int]] = {}
    for one in letters.get("unreadable", []):
        by_file.setdefault(one["file"], []).append(one["line"])
    for file, lines in by_file.items():
        told = ", ".join(str(line) for line in lines[:10])
        console.print(f"{count_of(len(lines), 'line')} of {escaped(file)} could not be read: {told}")
    if len(letters.get("sinks", [])) > 1:
        names = ", ".join(escaped(name) for name in letters["sinks"])
        console.print(f"the dead letters are of several sinks ({names}); --sink chooses")
    _verdict(console, summary)


def _verdict(console: Console, summary: dict[str, Any]) -> None:
    is_unicode = not console.options.ascii_only
    if summary["is_clean"]:
        console.print(("✓" if is_unicode else "ok"), style="green", end=" ")
        console.print(
            "every missing number has a reason, and nothing is stored twice"
            if summary["missing"]
            else "nothing is missing, and nothing is stored twice"
        )
        return
    found = [
        count_of(summary[name], noun)
        for name, noun in (("unexplained", "number"), ("duplicates", "row"))
        if summary[name]
    ]
    words = [" missing without a reason" if summary["unexplained"] else "", " too many"]
    told = [f"{number}{word}" for number, word in zip(found, [one for one in words if one], strict=False)]
    console.print(("✗" if is_unicode else "NO"), style="bold red", end=" ")
    console.print(" and ".join(told))


def _is_loud(account: dict[str, Any]) -> bool:
    return not account["is_judged"] or any(account[name] for name in ("missing", "duplicates", "retired"))


def _table(console: Console, accounts: Accounts) -> None:
    """Print aligned columns, which are never cut."""
    lines = [["instance", *COLUMNS.values()]]
    lines += [[_shown(account), *(f"{account[name]:,}" for name in COLUMNS)] for account in accounts]
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    for number, line in enumerate(lines):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        console.print("  ".join(cells), style="bold" if number == 0 else None)


def _shown(account: dict[str, Any]) -> str:
    name = escaped(account["instance"])
    return name if len(name) <= INSTANCE_CHARS else f"{name[: INSTANCE_CHARS - 1]}…"


def _reasons(console: Console, account: dict[str, Any]) -> None:
    """Say what the columns do not."""
    name = _shown(account)
    if not account["is_judged"]:
        console.print(
            f"{name}: {account['sinks']} sinks of this process write here; rows do not say which, so "
            "its numbers are not judged"
        )
        return
    if account["retired"]:
        console.print(
            f"{name}: {count_of(account['retired'], 'number')} in front of the oldest row, taken for "
            "deleted by retention (--complete if nothing ever was)"
        )
    ranges = account["unexplained_ranges"]
    if ranges:
        told = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in ranges)
        more = " …" if sum(last - first + 1 for first, last in ranges) < account["unexplained"] else ""
        console.print(f"{name}: no reason for {told}{more}")
    sys.stdout.flush()
