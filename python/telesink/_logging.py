"""The stdlib ``logging`` side: a handler, and the one line that installs it."""

from __future__ import annotations

import logging
import os
import sys

from telesink import _lifecycle, _native
from telesink._attach import Attachment
from telesink._pipeline import Pipeline, level_number, option_texts
from telesink._settings import Settings, is_setting
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from telesink._stats import Receipt, Stats

# What `install_logging()` writes to when nothing is said: a file beside the program's working directory.
_DSN_DEFAULT = "sqlite:///telesink.db"


class LogHandler(logging.Handler):
    """A ``logging.Handler`` that hands records to a pipeline: one native call, no lock, no waiting, no error.

    Works from ``dictConfig`` (``class: telesink.LogHandler``) and ``fileConfig``. A Formatter set on it does
    not change what is stored: message, arguments' values, ``extra`` and exception are kept apart. Filters
    work. ``close()``, as called by whoever configures logging anew, only flushes; the next record is taken
    again.

    :param dsn: see :class:`Pipeline`; None means ``$TELESINK_DSN``, else ``sqlite:///telesink.db``.
    :param level: least level, number or name.
    :param options: settings by name, or options of the sink.
    :raises ConfigError: unknown scheme, option or value.

    >>> import logging, telesink
    >>> handler = telesink.LogHandler("memory://")
    >>> handler.handle(logging.makeLogRecord({"msg": "low stock", "sku": "A7"}))
    >>> handler.pipeline.flush().complete
    True
    >>> handler.pipeline.recent()[0]["body"]
    'low stock'
    """

    def __init__(self, dsn: str | Sequence[str] | None = None, level: int | str = 0, **options: Any) -> None:
        # First of all: what fails here must not leave a half-made handler in the list that `logging` flushes.
        least = level_number(level)
        pipeline: Pipeline | None = options.pop("_pipeline", None)
        self.pipeline = Pipeline(_dsns(dsn, console=False), **options) if pipeline is None else pipeline
        super().__init__(least)
        self._native_handle = self.pipeline._native.handle  # noqa: SLF001
        self._choose_path()

    def _choose_path(self) -> None:
        # An attribute of the instance is found before the method of the class: without filters `Logger` calls
        # the native function directly, which saves the handler's lock and two Python frames (0.45 µs of 5.3).
        cls = type(self)
        if not self.filters and cls.handle is LogHandler.handle and cls.emit is LogHandler.emit:
            self.__dict__["handle"] = self._native_handle
        else:
            self.__dict__.pop("handle", None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record that passes the filters; a filter may answer another record (3.12)."""
        passed: bool | logging.LogRecord = self.filter(record)
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record without looking at the filters."""
        self._native_handle(record)

    def addFilter(self, filter: Any) -> None:  # noqa: A002, N802 - the stdlib's names
        """Add a filter; records then pass through it in Python."""
        super().addFilter(filter)
        self._choose_path()

    def removeFilter(self, filter: Any) -> None:  # noqa: A002, N802 - the stdlib's names
        """Remove a filter."""
        super().removeFilter(filter)
        self._choose_path()

    def flush(self) -> None:
        """Wait until what was taken is settled, at most the exit time-out. Never raises."""
        if not _lifecycle.flush_at_exit():
            self.pipeline.flush(self.pipeline.settings.exit_timeout_seconds)

    def close(self) -> None:
        """Flush. The handler stays usable: ``dictConfig`` and ``basicConfig`` close what they find."""
        self.flush()
        super().close()

    def stats(self) -> Stats:
        """The counters of the handler's pipeline."""
        return self.pipeline.stats()

    def __repr__(self) -> str:
        return f"<telesink.LogHandler {', '.join(self.pipeline.sinks)} ({logging.getLevelName(self.level)})>"


class _Installed:
    """What ``install_logging`` has done in this process."""

    handler: LogHandler | None = None
    attachment: Attachment | None = None
    #: Name and identity of each DSN that was installed.
    dsns: dict[str, str]

    def __init__(self) -> None:
        self.dsns = {}


_installed = _Installed()


def _tell_lost_logger() -> str | None:
    """Say so if somebody replaced a logger's handlers behind our back (``root.handlers = []``)."""
    lost = _installed.attachment.lost_logger() if _installed.attachment is not None else None
    if lost is None:
        return None
    return (
        f"the log handler was removed from logger {lost!r} (its list of handlers was replaced); records "
        "after that were not captured: call telesink.install_logging() again"
    )


_lifecycle.last_words.append(_tell_lost_logger)


def install_logging(
    dsn: str | Sequence[str] | None = None,
    *,
    level: int | str = "INFO",
    logger: logging.Logger | str | None = None,
    loggers: Sequence[str] = (),
    add: bool = False,
    settings: Settings | None = None,
    **options: Any,
) -> LogHandler:
    """Send the program's log records to a destination: the one line to install telesink.

    Attaches one handler to the root logger (or ``logger``) and lowers that logger's level if it is above
    ``level``; :func:`shutdown` undoes both. ``uvicorn`` and ``gunicorn`` keep their own loggers apart; the
    handler is attached to those too, and a record that passes twice is stored once. Nothing connects and no
    thread starts before the first record.

    :param dsn: where: one DSN or several; None means ``$TELESINK_DSN``, else ``sqlite:///telesink.db`` plus
        ``console://`` when standard error is a terminal.
    :param level: least level, number or name.
    :param logger: the logger to attach to, instead of the root logger.
    :param loggers: more loggers to attach to, for programs that stop propagation.
    :param add: add the DSN to what is installed already.
    :param settings: how; by default read from the environment.
    :param options: settings by name, or options of the sink.
    :raises ConfigError: the DSN or an option is wrong, or another DSN is installed and ``add`` is not given.

    >>> import logging, telesink
    >>> handler = telesink.install_logging("memory://")
    >>> logging.getLogger("shop").warning("low stock", extra={"sku": "A7", "left": 2})
    >>> telesink.flush().complete
    True
    >>> telesink.recent()[0]["attributes"]["sku"]
    'A7'
    """
    least = level_number(level)
    dsns = _dsns(dsn, console=True)
    identities = {one: str(_native.dsn_identity(one, [], os.getcwd())) for one in dsns}
    handler = _installed.handler
    known = set(_installed.dsns.values())
    if handler is not None and not handler.pipeline._native.is_closed:  # noqa: SLF001
        new = [one for one in dsns if identities[one] not in known]
        if new and not add:
            raise _installed_already(new[0])
    else:
        new = dsns
        handler = None
    pipeline = handler.pipeline if handler else _new_shared(settings, options)
    _add_sinks(pipeline, new, least, settings, options)
    if handler is None:
        handler = LogHandler(level=least, _pipeline=pipeline)
        _installed.handler, _installed.dsns = handler, {}
        _installed.attachment = Attachment(handler)
    _installed.dsns.update({one: identities[one] for one in new})
    handler.setLevel(pipeline.level)
    if _installed.attachment is not None:
        _installed.attachment.attach(logger, loggers, least)
    return handler


def shutdown(timeout_seconds: float = 5.0) -> Receipt:
    """Detach from ``logging``, restore levels, settle everything and end all threads.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.shutdown().complete
    True
    """
    if _installed.attachment is not None:
        _installed.attachment.detach()
    receipt = _lifecycle.close_all(timeout_seconds, stop=True)
    _installed.handler = _installed.attachment = None
    _installed.dsns = {}
    return receipt


def _new_shared(settings: Settings | None, options: dict[str, Any]) -> Pipeline:
    """The process-wide pipeline with these settings; what waits in it for a first sink stays."""
    chosen = {name: options[name] for name in options if is_setting(name)}
    base = settings or Settings()
    base = base.replace(**chosen) if chosen else base
    pipeline = _lifecycle.shared_pipeline()
    pipeline.settings = base
    pipeline.set_redaction(base.redact)
    return pipeline


def _add_sinks(
    pipeline: Pipeline, dsns: list[str], level: int, settings: Settings | None, options: dict[str, Any]
) -> None:
    chosen = {name: value for name, value in options.items() if is_setting(name)}
    own = {name: value for name, value in options.items() if not is_setting(name)}
    if own and len(dsns) > 1:
        names = ", ".join(f"`{name}`" for name in own)
        message = f"{names} given beside several DSNs: it cannot be told which sink is meant"
        raise ConfigError(
            message, "put the option into the DSN, for example sqlite:///app.db?synchronous=full"
        )
    base = settings or pipeline.settings
    base = base.replace(**chosen) if chosen else base
    added: list[str] = []
    try:
        for dsn in dsns:
            # One by one, so that those added before a failure are known.
            added += [pipeline._add(dsn, None, level, (), (), own, base)]  # noqa: SLF001
    except ConfigError:
        # All or nothing: half of a list installed would surprise whoever mends the other half.
        for name in added:
            pipeline.remove_sink(name, timeout_seconds=0.0)
        raise


def _dsns(dsn: str | Sequence[str] | None, *, console: bool) -> list[str]:
    if dsn is None:
        named = os.environ.get("TELESINK_DSN", "").strip()
        if named:
            return [named]
        is_terminal = console and sys.stderr is not None and sys.stderr.isatty()
        return [_DSN_DEFAULT, "console://"] if is_terminal else [_DSN_DEFAULT]
    return [dsn] if isinstance(dsn, str) else list(dsn)


def _installed_already(dsn: str) -> ConfigError:
    installed = ", ".join(_installed.handler.pipeline.sinks) if _installed.handler else ""
    scheme = dsn.partition(":")[0]
    return ConfigError(
        f"could not install {scheme}://: logging goes to {installed} already",
        "pass add=True to send records to both, or call telesink.shutdown() first",
    )


__all__ = ["LogHandler", "install_logging", "option_texts", "shutdown"]
