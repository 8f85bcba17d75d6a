"""
What is left for a busy thread while another thread of the process logs 20,000 records/s.

The main thread computes, in pure Python; the share it keeps is its speed beside the logging thread over its
speed alone, measured in turn in one process. Beside a NullHandler the same calls cost something too, so the
last column is a contestant's share over NullHandler's of the same round. A share means nothing if the
logging thread fell behind: the rate that it reached stands beside it, and what arrived is counted.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import registry, runner, timing
from benches.tables import disturbance_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "disturbance"
RUNS = 3

_WINDOWS = 3
_WINDOW_SECONDS = 0.8
_QUICK_WINDOWS = 1

# How long the logging thread may go on after a window to meet its schedule; then it is "behind".
_CATCH_UP_SECONDS_MAX = 5.0


def measure(*, scratch: str, contestant: str, windows: int) -> dict[str, Any]:
    """One contestant in this process: windows alone and windows beside the logging thread, in turn."""
    per_window = int(_WINDOW_SECONDS * timing.PACED_PER_SECOND)
    session = registry.CONTESTANTS[contestant].start(Path(scratch), "plain", (windows + 1) * per_window)
    timing.singles(session.call, 200)
    offered = 200
    shares, rates = [], []
    _compute(_WINDOW_SECONDS / 4)
    for _ in range(windows):
        alone = _compute(_WINDOW_SECONDS)
        logging_thread = _LoggingThread(session.call, per_window)
        beside = _compute(_WINDOW_SECONDS)
        rates.append(logging_thread.calls / _WINDOW_SECONDS)
        offered += logging_thread.end()
        shares.append(beside / alone)
    session.finish()
    ledger = session.count(offered)
    return {
        "share": round(statistics.median(shares), 4),
        "records_per_second": round(statistics.median(rates)),
        "offered": offered,
        "accepted": ledger.accepted,
        "delivered": ledger.delivered,
        "dropped": ledger.dropped,
        "failed": offered - ledger.delivered - ledger.dropped,
    }


def _compute(seconds: float) -> float:
    """Pieces of pure Python work a second."""
    start = time.perf_counter()
    pieces = 0
    while time.perf_counter() - start < seconds:
        total = 0
        for value in range(1_000):
            total += value * value
        pieces += 1
    return pieces / (time.perf_counter() - start)


class _LoggingThread:
    """Logs at 20,000 records/s until its calls are made or it is ended."""

    def __init__(self, call: Callable[[int], object], calls_max: int) -> None:
        self.calls = 0
        self._call = call
        self._calls_max = calls_max
        self._give_up = float("inf")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> int:
        """The number of calls made."""
        self._give_up = time.perf_counter() + _CATCH_UP_SECONDS_MAX
        self._thread.join()
        return self.calls

    def _run(self) -> None:
        begin = time.perf_counter()
        while self.calls < self._calls_max and time.perf_counter() < self._give_up:
            due = min(self._calls_max, int((time.perf_counter() - begin) * timing.PACED_PER_SECOND))
            for number in range(self.calls, due):
                self._call(number)
                self.calls = number + 1
            time.sleep(0.001)


def main(argv: list[str]) -> None:
    runner.main(
        argv,
        NAME,
        __doc__,
        runs=RUNS,
        known=registry.CONTESTANTS,
        measure_all=_measure_all,
        table=disturbance_table,
    )


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    windows = _QUICK_WINDOWS if arguments.quick else _WINDOWS
    tasks = [
        runner.Task(NAME, "measure", {"contestant": name, "windows": windows})
        for name in registry.chosen(arguments.only)
        # A full queue and a queue with losses are no fair neighbours: their work is not done.
        if name not in {"telesink_full", "otel_default"}
    ]
    return {"windows": windows}, runner.interleaved(tasks, runs)
