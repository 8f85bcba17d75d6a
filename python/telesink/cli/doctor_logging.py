"""The part of `telesink doctor` that imports the user's program and looks at what it made of `logging`."""

import importlib
import logging
import os
import sys
from collections.abc import Iterator

import telesink
from telesink._attach import _SERVER_LOGGERS, _ServerHandler
from telesink._redaction import native_set
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.findings import Finding, Status

#: Packages whose handlers send records elsewhere, where they cost and count once more.
SENDERS = ("opentelemetry", "sentry_sdk", "logfire", "ddtrace", "newrelic", "google", "watchtower")

#: Formats that the standard library gives handlers by itself.
FORMATS_OF_NOBODY = (logging.BASIC_FORMAT, "%(message)s")

#: Loggers that are named one by one.
NAMED_MAX = 10


def check_name(app: str) -> None:
    """Refuse what cannot name a module, or something in it.

    Raises:
        CommandError: says what to write.
    """
    module, separator, name = app.partition(":")
    parts = [*module.split("."), *(name.split(".") if separator else ())]
    if not all(part.isidentifier() for part in parts):
        message = f"--app is `{app}`"
        raise CommandError(message, hint="write module or module:callable", exit_code=USAGE_EXIT_CODE)


def load(app: str) -> Finding:
    """Import `module`, or call what `module:callable` names, as the program's start does."""
    module, separator, name = app.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
        for part in name.split(".") if separator else ():
            found = getattr(found, part)
        if separator:
            found()  # type: ignore[operator] # whatever the user has named
    except KeyboardInterrupt:
        raise
    # Whatever a program may end with: SystemExit is no exception of the usual kind.
    except BaseException as error:  # noqa: BLE001
        words = native_set(True).redact_text(_words_of(error))
        step = "mend it, or name what sets logging up: --app module:callable"
        return Finding("program", Status.FAILED, f"{app} failed: {words[:300]}", step, facts={"app": app})
    return Finding(
        "program", Status.OK, f"{app} was {'called' if separator else 'imported'}", facts={"app": app}
    )


def _words_of(error: BaseException) -> str:
    """The first line of an error, whose class may be the program's own."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - whatever `__str__` may end with
        text = f"its text cannot be had: {type(second).__name__}"
    return f"{type(error).__name__}: {text}".splitlines()[0]


def not_looked_at() -> Finding:
    """What cannot be known without the program."""
    text = "handlers, formatters and levels of the program were not looked at"
    return Finding("handlers", Status.SKIPPED, text, "name it: --app module, or --app module:callable")


def telesink_handlers() -> list[telesink.LogHandler]:
    """Every handler of telesink that is attached anywhere, once."""
    found: dict[int, telesink.LogHandler] = {}
    for _, logger in _loggers():
        for handler in logger.handlers:
            main = handler._main if isinstance(handler, _ServerHandler) else handler  # noqa: SLF001
            if isinstance(main, telesink.LogHandler):
                found[id(main)] = main
    return list(found.values())


def looked_at() -> Iterator[Finding]:
    """What the program made of `logging`."""
    handlers = telesink_handlers()
    if not handlers:
        step = (
            "call telesink.install_logging() where the program starts, and name that: --app module:callable"
        )
        yield Finding("handlers", Status.WARNING, "no handler of telesink is attached to any logger", step)
    else:
        yield _duplicates(handlers)
        yield _formatters(handlers)
        yield _unheard()


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "root", logging.getLogger()
    for name, logger in sorted(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _duplicates(handlers: list[telesink.LogHandler]) -> Finding:
    """Whose records are stored or shown twice."""
    doubled: list[str] = []
    others: list[str] = []
    has_console = any(name.startswith("console") for one in handlers for name in one.pipeline.sinks)
    for name, logger in _loggers():
        own = [one for one in logger.handlers if isinstance(one, telesink.LogHandler)]
        above = [
            one
            for parent in _parents(logger)
            for one in parent.handlers
            if isinstance(one, telesink.LogHandler)
        ]
        if len(own) + len(above) > 1 and own:
            doubled.append(f"{name}: {len(own) + len(above)} handlers of telesink take each record")
        for handler in logger.handlers:
            if isinstance(handler, (telesink.LogHandler, _ServerHandler, logging.NullHandler)):
                continue
            if name != "root" and name not in _SERVER_LOGGERS and not logger.propagate:
                continue
            shown = f"{type(handler).__module__}.{type(handler).__qualname__} on {name}"
            package = type(handler).__module__.partition(".")[0]
            is_terminal = isinstance(handler, logging.StreamHandler) and handler.stream in _standard_streams()
            if package in SENDERS:
                doubled.append(f"{shown} {_where_else(package)}")
            elif is_terminal and has_console:
                doubled.append(f"{shown} writes to the terminal, and so does console://")
            else:
                others.append(shown)
    facts = {"doubled": doubled, "others": others}
    if doubled:
        step = "keep one of the two: logger.removeHandler(...), or leave it out of the configuration"
        return Finding("handlers", Status.WARNING, "; ".join(doubled[:NAMED_MAX]), step, facts=facts)
    beside = f"; beside it {', '.join(others[:NAMED_MAX])}" if others else ""
    text = f"every record is taken once{beside}"
    return Finding("handlers", Status.OK, text, facts=facts)


def _where_else(package: str) -> str:
    """What becomes of the records that another handler takes: through OpenTelemetry they may come back."""
    adapters = sys.modules.get("telesink.opentelemetry")
    if package == "opentelemetry" and adapters is not None and adapters.is_used():
        return "hands the same records to OpenTelemetry, and a processor of telesink stores them once more"
    return "sends the same records elsewhere"


def _parents(logger: logging.Logger) -> Iterator[logging.Logger]:
    while logger.propagate and logger.parent is not None:
        logger = logger.parent
        yield logger


def _standard_streams() -> tuple[object, ...]:
    return (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _formatters(handlers: list[telesink.LogHandler]) -> Finding:
    """A Formatter changes nothing of what is stored."""
    formats = [
        getattr(handler.formatter, "_fmt", None) or type(handler.formatter).__qualname__
        for handler in handlers
        if handler.formatter is not None
    ]
    without_effect = [text for text in formats if text not in FORMATS_OF_NOBODY]
    facts = {"formats": without_effect}
    if without_effect:
        text = f"a Formatter on a handler of telesink has no effect: {without_effect[0]}"
        step = "take it off: message, extra and exception are stored apart; console:// has ?format="
        return Finding("formatter", Status.WARNING, text, step, facts=facts)
    return Finding("formatter", Status.OK, "no Formatter without effect", facts=facts)


def _unheard() -> Finding:
    """Loggers whose records do not reach telesink."""
    unheard = []
    for name, logger in _loggers():
        reached = [logger, *_parents(logger)]
        is_heard = any(
            isinstance(one, (telesink.LogHandler, _ServerHandler))
            for each in reached
            for one in each.handlers
        )
        if not is_heard or logger.disabled:
            unheard.append(f"{name} ({'disabled' if logger.disabled else 'does not propagate'})")
    facts = {"unheard": unheard}
    if unheard:
        more = f" and {len(unheard) - NAMED_MAX} more" if len(unheard) > NAMED_MAX else ""
        text = f"records of these loggers do not arrive: {', '.join(unheard[:NAMED_MAX])}{more}"
        step = "install_logging(loggers=[...]) attaches to them, disable_existing_loggers=False keeps them on"
        return Finding("loggers", Status.WARNING, text, step, facts=facts)
    return Finding("loggers", Status.OK, "records of all loggers arrive", facts=facts)
