"""
What one log call costs the thread that makes it.

Scenarios: `plain` (a message with three arguments), `extra` (five fields), `exception` (`logger.exception`,
a traceback of four frames; `exception_info` is the same at level INFO). Modes: `flood` and `paced` (20,000
records/s over all threads together). Every contestant runs in a process of its own, and what it stored is
counted afterwards.

`--only telesink,null` compares these two alone, in more runs, and prints the differences beside the targets;
`--only telesink_postgres,null` does so with a Postgres server under load.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import contestants, machine, registry, runner, targets, timing, workload
from benches.tables import hot_path_tables

if TYPE_CHECKING:
    import argparse

NAME = "hot_path"
RUNS = 3

# Each is a scenario, a mode, and a number of threads.
CASES = (
    ("plain", "flood", 1),
    ("extra", "flood", 1),
    ("exception", "flood", 1),
    ("plain", "paced", 1),
    ("extra", "paced", 1),
    ("plain", "flood", 4),
    ("plain", "paced", 4),
)

# Calls of one phase; a flood of one thread has two. Exceptions are fewer: peers need up to 0.5 ms for one.
RECORDS = 20_000
RECORDS_MAX = 1_000_000
_QUICK_RECORDS = 2_000
_EXCEPTIONS_OF_RECORDS = 1 / 5
_WARM_UP_CALLS = 200


def measure(
    *, scratch: str, contestant: str, scenario: str, mode: str, threads: int, records: int
) -> dict[str, Any]:
    """One contestant, one case, in this process."""
    with_exception = workload.has_exception(scenario)
    session = registry.CONTESTANTS[contestant].start(Path(scratch), scenario, 2 * records + _WARM_UP_CALLS)
    timing.handling(with_exception, lambda: timing.singles(session.call, _WARM_UP_CALLS))
    found: dict[str, Any] = {}
    measured = 0

    processor_start, start = time.process_time(), time.perf_counter()
    if (mode, threads) == ("flood", 1):
        means = timing.batches(session.call, records, with_exception=with_exception)
        measured += timing.BATCH_CALLS * len(means)
        found |= {
            "ns_per_call": round(statistics.median(means)),
            "ns_per_call_mean": round(statistics.fmean(means)),
        }

    def work() -> list[int]:
        return timing.handling(with_exception, lambda: timed_calls(session.call))

    def timed_calls(call: timing.Call) -> list[int]:
        if mode == "flood":
            return timing.singles(call, records // threads)
        return timing.paced(call, records // threads, timing.PACED_PER_SECOND // threads)

    times, seconds = timing.threaded(work, threads)
    measured += len(times)
    called = time.perf_counter()
    session.finish()
    end = time.perf_counter()
    processor = time.process_time() - processor_start

    found |= timing.quantiles(times) | {
        "wall_ns_per_call": round(1e9 * seconds / len(times)),
        "calls_per_second": round(len(times) / seconds),
        "finish_seconds": round(end - called, 4),
        "stored_per_second": round(measured / (end - start)),
        "processor_us_per_record": round(1e6 * processor / measured, 2),
    }
    return found | _outcome(session, contestant, scenario, measured + _WARM_UP_CALLS)


def _outcome(session: contestants.Session, contestant: str, scenario: str, offered: int) -> dict[str, Any]:
    """What became of all records, the warm-up included; looked at when the clock has stopped."""
    ledger = session.count(offered)
    outcome: dict[str, Any] = {
        "offered": offered,
        "accepted": ledger.accepted,
        "delivered": ledger.delivered,
        "dropped": ledger.dropped,
        "failed": offered - ledger.delivered - ledger.dropped,
    }
    if ledger.sample or registry.CONTESTANTS[contestant].writes:
        outcome["lacks"] = contestants.lacking(ledger.sample, scenario)
    return outcome


def tasks(names: list[str], cases: list[tuple[str, str, int]], records: int) -> list[runner.Task]:
    """Cases outside, contestants inside: what is compared was measured within the same minute."""
    listed = []
    for scenario, mode, threads in cases:
        share = _EXCEPTIONS_OF_RECORDS if workload.has_exception(scenario) else 1
        count = max(timing.BATCH_CALLS, int(records * share))
        for name in names:
            if threads <= registry.CONTESTANTS[name].threads_max:
                arguments = {
                    "contestant": name,
                    "scenario": scenario,
                    "mode": mode,
                    "threads": threads,
                    "records": count,
                }
                listed.append(runner.Task(NAME, "measure", arguments))
    return listed


def build_parser() -> argparse.ArgumentParser:
    parser = runner.parser_of(NAME, __doc__, registry.CONTESTANTS)
    parser.add_argument("--scenario", action="append", choices=workload.ALL_SCENARIOS)
    parser.add_argument("--mode", action="append", choices=("flood", "paced"))
    parser.add_argument("--threads", action="append", type=int, choices=(1, 2, 4, 8))
    parser.add_argument(
        "--records", type=int, help=f"calls of one phase, at most {RECORDS_MAX:,} ({RECORDS:,})"
    )
    runner.add_common_options(parser, RUNS, f"; {targets.RUNS} with --only telesink,null")
    return parser


def main(argv: list[str]) -> None:
    arguments = build_parser().parse_args(argv)
    names = registry.chosen(arguments.only)
    if any(name.startswith("telesink") for name in names):
        machine.refuse_debug_build()
    load = machine.load_at_start()
    is_targeted = arguments.only is not None and targets.covers(names)
    runs = runner.runs_of(arguments, targets.RUNS if is_targeted else RUNS)
    records = arguments.records or (targets.RECORDS if is_targeted else RECORDS)
    if arguments.quick:
        records = _QUICK_RECORDS
    has_choice = bool(arguments.scenario or arguments.mode or arguments.threads)
    usual = targets.CASES if is_targeted else CASES
    cases = _cases_of(arguments) if has_choice else list(usual)

    watch = runner.Stopwatch()
    results = runner.interleaved(tasks(names, cases, min(records, RECORDS_MAX)), runs)
    found = runner.report(
        NAME, {"runs": runs, "records": records, "load_at_start": load}, results, watch.seconds
    )
    print(hot_path_tables(found))
    if targets.compares(names):
        print(targets.table(results))
    runner.save(found, arguments, is_complete=not (arguments.only or has_choice))


def _cases_of(arguments: argparse.Namespace) -> list[tuple[str, str, int]]:
    return [
        (scenario, mode, threads)
        for mode in arguments.mode or ["flood"]
        for threads in arguments.threads or [1]
        for scenario in arguments.scenario or workload.SCENARIOS
    ]
