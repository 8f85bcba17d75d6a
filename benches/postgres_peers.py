"""
Other ways from Python into Postgres: drivers and an encoder, as their users call them.

Each is given rows that were made before the clock starts, in the form that it takes: tuples, or Arrow
batches. Where a statement is a transaction anyhow, none is put around it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

from benches.postgres_rows import BATCH_ROWS, TABLE, RowMaker, batches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import psycopg

    from benches.postgres_rows import Row

# The way of programs that insert as they log.
INSERT_ROWS = 100

# Arrow rows that pgpq encodes at a time: the server works on some while the next are encoded.
_PGPQ_ROWS = 1_024


class Clock:
    """Wall and processor time of the process between its making and `stop`."""

    def __init__(self) -> None:
        # Rows that stay would be walked again and again, which is no fault of the contestant.
        gc.collect()
        gc.freeze()
        self._processor, self._start = time.process_time(), time.perf_counter()

    def stop(self) -> dict[str, float]:
        seconds, processor = time.perf_counter() - self._start, time.process_time() - self._processor
        return {"seconds": round(seconds, 4), "processor_seconds": round(processor, 3)}


def measure(contestant: str, dsn: str, maker: RowMaker, count: int) -> dict[str, float]:
    if contestant in _ASYNCPG:
        return asyncio.run(_measure_asyncpg(dsn, maker, count, _ASYNCPG[contestant]))
    return _measure_psycopg(dsn, maker, count, contestant)


async def _measure_asyncpg(
    dsn: str, maker: RowMaker, count: int, write: Callable[[Any, RowMaker, list[Row]], Awaitable[None]]
) -> dict[str, float]:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    rows = maker.rows(count)
    clock = Clock()
    await write(connection, maker, rows)
    found = clock.stop()
    await connection.close()
    return found


async def _copy_records(connection: Any, maker: RowMaker, rows: list[Row]) -> None:
    for batch in batches(rows):
        await connection.copy_records_to_table(TABLE, records=batch, columns=maker.columns)


async def _insert(connection: Any, maker: RowMaker, rows: list[Row]) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(maker.columns) + 1))
    insert = f"INSERT INTO {TABLE} ({', '.join(maker.columns)}) VALUES ({places})"
    for batch in batches(rows, INSERT_ROWS):
        async with connection.transaction():
            for row in batch:
                await connection.execute(insert, *row)


_ASYNCPG = {"asyncpg": _copy_records, "insert_100": _insert}


def _measure_psycopg(dsn: str, maker: RowMaker, count: int, contestant: str) -> dict[str, float]:
    import psycopg
    from psycopg.types.json import set_json_dumps

    with psycopg.connect(dsn, autocommit=True) as connection:
        # The JSON is ready, as all else is.
        set_json_dumps(str, connection)
        if contestant == "pgpq":
            return _measure_pgpq(connection, maker, count)
        rows = maker.rows(count)
        form = "binary" if contestant == "psycopg_binary" else "text"
        statement = f"COPY {TABLE} ({', '.join(maker.columns)}) FROM STDIN (FORMAT {form})"
        clock = Clock()
        for batch in batches(rows):
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                if form == "binary":
                    copy.set_types(maker.types)
                for row in batch:
                    copy.write_row(row)
        return clock.stop()


def _measure_pgpq(connection: psycopg.Connection[Any], maker: RowMaker, count: int) -> dict[str, float]:
    import pgpq
    from pgpq.encoders import StringEncoderBuilder
    from pgpq.schema import Jsonb

    ready = _arrow_batches(maker, count)
    schema = ready[0].schema
    encoders = {
        field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
        if kind == "jsonb"
        else pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
        for field, kind in zip(schema, maker.types, strict=True)
    }
    statement = f"COPY {TABLE} ({', '.join(maker.columns)}) FROM STDIN (FORMAT binary)"
    clock = Clock()
    for batch in ready:
        encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, encoders)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(encoder.write_header())
            for first in range(0, batch.num_rows, _PGPQ_ROWS):
                copy.write(encoder.write_batch(batch.slice(first, _PGPQ_ROWS)))
            copy.write(encoder.finish())
    return clock.stop()


def _arrow_batches(maker: RowMaker, count: int) -> list[Any]:
    import pyarrow as pa

    kinds = {
        "timestamptz": pa.timestamp("us", tz="UTC"),
        # Sent as raw bytes, which is what a binary uuid is.
        "uuid": pa.binary(16),
        "int2": pa.int16(),
        "int8": pa.int64(),
        "text": pa.string(),
        "jsonb": pa.string(),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in zip(maker.columns, maker.types, strict=True)])
    ready = []
    for first in range(0, count, BATCH_ROWS):
        rows = [maker.row(number) for number in range(first, min(first + BATCH_ROWS, count))]
        columns = [
            [value.bytes if kind == "uuid" and value is not None else value for value in column]
            for kind, column in zip(maker.types, zip(*rows, strict=True), strict=True)
        ]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        ready.append(pa.record_batch(arrays, schema=schema))
    return ready
