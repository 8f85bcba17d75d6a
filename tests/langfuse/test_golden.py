"""What goes over the wire for one event of every type, held beside files that are read in review.

To write them anew: `python tests/langfuse/test_golden.py`, and look at the difference.
"""

import json
from pathlib import Path

import pytest
from langfuse_server import CLASSIC, KEYS, SCORES, LangfuseServer, attributes

import telesink

GOLDEN = Path(__file__).parent / "golden"

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def at(second):
    return f"2026-01-01T00:00:{second:02}.5Z"


def event(number, kind, **body):
    return {"id": f"event-{number}", "type": kind, "timestamp": at(number), "body": body}


EVENTS = [
    event(
        1,
        "trace-create",
        id=TRACE,
        name="turn",
        userId="ada",
        sessionId="s1",
        tags=["beta", "eu"],
        public=False,
        metadata={"plan": "pro"},
        input="question",
        release="1.2",
    ),
    event(2, "span-create", id=SPAN, traceId=TRACE, name="step", startTime=at(2), input={"q": 1}),
    event(
        3,
        "generation-create",
        id="call-1",
        traceId=TRACE,
        parentObservationId=SPAN,
        name="llm_call",
        startTime=at(3),
        model="m-1",
        modelParameters={"temperature": 0.5},
        input=[{"role": "user", "content": "hi"}],
        metadata={"attempt": 1},
    ),
    event(
        4,
        "generation-update",
        id="call-1",
        traceId=TRACE,
        endTime=at(4),
        completionStartTime=at(3),
        output="hello",
        usageDetails={"input": 3, "output": 4},
        costDetails={"total": 0.25},
        promptName="p",
        promptVersion=2,
        metadata={"reasoning": "because"},
    ),
    event(5, "event-create", id="event", traceId=TRACE, name="compaction", metadata={"tokens_before": 9}),
    *(
        event(number, f"{kind}-create", id=kind, traceId=TRACE, name=kind, startTime=at(6), endTime=at(7))
        for number, kind in enumerate(
            ("agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail"), 20
        )
    ),
    event(7, "observation-create", id="old", traceId=TRACE, type="GENERATION", endTime=at(8)),
    event(8, "span-update", id=SPAN, traceId=TRACE, endTime=at(8), level="ERROR", statusMessage="broke"),
    event(9, "score-create", id="score", traceId=TRACE, observationId="call-1", name="good", value=1),
    event(10, "trace-create", id=TRACE, output="answer"),
]


def plain(span):
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "status": [span.status.code, span.status.message],
        "attributes": dict(sorted(attributes(span).items())),
    }


def sent(takes, **options):
    """Spans, classic items and scores that a server of this kind gets."""
    server = LangfuseServer(takes=takes)
    try:
        with telesink.Ingest(server.url, KEYS, linger_seconds=60, environment="staging", **options) as ingest:
            assert ingest.enqueue_many(EVENTS) == len(EVENTS)
    finally:
        server.close()
    for item in server.items:
        if item["id"].startswith("trace-"):
            # The event of a trace that an observation carried; its id is made from the record's.
            item["id"] = "trace-"
    return {"spans": [plain(span) for span in server.spans], "items": server.items, "scores": server.scores}


FILES = {
    "spans": lambda: sent(["/api/public/otel/v1/traces", SCORES]),
    "joined": lambda: sent([CLASSIC, SCORES]),
    "classic": lambda: sent([CLASSIC, SCORES], mode="legacy"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_sent_is_what_was_reviewed(name):
    assert FILES[name]() == json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


if __name__ == "__main__":
    for file_name, made in FILES.items():
        (GOLDEN / f"{file_name}.json").write_text(json.dumps(made(), indent=1) + "\n", "utf-8")
