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
        self._returns = False

    def remove(self, handler: Any, /) -> None:
        super().remove(handler)
        configurer = _configurer() if handler is self.kept else None
        # `basicConfig` adds its own handler only to an empty list, so there ours comes back right behind it.
        self._returns = configurer == "basicConfig"
        if configurer is not None and not self._returns:
            self.append(handler)
        elif handler is self.kept and configurer is None:
            # Asked for by the program: nothing to keep, and nothing to tell at its end.
            self.kept = None

    def append(self, handler: Any, /) -> None:
        super().append(handler)
        if self._returns:
            self._returns = False
            if self.kept is not None and self.kept is not handler:
                super().append(self.kept)


def _configurer() -> str | None:
    """Which of logging's own configurers asked for the removal; None if it was somebody else."""
    frame = sys._getframe(2)  # noqa: SLF001 - who removes is what matters
    for _ in range(3):
        name = frame.f_code.co_name
        if frame.f_globals.get("__name__") in ("logging", "logging.config") and name in _CONFIGURERS:
            return name
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


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

    def lost_logger(self) -> str | None:
        """Name the logger that lost the handler unasked (``handlers = []``), if one did."""
        for logger, handler in self._attached:
            handlers = logger.handlers
            is_let_go = isinstance(handlers, _Handlers) and handlers.kept is None
            if handler is self._handler and handler not in handlers and not is_let_go:
                return logger.name
        return None

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
