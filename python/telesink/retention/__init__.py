"""How long records stay: by level, logger and table, on a schedule or when asked.

>>> import telesink
>>> from telesink.retention import Policy, Retention
>>> with telesink.Pipeline("sqlite:///app.db") as pipeline:
...     _ = pipeline.enqueue({"body": "cache miss", "level": "DEBUG", "time": "2026-01-01T00:00:00Z"})
...     _ = pipeline.enqueue({"body": "order refused", "level": "ERROR", "time": "2026-01-01T00:00:00Z"})
>>> retention = Retention("sqlite:///app.db", [Policy("1 day", level="DEBUG")])
>>> retention.preview().rows
1
>>> retention.run().rows
1

Everything happens beside the programs that write, in short transactions.
"""

from telesink.retention._policy import BY_LEVEL, Policy
from telesink.retention._retention import Preview, Pruned, Retention

__all__ = ["BY_LEVEL", "Policy", "Preview", "Pruned", "Retention"]
