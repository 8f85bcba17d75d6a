"""What Langfuse servers are known to refuse, said of one event with the path of each fault.

The rules are those of the ingestion API (versions 3 and 4): types, ids, times, lengths, kinds of values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from telesink._secret import has_surrogate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: The types that `Ingest` takes.
TYPES = (
    "trace-create",
    "span-create",
    "span-update",
    "generation-create",
    "generation-update",
    "event-create",
    "agent-create",
    "tool-create",
    "chain-create",
    "retriever-create",
    "evaluator-create",
    "embedding-create",
    "guardrail-create",
    "observation-create",
    "observation-update",
    "score-create",
    "sdk-log",
)

_ID_CHARACTERS_MAX = 800
_NAME_CHARACTERS_MAX = 1_000
_LEVELS = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
_SCORES = ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION")
_SOURCES = ("API", "EVAL", "ANNOTATION")
_KINDS = ("SPAN", "GENERATION", "EVENT")
_ENVIRONMENT = re.compile(r"(?!langfuse)[a-z0-9_-]{1,40}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,9})?)?(Z|z|[+-]\d\d(:?[0-5]\d)?)")
# What nanoseconds since 1970 can say, in 63 bits.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2262, 4, 11, tzinfo=UTC)
_SHOWN_CHARACTERS_MAX = 60


def problems(event: object) -> list[str]:
    """Every fault of an event as ``path: what is wrong``."""
    if not isinstance(event, Mapping):
        return [f"event: is a {_kind(event)}, expected a mapping"]
    found = list(_envelope(event))
    body = event.get("body")
    if not isinstance(body, Mapping):
        said = "is missing" if body is None else f"is a {_kind(body)}"
        return [*found, f"body: {said}, expected a mapping"]
    kind = event.get("type")
    found += [
        f"body: has a key that is a {_kind(key)}, expected text" for key in body if not isinstance(key, str)
    ]
    for name, rule in _rules(kind).items():
        value = body.get(name)
        if value is not None:
            found.extend(f"body.{name}{fault}" for fault in rule(value))
    return [*found, *_together(kind, body)]


def _envelope(event: Mapping[Any, Any]) -> Iterator[str]:
    kind = event.get("type")
    if kind is None:
        yield "type: is missing, expected one of " + ", ".join(TYPES)
    elif kind not in TYPES:
        yield f"type: is {_shown(kind)}{_nearest(kind)}, expected one of " + ", ".join(TYPES)
    for name, rule in (("id", _id), ("timestamp", _moment)):
        value = event.get(name)
        if value is not None:
            yield from (f"{name}{fault}" for fault in rule(value))


def _nearest(kind: object) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(kind, TYPES, n=1) if isinstance(kind, str) else []
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _together(kind: object, body: Mapping[Any, Any]) -> Iterator[str]:
    """What fields say about one another."""
    has = {name for name, value in body.items() if value is not None}
    if isinstance(kind, str) and kind.endswith("-update") and "id" not in has:
        yield "body.id: is missing, and without it nobody knows what is updated"
    if kind == "score-create":
        yield from (f"body.{name}: is missing" for name in ("name", "value") if name not in has)
        yield from _score_value(body)
    if kind == "sdk-log" and "log" not in has:
        yield "body.log: is missing"
    if ("promptName" in has) != ("promptVersion" in has):
        lacking = "promptVersion" if "promptName" in has else "promptName"
        yield f"body.{lacking}: is missing; a prompt is named by promptName and promptVersion together"


def _score_value(body: Mapping[Any, Any]) -> Iterator[str]:
    kind, value = body.get("dataType"), body.get("value")
    if value is None:
        return
    if kind == "BOOLEAN" and (isinstance(value, bool) or value not in (0, 1)):
        yield f"body.value: is {_shown(value)}, expected 0 or 1 for a BOOLEAN"
    elif kind == "NUMERIC" and not _is_number(value):
        yield f"body.value: is {_shown(value)}, expected a number for a NUMERIC"
    elif kind in ("CATEGORICAL", "TEXT", "CORRECTION") and not isinstance(value, str):
        yield f"body.value: is a {_kind(value)}, expected text for a {kind}"
    elif kind is None and not (isinstance(value, str) or _is_number(value)):
        yield f"body.value: is a {_kind(value)}, expected a number or text"


def _id(value: object) -> Iterator[str]:
    if not isinstance(value, str):
        yield f": is a {_kind(value)}, expected text"
    elif not 1 <= len(value) <= _ID_CHARACTERS_MAX:
        yield f": has {len(value)} characters, expected 1 to {_ID_CHARACTERS_MAX}"
    elif "\r" in value:
        yield ": holds a carriage return"
    elif has_surrogate(value):
        yield ": holds half of a character (a lone surrogate)"


def _moment(value: object) -> Iterator[str]:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            yield ": is a datetime without an offset, expected an aware one"
            return
        at: datetime | None = value
    elif not isinstance(value, str):
        yield f": is a {_kind(value)}, expected a datetime or ISO 8601 text"
        return
    else:
        at = _read_moment(value)
    if at is None:
        yield f": is {_shown(value)}, expected ISO 8601 with an offset, as in 2026-01-31T12:00:00Z"
    elif not _FIRST <= at < _LAST:
        yield f": is {_shown(value)}, expected a moment from 1970 to 2262"


def _read_moment(text: str) -> datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        # A day that its month does not have, and the like.
        return None


def _text(value: object) -> Iterator[str]:
    if not isinstance(value, str):
        yield f": is a {_kind(value)}, expected text"


def _name(value: object) -> Iterator[str]:
    yield from _text(value)
    if isinstance(value, str) and len(value) > _NAME_CHARACTERS_MAX:
        yield f": has {len(value)} characters, expected at most {_NAME_CHARACTERS_MAX}"


def _environment(value: object) -> Iterator[str]:
    yield from _text(value)
    if isinstance(value, str) and not _ENVIRONMENT.fullmatch(value):
        yield (
            f": is {_shown(value)}, expected 1 to 40 of a-z, 0-9, `-` and `_`, not beginning with `langfuse`"
        )


def _flag(value: object) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f": is a {_kind(value)}, expected true or false"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        yield f": is a {_kind(value)}, expected a list of texts"
        return
    for index, one in enumerate(value):
        if not isinstance(one, str):
            yield f".{index}: is a {_kind(one)}, expected text"


def _mapping(value: object) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f": is a {_kind(value)}, expected a mapping"


def _usage_details(value: object) -> Iterator[str]:
    yield from _mapping(value)
    for name, count in value.items() if isinstance(value, Mapping) else ():
        # OpenAI's own shapes hold maps of details, which the server takes apart.
        is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
        if not is_count and count is not None and not isinstance(count, Mapping):
            yield f".{name}: is {_shown(count)}, expected a whole number from 0 on"


def _cost_details(value: object) -> Iterator[str]:
    yield from _mapping(value)
    for name, cost in value.items() if isinstance(value, Mapping) else ():
        if not (_is_number(cost) and cost >= 0):
            yield f".{name}: is {_shown(cost)}, expected a number from 0 on"


def _whole(value: object) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield f": is a {_kind(value)}, expected a whole number"


def _one_of(*words: str) -> Callable[[object], Iterator[str]]:
    def rule(value: object) -> Iterator[str]:
        if value not in words:
            yield f": is {_shown(value)}, expected one of {', '.join(words)}"

    return rule


# What is read of every body, whatever its type.
_EVERY = {
    "id": _id,
    "traceId": _id,
    "observationId": _id,
    "parentObservationId": _id,
    "timestamp": _moment,
    "startTime": _moment,
    "endTime": _moment,
    "completionStartTime": _moment,
}
_TRACE = {
    **_EVERY,
    "name": _name,
    "externalId": _text,
    "sessionId": _text,
    "userId": _text,
    "environment": _environment,
    "release": _text,
    "version": _text,
    "public": _flag,
    "tags": _texts,
}
_OBSERVATION = {
    **_EVERY,
    "name": _text,
    "level": _one_of(*_LEVELS),
    "statusMessage": _text,
    "version": _text,
    "environment": _environment,
}
_GENERATION = {
    **_OBSERVATION,
    "model": _text,
    "modelParameters": _mapping,
    "usage": _mapping,
    "usageDetails": _usage_details,
    "costDetails": _cost_details,
    "promptName": _text,
    "promptVersion": _whole,
}
_SCORE = {
    **_EVERY,
    "name": _text,
    "sessionId": _id,
    "datasetRunId": _text,
    "comment": _text,
    "environment": _environment,
    "source": _one_of(*_SOURCES),
    "queueId": _text,
    "configId": _text,
    "dataType": _one_of(*_SCORES),
}

_BY_TYPE: dict[object, Mapping[str, Callable[[Any], Iterator[str]]]] = {
    "trace-create": _TRACE,
    "event-create": _OBSERVATION,
    "span-create": _OBSERVATION,
    "span-update": _OBSERVATION,
    "score-create": _SCORE,
    "sdk-log": _EVERY,
    "observation-create": {**_GENERATION, "type": _one_of(*_KINDS)},
    "observation-update": {**_GENERATION, "type": _one_of(*_KINDS)},
}


def _rules(kind: object) -> Mapping[str, Callable[[Any], Iterator[str]]]:
    """The rules of a type; of one that is unknown, those of a generation say most."""
    return _BY_TYPE.get(kind, _GENERATION) if isinstance(kind, str) else _GENERATION


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        # JSON has no NaN and no infinity.
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    return type(value).__name__


def _shown(value: object) -> str:
    """The start of a value's repr: it stands in a message for whoever wrote it."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value that cannot be shown is named by its type
        return f"a {_kind(value)}"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"
