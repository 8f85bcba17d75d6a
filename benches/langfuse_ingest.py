"""Events through `telesink.Ingest` into a server on this machine: what a call and what an event costs.

Run as `python -m benches.langfuse_ingest`. The server is a process of its own that reads and forgets. Prints
one JSON object: medians of `enqueue` in microseconds, processor time of the whole process for each event,
and how many were delivered.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import time
from typing import TYPE_CHECKING, Any

import telesink

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

EVENTS = 20_000
LONG_CHARACTERS = 100_000
KEYS = ("pk-lf-bench", "sk-lf-bench")

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def serve(listener: socket.socket, stop: Event) -> None:
    """Answer every request on one connection after the other; read no more of it than its length."""
    listener.settimeout(0.2)
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.settimeout(10)
        with connection, connection.makefile("rb", buffering=1 << 20) as stream:
            while _answer_one(connection, stream):
                pass


def _answer_one(connection: socket.socket, stream: Any) -> bool:
    length = 0
    try:
        while line := stream.readline():
            if line == b"\r\n":
                stream.read(length)
                connection.sendall(_ANSWER)
                return True
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
    except OSError:
        pass
    return False


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
            "modelParameters": {"temperature": 0.5, "max_tokens": 1024},
            "input": [{"role": "system", "content": "x" * 400}, {"role": "user", "content": "y" * 500}],
            "output": "z" * 700,
            "usageDetails": {"input": 300, "output": 200, "total": 500},
            "metadata": {"attempt": 1, "session": "abc"},
        },
    }


def measure(url: str) -> dict[str, Any]:
    """The figures of one run."""
    ingest = telesink.Ingest(url, KEYS, queue_bytes_max="256 MiB")
    events = [generation(number) for number in range(EVENTS)]
    long = {"type": "event-create", "body": {"id": "long", "traceId": "t", "input": "x" * LONG_CHARACTERS}}
    for event in events[:500]:
        ingest.enqueue(event)
    ingest.flush(timeout_seconds=60)

    calls = []
    processor = time.process_time()
    for event in events:
        start = time.perf_counter_ns()
        ingest.enqueue(event)
        calls.append(time.perf_counter_ns() - start)
    receipt = ingest.flush(timeout_seconds=60)
    processor = time.process_time() - processor

    long_calls = []
    for _ in range(300):
        start = time.perf_counter_ns()
        ingest.enqueue(long)
        long_calls.append(time.perf_counter_ns() - start)
    ingest.flush(timeout_seconds=60)
    stats = ingest.stats()
    ingest.close()
    return {
        "events": EVENTS,
        "complete": receipt.complete,
        "delivered": stats.delivered,
        "dropped": dict(stats.dropped),
        "rejected": dict(stats.rejected),
        "enqueue_median_us": statistics.median(calls) / 1e3,
        "enqueue_p99_us": statistics.quantiles(calls, n=100)[98] / 1e3,
        "processor_us_per_event": processor / EVENTS * 1e6,
        "long_prompt_median_us": statistics.median(long_calls) / 1e3,
    }


def main() -> None:
    """Print the figures."""
    context = multiprocessing.get_context("spawn")
    listener = socket.create_server(("127.0.0.1", 0))
    stop = context.Event()
    server = context.Process(target=serve, args=(listener, stop))
    server.start()
    try:
        print(json.dumps(measure(f"http://127.0.0.1:{listener.getsockname()[1]}"), indent=2))
    finally:
        stop.set()
        server.join(30)


if __name__ == "__main__":
    main()
