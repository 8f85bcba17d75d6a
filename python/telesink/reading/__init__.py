"""What was stored, read back: log records, and runs with their steps and calls.

>>> import telesink
>>> from telesink import events
>>> from telesink.reading import Reader
>>> with telesink.Pipeline("sqlite:///runs.db?preset=chronicle") as pipeline:
...     with events.run("chat", to=pipeline), events.step("look up", type="tool"):
...         pass
>>> reader = Reader("sqlite:///runs.db?preset=chronicle")
>>> [(run.name, run.status) for run in reader.runs()]
[('chat', 'finished')]
>>> run = reader.run(reader.runs()[0].id)
>>> [(step.type, step.name, step.status) for step in run.steps]
[('tool', 'look up', 'finished')]

Questions are asked in transactions that can only read, and keep no writer waiting. An `Editor` can also mend
and delete log records.
"""

from telesink.reading._editor import Editor
from telesink.reading._reader import Reader
from telesink.reading._rows import Call, LogRow, Page, Run, Step, Summary

__all__ = ["Call", "Editor", "LogRow", "Page", "Reader", "Run", "Step", "Summary"]
