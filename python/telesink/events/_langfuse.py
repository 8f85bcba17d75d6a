"""The same events for :class:`telesink.Ingest`: a run is a trace, a step a span, a call a generation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from telesink._ingest import Ingest


class LangfuseFeed:
    """Takes events and hands them to an :class:`telesink.Ingest` in its own form.

    >>> import telesink
    >>> from telesink import events
    >>> ingest = telesink.Ingest("http://localhost:1", ("pk", "sk"))
    >>> feed = events.LangfuseFeed(ingest)
    >>> feed.enqueue({"type": "run:update", "id": "0197a6d2-9c5a-7c40-8a3e-2f6d1b0c4e77", "output": 42})
    True
    >>> ingest.close(timeout_seconds=0).pending
    0
    """

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def enqueue(self, event: Mapping[str, Any]) -> bool:
        """Hand on what an event becomes; answer whether all of it was taken."""
        taken = [self._ingest.enqueue(one) for one in as_langfuse(event)]
        return all(taken)


def as_langfuse(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an event becomes in the form of Langfuse's ingestion API; nothing if it has no place there.

    >>> from telesink import events
    >>> ended = {"type": "step:end", "step_id": "s", "run_id": "r", "data": {"output": 3}}
    >>> [one["type"] for one in events.as_langfuse(ended)]
    ['span-update']
    """
    kind = event.get("type")
    if kind in ("run:start", "run:update"):
        return [_made("trace-create", _trace(event), event)]
    if kind == "step:start":
        return [_made("span-create", _step(event), event)]
    if kind in ("step:end", "step:error", "step:state"):
        return [_made("span-update", _step(event), event)]
    common = {
        "id": event.get("id"),
        "traceId": event.get("run_id"),
        "parentObservationId": event.get("step_id"),
        "startTime": event.get("time"),
    }
    if "request" in event or "response" in event:
        return [_made("generation-create", {**common, **_generation(event)}, event)]
    body = {**common, "name": _text(kind), "input": event.get("data"), "output": event.get("error")}
    return [_made("event-create", body, event)]


def _trace(event: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "name", "input", "output", "environment", "tags")
    body = {name: event.get(name) for name in names}
    started = event.get("time") if event.get("type") == "run:start" else None
    return {**body, "metadata": event.get("info"), "timestamp": started}


def _step(event: Mapping[str, Any]) -> dict[str, Any]:
    kind, time = event.get("type"), event.get("time")
    data = event.get("data")
    inner = data if isinstance(data, dict) else {}
    body = {"id": event.get("step_id"), "traceId": event.get("run_id"), "metadata": inner.get("info")}
    if kind == "step:start":
        body["name"] = inner.get("name") or inner.get("type")
        body["parentObservationId"] = inner.get("parent_step")
        return {**body, "input": inner.get("input"), "startTime": time}
    if kind == "step:end":
        return {**body, "output": inner.get("output"), "endTime": time}
    if kind == "step:state":
        return {**body, "metadata": {"state": inner.get("state")}}
    error = inner.get("error")
    text = error.get("message") if isinstance(error, dict) else error
    return {**body, "output": error, "level": "ERROR", "statusMessage": _text(text), "endTime": time}


def _generation(event: Mapping[str, Any]) -> dict[str, Any]:
    meta = event.get("response_meta")
    said = meta if isinstance(meta, dict) else {}
    usage = said.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    names = {"input_tokens": "input", "output_tokens": "output", "total_tokens": "total"}
    details = {name: tokens[own] for own, name in names.items() if own in tokens}
    cost = said.get("cost_usd")
    error = event.get("error")
    return {
        "name": _text(event.get("type")),
        "model": event.get("model") or event.get("gen_ai.request.model"),
        "input": event.get("request"),
        "output": event.get("response"),
        "metadata": event.get("meta"),
        "usageDetails": details or None,
        "costDetails": None if cost is None else {"total": cost},
        "level": None if error is None else "ERROR",
        "statusMessage": None if error is None else _text(error),
    }


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _made(kind: str, body: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": kind,
        "body": {name: value for name, value in body.items() if value is not None},
    }
    time = source.get("time")
    if time is not None:
        event["timestamp"] = time
    return event
