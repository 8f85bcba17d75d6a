"""The pipeline: one or more sinks behind one door."""

from __future__ import annotations

import os
import sys

from telesink import _native
from telesink._execution import adopt_trace
from telesink._living import held, remember
from telesink._redaction import native_set, texts
from telesink._resource import resource_attributes
from telesink._retired import retire
from telesink._secret import Hidden, hidden, hidden_options, shown_path
from telesink._settings import Settings, is_setting
from telesink._stats import Receipt, Stats, pipeline_stats, sink_stats
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import weakref
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from telesink._redaction import Redaction

#: Those of the process that are still alive.
_live: dict[int, weakref.ref[Pipeline]] = {}


def live_pipelines() -> list[Pipeline]:
    """All pipelines that are still alive, for flush, statistics and the end of the program."""
    return held(_live)


class Pipeline:
    """Takes records and hands them to one or more sinks, each with its own queue and native thread.

    Opening checks everything and touches nothing: no connection, no file, no thread before the first record.

    :param dsn: where the records go: one DSN, several, or none yet (records then wait, bounded, for
        :meth:`add_sink`).
    :param settings: how; by default :class:`Settings` as read from the environment.
    :param options: settings by name, or options of the sink (of one DSN only).
    :raises ConfigError: unknown scheme, option or value.

    >>> import telesink
    >>> with telesink.Pipeline("memory://") as pipeline:
    ...     pipeline.enqueue({"body": "paid", "level": "INFO", "amount": 12})
    ...     bool(pipeline.flush())
    ...     [(record["body"], record["attributes"]) for record in pipeline.recent()]
    True
    True
    [('paid', {'amount': 12})]
    """

    def __init__(
        self,
        dsn: str | Sequence[str] = (),
        *,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        dsn, options = hidden(dsn), hidden_options(options)
        dsns = dsn_list(dsn)
        base, own = settled(settings, None, options)
        if own and len(dsns) != 1:
            raise ambiguous_options(own)
        self.settings = base
        adopt_trace()
        self._native = _native.Pipeline(resource_attributes(base.resource), native_set(base.redact))
        self._signals = _native.Signals(self._native)
        self._native.add_sinks([sink_source(one, own, base) for one in dsns])
        remember(_live, self)

    def enqueue(self, record: Mapping[str, Any]) -> bool:
        """Offer one record; answer whether it was taken. Never waits, but under ``when_full="block"``.

        The mapping has the keys ``body``, ``level`` (name or number, default INFO), ``logger``, ``time``
        (datetime, nanoseconds since the epoch, or text as in RFC 3339), ``event_name``, ``trace_id``,
        ``span_id`` (hex) and ``attributes``, all optional but ``body``; other keys become attributes. An id
        that is none is left out and the record kept: ids come from other systems' headers. With a ``type``
        and no ``body`` it is an event (:mod:`telesink.events`), whose ``type`` is its name.

        :raises TypeError: the record is no mapping.
        :raises ValueError: it has neither body nor type, or ``level``, ``logger``, ``time`` or ``attributes``
            has a value that cannot be meant; or it is an event about a run or step and malformed.

        >>> import telesink
        >>> telesink.Pipeline("null://").enqueue({"body": "paid"})
        True
        """
        return self._native.enqueue(record)

    def enqueue_many(self, records: Iterable[Mapping[str, Any]]) -> int:
        """Offer records in order; answer how many were taken.

        Those of a list or tuple are written in one batch, as far as it holds them (up to twice
        ``batch_records_max``): in SQLite and Postgres, in one transaction.

        >>> import telesink
        >>> telesink.Pipeline("null://").enqueue_many({"body": str(number)} for number in range(3))
        3
        """
        return _native.enqueue_many(self._native, records)

    def add_sink(
        self,
        dsn: str,
        *,
        name: str | None = None,
        level: int | str = 0,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        **options: Any,
    ) -> str:
        """Add a sink while records flow; answer its name.

        :param name: unique in the pipeline; by default the DSN's scheme, numbered if need be.
        :param level: least level that the sink takes.
        :param include: loggers to take, those below them included; empty takes all.
        :param exclude: loggers to leave out.
        :param options: settings for this sink, or options of its own. ``record_bytes_max``, ``urgent_level``,
            ``redact`` and ``resource`` hold for all sinks of a pipeline and are refused here.
        :raises ConfigError: the DSN or an option is wrong, or the name is taken.

        >>> import telesink
        >>> pipeline = telesink.Pipeline("null://")
        >>> pipeline.add_sink("memory://", level="ERROR", exclude=["shop.noise"])
        'memory'
        """
        dsn, options = hidden(dsn), hidden_options(options)
        [one] = dsn_list([dsn])
        refuse_pipeline_wide(options)
        expect("name", name, (str, type(None)), "text")
        settings, own = settled(None, self.settings, options)
        filters = {"include": list(texts("include", include)), "exclude": list(texts("exclude", exclude))}
        source = {**sink_source(one, own, settings, level_number(level)), **filters, "name": name}
        return self._native.add_sinks([source])[0]

    def remove_sink(self, name: str, *, timeout_seconds: float = 5.0) -> Stats:
        """Remove a sink after giving it time to settle; answer its last counters.

        :raises ConfigError: there is no sink of that name.

        >>> import telesink
        >>> telesink.Pipeline(["null://", "memory://"]).remove_sink("memory").state
        'closed'
        """
        stats = self._native.remove_sink(name, timeout_seconds)
        if stats is None:
            raise _no_such_sink(name, self.sinks)
        return sink_stats(stats)

    def set_level(self, name: str, level: int | str) -> None:
        """Change the least level of a sink while it runs.

        :raises ConfigError: there is no sink of that name, or the level is none.

        >>> import telesink
        >>> pipeline = telesink.Pipeline("memory://")
        >>> pipeline.set_level("memory", "WARNING")
        >>> pipeline.level
        30
        """
        if not self._native.set_level(name, level_number(level)):
            raise _no_such_sink(name, self.sinks)

    def set_redaction(self, redact: bool | Redaction) -> None:  # noqa: FBT001 - the setting's own form
        """Replace what is hidden, as one set, from the next record on.

        >>> import telesink
        >>> telesink.Pipeline("null://").set_redaction(telesink.Redaction(names=["iban"]))
        """
        self._native.set_redaction(native_set(redact))

    @property
    def sinks(self) -> list[str]:
        """The names of the sinks."""
        return self._native.sinks

    @property
    def level(self) -> int:
        """Least level that any sink takes."""
        return self._native.level

    def recent(
        self, count: int = 100, *, level: int | str = 0, logger: str | None = None
    ) -> list[dict[str, Any]]:
        """The last records kept by a ``memory://`` sink of this pipeline, oldest first. Takes nothing away.

        :param count: most records to answer.
        :param level: least level.
        :param logger: this logger and those below it.
        :raises ConfigError: the pipeline has no ``memory://`` sink.

        >>> import telesink
        >>> telesink.Pipeline("memory://").recent()
        []
        """
        least = level_number(level)
        for name in self.sinks:
            records = self._native.records(name)
            if records is not None:
                wanted = [
                    record
                    for record in records
                    if record["levelno"] >= least
                    and (logger is None or f"{record['logger']}.".startswith(f"{logger}."))
                ]
                return wanted[-count:] if count > 0 else []
        message = "this pipeline keeps no recent records: it has no memory:// sink"
        raise ConfigError(message, 'add one with add_sink("memory://?records_max=1000")')

    def flush(self, timeout_seconds: float = 5.0) -> Receipt:
        """Wait until everything accepted before the call is settled, with the interpreter released.

        A barrier, not "queue empty": records offered meanwhile are not waited for.

        >>> import telesink
        >>> telesink.Pipeline("null://").flush(timeout_seconds=1.0).complete
        True
        """
        ticket = self._native.begin_flush()
        try:
            ticket.wait(timeout_seconds)
        finally:
            receipt = ticket.finish()
        return Receipt(receipt)

    async def aflush(self, timeout_seconds: float = 5.0) -> Receipt:
        """Wait like :meth:`flush`, without blocking the event loop.

        >>> import asyncio, telesink
        >>> asyncio.run(telesink.Pipeline("null://").aflush()).complete
        True
        """
        ticket = self._native.begin_flush()
        try:
            await until_done([ticket], timeout_seconds)
        finally:
            receipt = ticket.finish()
        return Receipt(receipt)

    def stats(self) -> Stats:
        """The counters now.

        >>> import telesink
        >>> telesink.Pipeline("null://").stats().offered
        0
        """
        return pipeline_stats(self._native.stats())

    def close(self, timeout_seconds: float = 5.0) -> Receipt:
        """Settle what is there, then end the threads. Later records are counted as ``rejected["closed"]``.

        What cannot be delivered in time is given up and counted. A second call does no harm.

        >>> import telesink
        >>> telesink.Pipeline("null://").close().complete
        True
        """
        return Receipt(self._native.close(timeout_seconds, True))  # noqa: FBT003 - a native call

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(self.settings.exit_timeout_seconds)

    def __del__(self) -> None:
        # A pipeline that a function made and forgot is no reason to forget its records.
        native = getattr(self, "_native", None)
        if native is not None and not sys.is_finalizing():
            retire(native, self.settings.exit_timeout_seconds)

    def __repr__(self) -> str:
        if not hasattr(self, "_native"):
            # Asked for by who reports an error of the constructor, with all that its frame holds.
            return "<telesink.Pipeline, not made>"
        return f"<telesink.Pipeline {', '.join(self.sinks) or 'without sinks'}>"


async def until_done(tickets: Iterable[_native.FlushTicket], timeout_seconds: float) -> None:
    """Wait for flushes that have begun, under one deadline, without blocking the event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_seconds
    for ticket in tickets:
        pause = 0.001
        while not ticket.is_done() and loop.time() < end:
            await asyncio.sleep(min(pause, max(end - loop.time(), 0.0)))
            pause = min(pause * 2, 0.02)


#: Settings that are applied while a record is captured, or kept once for all sinks.
_PIPELINE_WIDE = ("record_bytes_max", "urgent_level", "redact", "resource")


def dsn_list(dsn: str | Sequence[str]) -> list[str]:
    """Read an argument that takes one DSN or several."""
    if isinstance(dsn, str):
        return [dsn]
    found: list[Any] = list(dsn) if isinstance(dsn, (list, tuple)) else [dsn]
    for one in found:
        if not isinstance(one, str):
            # A path could be meant as a database or as a file of any other kind.
            message = f"a DSN is a {type(one).__name__}; expected text, or a list of texts"
            raise ConfigError(message, "for example sqlite:///app.db")
    return found


def expect(name: str, value: object, kinds: tuple[type, ...], expected: str) -> None:
    """Refuse an argument of another type; its value is not shown."""
    if not isinstance(value, kinds):
        raise ConfigError(f"`{name}` is a {type(value).__name__}; expected {expected}", "or leave it away")


def settled(
    settings: Settings | None, default: Settings | None, options: Mapping[str, Any]
) -> tuple[Settings, dict[str, Any]]:
    """Tell settings and options of the sink apart; answer the settings that hold, and the options."""
    expect("settings", settings, (Settings, type(None)), "a telesink.Settings")
    chosen = {name: value for name, value in options.items() if is_setting(name)}
    own = {name: value for name, value in options.items() if name not in chosen}
    base = settings or default
    if base is None:
        return Settings(**chosen), own
    return base.replace(**chosen) if chosen else base, own


def sink_source(
    dsn: str, options: Mapping[str, Any], settings: Settings, level: int | None = None
) -> dict[str, Any]:
    """Describe a sink as the native side takes it."""
    return {
        "dsn": dsn,
        "options": option_texts(options),
        "settings": settings._native(),  # noqa: SLF001 - the settings' form for the native side
        "base_directory": os.getcwd(),
        "name": None,
        "level": level,
        "include": [],
        "exclude": [],
    }


def refuse_pipeline_wide(options: Mapping[str, Any]) -> None:
    """Refuse settings for one sink that hold for all of them."""
    wide = [name for name in _PIPELINE_WIDE if name in options]
    if wide:
        message = f"setting `{wide[0]}` holds for all sinks of a pipeline, and this one is open already"
        raise ConfigError(message, f"give it when the pipeline is opened: {wide[0]}=...")


def option_texts(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options as the native side takes them: texts."""
    return [(name, _option_text(value)) for name, value in options.items()]


def _option_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple, set, frozenset)):
        return Hidden(",".join(str(item) for item in value))
    return Hidden(str(value))


def level_number(level: int | str) -> int:
    """Read a level given as number or name."""
    number = _native.parse_level(str(level))
    if number is None:
        # Names that the program added itself, with `logging.addLevelName`.
        import logging

        number = logging.getLevelNamesMapping().get(str(level))
    if number is None:
        found = shown_path(level) if isinstance(level, str) else level
        message = f"the level is {found!r}; expected a number from 0 on, or a name such as DEBUG, INFO, ERROR"
        raise ConfigError(message, "names are read in any case")
    return number


def ambiguous_options(options: Mapping[str, Any]) -> ConfigError:
    """Make the error for options that could be anybody's."""
    names = ", ".join(f"`{name}`" for name in options)
    return ConfigError(
        f"{names} given beside several DSNs (or none): it cannot be told which sink is meant",
        "put the option into the DSN, for example sqlite:///app.db?synchronous=full",
    )


def _no_such_sink(name: str, sinks: list[str]) -> ConfigError:
    return ConfigError(
        f"there is no sink `{shown_path(name)}`", f"the sinks are: {', '.join(sinks) or 'none'}"
    )
