"""The last lines of a file, rotated ones included: for what shows or counts them after a start."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from telesink.files._names import SIGNALS, files_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longest line that is read; longer ones are passed over.
_LINE_BYTES_MAX = 64 << 20


def last_lines(path: str | os.PathLike[str], n: int) -> list[dict[str, Any]]:
    """Return the last `n` lines of an active file and of those rotated before it, oldest first.

    Lines that are torn or hold no JSON object are passed over, and do not count. A missing file has none.

    Args:
        path: the path of the active file, ``<folder>/<service>/<signal>.jsonl``.
        n: how many lines at most.

    Raises:
        OSError: a file is there and cannot be read.
    """
    found: deque[dict[str, Any]] = deque()
    for file in reversed(_files(os.fspath(path))):
        room = n - len(found)
        if room <= 0:
            break
        found.extendleft(reversed(deque(_objects(file), maxlen=room)))
    return list(found)


def _files(path: str) -> list[str]:
    folder, name = os.path.split(path)
    signal = name.removesuffix(".jsonl")
    if name != f"{signal}.jsonl" or signal not in SIGNALS:
        return [path]
    return [entry.path for entry in files_of(folder or ".", signal)]


def _objects(path: str) -> Iterator[dict[str, Any]]:
    try:
        opened = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        # Compressed meanwhile, or never there.
        if not path.endswith(".gz"):
            yield from _objects(f"{path}.gz")
        return
    with opened, gzip.open(opened, "rb") if path.endswith(".gz") else opened as lines:
        try:
            while line := lines.readline(_LINE_BYTES_MAX):
                found = _object(line)
                if found is not None:
                    yield found
        except (EOFError, zlib.error, gzip.BadGzipFile):
            # Cut off or damaged: what stands before is what there is.
            return


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def last_spans(path: str | os.PathLike[str], n: int) -> list[dict[str, Any]]:
    """Return the last `n` spans of a traces file and of those rotated before it, oldest first.

    Each has ``service``, ``name``, ``trace_id``, ``span_id``, ``parent_span_id``, ``kind``,
    ``start_unix_nano``, ``end_unix_nano``, ``status`` (0 unset, 1 ok, 2 error), ``message``, and
    ``attributes`` with values of their own types. What is malformed is passed over.

    Args:
        path: ``<folder>/<service>/traces.jsonl``.
        n: how many spans at most.

    Raises:
        OSError: a file is there and cannot be read.
    """
    spans: deque[dict[str, Any]] = deque(maxlen=max(n, 0))
    # A line has at least one span.
    for line in last_lines(path, n):
        try:
            for resource in line["resourceSpans"]:
                of_resource = _attributes(resource.get("resource", {}))
                for scope in resource["scopeSpans"]:
                    spans.extend([_span(of_resource, span) for span in scope["spans"]])
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return list(spans)


def _span(resource: dict[str, Any], span: dict[str, Any]) -> dict[str, Any]:
    status = span.get("status", {})
    return {
        "service": resource.get("service.name", ""),
        "name": span.get("name", ""),
        "trace_id": span["traceId"],
        "span_id": span["spanId"],
        "parent_span_id": span.get("parentSpanId", ""),
        "kind": span.get("kind", 0),
        "start_unix_nano": int(span.get("startTimeUnixNano", 0)),
        "end_unix_nano": int(span.get("endTimeUnixNano", 0)),
        "status": status.get("code", 0),
        "message": status.get("message", ""),
        "attributes": _attributes(span),
    }


def _attributes(found: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value", {})) for pair in found.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind of value
    match value:
        case {"stringValue": text} | {"bytesValue": text}:
            return text
        case {"boolValue": is_true}:
            return is_true
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"arrayValue": elements}:
            return [_value(element) for element in elements.get("values", [])]
        case {"kvlistValue": pairs}:
            return {pair["key"]: _value(pair.get("value", {})) for pair in pairs.get("values", [])}
    return None
