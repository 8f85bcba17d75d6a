"""For the tests of your own program: see what it logged."""

from __future__ import annotations

import logging
from typing import overload

from telesink._handler import LogHandler
from telesink._pipeline import level_number
from telesink.exceptions import TelesinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

__all__ = ["capture"]

#: Records kept by one capture.
RECORDS_MAX = 100_000


class capture:  # noqa: N801 - used like a function
    """Capture the records logged inside a with-block, as telesink would store them.

    Sees what goes through ``logging``, not what ``telesink.enqueue`` is given, which goes to open pipelines.
    Keeps the last 100 000 records.

    :param level: least level; the logger's own level is lowered to it inside the block.
    :param logger: the logger to listen to, or its name; by default the root logger.

    >>> import logging
    >>> from telesink.testing import capture
    >>> with capture() as captured:
    ...     logging.getLogger("shop").error("payment failed", extra={"order": 7})
    >>> captured.bodies
    ['payment failed']
    >>> captured[0]["attributes"]["order"]
    7
    """

    def __init__(self, *, level: int | str = 0, logger: logging.Logger | str | None = None) -> None:
        self._level = level_number(level)
        self._logger = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger)
        self._handler: LogHandler | None = None
        self._before = 0

    def __enter__(self) -> Self:
        self._handler = LogHandler(
            f"memory://?records_max={RECORDS_MAX}", self._level, when_full="block", redact=True
        )
        self._before = self._logger.level
        self._logger.setLevel(min(self._level or 1, self._logger.getEffectiveLevel()))
        self._logger.addHandler(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handler is not None:
            self._logger.removeHandler(self._handler)
            self._logger.setLevel(self._before)
            self._handler.close()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records so far, oldest first."""
        if self._handler is None:
            message = "nothing was captured yet: enter the with-block first"
            raise TelesinkError(message)
        self._handler.pipeline.flush()
        return self._handler.pipeline.recent(RECORDS_MAX)

    @property
    def bodies(self) -> list[str]:
        """Their messages."""
        return [record["body"] for record in self.records]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self.records[index]
