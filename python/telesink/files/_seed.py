"""Log records of before, into a pipeline of now: for what shows the last ones, as `telesink.recent` does."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from telesink.files._last import last_lines

if TYPE_CHECKING:
    import os

    from telesink._pipeline import Pipeline

#: Fields of a line that are no attributes, and what a record calls them.
_FIELDS = {
    "msg": "body",
    "level": "level",
    "logger": "logger",
    "event_name": "event_name",
    "trace_id": "trace_id",
    "span_id": "span_id",
}


def seed(pipeline: Pipeline, path: str | os.PathLike[str], n: int = 1_000) -> int:
    """Enqueue the last `n` lines of a logs file, and of those rotated before it, with their own times.

    Meant for a pipeline with a `memory://` sink, which then shows what a program before has logged; not for
    the pipeline that writes the file. Lines that are malformed or torn are passed over.

    Args:
        pipeline: where they go.
        path: the active file, ``<folder>/<service>/logs.jsonl``, in the format ``json``.
        n: so many lines from the end.

    Returns:
        How many were taken.

    Raises:
        OSError: a file is there and cannot be read.
    """
    taken = 0
    for line in last_lines(path, n):
        record = _record(line)
        # A level or a moment that no record can have: as malformed as anything else.
        with contextlib.suppress(ValueError, TypeError):
            taken += record is not None and pipeline.enqueue(record)
    return taken


def _record(line: dict[str, Any]) -> dict[str, Any] | None:
    try:
        time = datetime.fromisoformat(line["ts"])
    except (KeyError, TypeError, ValueError):
        return None
    fields = {name: line[key] for key, name in _FIELDS.items() if isinstance(line.get(key), str)}
    if "body" not in fields:
        return None
    attributes = {
        key.removeprefix("attr."): value for key, value in line.items() if key != "ts" and key not in _FIELDS
    }
    return {**fields, "time": time, "attributes": attributes}
