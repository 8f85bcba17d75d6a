"""Events in the form of Langfuse's ingestion API, on their way to a Langfuse server and elsewhere."""

from __future__ import annotations

import threading

from telesink import _native
from telesink._langfuse_environment import completed, dsn_of, is_enabled, sample_rate, with_variables
from telesink._pipeline import Pipeline, expect, settled, sink_source
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Protocol, Self

    from telesink._settings import Settings
    from telesink._stats import Receipt, Stats

    class _TypedEvent(Protocol):
        def as_event(self) -> dict[str, Any]: ...


#: What stands in the place of a value whose mask failed.
MASK_FAILED = "<hidden: the mask failed>"

_MASKED = ("input", "output", "metadata")


class _Warned:
    """Whether this process was told that events go nowhere."""

    is_told = False


class Ingest:
    """Takes events in the form of Langfuse's ingestion API and sends them on a native thread.

    An event is a mapping with the keys ``id``, ``type``, ``timestamp``, ``body`` and ``metadata``, of which
    ``type`` and ``body`` are needed, or one of the dataclasses in :mod:`telesink.langfuse`. Opening checks
    everything and touches nothing: no connection and no thread before the first event.

    :param host: the server's address, by default ``LANGFUSE_BASE_URL``, else ``LANGFUSE_HOST``, else
        Langfuse's cloud; or a DSN with keys, ``langfuses://public:secret@host``.
    :param keys: public and secret key; by default ``LANGFUSE_PUBLIC_KEY`` and ``LANGFUSE_SECRET_KEY``.
    :param mode: ``auto`` (spans where the server takes them, else classic batches), ``otlp`` or ``legacy``.
    :param settings: how; by default :class:`telesink.Settings` as read from the environment.
    :param missing_keys: ``raise`` a ConfigError without keys, or ``disable``: events go nowhere, which is
        warned of once. Neither where ``LANGFUSE_TRACING_ENABLED`` is false: then nothing is sent anyway.
    :param mask: called as ``mask(data=value)`` with every ``input``, ``output`` and ``metadata`` of an event,
        on the calling thread; its answer is sent instead. Where it raises, nothing of the value is sent.
    :param sample_rate: the share of traces to keep, from 0 to 1, decided by the trace's id alone.
    :param options: settings by name, or options of the sink: ``environment``, ``release``, ``hold_seconds``,
        ``compression``, ``traces_path``.
    :raises ConfigError: no keys, or a value that is not allowed.

    >>> import telesink
    >>> ingest = telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1"))
    >>> ingest.enqueue({"type": "span-create"})
    False
    >>> ingest.stats().rejected
    mappingproxy({'invalid_event': 1})
    """

    def __init__(
        self,
        host: str | None = None,
        keys: tuple[str, str] | None = None,
        *,
        mode: str = "auto",
        settings: Settings | None = None,
        missing_keys: str = "raise",
        mask: Callable[..., Any] | None = None,
        sample_rate: float | None = None,
        **options: Any,
    ) -> None:
        expect("mode", mode, (str,), "auto, otlp or legacy")
        expect("missing_keys", missing_keys, (str,), "raise or disable")
        if missing_keys not in ("raise", "disable"):
            message = f"`missing_keys` is {missing_keys!r}; expected raise or disable"
            raise ConfigError(message, "disable switches sending off where there are no keys")
        given: Any = mask
        if given is not None and not callable(given):
            message = f"`mask` is a {type(given).__name__}; expected something to call as mask(data=value)"
            raise ConfigError(message, "or leave it away")
        self._mask = mask
        self._mask_failures = 0
        self._lock = threading.Lock()
        self._sample_rate = _sample_rate(sample_rate)
        base, own = settled(settings, None, options)
        self._settings = with_variables(base)
        self._pipeline = Pipeline(settings=self._settings)
        self._native = self._pipeline._native  # noqa: SLF001 - one call less for every event
        self._dsn = dsn_of(host, keys)
        self._options = completed(own, self._dsn, mode)
        #: Whether events go anywhere.
        self._is_on = True
        if self._dsn is None and missing_keys == "raise" and is_enabled():
            message = "there are no keys for Langfuse"
            hint = "give keys=(public, secret), or set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"
            raise ConfigError(message, hint)
        if self._dsn is None or not is_enabled():
            self._is_on = False
            if self._dsn is None and is_enabled():
                _warn_once()
            return
        self._pipeline.add_sink(self._dsn, **self._options)

    def enqueue(self, event: Mapping[str, Any] | _TypedEvent) -> bool:
        """Offer one event; answer whether it was taken. Never raises for an event, and never waits.

        One that no server would take is counted as ``rejected["invalid_event"]``; :meth:`validate` says what
        is wrong with it. One of a trace outside of the sample is counted as ``rejected["sampled_out"]``.

        >>> import telesink
        >>> ingest = telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1"))
        >>> ingest.close().complete
        True
        >>> ingest.enqueue({"type": "trace-create", "body": {"id": "turn-1", "name": "turn"}})
        False
        """
        if type(event) is not dict:
            event = _as_mapping(event)
        if not self._is_on:
            return False
        if self._mask is not None:
            event = self._masked(event)
        return self._native.enqueue_event(event, self._sample_rate)

    def enqueue_many(self, events: Iterable[Mapping[str, Any] | _TypedEvent]) -> int:
        """Offer events in order; answer how many were taken.

        >>> import telesink
        >>> telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1")).enqueue_many([])
        0
        """
        return sum(1 for event in events if self.enqueue(event))

    def validate(self, event: Mapping[str, Any] | _TypedEvent) -> list[str]:
        """Say what is wrong with an event, each with its path; nothing for a good one. Sends nothing.

        Says more than :meth:`enqueue` asks for: everything that a server is known to refuse.

        >>> import telesink
        >>> ingest = telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1"))
        >>> ingest.validate({"type": "generation-create", "body": {"usageDetails": {"input": -1}}})
        ['body.usageDetails.input: is -1, expected a whole number from 0 on']
        """
        from telesink._events import problems

        try:
            return problems(_as_mapping(event))
        except Exception as error:  # noqa: BLE001 - whatever a mapping of the program's own may end with
            return [f"event: cannot be read, it raised {type(error).__name__}"]

    def check(self) -> str:
        """Ask the server whether it takes the keys, and say which server and which form it is.

        :raises AuthError: it does not take them.
        :raises ConnectError: there is no answer.
        :raises TelesinkError: it takes events in no form that the mode allows.
        """
        if self._dsn is None:
            return "no keys: events go nowhere"
        return _native.check_langfuse(sink_source(self._dsn, self._options, self._settings))

    def add_sink(self, dsn: str, **options: Any) -> str:
        """Send the events somewhere else, too; see :meth:`Pipeline.add_sink`. Answers the sink's name.

        SQLite and Postgres store each event as a row of ``telesink_logs``: its type is ``event_name``, its
        body is JSON, trace and span id are in their columns.

        >>> import telesink
        >>> ingest = telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1"))
        >>> ingest.add_sink("memory://")
        'memory'
        """
        name = self._pipeline.add_sink(dsn, **options)
        self._is_on = True
        return name

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline behind it, for everything that is not about events."""
        return self._pipeline

    @property
    def mask_failures(self) -> int:
        """How many values were left out because the mask raised."""
        return self._mask_failures

    def flush(self, timeout_seconds: float = 5.0) -> Receipt:
        """Wait until everything accepted before the call is settled; see :meth:`Pipeline.flush`.

        Observations that wait for their end are sent as they are.

        >>> import telesink
        >>> telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1")).flush().complete
        True
        """
        return self._pipeline.flush(timeout_seconds)

    async def aflush(self, timeout_seconds: float = 5.0) -> Receipt:
        """Wait like :meth:`flush`, without blocking the event loop.

        >>> import asyncio, telesink
        >>> ingest = telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1"))
        >>> asyncio.run(ingest.aflush()).complete
        True
        """
        return await self._pipeline.aflush(timeout_seconds)

    def stats(self) -> Stats:
        """The counters now.

        >>> import telesink
        >>> telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1")).stats().offered
        0
        """
        return self._pipeline.stats()

    def close(self, timeout_seconds: float = 5.0) -> Receipt:
        """Send what is there, then end the thread; see :meth:`Pipeline.close`.

        >>> import telesink
        >>> telesink.Ingest("http://localhost:3000", ("pk-lf-1", "sk-lf-1")).close().complete
        True
        """
        return self._pipeline.close(timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(self._settings.exit_timeout_seconds)

    def __repr__(self) -> str:
        if not hasattr(self, "_pipeline"):
            # Asked for by who reports an error of the constructor, with all that its frame holds.
            return "<telesink.Ingest, not made>"
        return f"<telesink.Ingest {', '.join(self._pipeline.sinks) or 'going nowhere'}>"

    def _masked(self, event: Any) -> Any:
        """Answer the event with what the mask makes of its contents; the event itself is left as it is."""
        try:
            body = dict(event["body"])
            found = {name: self._mask_one(body[name]) for name in _MASKED if body.get(name) is not None}
            masked = {**event, "body": {**body, **found}}
            if masked.get("metadata") is not None:
                masked["metadata"] = self._mask_one(masked["metadata"])
        except Exception:  # noqa: BLE001 - whatever cannot be read cannot be masked, so none of it is kept
            masked = None
        return masked

    def _mask_one(self, value: Any) -> Any:
        try:
            return self._mask(data=value)  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - a program's own function; the value must not be sent unmasked
            with self._lock:
                self._mask_failures += 1
            return MASK_FAILED


_sample_rate = sample_rate


def _as_mapping(event: Any) -> Any:
    """A typed event as a mapping; anything else as it is, to be refused further down."""
    try:
        make = getattr(type(event), "as_event", None)
        made = event if make is None else make(event)
    except Exception:  # noqa: BLE001 - a program's own class, and nothing is raised for an event
        made = None
    return made


def _warn_once() -> None:
    if _Warned.is_told:
        return
    _Warned.is_told = True
    import warnings

    warnings.warn(
        "there are no keys for Langfuse, so telesink.Ingest sends nothing; "
        "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY",
        stacklevel=3,
    )
