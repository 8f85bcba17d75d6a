"""Attaching to loggers, and staying attached when somebody configures logging anew."""

from __future__ import annotations

import logging
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: Servers that keep their own loggers apart from the root logger.
_SERVER_LOGGERS = ("uvicorn", "uvicorn.access", "gunicorn.error", "gunicorn.access")

#: Functions of the stdlib that remove every handler of a logger on their way to a new configuration.
_CONFIGURERS = ("basicConfig", "common_logger_config", "_install_loggers", "_handle_existing_loggers")


class _Handlers(list):  # type: ignore[type-arg] # the list of `Logger`, whose element type is the stdlib's
    """The list of a logger's handlers, with one that stays when logging is configured anew.

    ``dictConfig``, ``fileConfig`` and ``basicConfig(force=True)`` take all handlers away before they add
    their own: Django's ``setup()`` and Alembic's ``env.py`` do so in the middle of a program's life.
    ``logger.removeHandler`` called by anybody else removes the handler as usual.
    """

    def __init__(self, handlers: list[Any], kept: logging.Handler) -> None:
        super().__init__(handlers)
        self.kept: logging.Handler | None = kept

    def remove(self, handler: Any, /) -> None:
        super().remove(handler)
        if handler is self.kept and _is_configuring():
            self.append(handler)


def _is_configuring() -> bool:
    """Whether the removal was asked for by one of logging's own configurers."""
    frame = sys._getframe(2)  # noqa: SLF001 - who removes is what matters
    for _ in range(3):
        if (
            frame.f_globals.get("__name__") in ("logging", "logging.config")
            and frame.f_code.co_name in _CONFIGURERS
        ):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


class _ServerHandler(logging.Handler):
    """Passes a server logger's records on while they do not propagate to where the main handler is attached.

    So a record that passes both is stored once, whatever the server sets up later.
    """

    def __init__(self, main: logging.Handler, logger: logging.Logger, top: logging.Logger) -> None:
        super().__init__()
        self._main, self._logger, self._top = main, logger, top

    def handle(self, record: logging.LogRecord) -> bool:
        if record.levelno < self._main.level or self._reaches_top():
            return False
        self._main.handle(record)
        return True

    def _reaches_top(self) -> bool:
        logger: logging.Logger | None = self._logger
        while logger is not None and logger is not self._top:
            if not logger.propagate:
                return False
            logger = logger.parent
            # A logger on the way that has a handler of its own passes the record on for us.
            if logger is not None and any(isinstance(one, _ServerHandler) for one in logger.handlers):
                return True
        return logger is self._top


class Attachment:
    """Where a handler is attached, and what has to be undone."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler
        self._attached: list[tuple[logging.Logger, logging.Handler]] = []
        self._levels: dict[logging.Logger, tuple[int, int]] = {}

    def attach(self, logger: logging.Logger | str | None, more: Sequence[str], level: int) -> None:
        """Attach to ``logger``, to ``more`` and to the servers' loggers. Attaching again does no harm."""
        top = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger)
        self._add(top, self._handler)
        self._lower(top, level)
        for name in more:
            extra = logging.getLogger(name)
            self._add(extra, _ServerHandler(self._handler, extra, top))
            self._lower(extra, level)
        if top is logging.getLogger():
            for name in _SERVER_LOGGERS:
                server = logging.getLogger(name)
                self._add(server, _ServerHandler(self._handler, server, top))

    def _add(self, logger: logging.Logger, handler: logging.Handler) -> None:
        for one, attached in self._attached:
            if one is logger and type(attached) is type(handler):
                if attached not in logger.handlers:
                    self._keep(logger, attached)
                return
        self._keep(logger, handler)
        self._attached.append((logger, handler))

    def _keep(self, logger: logging.Logger, handler: logging.Handler) -> None:
        logger.addHandler(handler)
        logger.handlers = _Handlers(logger.handlers, handler)

    def _lower(self, logger: logging.Logger, level: int) -> None:
        if logger.getEffectiveLevel() > level:
            before = self._levels.get(logger, (logger.level, level))[0]
            self._levels[logger] = (before, level)
            logger.setLevel(level)

    def is_attached(self) -> bool:
        """Whether the main handler still hangs where it was put."""
        return any(
            handler in logger.handlers for logger, handler in self._attached if handler is self._handler
        )

    def detach(self) -> None:
        """Undo everything; levels that somebody changed meanwhile stay."""
        for logger, handler in self._attached:
            if isinstance(logger.handlers, _Handlers):
                logger.handlers.kept = None
                logger.handlers = list(logger.handlers)
            logger.removeHandler(handler)
        for logger, (before, lowered) in self._levels.items():
            if logger.level == lowered:
                logger.setLevel(before)
        self._attached.clear()
        self._levels.clear()
