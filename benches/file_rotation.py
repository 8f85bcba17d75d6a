"""
How many lines a second `logger.info` puts into rotated files: ours beside loguru and python-json-logger.

Each contestant logs the same message with the same two fields from one thread, in a process of its own, with
files of 100 MB; the time is from the first call until the last line is in a file, where lines are counted.
"""

from __future__ import annotations

import gzip
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import runner
from benches.tables import file_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "file_rotation"
RUNS = 3
LINES = 500_000
_QUICK_LINES = 20_000
_SIZE = 100_000_000

#: Name -> title, in the order of the table.
TITLES = {
    "telesink": "telesink, `file://`",
    "telesink_gzip": "telesink, `file://`, compressing",
    "loguru": "loguru, `serialize=True`",
    "loguru_gzip": "loguru, `serialize=True`, compressing",
    "loguru_text": "loguru, its own text without the fields",
    "json_logger": "python-json-logger, RotatingFileHandler",
    "null": "`logging`, NullHandler",
    "telesink_null": "telesink, `null://`",
}

_Program = tuple["Callable[[int], Any]", "Callable[[], Any]"]


def measure(*, scratch: str, contestant: str, lines: int) -> dict[str, Any]:
    """One contestant in this process."""
    folder = Path(scratch) / "files"
    folder.mkdir()
    call, finish = _PROGRAMS[contestant](folder)
    processor, start = time.process_time(), time.perf_counter()
    for number in range(lines):
        call(number)
    called = time.perf_counter() - start
    finish()
    seconds = time.perf_counter() - start
    found = {
        "lines_per_second": round(lines / seconds),
        "call_us": round(called / lines * 1e6, 2),
        "processor_us": round((time.process_time() - processor) / lines * 1e6, 2),
    }
    if contestant not in ("null", "telesink_null"):
        found["delivered"] = _lines_in(folder)
        found["failed"] = lines - found["delivered"]
    return found


def _lines_in(folder: Path) -> int:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sum(_content(path).count(b"\n") for path in files)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _logging(handler: logging.Handler) -> Callable[[int], Any]:
    logger = logging.Logger("shop", logging.INFO)
    logger.addHandler(handler)
    return lambda number: logger.info("order %d paid", number, extra={"user": "ada", "amount": 12.5})


def _telesink(dsn: str) -> _Program:
    import telesink

    room = {"queue_records_max": 1_000_000, "queue_bytes_max": "1 GiB", "when_full": "block"}
    handler = telesink.LogHandler(dsn, **room)
    return _logging(handler), lambda: handler.pipeline.flush(timeout_seconds=300)


def _loguru(folder: Path, *, compression: str | None = None, serialize: bool = True) -> _Program:
    from loguru import logger

    logger.remove()
    logger.add(folder / "shop.log", rotation=_SIZE, compression=compression, serialize=serialize)
    if not serialize:
        return (lambda number: logger.info("order {} paid", number)), logger.remove
    bound = logger.bind(user="ada", amount=12.5)
    return (lambda number: bound.info("order {} paid", number)), logger.remove


def _json_logger(folder: Path) -> _Program:
    from logging.handlers import RotatingFileHandler

    from pythonjsonlogger.json import JsonFormatter

    handler = RotatingFileHandler(folder / "shop.log", maxBytes=_SIZE, backupCount=50)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return _logging(handler), handler.close


_PROGRAMS: dict[str, Callable[[Path], _Program]] = {
    "telesink": lambda folder: _telesink(f"file://{folder}?rotate={_SIZE}&keep=all&compress=none"),
    "telesink_gzip": lambda folder: _telesink(f"file://{folder}?rotate={_SIZE}&keep=all&compress=gzip"),
    "loguru": _loguru,
    "loguru_gzip": lambda folder: _loguru(folder, compression="gz"),
    "loguru_text": lambda folder: _loguru(folder, serialize=False),
    "json_logger": _json_logger,
    "null": lambda _folder: (_logging(logging.NullHandler()), lambda: None),
    "telesink_null": lambda _folder: _telesink("null://"),
}


def main(argv: list[str]) -> None:
    runner.main(
        argv, NAME, __doc__, runs=RUNS, known=tuple(TITLES), measure_all=_measure_all, table=file_table
    )


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = _QUICK_LINES if arguments.quick else LINES
    tasks = [
        runner.Task(NAME, "measure", {"contestant": contestant, "lines": lines})
        for contestant in runner.chosen(arguments.only, tuple(TITLES))
    ]
    return {"lines": lines}, runner.interleaved(tasks, runs)
