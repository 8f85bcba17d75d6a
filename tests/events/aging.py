"""Log records of some age, and what is left of them."""

from datetime import UTC, datetime, timedelta

import telesink
from telesink.reading import Reader

NOW = datetime.now(UTC)


def write(dsn, lines):
    """Store log records of `level`, `logger` and age in days."""
    with telesink.Pipeline(dsn) as pipeline:
        for level, logger, days in lines:
            when = NOW - timedelta(days=days)
            pipeline.enqueue(
                {"body": f"{level} {logger} {days}", "level": level, "logger": logger, "time": when}
            )
        assert pipeline.flush(30).complete


def left(dsn):
    """The bodies of what is there."""
    return sorted(row.body for row in Reader(dsn).all_logs())
