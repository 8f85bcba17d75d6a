"""The stdlib ``logging`` side: a handler, and the one line that installs it."""

from __future__ import annotations

import logging
import os
import threading

from telesink import _lifecycle, _native
from telesink._attach import Attachment
from telesink._handler import LogHandler, dsns_or_default
from telesink._pipeline import (
    ambiguous_options,
    expect,
    level_number,
    option_texts,
    refuse_pipeline_wide,
    settled,
    sink_source,
)
from telesink._redaction import texts
from telesink._resource import resource_attributes
from telesink._secret import hidden, hidden_options
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from telesink._pipeline import Pipeline
    from telesink._settings import Settings
    from telesink._stats import Receipt


class _Installed:
    """What ``install_logging`` has done in this process."""

    handler: LogHandler | None = None
    attachment: Attachment | None = None
    #: What was installed, by the name of its sink.
    sinks: dict[str, _Sink]

    def __init__(self) -> None:
        self.sinks = {}
        self._lock = (_native.process_generation(), threading.RLock())

    @property
    def lock(self) -> threading.RLock:
        """Lets one install or shut down at a time; the child of a fork has a lock of its own."""
        generation, lock = self._lock
        if generation != _native.process_generation():
            lock = threading.RLock()
            self._lock = (_native.process_generation(), lock)
        return lock

    def live_handler(self) -> LogHandler | None:
        """The handler, unless its pipeline was closed."""
        handler = self.handler
        return None if handler is None or handler.pipeline._native.is_closed else handler  # noqa: SLF001

    def live_sinks(self) -> dict[int, str]:
        """The names of the process-wide pipeline's sinks, by the identity of the DSN that asked for each."""
        pipeline = _lifecycle.present_pipeline()
        live = [] if pipeline is None else pipeline.sinks
        return {one.identity: name for name, one in self.sinks.items() if name in live}

    def forget(self) -> None:
        """Detach; what comes next starts anew."""
        if self.attachment is not None:
            self.attachment.detach()
        self.handler = self.attachment = None
        live = self.live_sinks().values()
        self.sinks = {name: one for name, one in self.sinks.items() if name in live}


class _Sink:
    """What one DSN was installed with."""

    def __init__(self, dsn: str, options: dict[str, Any], settings: Settings) -> None:
        self.identity = _native.dsn_identity(dsn, [], os.getcwd())
        self.dsn, self.options, self.settings = dsn, options, settings

    def refuse_changes(self, settings: Settings | None, options: dict[str, Any]) -> None:
        """Refuse other settings or options for what is open already; what is not named stays as it is."""
        asked, own = settled(settings, self.settings, options)
        named = asked.as_dict() if settings is not None else {}
        named |= {name: value for name, value in asked.as_dict().items() if name in options}
        installed = {**self.settings.as_dict(), **dict(option_texts(self.options))}
        for name, value in {**named, **dict(option_texts(own))}.items():
            if installed.get(name) != value:
                raise ConfigError(
                    f"{_scheme(self.dsn)}:// is installed already, with another `{name}`",
                    "call telesink.shutdown() first, or pass add=True with another DSN",
                )


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

    :param dsn: where: one DSN or several; None means ``$TELESINK_DSN`` (several are separated by commas),
        else ``sqlite:///telesink.db`` plus ``console://`` when standard error is a terminal.
    :param level: least level, number or name.
    :param logger: the logger to attach to, instead of the root logger.
    :param loggers: more loggers to attach to, for programs that stop propagation.
    :param add: add the DSN to what is installed already. A DSN that is installed already is attached again,
        with this ``level``.
    :param settings: how; by default read from the environment.
    :param options: settings by name, or options of the sink.
    :raises ConfigError: the DSN or an option is wrong, another DSN is installed and ``add`` is not given, or
        the same one with other options. Nothing has changed then.

    >>> import logging, telesink
    >>> handler = telesink.install_logging("memory://")
    >>> logging.getLogger("shop").warning("low stock", extra={"sku": "A7", "left": 2})
    >>> telesink.flush().complete
    True
    >>> telesink.recent()[0]["attributes"]["sku"]
    'A7'
    """
    dsn, options = hidden(dsn), hidden_options(options)
    with _installed.lock:
        return _install(
            dsn, level_number(level), logger, texts("loggers", loggers), settings, options, add=add
        )


def _install(
    dsn: str | Sequence[str] | None,
    least: int,
    logger: logging.Logger | str | None,
    loggers: Sequence[str],
    settings: Settings | None,
    options: dict[str, Any],
    *,
    add: bool,
) -> LogHandler:
    """Check everything, then change everything."""
    expect("logger", logger, (str, logging.Logger, type(None)), "a logger, or its name")
    handler = _installed.live_handler()
    base, own = settled(settings, handler.pipeline.settings if handler else None, options)
    asked = [_Sink(one, own, base) for one in dsns_or_default(dsn, console=True)]
    # The same DSN twice is one.
    wanted = {one.identity: one for one in asked}
    if own and len(wanted) > 1:
        raise ambiguous_options(own)
    sources = {identity: sink_source(one.dsn, own, base, least) for identity, one in wanted.items()}
    levels = {identity: _native.check_sink(source) for identity, source in sources.items()}
    known = _known(handler, wanted, settings, options, add=add)
    # Everything is checked; from here on things change.
    handler = handler or _new_handler(base)
    native = handler.pipeline._native  # noqa: SLF001 - the other half of the class
    new = [identity for identity in wanted if identity not in known]
    added = native.add_sinks([sources[identity] for identity in new])
    _installed.sinks.update((name, wanted[identity]) for name, identity in zip(added, new, strict=True))
    for identity, name in known.items():
        native.set_level(name, levels[identity])
    handler.setLevel(native.level)
    if _installed.attachment is not None:
        _installed.attachment.attach(logger, loggers, least)
    return handler


def _known(
    handler: LogHandler | None,
    wanted: dict[int, _Sink],
    settings: Settings | None,
    options: dict[str, Any],
    *,
    add: bool,
) -> dict[int, str]:
    """Which of the wanted sinks are open already, by name; what cannot be had beside them is refused."""
    installed = _installed.live_sinks()
    if handler is None and not installed:
        return {}
    live = [] if handler is None else handler.pipeline.sinks
    for identity, one in wanted.items():
        if identity in installed:
            _installed.sinks[installed[identity]].refuse_changes(settings, options)
        elif live and not add:
            raise _installed_already(one.dsn, live)
        else:
            refuse_pipeline_wide(options)
    return {identity: name for identity, name in installed.items() if identity in wanted}


def _new_handler(settings: Settings) -> LogHandler:
    """The handler of the process-wide pipeline; what waits in it for a first sink stays."""
    _installed.forget()
    pipeline = _lifecycle.shared_pipeline()
    _describe(pipeline, settings)
    _installed.handler = LogHandler(_pipeline=pipeline)
    _installed.attachment = Attachment(_installed.handler)
    return _installed.handler


def process_wide(
    dsn: str | Sequence[str] | None, settings: Settings | None, options: dict[str, Any]
) -> Pipeline | None:
    """Answer the process-wide pipeline, if that is where these DSNs lead; None if they lead elsewhere.

    Without a DSN it is meant; if it has no sink yet, it gets those of ``$TELESINK_DSN``, or the default
    one. Others than ``logging`` ask: what they bring stands beside the program's log records.
    """
    with _installed.lock:
        pipeline = _lifecycle.shared_pipeline()
        known = _installed.live_sinks()
        if dsn is None and pipeline.sinks:
            wanted = set(known)
        else:
            asked = [_Sink(one, {}, pipeline.settings) for one in dsns_or_default(dsn, console=False)]
            wanted = {one.identity for one in asked}
            if dsn is None:
                return _give_sinks(pipeline, settings, options)
            if wanted != set(known) or len(known) != len(pipeline.sinks):
                return None
        for identity in wanted:
            _installed.sinks[known[identity]].refuse_changes(settings, options)
        return pipeline


def _give_sinks(pipeline: Pipeline, settings: Settings | None, options: dict[str, Any]) -> Pipeline:
    """Add the default sinks, of any level: what the program's other providers bring was chosen by them."""
    base, own = settled(settings, None, options)
    asked = [_Sink(one, own, base) for one in dsns_or_default(None, console=False)]
    wanted = {one.identity: one for one in asked}
    if own and len(wanted) > 1:
        raise ambiguous_options(own)
    sources = [sink_source(one.dsn, own, base, 0) for one in wanted.values()]
    for source in sources:
        _native.check_sink(source)
    _describe(pipeline, base)
    added = pipeline._native.add_sinks(sources)  # noqa: SLF001 - the other half of the class
    _installed.sinks.update(zip(added, wanted.values(), strict=True))
    return pipeline


def _describe(pipeline: Pipeline, settings: Settings) -> None:
    pipeline.settings = settings
    pipeline._native.set_resource(resource_attributes(settings.resource))  # noqa: SLF001
    pipeline.set_redaction(settings.redact)


def shutdown(timeout_seconds: float = 5.0) -> Receipt:
    """Detach from ``logging``, restore levels, settle everything and end all threads.

    >>> import telesink
    >>> handler = telesink.install_logging("memory://")
    >>> telesink.shutdown().complete
    True
    """
    with _installed.lock:
        if _installed.attachment is not None:
            _installed.attachment.detach()
        receipt = _lifecycle.close_all(timeout_seconds, stop=True)
        _installed.forget()
    return receipt


def _scheme(dsn: str) -> str:
    """Return the scheme for a message. libpq's keyword form has none; what stands there may be a password."""
    head = hidden(dsn.partition(":")[0].strip())
    return "postgresql" if "=" in head else head


def _installed_already(dsn: str, sinks: list[str]) -> ConfigError:
    installed = ", ".join(sinks)
    return ConfigError(
        f"could not install {_scheme(dsn)}://: logging goes to {installed} already",
        "pass add=True to send records to both, or call telesink.shutdown() first",
    )


__all__ = ["LogHandler", "install_logging", "option_texts", "process_wide", "shutdown"]
