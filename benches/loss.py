"""
What is there after the program has ended: by returning, with threads of a pool, by a signal, with children.

Shares of the records that were logged, counted at the destination; a record that is there twice is shown.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import machine, runner
from benches.loss_program import OF_A_CHILD, STARTS, WORKERS
from benches.tables import markdown

if TYPE_CHECKING:
    import argparse

NAME = "loss"
RUNS = 2
RECORDS = 100_000
_QUICK_RECORDS = 5_000

#: What a program may take to end; then it counts as hanging.
SECONDS_MAX = 60.0

TITLES = {
    "telesink": "telesink, SQLite",
    "telesink_signal": "telesink, SQLite, `install_signal_flush`",
    "file": "logging, FileHandler (writes in the call)",
    "queue": "logging, QueueHandler, listener stopped at exit",
    "loguru": "loguru, file, enqueue",
    "logust": "logust, file, enqueue",
}

ENDINGS = (
    "return",
    "pool",
    "SIGTERM",
    "SIGKILL",
    "fork",
    "multiprocessing fork",
    "multiprocessing spawn",
    "multiprocessing forkserver",
)

# Much slower than the others; the share is what counts.
_FEWER = {"loguru": 5}

_KEY = re.compile(rb"key=(\d+)/(\d+);")


def measure(*, scratch: str, contestant: str, ending: str, records: int) -> dict[str, Any]:
    """Let one program end, and count what it left."""
    records //= _FEWER.get(contestant, 1)
    folder = Path(scratch)
    command = [sys.executable, "-m", "benches.loss_program", contestant, ending, str(records), scratch]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code: int | str = process.wait(SECONDS_MAX)
    except subprocess.TimeoutExpired:
        code = "hangs"
    seconds = time.monotonic() - start
    # Children that hang are of this measurement's own group of processes.
    if code == "hangs":
        process.kill()
        process.wait()
    found = Counter(_keys(folder))
    children = ending == "fork" or ending.startswith("multiprocessing")
    offered = records + (WORKERS * OF_A_CHILD if children else 0)
    return {
        "offered": offered,
        "delivered": len(found),
        "twice": sum(count - 1 for count in found.values()),
        "code": code,
        "seconds": round(seconds, 2),
    }


def _keys(folder: Path) -> list[tuple[bytes, ...]]:
    """The keys at the destination."""
    log, database = folder / "out.log", folder / "out.db"
    if log.exists():
        return _KEY.findall(log.read_bytes())
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database)) as connection:
        # A program that was killed at once has made no table.
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'telesink_logs'").fetchall():
            return []
        bodies = connection.execute("SELECT body FROM telesink_logs").fetchall()
    return [key for (body,) in bodies for key in _KEY.findall(body.encode())]


def loss_table(found: dict[str, Any]) -> str:
    """Per cent that arrived: the worst run."""
    rows = []
    for name, title in TITLES.items():
        mine = [result for result in found["results"] if result["contestant"] == name]
        if mine:
            cells = [_cell([run for run in mine if run["ending"] == ending]) for ending in ENDINGS]
            rows.append([f"**{title}**" if name.startswith("telesink") else title, *cells])
    return markdown(["", *ENDINGS], rows)


def _cell(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "-"
    if errors := [run["error"] for run in runs if "error" in run]:
        return errors[0]
    worst = min(runs, key=lambda run: run["delivered"] / run["offered"])
    share = 100 * worst["delivered"] / worst["offered"]
    text = "100" if worst["delivered"] == worst["offered"] else f"{min(share, 99.99):.2f}"
    twice = max(run["twice"] for run in runs)
    hangs = any(run["code"] == "hangs" for run in runs)
    return text + (f", {twice:,} twice" if twice else "") + (", hangs" if hangs else "")


def main(argv: list[str]) -> None:
    runner.main(argv, NAME, __doc__, runs=RUNS, known=STARTS, measure_all=_measure_all, table=loss_table)


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    installed = machine.versions()
    wanted = runner.chosen(arguments.only, STARTS)
    records = _QUICK_RECORDS if arguments.quick else RECORDS
    tasks = [
        runner.Task(NAME, "measure", {"contestant": name, "ending": ending, "records": records})
        for name in wanted
        if installed.get(name, "") != "not installed"
        for ending in ENDINGS
    ]
    return {"records": records}, runner.interleaved(tasks, runs)
