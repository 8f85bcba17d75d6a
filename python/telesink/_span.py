"""Spans for programs without the OpenTelemetry SDK: what took how long, inside of what."""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar

from telesink import _lifecycle, _native
from telesink._execution import adopt_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Any, Self

#: The ids of the current span: 16 bytes of its trace, 8 of its own.
_ids: ContextVar[bytes | None] = ContextVar("telesink_span", default=None)

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class span:  # noqa: N801 - used like a function
    """A span: a context manager around whatever is to be timed.

    Spans inside are its children, and log records inside carry its ids. It is itself the child of the
    span around it: one of these, the current OpenTelemetry span, or the one that a parent process has
    handed down in ``$TRACEPARENT``. An exception that leaves the block makes it an error, with an event
    ``exception``. Spans follow the task through ``asyncio``, not into other threads. They go to the
    process-wide pipeline.

    :param name: what is done; the same text for the same thing, so no ids in it.
    :param attributes: values of any type, stored with the span.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> with telesink.span("charge", amount=12) as charge:
    ...     charge.set_attribute("currency", "EUR")
    >>> telesink.flush().complete
    True
    >>> [(one["body"], one["attributes"]) for one in telesink.recent()]
    [('charge', {'amount': 12, 'currency': 'EUR'})]
    """

    __slots__ = (
        "_attached",
        "_attributes",
        "_error",
        "_events",
        "_ids",
        "_is_sampled",
        "_parent",
        "_scope",
        "_start",
        "_token",
        "name",
    )

    def __init__(self, name: str, /, **attributes: Any) -> None:
        self.name = name
        self._attributes = attributes
        self._scope = _module_of_caller()
        self._ids: bytes | None = None
        self._clear()

    def _clear(self) -> None:
        self._events: list[tuple[str, int, dict[str, Any]]] = []
        self._error: str | None = None
        self._token: Token[bytes | None] | None = None
        self._attached: Any = None

    @property
    def trace_id(self) -> str:
        """The id of its trace: 32 hex digits; empty before it begins."""
        return "" if self._ids is None else self._ids[:16].hex()

    @property
    def span_id(self) -> str:
        """Its own id: 16 hex digits; empty before it begins."""
        return "" if self._ids is None else self._ids[16:].hex()

    def set_attribute(self, name: str, value: Any) -> None:
        """Store a value with the span; the last one of a name counts."""
        self._attributes[name] = value

    def add_event(self, name: str, /, **attributes: Any) -> None:
        """Note that something happened now."""
        self._events.append((name, time.time_ns(), attributes))

    def begin(self) -> None:
        """Begin without becoming the current span; `__enter__` does both."""
        if self._ids is not None and self._token is not None:
            message = f"the span {self.name!r} is open already; make one for each block"
            raise RuntimeError(message)
        adopt_trace()
        self._clear()
        parent = _native.current_ids()
        own = _native.new_span_ids()
        has_parent = parent[:16] != _NO_TRACE
        self._parent = parent[16:] if has_parent else _NO_SPAN
        self._ids = (parent[:16] if has_parent else own[:16]) + own[16:]
        self._is_sampled = _is_sampled(parent)
        self._start = time.time_ns()

    def end(self) -> None:
        """End, and hand the span over. Never raises."""
        end = time.time_ns()
        if not self._is_sampled or self._ids is None:
            return
        signals().record_span(
            {
                "name": self.name,
                "scope": self._scope,
                "trace_id": self._ids[:16],
                "span_id": self._ids[16:],
                "parent_span_id": self._parent,
                "start_unix_nano": self._start,
                "end_unix_nano": end,
                "error": self._error,
                "attributes": self._attributes,
                "events": self._events,
            }
        )

    def fail(self, error: BaseException) -> None:
        """Make it an error, with an event that tells the exception."""
        import traceback

        kind = type(error)
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        try:
            text = str(error)
        except Exception as second:  # noqa: BLE001 - whatever `__str__` may end with
            text = f"<unprintable {kind.__name__}: {type(second).__name__}>"
        attributes = {
            "exception.type": name,
            "exception.message": text,
            "exception.stacktrace": "".join(traceback.format_exception(error)),
        }
        self._error = f"{kind.__name__}: {text}"
        self._events.append(("exception", time.time_ns(), attributes))

    def enter(self) -> None:
        """Become the current span."""
        _tell_native()
        self._token = _ids.set(self._ids)
        self._attached = _attach(self._ids, is_sampled=self._is_sampled)

    def leave(self) -> None:
        """Be the current span no longer."""
        token, attached = self._token, self._attached
        self._token = self._attached = None
        _detach(attached)
        if token is None:
            return
        try:
            _ids.reset(token)
        except ValueError:
            # Left in another context than entered, as by a generator that another task finishes.
            _ids.set(None if token.old_value is token.MISSING else token.old_value)

    def __enter__(self) -> Self:
        self.begin()
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        if isinstance(error, Exception):
            self.fail(error)
        self.end()


def _module_of_caller() -> str:
    """The module that makes the span: its scope, as that of a logger by custom."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to ask
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else "telesink"


def signals() -> _native.Signals:
    """Where spans of this process go."""
    return _lifecycle.shared_pipeline()._signals  # noqa: SLF001 - the other half of the class


class _Told:
    """Whether the native side knows how to read the current span; programs without spans pay nothing."""

    is_told = False


def _tell_native() -> None:
    if not _Told.is_told:
        _Told.is_told = True
        _native.set_span_getter(_ids.get)


def _is_sampled(parent: bytes) -> bool:
    """Whether the trace is one that OpenTelemetry keeps; where it has no say, every trace is."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return True
    found = trace.get_current_span().get_span_context()
    return not found.is_valid or found.span_id.to_bytes(8, "big") != parent[16:] or found.trace_flags.sampled


def _attach(ids: bytes | None, *, is_sampled: bool) -> Any:
    """Let OpenTelemetry's spans inside be children of this one, if that package is there."""
    trace = sys.modules.get("opentelemetry.trace")
    context = sys.modules.get("opentelemetry.context")
    if trace is None or context is None or ids is None:
        return None
    made = trace.SpanContext(
        trace_id=int.from_bytes(ids[:16], "big"),
        span_id=int.from_bytes(ids[16:], "big"),
        is_remote=False,
        trace_flags=trace.TraceFlags(int(is_sampled)),
    )
    return context.attach(trace.set_span_in_context(trace.NonRecordingSpan(made)))


def _detach(attached: Any) -> None:
    context = sys.modules.get("opentelemetry.context")
    if attached is not None and context is not None:
        context.detach(attached)


def current_span_id() -> str | None:
    """The id that log records here carry: of the current span, or of the one that was handed down; else None.

    >>> import telesink
    >>> with telesink.span("pay") as pay:
    ...     telesink.current_span_id() == pay.span_id
    True
    >>> telesink.current_span_id() is None
    True
    """
    found = _current()[16:]
    return found.hex() if found != _NO_SPAN else None


def current_trace_id() -> str | None:
    """The id of the trace that :func:`current_span_id` is in; None if there is none.

    >>> import telesink
    >>> telesink.current_trace_id() is None
    True
    """
    found = _current()[:16]
    return found.hex() if found != _NO_TRACE else None


def _current() -> bytes:
    adopt_trace()
    return _native.current_ids()
