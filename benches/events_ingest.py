"""
Calls and events of LLM programs into Postgres: telesink, a client that only sends, and single INSERTs.

    python -m benches.events_ingest [--calls 20000] [--events 200000] [--runs 3]

All store the same rows in chronicle's own table, made from its documented columns, on a private server.
"The limit" sends the rows that telesink has stored, as the server itself gives them out in binary, under
telesink's guard and in batches of the same size. Rows are counted afterwards; the rounds of contestants
alternate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

from benches import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = "chronicle_events"
CHUNK_BYTES = 64 * 1024
_FINISH_SECONDS_MAX = 300.0
#: Rows of the way with one statement for each, of all rows.
_INSERT_SHARE = 10
_RATIOS = (
    ("calls, sink", "calls, limit"),
    ("calls, telesink", "calls, limit"),
    ("events, sink", "events, limit"),
    ("events, sink", "events, insert"),
    ("events, telesink", "events, insert"),
)
_GUARD = (
    "BEGIN; UPDATE telesink_ledger SET last_seq = last_seq + 1, updated_at = now()"
    " WHERE instance = '{instance}' AND lane = 0"
)


def call(number: int) -> dict[str, Any]:
    """A call with 5 KB of request and 5 KB of response."""
    text = f"message {number}: " + 'The quick brown fox said "no". ' * 20
    messages = [{"role": "user", "content": text} for _ in range(7)]
    choices = [{"index": place, "message": {"role": "assistant", "content": text}} for place in range(7)]
    return {
        "type": "llm:call",
        "run_id": str(uuid.UUID(int=number // 10)),
        "step_id": str(uuid.UUID(int=number)),
        "request": {"model": "m-1", "messages": messages},
        "response": {"model": "m-1", "choices": choices},
        "gen_ai.provider.name": "acme",
        "total_latency_ms": 850,
        "response_meta": {"usage": {"input_tokens": 812, "output_tokens": 96}, "cost_usd": 0.0012},
    }


def event(number: int) -> dict[str, Any]:
    """An event with 200 bytes of JSON."""
    return {
        "type": "cache:miss",
        "run_id": str(uuid.UUID(int=number // 10)),
        "data": {"key": f"k-{number}", "note": "x" * 160, "n": number},
    }


def by_telesink(dsn: str, make: Callable[[int], dict[str, Any]], rows: int, *, alone: bool = False) -> float:
    """
    Rows a second, from the first `enqueue` until all are stored.

    With `alone` the queue is filled before the clock starts, while the lane waits for the lock of its ledger:
    what is measured is the sink.
    """
    import psycopg

    import telesink

    records = [make(number) for number in range(rows)]
    joint = "&" if "?" in dsn else "?"
    options: dict[str, Any] = {"when_full": "block", "block_timeout_seconds": _FINISH_SECONDS_MAX}
    if alone:
        options |= {"queue_records_max": rows + 1_000, "queue_bytes_max": "1 GB"}
        options |= {"write_timeout_seconds": _FINISH_SECONDS_MAX}
    pipeline = telesink.Pipeline(f"{dsn}{joint}preset=chronicle", **options)
    pipeline.enqueue(make(rows))
    pipeline.flush(30)
    with psycopg.connect(dsn, autocommit=True) as holder:
        if alone:
            holder.execute("BEGIN; LOCK TABLE telesink_ledger IN ACCESS EXCLUSIVE MODE")
        begun = time.perf_counter()
        enqueue = pipeline.enqueue
        for record in records:
            enqueue(record)
        if alone:
            holder.execute("COMMIT")
            begun = time.perf_counter()
    if not pipeline.flush(_FINISH_SECONDS_MAX):
        raise RuntimeError(pipeline.stats().last_error)
    passed = time.perf_counter() - begun
    pipeline.close()
    return rows / passed


def stored_bytes(connection: Any) -> list[bytes]:
    """What the table holds, in the form of COPY, without header and trailer."""
    with connection.cursor().copy(f"COPY {TABLE} TO STDOUT (FORMAT binary)") as copying:
        pieces = [bytes(piece) for piece in copying]
    # The first piece begins with the header, the last one is the trailer.
    pieces[0] = pieces[0][19:]
    return [piece for piece in pieces if piece and piece != b"\xff\xff"]


def by_limit(connection: Any, rows: list[bytes], batch_rows: int) -> float:
    """Rows a second of who has nothing left to do but to send."""
    header, trailer = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
    batches = []
    for start in range(0, len(rows), batch_rows):
        whole = header + b"".join(rows[start : start + batch_rows]) + trailer
        batches.append([whole[at : at + CHUNK_BYTES] for at in range(0, len(whole), CHUNK_BYTES)])
    instance = uuid.uuid4()
    connection.execute(f"INSERT INTO telesink_ledger VALUES ('{instance}', 0, 0, now())")
    cursor = connection.cursor()
    begun = time.perf_counter()
    for chunks in batches:
        cursor.execute(_GUARD.format(instance=instance))
        with cursor.copy(f"COPY {TABLE} FROM STDIN (FORMAT binary)") as copying:
            for chunk in chunks:
                copying.write(chunk)
        cursor.execute("COMMIT")
    return len(rows) / (time.perf_counter() - begun)


def by_insert(connection: Any, make: Callable[[int], dict[str, Any]], rows: int) -> float:
    """Rows a second of one INSERT for each row, a hundred in a transaction."""
    from psycopg.types.json import Jsonb

    events = [make(number) for number in range(rows)]
    columns = "id, event_type, run_id, meta, chat_request, model, created_at"
    sql = f"INSERT INTO {TABLE} ({columns}) VALUES (%s, %s, %s, %s, %s, '', now())"
    cursor = connection.cursor()
    begun = time.perf_counter()
    for start in range(0, rows, 100):
        cursor.execute("BEGIN")
        for one in events[start : start + 100]:
            cursor.execute(sql, [uuid.uuid4(), one["type"], one["run_id"], Jsonb(one["data"]), Jsonb(None)])
        cursor.execute("COMMIT")
    return rows / (time.perf_counter() - begun)


def _emptied(connection: Any, expected: int) -> None:
    """Count the rows, then empty the table."""
    ((count,),) = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()
    if count != expected:
        raise RuntimeError(f"{count} rows are stored, expected {expected}")
    connection.execute(f"TRUNCATE {TABLE}")
    connection.execute("CHECKPOINT")


def main() -> None:
    """Measure, and print a table."""
    import psycopg

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    server = postgres_server.Server()
    server.start()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            by_telesink(server.dsn, event, 10)
            connection.execute(f"TRUNCATE {TABLE}")
            _report(connection, server.dsn, chosen)
    finally:
        server.stop()


def _report(connection: Any, dsn: str, chosen: argparse.Namespace) -> None:
    found: dict[str, list[float]] = {}
    for number in range(chosen.runs):
        print(f"round {number + 1} of {chosen.runs}", file=sys.stderr)
        for name, make, rows in (("calls", call, chosen.calls), ("events", event, chosen.events)):
            for way, alone in (("telesink", False), ("sink", True)):
                found.setdefault(f"{name}, {way}", []).append(by_telesink(dsn, make, rows, alone=alone))
                prepared = stored_bytes(connection)
                _emptied(connection, rows + 1)
            batch = min(8_192, max(1, 8 * 1024 * 1024 * len(prepared) // sum(map(len, prepared))))
            found.setdefault(f"{name}, limit", []).append(by_limit(connection, prepared, batch))
            _emptied(connection, rows + 1)
        rows = chosen.events // _INSERT_SHARE
        found.setdefault("events, insert", []).append(by_insert(connection, event, rows))
        _emptied(connection, rows)
    print("| contestant | rows/s, median | least | most |\n| --- | ---: | ---: | ---: |")
    for name, values in found.items():
        print(f"| {name} | {statistics.median(values):,.0f} | {min(values):,.0f} | {max(values):,.0f} |")
    for ours, theirs in _RATIOS:
        ratios = [one / other for one, other in zip(found[ours], found[theirs], strict=True)]
        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"{ours} / {theirs.split(', ')[1]}: {middle:.3f} ({least:.3f} to {most:.3f})")


if __name__ == "__main__":
    main()
