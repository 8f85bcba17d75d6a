"""How far the demonstration is: a bar in a terminal, a line a second elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

import telesink

#: Time between two lines where there is no terminal.
LINE_SECONDS = 1.0


class DemoProgress:
    """Shows what was made and stored so far. A context manager: inside it `look` may be called.

    Args:
        console: where to show it.
        records: how many records are expected.
        has_bar: whether a bar may be drawn; it would be torn apart by a console sink on the same terminal.
    """

    def __init__(self, console: Console, *, records: int, has_bar: bool) -> None:
        self._console = console
        self._phase = ""
        self._started = self._told = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(40),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}"),
            console=console,
            transient=True,
            disable=not has_bar,
        )
        self._task = self._bar.add_task("", total=records, counts="")
        self._has_bar = has_bar

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, phase: str) -> None:
        """Say which phase begins."""
        self._phase = phase

    def look(self) -> None:
        """Show the counters of now."""
        lanes = telesink.stats().values()
        accepted = sum(stats.accepted for stats in lanes)
        delivered = sum(stats.delivered for stats in lanes)
        lost = sum(sum(stats.rejected.values()) + sum(stats.dropped.values()) for stats in lanes)
        counts = f"{accepted:,} made  {delivered:,} stored  {lost:,} lost"
        self._bar.update(self._task, completed=delivered, description=self._phase, counts=counts)
        now = time.monotonic()
        if not self._has_bar and now - self._told >= LINE_SECONDS:
            self._told = now
            self._console.print(f"{now - self._started:5.1f} s  {self._phase:<10}  {counts}")
