"""A program that logs and ends: `python -m benches.loss_program CONTESTANT ENDING RECORDS FOLDER`.

Every message carries the process and a number of its own, so that the destination tells what is missing and
what is there twice.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Threads of the pool, and child processes.
WORKERS = 4

#: Records of each child process.
OF_A_CHILD = 1_000


def start_telesink(folder: Path) -> Callable[[str], object]:
    import telesink

    telesink.install_logging(f"sqlite:///{folder / 'out.db'}", when_full="block", block_timeout_seconds=60)
    return logging.getLogger("loss").info


def start_telesink_signal(folder: Path) -> Callable[[str], object]:
    import telesink

    log = start_telesink(folder)
    telesink.install_signal_flush()
    return log


def start_file(folder: Path) -> Callable[[str], object]:
    logging.basicConfig(filename=folder / "out.log", level="INFO")
    return logging.getLogger("loss").info


def start_queue(folder: Path) -> Callable[[str], object]:
    import atexit
    import logging.handlers
    import queue

    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, logging.FileHandler(folder / "out.log"))
    logging.basicConfig(handlers=[logging.handlers.QueueHandler(records)], level="INFO")
    listener.start()
    atexit.register(listener.stop)
    return logging.getLogger("loss").info


def start_loguru(folder: Path) -> Callable[[str], object]:
    from loguru import logger

    logger.remove()
    logger.add(folder / "out.log", enqueue=True)
    return logger.info


def start_logust(folder: Path) -> Callable[[str], object]:
    from logust import logger

    logger.remove()
    logger.add(str(folder / "out.log"), enqueue=True)
    return logger.info


STARTS = {
    "telesink": start_telesink,
    "telesink_signal": start_telesink_signal,
    "file": start_file,
    "queue": start_queue,
    "loguru": start_loguru,
    "logust": start_logust,
}


def log_many(log: Callable[[str], object], count: int, start: int = 0) -> None:
    pid = os.getpid()
    for number in range(start, start + count):
        log(f"key={pid}/{number};")


def end(ending: str, log: Callable[[str], object], records: int) -> None:
    """Log, and end as the name says."""
    if ending == "pool":
        with ThreadPoolExecutor(WORKERS) as pool:
            share = records // WORKERS
            for worker in range(WORKERS):
                pool.submit(log_many, log, share, worker * share)
        return
    log_many(log, records)
    if ending in ("SIGTERM", "SIGKILL"):
        os.kill(os.getpid(), getattr(signal, ending))
        time.sleep(60)  # the signal comes before
    elif ending == "fork":
        fork_children(log)
    elif ending.startswith("multiprocessing"):
        start_children(ending.split()[1])


def fork_children(log: Callable[[str], object]) -> None:
    """Children that leave by `sys.exit`."""
    pids = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            log_many(log, OF_A_CHILD)
            sys.exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def start_children(method: str) -> None:
    """Children of multiprocessing, which leave by `os._exit`."""
    import multiprocessing

    context = multiprocessing.get_context(method)
    children = [context.Process(target=work) for _ in range(WORKERS)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def work() -> None:
    """One of them. A spawned one has imported this program anew, and installs its own logging."""
    log_many(_LOG.get("log") or STARTS[sys.argv[1]](Path(sys.argv[4])), OF_A_CHILD)


_LOG: dict[str, Callable[[str], object]] = {}


def main(contestant: str, ending: str, records: str, folder: str) -> None:
    _LOG["log"] = STARTS[contestant](Path(folder))
    end(ending, _LOG["log"], int(records))


if __name__ == "__main__":
    main(*sys.argv[1:])
