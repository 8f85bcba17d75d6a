"""The rows that all contestants of `postgres_ingest` store, as Python values and as bytes of binary COPY."""

from __future__ import annotations

import struct
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benches import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row = tuple[object, ...]
    # Name, type, and the value of one row that telesink stored, as text.
    Template = list[tuple[str, str, str | None]]

TABLE = "telesink_logs"
BATCH_ROWS = 8_192
CHUNK_BYTES = 64 * 1024

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Postgres counts from 2000-01-01.
_EPOCH_MICROSECONDS = 946_684_800_000_000

_FROM_TEXT: dict[str, Callable[[str], object]] = {
    "timestamptz": datetime.fromisoformat,
    "uuid": uuid.UUID,
    "int2": int,
    "int8": int,
    "text": str,
    "jsonb": str,
}


class RowMaker:
    """Makes rows from the template; only id, times, message and number differ from row to row."""

    def __init__(self, template: Template) -> None:
        self.columns = [name for name, _, _ in template]
        self.types = [kind for _, kind, _ in template]
        self._values = {
            name: None if text is None else _FROM_TEXT[kind](text) for name, kind, text in template
        }

    def row(self, number: int) -> Row:
        return tuple((self._values | self._changed(number)).values())

    def rows(self, count: int) -> list[Row]:
        return [self.row(number) for number in range(count)]

    def copies(self, count: int) -> Iterator[tuple[int, list[bytes]]]:
        """
        For each batch the number of its rows, and its data as chunks.

        A chunk ends with a row, as telesink's do.
        """
        for first in range(0, count, BATCH_ROWS):
            last = min(first + BATCH_ROWS, count)
            chunks, waiting = [], bytearray(_HEADER)
            for number in range(first, last):
                waiting += self._bytes(number)
                if len(waiting) >= CHUNK_BYTES:
                    chunks.append(bytes(waiting))
                    waiting.clear()
            chunks.append(bytes(waiting + _TRAILER))
            yield last - first, chunks

    def _bytes(self, number: int) -> bytes:
        row = self.row(number)
        fields = [_field(kind, value) for kind, value in zip(self.types, row, strict=True)]
        return struct.pack(">h", len(row)) + b"".join(fields)

    @staticmethod
    def _changed(number: int) -> dict[str, object]:
        now = _UNIX_EPOCH + timedelta(microseconds=time.time_ns() // 1_000)
        body = workload.PERCENT_MESSAGE % (workload.INVOICE, workload.CUSTOMER, number)
        return {"ts": now, "observed_ts": now, "id": uuid.uuid4(), "body": body, "seq": number + 1}


def batches(rows: list[Row], size: int = BATCH_ROWS) -> Iterator[list[Row]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _field(kind: str, value: Any) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    data = _TO_BYTES[kind](value)
    return struct.pack(">i", len(data)) + data


def _microseconds(value: datetime) -> int:
    return (value - _UNIX_EPOCH) // timedelta(microseconds=1) - _EPOCH_MICROSECONDS


_TO_BYTES: dict[str, Callable[[Any], bytes]] = {
    "timestamptz": lambda value: struct.pack(">q", _microseconds(value)),
    "uuid": lambda value: value.bytes,
    "int2": lambda value: struct.pack(">h", value),
    "int8": lambda value: struct.pack(">q", value),
    "text": str.encode,
    # Version of the binary form.
    "jsonb": lambda value: b"\x01" + value.encode(),
}
