"""Tokens, costs and tool calls, counted by server and written to files now and then.

>>> import tempfile
>>> from telesink.metrics import Accumulator, MetricsFlusher
>>> usage = Accumulator()
>>> usage.add("github", input_tokens=120, output_tokens=30)
>>> flusher = MetricsFlusher(usage, dsn=f"file://{tempfile.mkdtemp()}")
>>> flusher.flush()
2
>>> flusher.stop()
"""

from telesink.metrics._accumulator import Accumulator, Cost, Tokens, ToolUse, Usage
from telesink.metrics._flusher import MetricsFlusher

__all__ = ["Accumulator", "Cost", "MetricsFlusher", "Tokens", "ToolUse", "Usage"]
