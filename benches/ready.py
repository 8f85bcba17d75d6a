"""Records that are made before the clock starts, and the loops that hand them over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from benches import contestants, workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# So many different ones are handed over again and again.
READY_RECORDS = 1_000

# What `telesink` writes of a `LogRecord` that came from here, but for line and thread.
ATTRIBUTES: dict[str, object] = {
    **workload.EXTRA,
    "code.file.path": __file__,
    "code.function.name": "record",
}


def record(number: int) -> logging.LogRecord:
    arguments = (workload.INVOICE, workload.CUSTOMER, number)
    made = logging.LogRecord(
        workload.LOGGER_NAME,
        logging.INFO,
        __file__,
        100,
        workload.PERCENT_MESSAGE,
        arguments,
        None,
        "record",
    )
    made.__dict__.update(workload.EXTRA)
    return made


def mapping(number: int, attributes: dict[str, object]) -> dict[str, object]:
    body = workload.PERCENT_MESSAGE % (workload.INVOICE, workload.CUSTOMER, number)
    return {"body": body, "level": "INFO", "logger": workload.LOGGER_NAME, "attributes": attributes}


def offer(
    way: str, handler: Any, rows: int, attributes: dict[str, object] = ATTRIBUTES
) -> Callable[[], None]:
    """The loop that hands over all rows; what it needs is ready before it is called."""
    if way == "logging":
        call = contestants.logging_call(contestants.logger_with(handler), "extra")
        return lambda: _each(call, range(rows))
    if way == "enqueue":
        mappings = [mapping(number, attributes) for number in range(READY_RECORDS)]
        return lambda: _each(handler.pipeline.enqueue_many, (mappings for _ in range(rows // READY_RECORDS)))
    records = [record(number) for number in range(READY_RECORDS)]
    handle = handler.handle
    return lambda: _each(handle, (records[number % READY_RECORDS] for number in range(rows)))


def _each(call: Callable[[Any], object], arguments: Iterable[Any]) -> None:
    for argument in arguments:
        call(argument)
