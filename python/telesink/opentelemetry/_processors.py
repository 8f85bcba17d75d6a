"""Processors that capture on the spot: no Python queue, no Python thread."""

from __future__ import annotations

from telesink.opentelemetry import _compatibility as otel
from telesink.opentelemetry._shared import Sharing, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from telesink._settings import Settings


class SpanProcessor(Sharing, otel.SpanProcessor):
    """Takes each sampled span when it ends: one native call, and no queue of the SDK.

    Nothing is queued in Python. After :meth:`shutdown` spans are refused and counted as ``closed``.
    Processors and exporters of one DSN share one pipeline.

    :param dsn: where: one DSN or several. None means the process-wide pipeline, with ``$TELESINK_DSN``, else
        ``sqlite:///telesink.db``, if it has no sink yet.
    :param settings: how; by default read from the environment.
    :param options: settings by name, or options of the sink.
    :raises ConfigError: unknown scheme, option or value, or the DSN is in use with other options.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> import telesink.opentelemetry
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(telesink.opentelemetry.SpanProcessor("null://"))
    """

    def __init__(
        self, dsn: str | Sequence[str] | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._user = User(dsn, settings, options)
        _shorten(self, SpanProcessor, "on_end", self._user.shared.signals.end_span)

    def on_end(self, span: otel.ReadableSpan) -> None:
        """Take a span that has just ended, if it is sampled. Never raises, never waits."""
        if self._user.is_shut:
            self._user.shared.signals.reject_closed(1)
        else:
            self._user.shared.signals.end_span(span)

    def shutdown(self) -> None:
        """Deliver what is there, within the exit time-out, and take nothing more. May be called again."""
        self.__dict__.pop("on_end", None)
        super().shutdown()


class LogRecordProcessor(Sharing, otel.LogRecordProcessor):
    """Takes each log record when it is emitted: one native call, and no queue of the SDK.

    The arguments are those of :class:`SpanProcessor`.

    >>> from opentelemetry.sdk._logs import LoggerProvider
    >>> import telesink.opentelemetry
    >>> provider = LoggerProvider()
    >>> provider.add_log_record_processor(telesink.opentelemetry.LogRecordProcessor("null://"))
    """

    def __init__(
        self, dsn: str | Sequence[str] | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._user = User(dsn, settings, options)
        _shorten(self, LogRecordProcessor, "on_emit", self._user.shared.signals.emit_log)

    def on_emit(self, log_record: otel.ReadWriteLogRecord) -> None:
        """Take a record. Never raises, never waits."""
        if self._user.is_shut:
            self._user.shared.signals.reject_closed(1)
        else:
            self._user.shared.signals.emit_log(log_record)

    def shutdown(self) -> None:
        """Deliver what is there, within the exit time-out, and take nothing more. May be called again."""
        self.__dict__.pop("on_emit", None)
        super().shutdown()


def _shorten(processor: object, base: type, name: str, native: Callable[[Any], None]) -> None:
    """Let the provider call the native function itself, unless a subclass has something to say.

    An attribute of the instance is found before the method of the class: that saves a Python frame.
    """
    if getattr(type(processor), name) is getattr(base, name):
        vars(processor)[name] = native
