"""
The contestants: how each library is set up, called, brought to an end, and counted at its destination.

Each one runs in a process of its own and imports its library only there. All are asked to write the same:
time, level, logger, file, line, function, thread, message, the five extra fields, the traceback. What a
library leaves out is found by looking at a stored record (`lacking`), and shown. This file holds the
standard library; the others are in `peers` and `ours`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benches import workload
from benches.workload import CUSTOMER, INVOICE, PERCENT_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Longest time that a contestant may take to store what it has accepted.
FINISH_SECONDS_MAX = 60.0

PLAIN_FORMAT = (
    "%(asctime)s %(levelname)s %(name)s %(filename)s:%(lineno)d %(funcName)s %(threadName)s %(message)s"
)
EXTRA_FORMAT = PLAIN_FORMAT + "".join(f" {key}=%({key})s" for key in workload.EXTRA)

_CLOCK_TIME = re.compile(r"\d\d:\d\d:\d\d|\b1\d{18}\b")


@dataclass
class Ledger:
    """What became of the records of one run, in the words of the library and at the destination."""

    accepted: int
    delivered: int  # counted at the destination
    dropped: int = 0  # as the library itself reports it; 0 where it reports nothing
    sample: str = ""  # one stored record, for `lacking`


@dataclass
class Session:
    """A contestant that is ready to be called."""

    call: Callable[[int], object]
    finish: Callable[[], object]  # returns when everything accepted is stored, or its limit has passed
    count: Callable[[int], Ledger]  # is given the number of calls made


@dataclass(frozen=True)
class Contestant:
    """One row of the tables."""

    name: str
    title: str
    start: Callable[[Path, str, int], Session]  # scratch directory, scenario, greatest number of records
    package: str | None = None
    note: str = ""
    threads_max: int = 64
    python_min: tuple[int, int] = (3, 11)
    writes: bool = True  # False: nothing is stored, so it has no part in "where telesink is slower"


def lacking(sample: str, scenario: str) -> list[str]:
    """What a stored record leaves out of that which everybody was asked to write."""
    wanted = {"time": bool(_CLOCK_TIME.search(sample)), "caller": ".py" in sample}
    if scenario == "extra":
        wanted["extra fields"] = all(str(value) in sample for value in ("acme", 8_812_345, 129.95, "EUR"))
    if workload.has_exception(scenario):
        wanted["traceback"] = "PaymentError" in sample and "_charge" in sample
    return [name for name, is_there in wanted.items() if not is_there]


def format_for(scenario: str) -> str:
    return EXTRA_FORMAT if scenario == "extra" else PLAIN_FORMAT


def logging_call(logger: Any, scenario: str) -> Callable[[int], object]:
    """The calls of the standard library, and of everything that imitates them."""
    info, exception = logger.info, logger.exception
    calls: dict[str, Callable[[int], object]] = {
        "plain": lambda number: info(PERCENT_MESSAGE, INVOICE, CUSTOMER, number),
        "extra": lambda number: info(
            PERCENT_MESSAGE,
            INVOICE,
            CUSTOMER,
            number,
            extra={
                "tenant": "acme",
                "order_id": 8_812_345,
                "amount": 129.95,
                "currency": "EUR",
                "is_retry": False,
            },
        ),
        "exception": lambda number: exception(PERCENT_MESSAGE, INVOICE, CUSTOMER, number),
        "exception_info": lambda number: info(PERCENT_MESSAGE, INVOICE, CUSTOMER, number, exc_info=True),
    }
    return calls[scenario]


def logger_with(handler: logging.Handler) -> logging.Logger:
    """The handler stands on the root logger, as in most programs, and the calls come from below it."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    return logging.getLogger(workload.LOGGER_NAME)


def count_in_file(path: Path) -> Callable[[int], Ledger]:
    def count(offered: int) -> Ledger:
        stored = path.read_bytes() if path.exists() else b""
        marker = workload.MARKER.encode()
        second = stored.find(marker, stored.find(marker) + 1)
        sample = stored[: second if second >= 0 else None][:4_000].decode(errors="replace")
        return Ledger(accepted=offered, delivered=stored.count(marker), sample=sample)

    return count


def nothing_to_do() -> None:
    """Contestants that store nothing have nothing to finish."""


def start_noop(_scratch: Path, _scenario: str, _records_max: int) -> Session:
    def call(_number: int) -> None:
        """Shows what the measuring itself costs."""

    return Session(call, nothing_to_do, lambda offered: Ledger(offered, offered))


def start_null(_scratch: Path, scenario: str, _records_max: int) -> Session:
    logger = logger_with(logging.NullHandler())
    return Session(logging_call(logger, scenario), nothing_to_do, lambda offered: Ledger(offered, offered))


def start_file(scratch: Path, scenario: str, _records_max: int) -> Session:
    handler = logging.FileHandler(scratch / "out.log")
    handler.setFormatter(logging.Formatter(format_for(scenario)))
    logger = logger_with(handler)
    return Session(logging_call(logger, scenario), handler.close, count_in_file(scratch / "out.log"))


def start_queue(scratch: Path, scenario: str, _records_max: int) -> Session:
    import logging.handlers
    import queue

    target = logging.FileHandler(scratch / "out.log")
    target.setFormatter(logging.Formatter(format_for(scenario)))
    records: queue.Queue[Any] = queue.Queue(-1)
    listener = logging.handlers.QueueListener(records, target)
    listener.start()
    logger = logger_with(logging.handlers.QueueHandler(records))

    def finish() -> None:
        listener.stop()
        target.close()

    return Session(logging_call(logger, scenario), finish, count_in_file(scratch / "out.log"))
