"""One record of `telesink doctor`: written as a program's would be, read back, and deleted again."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import telesink
from telesink import _native
from telesink._redaction import native_set

#: The logger of the record, by which it can be told from others.
LOGGER = "telesink.doctor"

#: All of them have one resource, so that the table of resources does not grow with each run.
RESOURCE = [("service.name", "telesink-doctor")]

#: How long a destination may take that has not said no.
SECONDS_MAX = 10.0

#: How long one may go on failing in a way that could pass by itself.
RETRY_SECONDS_MAX = 3.0

LOOK_SECONDS = 0.05

INFO = 20


class WriteFailedError(Exception):
    """The record was not stored.

    Args:
        message: why, on one line.
        hint: what to do.
        is_filtered: whether the DSN itself leaves the record out.
    """

    def __init__(self, message: str, hint: str = "", *, is_filtered: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.is_filtered = message, hint, is_filtered


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the record; None where it was not tried."""

    text: str
    seconds: float
    is_read_back: bool | None
    is_deleted: bool | None


def write_one(
    source: dict[str, Any],
    inspection: _native.Inspection | None,
    *,
    level: int,
    can_read: bool,
    can_delete: bool,
) -> Written:
    """Write one record through a pipeline of its own.

    Raises:
        WriteFailedError: it was not stored.
    """
    body = f"telesink doctor was here ({secrets.token_hex(8)})"
    pipeline = _native.Pipeline(RESOURCE, native_set(False))
    [name] = pipeline.add_sinks([source])
    since = time.time_ns()
    begin = time.monotonic()
    try:
        pipeline.enqueue({"body": body, "logger": LOGGER, "level": max(level, INFO), "event_name": LOGGER})
        _wait(pipeline, has_tables=inspection is not None)
        seconds = time.monotonic() - begin
        kept = pipeline.records(name)
        instance = pipeline.instance
    finally:
        pipeline.close(LOOK_SECONDS * 10, True)
    text = f"one record of the logger {LOGGER} was written in {seconds * 1000:,.0f} ms"
    if inspection is None:
        is_read_back = None if kept is None else any(record["body"] == body for record in kept)
        told = "" if kept is None else " and read back" if is_read_back else ", and is not there"
        return Written(text + told, seconds, is_read_back, None)
    return _look_after(
        inspection, instance, since, body, text, seconds, can_read=can_read, can_delete=can_delete
    )


def _look_after(
    inspection: _native.Inspection,
    instance: str,
    since: int,
    body: str,
    text: str,
    seconds: float,
    *,
    can_read: bool,
    can_delete: bool,
) -> Written:
    """Read the record back and delete it, as far as the role may."""
    is_read_back: bool | None = None
    told = [text]
    try:
        if can_read:
            is_read_back = body in inspection.recent(instance, since)
            told.append("read back" if is_read_back else "not found again")
        else:
            told.append("not read back: the role may not read")
        # Deleting looks for it, which takes the right to read as well.
        if not (can_delete and can_read):
            return Written(
                ", ".join([*told, "and stays: the role may not delete"]), seconds, is_read_back, False
            )
        inspection.forget(instance, since)
    except telesink.TelesinkError as error:
        told.append(f"and stays: {error.message}")
        return Written(", ".join(told), seconds, is_read_back, False)
    return Written(f"{', '.join(told)} and deleted", seconds, is_read_back, True)


def _wait(pipeline: _native.Pipeline, *, has_tables: bool) -> None:
    """Wait until the record is stored.

    Raises:
        WriteFailedError: it is not, and why.
    """
    ticket = pipeline.begin_flush()
    begin = time.monotonic()
    while not ticket.wait(LOOK_SECONDS):
        [lane] = pipeline.stats()["lanes"]
        waited = time.monotonic() - begin
        is_failing = lane["state"] == "retrying" and waited > RETRY_SECONDS_MAX
        if lane["state"] == "held" or is_failing or waited > SECONDS_MAX:
            message, _, hint = lane["last_error"].partition("; ")
            raise WriteFailedError(message or f"nothing was stored within {SECONDS_MAX:.0f} s", hint)
    [lane] = pipeline.stats()["lanes"]
    if lane["delivered"]:
        return
    if not lane["routed"]:
        text = f"include or exclude leave the logger {LOGGER} out, so nothing was tried"
        raise WriteFailedError(text, is_filtered=True)
    message = lane["last_error"] or ", ".join(lane["dropped"])
    step = "compare the tables with `telesink schema`" if has_tables else "look at the log of the destination"
    raise WriteFailedError(f"the record was refused: {message}", step)
