"""The contestants from other packages, each in the fastest set-up that its own documentation shows."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from benches import workload
from benches.contestants import (
    FINISH_SECONDS_MAX,
    PLAIN_FORMAT,
    Ledger,
    Session,
    count_in_file,
    logger_with,
    logging_call,
)
from benches.workload import BRACE_MESSAGE, CUSTOMER, INVOICE, PERCENT_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _keyword_call(logger: Any, scenario: str, message: str) -> Callable[[int], object]:
    """The calls of loguru and structlog: fields are keywords."""
    info, exception = logger.info, logger.exception
    calls: dict[str, Callable[[int], object]] = {
        "plain": lambda number: info(message, INVOICE, CUSTOMER, number),
        "extra": lambda number: info(
            message,
            INVOICE,
            CUSTOMER,
            number,
            tenant="acme",
            order_id=8_812_345,
            amount=129.95,
            currency="EUR",
            is_retry=False,
        ),
        "exception": lambda number: exception(message, INVOICE, CUSTOMER, number),
        "exception_info": lambda number: info(message, INVOICE, CUSTOMER, number, exc_info=True),
    }
    return calls[scenario]


def start_loguru(scratch: Path, scenario: str, _records_max: int) -> Session:
    from loguru import logger

    line = "{time:YYYY-MM-DD HH:mm:ss,SSS} {level} {name} {file}:{line} {function} {thread.name} {message}"
    if scenario == "extra":
        line += "".join(f" {key}={{extra[{key}]}}" for key in workload.EXTRA)
    logger.remove()
    # The plain traceback, as the others write it: loguru's own annotated one would be more work.
    logger.add(scratch / "out.log", format=line, enqueue=True, backtrace=False, diagnose=False)

    def finish() -> None:
        logger.complete()
        logger.remove()

    call = _keyword_call(logger, scenario, BRACE_MESSAGE)
    if scenario == "exception_info":
        with_exception = logger.opt(exception=True)
        call = lambda number: with_exception.info(BRACE_MESSAGE, INVOICE, CUSTOMER, number)  # noqa: E731
    return Session(call, finish, count_in_file(scratch / "out.log"))


def start_structlog(scratch: Path, scenario: str, _records_max: int) -> Session:
    import structlog
    from structlog.processors import CallsiteParameter

    output = (scratch / "out.log").open("w")
    caller = [
        CallsiteParameter.FILENAME,
        CallsiteParameter.LINENO,
        CallsiteParameter.FUNC_NAME,
        CallsiteParameter.THREAD_NAME,
    ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.CallsiteParameterAdder(caller),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger().bind(logger=workload.LOGGER_NAME)
    call = _keyword_call(logger, scenario, PERCENT_MESSAGE)
    return Session(call, output.close, count_in_file(scratch / "out.log"))


def start_picologging(scratch: Path, scenario: str, _records_max: int) -> Session:
    import picologging

    handler = picologging.FileHandler(str(scratch / "out.log"))
    # Without a date format it writes stray bytes for the time; a format with a field of `extra` raises.
    handler.setFormatter(picologging.Formatter(PLAIN_FORMAT, "%Y-%m-%d %H:%M:%S"))
    logger = picologging.getLogger(workload.LOGGER_NAME)
    logger.setLevel(picologging.INFO)
    logger.addHandler(handler)
    return Session(logging_call(logger, scenario), handler.close, count_in_file(scratch / "out.log"))


def start_logxide(scratch: Path, scenario: str, _records_max: int) -> Session:
    # A format that names a field of `extra` makes it print an error and lose the record.
    return _start_logxide(scratch, scenario, PLAIN_FORMAT)


def start_logxide_native(scratch: Path, scenario: str, _records_max: int) -> Session:
    # A format with the time is left to Python; without it the line is made by native code.
    return _start_logxide(scratch, scenario, PLAIN_FORMAT.removeprefix("%(asctime)s "))


def _start_logxide(scratch: Path, scenario: str, line: str) -> Session:
    import logxide

    handler = logxide.FileHandler(str(scratch / "out.log"))
    handler.setFormatter(logxide.Formatter(line))
    logger = logxide.getLogger(workload.LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)

    def finish() -> None:
        logxide.flush()
        handler.flush()
        handler.close()

    return Session(logging_call(logger, scenario), finish, count_in_file(scratch / "out.log"))


def start_logust(scratch: Path, scenario: str, _records_max: int) -> Session:
    from logust import logger

    line = "{time} {level} {name} {file}:{line} {function} {thread} {message}"
    if scenario == "extra":
        line += "".join(f" {key}={{extra[{key}]}}" for key in workload.EXTRA)
    logger.remove()
    logger.add(str(scratch / "out.log"), format=line, level="INFO")
    with_exception = logger.opt(exception=True)
    # It takes no positional arguments; f-strings are what its documentation shows.
    calls: dict[str, Callable[[int], object]] = {
        "plain": lambda number: logger.info(f"paid {INVOICE} for {CUSTOMER} in {number} ms"),
        "extra": lambda number: logger.bind(
            tenant="acme", order_id=8_812_345, amount=129.95, currency="EUR", is_retry=False
        ).info(f"paid {INVOICE} for {CUSTOMER} in {number} ms"),
        "exception": lambda number: logger.exception(f"paid {INVOICE} for {CUSTOMER} in {number} ms"),
        "exception_info": lambda number: with_exception.info(f"paid {INVOICE} for {CUSTOMER} in {number} ms"),
    }
    return Session(calls[scenario], logger.complete, count_in_file(scratch / "out.log"))


def start_otel(_scratch: Path, scenario: str, records_max: int) -> Session:
    return _start_otel(scenario, {"max_queue_size": max(2_048, records_max)})


def start_otel_default(_scratch: Path, scenario: str, _records_max: int) -> Session:
    return _start_otel(scenario, {})


def _start_otel(scenario: str, options: dict[str, Any]) -> Session:
    warnings.simplefilter("ignore", DeprecationWarning)  # the handler is to move to another package
    from opentelemetry.sdk import _logs
    from opentelemetry.sdk._logs import export

    class CountingExporter(export.LogRecordExporter):
        """Takes every record at once: the cost shown is that of the pipeline before the wire."""

        def __init__(self) -> None:
            self.count = 0
            self.sample = ""

        def export(self, batch: Any) -> Any:
            if not self.sample:
                record = batch[0].log_record
                self.sample = f"{record.timestamp} {record.body} {dict(record.attributes)}"
            self.count += len(batch)
            return export.LogRecordExportResult.SUCCESS

        def force_flush(self, _timeout_millis: int = 0) -> bool:
            return True

        def shutdown(self) -> None:
            """Nothing is open."""

    exporter = CountingExporter()
    provider = _logs.LoggerProvider()
    provider.add_log_record_processor(export.BatchLogRecordProcessor(exporter, **options))
    handler = _logs.LoggingHandler(logger_provider=provider)
    logger = logger_with(handler)

    def finish() -> None:
        provider.force_flush(int(FINISH_SECONDS_MAX * 1_000))
        provider.shutdown()
        # At exit `logging` would flush it once more, which starts a thread when none can be started any more.
        handler.flush = lambda: None  # type: ignore[method-assign]

    # Its counter of drops reaches an application only through an experimental switch for its own metrics.
    def count(offered: int) -> Ledger:
        return Ledger(offered, exporter.count, sample=exporter.sample)

    return Session(logging_call(logger, scenario), finish, count)
