"""The ``logging.Handler``: one native call a record."""

from __future__ import annotations

import logging
import os
import re
import sys
import weakref

from telesink import _lifecycle, _native
from telesink._living import held, remember
from telesink._pipeline import Pipeline, dsn_list, level_number
from telesink._secret import Hidden, hidden, hidden_options
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from telesink._stats import Stats

# What `install_logging()` writes to when nothing is said: a file beside the program's working directory.
_DSN_DEFAULT = "sqlite:///telesink.db"

# Between the DSNs of one variable: a comma that the scheme of another one follows.
_BETWEEN_DSNS = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")

# Methods that somebody may replace; the handler then takes the way through Python.
_REPLACEABLE = ("emit", "filter", "handle")

#: All handlers that are still alive.
_handlers: dict[int, weakref.ref[LogHandler]] = {}


class _Filters(list):  # type: ignore[type-arg] # the list of `Filterer`, whose element type is the stdlib's
    """The filters of a handler, which has to know when the first one comes and the last one goes."""

    def __init__(self, filters: Iterable[Any], handler: LogHandler) -> None:
        super().__init__(filters)
        # Weak: a handler that nobody holds any more ends at once, not with the garbage collector's next run.
        self._handler = weakref.ref(handler)

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        return list, (list(self),)

    def tell(self) -> None:
        """Let the handler choose its path anew."""
        handler = self._handler()
        if handler is not None:
            handler._choose_path()  # noqa: SLF001 - the other half of the class


def _told(change: Callable[..., Any]) -> Callable[..., Any]:
    def changed(self: _Filters, *arguments: Any) -> Any:
        try:
            return change(self, *arguments)
        finally:
            self.tell()

    return changed


for _name in ("append", "clear", "extend", "insert", "pop", "remove"):
    setattr(_Filters, _name, _told(getattr(list, _name)))
for _name in ("__delitem__", "__iadd__", "__setitem__"):
    setattr(_Filters, _name, _told(getattr(list, _name)))


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
    True
    >>> handler.pipeline.flush().complete
    True
    >>> handler.pipeline.recent()[0]["body"]
    'low stock'
    """

    def __init__(self, dsn: str | Sequence[str] | None = None, level: int | str = 0, **options: Any) -> None:
        dsn, options = hidden(dsn), hidden_options(options)
        # First of all: what fails here must not leave a half-made handler in the list that `logging` flushes.
        least = level_number(level)
        pipeline: Pipeline | None = options.pop("_pipeline", None)
        if pipeline is None:
            pipeline = Pipeline(dsns_or_default(dsn, console=False), **options)
        self.pipeline = pipeline
        super().__init__(least)
        self._native_handle: Callable[[Any], bool] = self.pipeline._native.handle  # noqa: SLF001
        self._settles_each = False
        self._choose_path()
        remember(_handlers, self)

    @property
    def filters(self) -> list[Any]:
        """The filters: a list as in the standard library, which may be changed in any way."""
        return self._filters

    @filters.setter
    def filters(self, filters: Iterable[Any]) -> None:
        self._filters = _Filters(filters, self)
        self._choose_path()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in _REPLACEABLE:
            self._choose_path()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in _REPLACEABLE:
            self._choose_path()

    def _choose_path(self) -> None:
        # An attribute of the instance is found before the method of the class: without filters `Logger` calls
        # the native function directly, which saves the handler's lock and two Python frames (0.45 µs of 5.3).
        own = self.__dict__
        native = own.get("_native_handle")
        if native is None or own.get("handle", native) is not native:
            # Not made yet, or somebody put a `handle` of theirs in its place.
            return
        is_changed = any(getattr(type(self), name) is not getattr(LogHandler, name) for name in _REPLACEABLE)
        if is_changed or self._filters or "emit" in own or "filter" in own:
            own.pop("handle", None)
        else:
            own["handle"] = native

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record that passes the filters; a filter may answer another record (3.12).

        A filter that raises stops the record and no more: it is told as the standard library tells errors of
        handlers, by ``handleError``. Nobody knows whether the record may be stored.
        """
        try:
            passed: bool | logging.LogRecord = self.filter(record)
        except Exception:  # noqa: BLE001 - whatever a filter of the program's own raises
            self.handleError(record)
            return False
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record without looking at the filters."""
        self._native_handle(record)

    def flush(self) -> None:
        """Wait until what was taken is settled, at most the exit time-out. Never raises."""
        try:
            if not _lifecycle.flush_at_exit():
                self.pipeline.flush(self.pipeline.settings.exit_timeout_seconds)
        except Exception as error:  # noqa: BLE001 - `logging.shutdown` would leave out all handlers after this one
            _native.write_line(f"could not flush: {error!r}")

    def close(self) -> None:
        """Flush. The handler stays usable: ``dictConfig`` and ``basicConfig`` close what they find."""
        self.flush()
        super().close()
        if _lifecycle.is_past_last_flush():
            self._settle_each()

    def _settle_each(self) -> None:
        # Nobody flushes any more: what a destructor, for example, logs from here on is settled at once.
        if self._settles_each:
            return
        self._settles_each = True
        native = self._native_handle

        def handle(record: logging.LogRecord) -> bool:
            answer = native(record)
            _lifecycle.settle_last_record()
            return answer

        self._native_handle = handle
        if self.__dict__.get("handle") is native:
            self.__dict__["handle"] = handle

    def stats(self) -> Stats:
        """The counters of the handler's pipeline."""
        return self.pipeline.stats()

    def __repr__(self) -> str:
        if not hasattr(self, "pipeline"):
            # Asked for by who reports an error of the constructor, with all that its frame holds.
            return "<telesink.LogHandler, not made>"
        return f"<telesink.LogHandler {', '.join(self.pipeline.sinks)} ({logging.getLevelName(self.level)})>"


def _settle_each_of_all() -> None:
    for handler in held(_handlers):
        handler._settle_each()  # noqa: SLF001 - a function of the class


_lifecycle.past_last_flush.append(_settle_each_of_all)


def dsns_or_default(dsn: str | Sequence[str] | None, *, console: bool) -> list[str]:
    """The DSNs that are meant: at least one."""
    if dsn is None:
        named = hidden(os.environ.get("TELESINK_DSN", "").strip())
        if named and not isinstance(named, str):
            return dsn_list(named)
        if named:
            return _for_logs([Hidden(one) for one in _BETWEEN_DSNS.split(named)])
        is_terminal = console and sys.stderr is not None and sys.stderr.isatty()
        return [_DSN_DEFAULT, "console://"] if is_terminal else [_DSN_DEFAULT]
    found = dsn_list(dsn)
    if not found:
        message = "the list of DSNs is empty"
        raise ConfigError(message, "name a destination, for example sqlite:///app.db")
    return _for_logs(found)


def _for_logs(dsns: list[str]) -> list[str]:
    """Refuse destinations that keep events and no log records."""
    if any(one.lstrip().lower().startswith(("langfuse:", "langfuses:")) for one in dsns):
        message = "a Langfuse server keeps no log records"
        raise ConfigError(message, "use telesink.Ingest for its events, and another DSN for log records")
    return dsns
