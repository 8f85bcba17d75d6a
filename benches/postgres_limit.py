"""
The limit: what a client can reach that has nothing left to do but to send bytes.

Guard, COPY and COMMIT as telesink sends them, with data that was encoded before the clock starts. Once by
psycopg, and once by a small Rust program over tokio-postgres, the example `postgres_limit` of the core.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.postgres_peers import Clock
from benches.postgres_rows import TABLE

if TYPE_CHECKING:
    from benches.postgres_rows import RowMaker

_EXAMPLE = "postgres_limit"
_ROOT = Path(__file__).parents[1]

# What telesink's transaction begins with, at its default `write_timeout_seconds` of 15.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;SET LOCAL statement_timeout = 15000;SET LOCAL lock_timeout = 12000;"
    "SET LOCAL idle_in_transaction_session_timeout = 15000;"
)


def build() -> str | None:
    """The path of the Rust program; None, and a word about it, where there is no toolchain."""
    if shutil.which("cargo") is None:
        print("left out: limit_rust, there is no Rust toolchain", file=sys.stderr)
        return None
    command = ["cargo", "build", "--release", "--quiet", "-p", "telesink-core", "--example", _EXAMPLE]
    done = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"error: the example {_EXAMPLE} could not be built")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(
        message["executable"]
        for message in reversed(messages)
        if message.get("reason") == "compiler-artifact"
    )


def measure(program: str | None, dsn: str, maker: RowMaker, count: int) -> dict[str, Any]:
    """By the program, or in this process if there is none."""
    import psycopg

    instance = str(uuid.uuid4())
    copy = f"COPY {TABLE} ({', '.join(maker.columns)}) FROM STDIN (FORMAT binary)"
    with psycopg.connect(dsn, autocommit=True) as connection:
        insert = "INSERT INTO telesink_ledger (instance, lane, last_seq, updated_at) VALUES (%s, 0, 0, now())"
        connection.execute(insert, [instance])
        if program:
            found = _send_by_program(program, dsn, instance, copy, list(maker.copies(count)))
        else:
            found = _send(connection, instance, copy, list(maker.copies(count)))
        # Every guard has found the row where the one before had left it.
        moved = connection.execute("SELECT last_seq FROM telesink_ledger WHERE instance = %s", [instance])
        if (row := moved.fetchone()) != (count,):
            raise RuntimeError(f"the ledger stands at {row}, expected {count}")
    return found


def _send(
    connection: Any, instance: str, copy: str, batches: list[tuple[int, list[bytes]]]
) -> dict[str, float]:
    clock = Clock()
    cursor = connection.cursor()
    done = 0
    for rows, chunks in batches:
        # One round trip: several statements without arguments go by the simple protocol.
        cursor.execute(_BEGIN + _guard(instance, done, done + rows))
        with cursor.copy(copy) as copying:
            for chunk in chunks:
                copying.write(chunk)
        cursor.execute("COMMIT")
        done += rows
    return clock.stop()


def _guard(instance: str, previous: int, last: int) -> str:
    return (
        f"UPDATE telesink_ledger SET last_seq = {last}, updated_at = now() "
        f"WHERE instance = '{instance}' AND lane = 0 AND last_seq = {previous}"
    )


def _send_by_program(
    program: str, dsn: str, instance: str, copy: str, batches: list[tuple[int, list[bytes]]]
) -> dict[str, Any]:
    """Hands all data over before the program starts its clock; nothing goes by way of a disk."""
    with subprocess.Popen(
        [program, dsn, instance, copy, _BEGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for rows, chunks in batches:
            process.stdin.write(struct.pack(">II", rows, len(chunks)))
            for chunk in chunks:
                process.stdin.write(struct.pack(">I", len(chunk)))
                process.stdin.write(chunk)
        process.stdin.close()
        said = process.stdout.read()
    if process.returncode != 0:
        raise RuntimeError(f"{_EXAMPLE} ended with {process.returncode}")
    return dict(json.loads(said))
