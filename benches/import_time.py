"""
What it costs to have telesink without using it: import time over `import logging`, modules, memory,
threads, and the processor time of an open pipeline that has nothing to do.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import machine, ours, runner
from benches.tables import import_tables

if TYPE_CHECKING:
    import argparse

NAME = "import_time"
RUNS = 15

# Module to import -> the package whose version is shown.
MODULES = {
    "telesink": "telesink",
    "picologging": "picologging",
    "logust": "logust",
    "loguru": "loguru",
    "structlog": "structlog",
    "logxide": "logxide",
    "opentelemetry.sdk._logs": "opentelemetry-sdk",
}

_IDLE_SECONDS = 5.0
_QUICK_IDLE_SECONDS = 1.0


def measure(*, scratch: str, module: str) -> dict[str, Any]:
    """One import in this process, in which `logging` is there already; the files are in the cache."""
    import logging

    import psutil

    del scratch, logging
    process = psutil.Process()
    modules, memory, threads = len(sys.modules), process.memory_info().rss, process.num_threads()
    start = time.perf_counter_ns()
    importlib.import_module(module)
    nanoseconds = time.perf_counter_ns() - start
    return {
        "milliseconds": round(nanoseconds / 1e6, 3),
        "modules": len(sys.modules) - modules,
        "memory_kib": (process.memory_info().rss - memory) // 1024,
        "threads": process.num_threads() - threads,
    }


def measure_logging(*, scratch: str) -> dict[str, Any]:
    """What `import logging` itself costs, for scale; in one more interpreter, since this one has it."""
    import subprocess

    program = (
        "import time\n"
        "start = time.perf_counter_ns()\n"
        "import logging\n"
        "print((time.perf_counter_ns() - start) / 1e6)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=scratch, capture_output=True, text=True, timeout=30, check=True
    )
    return {"milliseconds": round(float(done.stdout), 3)}


def measure_idle(*, scratch: str, seconds: float) -> dict[str, Any]:
    """Threads after opening and after a record, then the processor time while nothing happens."""
    import logging

    import psutil

    import telesink

    process = psutil.Process()
    before = process.num_threads()
    telesink.install_logging(f"sqlite:///{Path(scratch) / 'idle.db'}")
    opened = process.num_threads()
    logging.getLogger("idle").info("one record")
    telesink.flush(timeout_seconds=10)
    ours.wait_until_idle()
    time.sleep(0.2)  # whatever the worker does on its way to sleep
    running = process.num_threads()
    switches = sum(process.num_ctx_switches())
    start = time.process_time_ns()
    time.sleep(seconds)
    return {
        "threads_opened": opened - before,
        "threads_running": running - before,
        "idle_seconds": seconds,
        "idle_processor_ms": round((time.process_time_ns() - start) / 1e6, 3),
        "idle_switches": sum(process.num_ctx_switches()) - switches,
    }


def main(argv: list[str]) -> None:
    runner.main(
        argv,
        NAME,
        __doc__,
        runs=RUNS,
        known=MODULES,
        kind="module",
        measure_all=_measure_all,
        table=import_tables,
    )


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    installed = machine.versions()
    wanted = runner.chosen(arguments.only, MODULES, "module")
    tasks = [
        runner.Task(NAME, "measure", {"module": module})
        for module in wanted
        if installed[MODULES[module]] != "not installed"
    ]
    idle = {"seconds": _QUICK_IDLE_SECONDS if arguments.quick else _IDLE_SECONDS}
    runner.interleaved(tasks, 1)  # compiles to bytecode, and fills the system's cache
    results = runner.interleaved([runner.Task(NAME, "measure_logging", {}), *tasks], runs)
    results += runner.interleaved([runner.Task(NAME, "measure_idle", idle)], min(runs, 3))
    return {}, results
