"""What one run of the demonstration left in its database."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from telesink.cli.reading import open_database
from telesink.cli.render import BANDS, NANO, band_of

#: How long a lock of another program is waited for.
LOCK_SECONDS = 5.0

#: Rows of the chart, at most.
BUCKETS_MAX = 20

#: Lengths of time that people read well, in milliseconds.
STEPS_MS = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The records of a stretch of time, which begins at `start_ns`, by the name of their band."""

    start_ns: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of one run: how many there are, and how their levels went over time."""

    rows: int
    buckets: list[Bucket]


def newest_row(path: Path) -> int:
    """Return the number of the newest row; 0 if there is no file, no table, or no row."""
    if not path.exists():
        return 0
    try:
        with closing(open_database(path, timeout_seconds=LOCK_SECONDS)) as connection:
            row = connection.execute("SELECT coalesce(max(row_id), 0) FROM telesink_logs").fetchone()
    except sqlite3.Error:
        # Not fatal: rows are told apart by the run's own mark, and this only saves looking at older ones.
        return 0
    return int(row[0])


def read_run(path: Path, *, after_row: int, mark: str) -> Stored | None:
    """Return what was stored by the process that left `mark` in an attribute; None if nobody did.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    with closing(open_database(path, timeout_seconds=LOCK_SECONDS)) as connection:
        found = connection.execute(
            "SELECT instance FROM telesink_logs WHERE row_id > ? AND instr(attributes, ?) LIMIT 1",
            (after_row, mark),
        ).fetchone()
        if found is None:
            return None
        mine = (after_row, found[0])
        rows, first, last = connection.execute(
            "SELECT count(*), min(ts), max(ts) FROM telesink_logs WHERE row_id > ? AND instance = ?", mine
        ).fetchone()
        step = _step_ns(last - first)
        counts = connection.execute(
            "SELECT ts / ? AS bucket, severity, count(*) FROM telesink_logs "
            "WHERE row_id > ? AND instance = ? GROUP BY bucket, severity",
            (step, *mine),
        ).fetchall()
    buckets = [
        Bucket(at * step, {band.name: 0 for band in BANDS}) for at in range(first // step, last // step + 1)
    ]
    for bucket, severity, count in counts:
        buckets[bucket - first // step].counts[band_of(severity).name] += count
    return Stored(rows, buckets)


def _step_ns(span_ns: int) -> int:
    milliseconds = span_ns / NANO * 1_000 / BUCKETS_MAX
    return next((step for step in STEPS_MS if step >= milliseconds), round(milliseconds) + 1) * NANO // 1_000
