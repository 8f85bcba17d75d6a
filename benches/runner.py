"""Starts one process for each measurement, in turn, and keeps what they found."""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RESULTS = Path(__file__).parent / "results"
_ROOT = Path(__file__).parents[1]

# Variables that would change what a contestant does.
_FOREIGN_PREFIXES = ("TELESINK_", "OTEL_", "LOGURU_", "LANGFUSE_", "PG", "PYTHON")


@dataclass(frozen=True)
class Task:
    """One measurement: a function of one of the benchmark modules, with its arguments."""

    module: str
    function: str
    arguments: dict[str, Any]
    seconds_max: float = 180.0


def run(task: Task) -> dict[str, Any]:
    """
    Runs the task in a fresh process and a fresh directory.

    A process that fails or does not end in time is a result too: `{"error": ...}`.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        result = Path(scratch) / "result.json"
        command = [sys.executable, "-m", "benches.child", task.module, task.function]
        arguments = json.dumps({"scratch": scratch, **task.arguments})
        with _process([*command, arguments, str(result)], scratch) as process:
            try:
                _, errors = process.communicate(timeout=task.seconds_max)
            except subprocess.TimeoutExpired:
                return {"error": f"did not end within {task.seconds_max:.0f} seconds"}
        if result.exists():
            return dict(json.loads(result.read_text()))
        return {"error": (errors.strip().splitlines() or ["no result"])[-1][:200].replace(scratch, "…")}


@contextmanager
def _process(command: list[str], directory: str) -> Iterator[subprocess.Popen[str]]:
    """A process with a group of its own, so that whatever it started ends with it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)
    }
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**environment, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def interleaved(tasks: Iterable[Task], runs: int) -> list[dict[str, Any]]:
    """
    Runs every task once, then every task once more, and so on, so that a drifting machine is unfair to
    nobody.

    The results carry their arguments and `run`, the number of the round.
    """
    listed = list(tasks)
    results = []
    for round_number in range(runs):
        for position, task in enumerate(listed):
            _progress(round_number * len(listed) + position, runs * len(listed), task)
            results.append({**task.arguments, "run": round_number, **run(task)})
    _progress(runs * len(listed), runs * len(listed), None)
    return results


def _progress(done: int, total: int, task: Task | None) -> None:
    if not sys.stderr.isatty():
        return
    text = "" if task is None else " ".join(str(value) for value in task.arguments.values())
    print(
        f"\r\033[K[{done}/{total}] {text}"[:110], end="" if task else "\r\033[K", file=sys.stderr, flush=True
    )


def median(results: Iterable[dict[str, Any]], key: str) -> float | None:
    """The median of one figure over all runs that have it."""
    values = [result[key] for result in results if result.get(key) is not None]
    return statistics.median(values) if values else None


def report(
    name: str, settings: dict[str, Any], results: list[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    return {
        "benchmark": name,
        "machine": machine.describe(Path(tempfile.gettempdir())),
        "settings": settings,
        "seconds": round(seconds),
        "results": results,
    }


def save(found: dict[str, Any], arguments: argparse.Namespace, *, is_complete: bool) -> None:
    """Keeps the raw results: where `--output` says, or, after a complete run, where the page is made from."""
    if arguments.output is not None:
        path = Path(arguments.output)
    elif is_complete and not arguments.quick:
        path = RESULTS / f"{found['benchmark']}.json"
    else:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join("  " + json.dumps(result) for result in found["results"])
    head = json.dumps({key: value for key, value in found.items() if key != "results"}, indent=1)
    # One line for each run: small, and readable in a diff.
    path.write_text(f'{head.removesuffix("}").rstrip()},\n "results": [\n{rows}\n ]\n}}\n')
    print(f"raw results: {path.name}", file=sys.stderr)


def main(
    argv: list[str],
    name: str,
    description: str | None,
    *,
    runs: int,
    known: Iterable[str],
    kind: str = "contestant",
    measure_all: Callable[[argparse.Namespace, int], tuple[dict[str, Any], list[dict[str, Any]]]],
    table: Callable[[dict[str, Any]], str],
) -> None:
    """
    A benchmark with no options but `--only` and the common ones: prints its table, and keeps the results.

    `measure_all` is given the options and the number of runs; it answers settings to be kept, and results.
    """
    parser = parser_of(name, description, known, kind)
    add_common_options(parser, runs)
    arguments = parser.parse_args(argv)
    machine.refuse_debug_build()
    load = machine.load_at_start()
    runs = runs_of(arguments, runs)
    watch = Stopwatch()
    settings, results = measure_all(arguments, runs)
    found = report(name, {"runs": runs, "load_at_start": load, **settings}, results, watch.seconds)
    print(table(found))
    save(found, arguments, is_complete=arguments.only is None)


def parser_of(
    name: str, description: str | None, known: Iterable[str], kind: str = "contestant"
) -> argparse.ArgumentParser:
    """A parser that knows `--only`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benches {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help=f"{kind}s, with commas: {', '.join(known)}")
    return parser


def chosen(only: str | None, known: Iterable[str], kind: str = "contestant") -> list[str]:
    """What `--only` names, in its order (default: all); an unknown name ends the program."""
    wanted = only.split(",") if only else list(known)
    if unknown := set(wanted) - set(known):
        sys.exit(f"error: unknown {kind} {min(unknown)!r}, known are {', '.join(known)}")
    return wanted


def add_common_options(parser: argparse.ArgumentParser, runs: int, more: str = "") -> None:
    parser.add_argument("--runs", type=int, help=f"interleaved runs (default {runs}{more})")
    parser.add_argument("--quick", action="store_true", help="few records and one run: shows that it works")
    parser.add_argument("--output", help="file for the raw results (default: only complete runs are kept)")


def runs_of(arguments: argparse.Namespace, default: int) -> int:
    if arguments.runs is not None:
        return max(1, int(arguments.runs))
    return 1 if arguments.quick else default


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start
