"""
Loops that call a contestant and time it: floods by batches and by single calls, a fixed rate, several
threads.

Times are from `time.perf_counter_ns`. To time a single call costs some 50 ns, which a batch of 200 spreads
out: means are taken from batches, percentiles from single calls. The garbage collector stays on, as in
life.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from benches import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[int], object]

T = TypeVar("T")

BATCH_CALLS = 200
PACED_PER_SECOND = 20_000

# A caller that is ahead of its schedule rests this long, and then makes up for it in one go.
_REST_SECONDS = 0.001


def handling(with_exception: bool, work: Callable[[], T]) -> T:  # noqa: FBT001
    """Does the work; if asked for, while an exception with four frames is being handled."""
    if not with_exception:
        return work()
    try:
        workload.fail()
    except workload.PaymentError:
        return work()


def batches(call: Call, calls: int, *, with_exception: bool) -> list[float]:
    """Nanoseconds a call, one mean for each batch; every batch handles an exception of its own."""
    return [
        handling(with_exception, lambda: _batch(call)) / BATCH_CALLS
        for _ in range(max(1, calls // BATCH_CALLS))
    ]


def _batch(call: Call) -> int:
    start = time.perf_counter_ns()
    for number in range(BATCH_CALLS):
        call(number)
    return time.perf_counter_ns() - start


def singles(call: Call, calls: int) -> list[int]:
    """Nanoseconds of each call, as fast as they come."""
    clock = time.perf_counter_ns
    times = [0] * calls
    for number in range(calls):
        start = clock()
        call(number)
        times[number] = clock() - start
    return times


def paced(call: Call, calls: int, per_second: int = PACED_PER_SECOND) -> list[int]:
    """Nanoseconds of each call at a fixed rate; who is late calls at once until the schedule is met again."""
    clock = time.perf_counter_ns
    interval = 1_000_000_000 // per_second
    times = [0] * calls
    begin = clock()
    for number in range(calls):
        while clock() - begin < number * interval:
            time.sleep(_REST_SECONDS)
        start = clock()
        call(number)
        times[number] = clock() - start
    return times


def threaded(work: Callable[[], list[int]], threads: int) -> tuple[list[int], float]:
    """
    The times of all threads together, and the seconds from their common start to the end of the last.

    One thread is this one.
    """
    if threads == 1:
        start = time.perf_counter()
        times = work()
        return times, time.perf_counter() - start
    collected: list[list[int]] = []
    barrier = threading.Barrier(threads + 1)

    def wait_and_work() -> None:
        barrier.wait()
        collected.append(work())

    workers = [threading.Thread(target=wait_and_work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - start
    return [nanoseconds for times in collected for nanoseconds in times], seconds


def quantiles(times: list[int]) -> dict[str, int]:
    """The percentiles that the tables show (nearest rank), the mean, and the worst."""
    ordered = sorted(times)

    def at(share: float) -> int:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {
        "p50": at(0.50),
        "p99": at(0.99),
        "p999": at(0.999),
        "mean": round(statistics.fmean(ordered)),
        "worst": ordered[-1],
    }
