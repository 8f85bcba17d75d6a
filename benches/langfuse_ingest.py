"""
What it costs a program to send generations of 2 KB to a local Langfuse: ours beside its own client.

Each contestant runs in a process of its own; its processor time is that of all threads, from the first
generation to the last one delivered. `langfuse` is langfuse-python with its defaults (its queue is flushed
every thousand generations, so that it drops none). `call` is the time of `enqueue`, and of creating and
ending a generation. The receiver is another process; it decodes what has arrived when it is asked.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from benches import otlp_receiver, runner
from benches.tables import langfuse_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "langfuse_ingest"
RUNS = 9
EVENTS = 20_000
_QUICK_EVENTS = 2_000
LONG_CHARACTERS = 100_000
_LONG_EVENTS = 300
_FLUSH_EVERY = 1_000
KEYS = ("pk-lf-bench", "sk-lf-bench")

#: What is measured, and of whom.
CONTESTANTS = ("telesink", "langfuse")

#: Of long prompts.
PACES = ("one by one", "flood")

PARAMETERS = {"temperature": 0.5, "max_tokens": 1024}
PROMPT = [{"role": "system", "content": "x" * 400}, {"role": "user", "content": "y" * 500}]
ANSWER = "z" * 700
USAGE = {"input": 300, "output": 200, "total": 500}
METADATA = {"attempt": 1, "session": "abc"}


def generation(number: int) -> dict[str, Any]:
    """A generation of about 2 KB with twelve keys in its body."""
    moment = f"2026-01-01T00:00:{number % 60:02}.123456Z"
    return {
        "id": f"event-{number}",
        "type": "generation-create",
        "timestamp": moment,
        "body": {
            "id": f"{number + 1:016x}",
            "traceId": f"{number // 10 + 1:032x}",
            "parentObservationId": f"{number // 10 + 1:016x}",
            "name": "llm_call",
            "startTime": moment,
            "endTime": moment,
            "model": "claude-sonnet",
            "modelParameters": PARAMETERS,
            "input": PROMPT,
            "output": ANSWER,
            "usageDetails": USAGE,
            "metadata": METADATA,
        },
    }


def measure(*, scratch: str, contestant: str, events: int) -> dict[str, Any]:
    """One contestant in this process."""
    del scratch
    with otlp_receiver.Receiver() as receiver:
        call, flush = _PROGRAMS[contestant](f"http://127.0.0.1:{receiver.port}", events + 500)
        for number in range(500):
            call(number)
        flush()
        before = receiver.count()
        calls = []
        processor = 0.0
        for first in range(500, 500 + events, _FLUSH_EVERY):
            start_processor = time.process_time()
            for number in range(first, min(first + _FLUSH_EVERY, 500 + events)):
                start = time.perf_counter_ns()
                call(number)
                calls.append(time.perf_counter_ns() - start)
            flush()
            processor += time.process_time() - start_processor
        delivered = receiver.count() - before
        return {
            "processor_us": round(processor / events * 1e6, 3),
            "call_ns": round(statistics.median(calls)),
            "p99_ns": sorted(calls)[len(calls) * 99 // 100],
            "delivered": delivered,
            "failed": events - delivered,
        }


def measure_long(*, scratch: str, pace: str) -> dict[str, Any]:
    """
    The median time of `enqueue` for a prompt of 100,000 ASCII characters, with no mask.

    `one by one`: each is delivered before the next; `flood`: all at once, each into memory that nobody has
    used before.
    """
    del scratch
    import telesink

    with otlp_receiver.Receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        ingest = telesink.Ingest(url, KEYS, queue_bytes_max="256 MiB")
        body = {"id": "long", "traceId": "t", "input": "x" * LONG_CHARACTERS}
        long = {"type": "event-create", "body": body}
        calls = []
        for _ in range(_LONG_EVENTS):
            start = time.perf_counter_ns()
            ingest.enqueue(long)
            calls.append(time.perf_counter_ns() - start)
            if pace != "flood":
                ingest.flush(timeout_seconds=60)
        ingest.close()
        return {"long_ns": round(statistics.median(calls))}


_Program = tuple["Callable[[int], Any]", "Callable[[], Any]"]


def _telesink(url: str, events: int) -> _Program:
    import telesink

    ingest = telesink.Ingest(url, KEYS, queue_bytes_max="256 MiB")
    # The program has them anyway; the other client makes its own.
    ready = [generation(number) for number in range(events)]
    enqueue = ingest.enqueue
    return (lambda number: enqueue(ready[number])), (lambda: ingest.flush(timeout_seconds=60))


def _langfuse(url: str, events: int) -> _Program:
    del events
    from langfuse import Langfuse

    client = Langfuse(public_key=KEYS[0], secret_key=KEYS[1], base_url=url)

    def call(number: int) -> None:
        client.start_observation(
            name="llm_call",
            as_type="generation",
            model="claude-sonnet",
            model_parameters=PARAMETERS,
            input=PROMPT,
            output=ANSWER,
            usage_details=USAGE,
            metadata=METADATA,
            trace_context={
                "trace_id": f"{number // 10 + 1:032x}",
                "parent_span_id": f"{number // 10 + 1:016x}",
            },
        ).end()

    return call, client.flush


_PROGRAMS = {"telesink": _telesink, "langfuse": _langfuse}


def main(argv: list[str]) -> None:
    runner.main(
        argv, NAME, __doc__, runs=RUNS, known=CONTESTANTS, measure_all=_measure_all, table=langfuse_table
    )


def _measure_all(arguments: argparse.Namespace, runs: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    contestants = runner.chosen(arguments.only, CONTESTANTS)
    events = _QUICK_EVENTS if arguments.quick else EVENTS
    tasks = [
        runner.Task(NAME, "measure", {"contestant": contestant, "events": events})
        for contestant in contestants
    ]
    if "telesink" in contestants:
        tasks += [runner.Task(NAME, "measure_long", {"pace": pace}) for pace in PACES]
    return {"events": events}, runner.interleaved(tasks, runs)
