"""Log records and runs as they come: waiting for news, and telling it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from telesink.exceptions import ConfigError
from telesink.reading._arrivals import InPostgres, InSqlite
from telesink.reading._logs import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from telesink._native import Selection
    from telesink.reading._logs import Cells, Logs
    from telesink.reading._rows import LogRow
    from telesink.reading._sql import Dialect

State = TypeVar("State")

#: Longest wait in the native module, which knows no Ctrl+C.
_WAIT_SECONDS_MAX = 0.5

#: Between two looks whether a file has changed.
_LOOK_SECONDS = 0.05


class Following:
    """New rows of a table of log records.

    :param ask: asks a question, and answers with rows.
    :param where: which rows.
    """

    def __init__(
        self,
        native: Selection,
        ask: Callable[[str], list[Cells]],
        logs: Logs,
        dialect: Dialect,
        where: list[str],
    ) -> None:
        self._native = native
        self._logs = logs
        self._channel = f"telesink:{logs.table}" if native.notifies else ""
        self._table = InPostgres if dialect.is_postgres else InSqlite
        self._arguments = (ask, logs, dialect, native.prefix, where)

    def rows(
        self, since: datetime | None, poll_seconds: float, idle_seconds_max: float | None
    ) -> Iterator[LogRow]:
        """Yield rows as they come."""
        waiting = Waiting(self._native, self._channel, poll_seconds, idle_seconds_max)
        # Heard from now on, so that nothing comes between this look and the next.
        table = self._table(*self._arguments, since=since)
        return self._endless(table, waiting)

    def _endless(self, table: InSqlite | InPostgres, waiting: Waiting) -> Iterator[LogRow]:
        told: list[str] = []
        while True:
            has_news = False
            for cells in table.new_rows(told):
                has_news = True
                yield row_of(cells, self._logs)
            if has_news:
                # From now on, however long whoever asks has taken for them.
                waiting.has_news()
            found = waiting.wait()
            if found is None:
                return
            told = found


class Waiting:
    """Waits until there may be something new.

    :param channel: where it is told; empty if nobody tells.
    """

    def __init__(
        self, native: Selection, channel: str, poll_seconds: float, idle_seconds_max: float | None
    ) -> None:
        for name, value, is_right in (
            ("poll_seconds", poll_seconds, poll_seconds > 0),
            ("idle_seconds_max", idle_seconds_max, idle_seconds_max is None or idle_seconds_max >= 0),
        ):
            if not is_right:
                message = f"`{name}` is {value}"
                raise ConfigError(message, "give a number of seconds above 0")
        self._native = native
        self._channel = channel
        self._poll_seconds = poll_seconds
        self._idle_seconds_max = idle_seconds_max
        self._is_told = bool(channel) or native.dialect == "sqlite"
        self._idle_from = time.monotonic()
        if self._is_told:
            # The first time it only begins to listen.
            native.wait(channel, 0.0)

    def has_news(self) -> None:
        """There was something."""
        self._idle_from = time.monotonic()

    def wait(self) -> list[str] | None:
        """Wait for the next look, and answer what was told; None: it was quiet for too long."""
        end = time.monotonic() + self._poll_seconds
        if self._idle_seconds_max is not None:
            quiet_until = self._idle_from + self._idle_seconds_max
            if quiet_until <= time.monotonic():
                return None
            end = min(end, quiet_until)
        while (left := end - time.monotonic()) > 0:
            if not self._is_told:
                time.sleep(left)
                continue
            if told := self._native.wait(self._channel, min(left, _WAIT_SECONDS_MAX)):
                return told
            if not self._channel:
                time.sleep(min(left, _LOOK_SECONDS))
        return []


def changes_of(
    native: Selection,
    run_id: str,
    look: Callable[[], State | None],
    poll_seconds: float,
    idle_seconds_max: float | None,
) -> Iterator[State]:
    """Yield what `look` finds, and again each time that it is something else."""
    # No name of a channel holds a NUL, and no id either.
    channel = f"chronicle_run:{run_id.lower()}".replace("\0", "") if native.notifies else ""
    waiting = Waiting(native, channel, poll_seconds, idle_seconds_max)

    def endless() -> Iterator[State]:
        last: State | None = None
        while True:
            found = look()
            if found is not None and found != last:
                last = found
                yield found
                waiting.has_news()
            if waiting.wait() is None:
                return

    return endless()
