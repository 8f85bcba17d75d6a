"""The native half of telesink. Import `telesink` instead; names here are private to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import LogRecord
from os import PathLike
from typing import Any, Final, Self, final

__all__ = [
    "IS_DEBUG_BUILD",
    "SQLITE_VERSION",
    "VERSION",
    "ContextFields",
    "FileAppender",
    "FlushTicket",
    "Inspection",
    "Pipeline",
    "Prune",
    "RedactionSet",
    "Selection",
    "Signals",
    "UsageCounters",
    "after_fork_in_parent",
    "before_fork",
    "check_langfuse",
    "check_retention",
    "check_setting",
    "check_settings",
    "check_sink",
    "current_ids",
    "describe_sink",
    "dsn_identity",
    "enqueue_many",
    "event_problems",
    "folder_name",
    "fork_detection",
    "new_span_ids",
    "next_moment",
    "parse_bytes",
    "parse_level",
    "parse_seconds",
    "process_generation",
    "replay",
    "set_context_getter",
    "set_inherited_span",
    "set_span_getter",
    "table_definitions",
    "write_line",
]

VERSION: Final[str]
"""Version of the wheel."""

IS_DEBUG_BUILD: Final[bool]
"""Whether this is a debug build, which nobody should benchmark."""

SQLITE_VERSION: Final[str]
"""Version of the SQLite inside of the wheel."""

@final
class Pipeline:
    """A native pipeline. See `telesink.Pipeline` for the typed front.

    It is built anew in the child of a fork, from what was added to it in the parent.
    """

    def __new__(cls, resource: Sequence[tuple[str, str]], redaction: RedactionSet) -> Self:
        """Make a pipeline without sinks, for a resource given as pairs of text."""
    def add_sinks(self, sinks: Sequence[Mapping[str, Any]]) -> list[str]:
        """Add sinks, all or none, and answer their names. Nothing connects and no thread starts.

        Each is a mapping with the keys ``dsn``, ``options`` (pairs), ``settings`` (triples of name, text and
        origin), ``base_directory`` (completes relative paths), ``name``, ``level``, ``include`` and
        ``exclude``. Raises ``ConfigError``.
        """
    def remove_sink(self, name: str, timeout_seconds: float) -> dict[str, Any] | None:
        """Remove a sink after giving it `timeout_seconds` to settle. Answer its last counters, or None."""
    def set_level(self, name: str, level: int) -> bool:
        """Change a sink's level while it runs. Answer whether there is such a sink."""
    def set_resource(self, resource: Sequence[tuple[str, str]]) -> bool:
        """Replace the resource. Answer false once there has been a sink: sinks store it once."""
    def set_redaction(self, redaction: RedactionSet) -> None:
        """Replace what is hidden in records, as one set."""
    def handle(self, record: LogRecord) -> bool:
        """Take a `logging.LogRecord`. Never raises, but for what its values raise to end the program.

        Answers true, as ``logging.Handler.handle`` does for a record that passed its filters.
        """
    def enqueue(self, record: Mapping[str, Any]) -> bool:
        """Take a mapping. Answer whether it was accepted. Raises ``TypeError`` and ``ValueError``."""
    def enqueue_event(self, event: object, sample_rate: float) -> bool:
        """Take an event of Langfuse's ingestion API, if its trace is part of the sample.

        Answer whether it was accepted; what is wrong with one is counted, and nothing is raised.
        """
    def begin_flush(self) -> FlushTicket:
        """Start a flush."""
    def begin_close(self, timeout_seconds: float, stop: bool) -> None:
        """Ask for an end within `timeout_seconds` without waiting for it; see `close`."""
    def close(self, timeout_seconds: float, stop: bool) -> dict[str, Any]:
        """Settle everything within `timeout_seconds`; with `stop` the pipeline takes nothing more."""
    def stats(self) -> dict[str, Any]:
        """Read the counters now: those of the pipeline, and under ``lanes`` those of each sink."""
    def records(self, name: str) -> list[dict[str, Any]] | None:
        """Read the records kept by a `memory://` sink, oldest first; None if there is no such sink."""
    @property
    def level(self) -> int:
        """Least level that any sink wants."""
    @property
    def sinks(self) -> list[str]:
        """The names of the sinks."""
    @property
    def is_closed(self) -> bool:
        """Whether `close` was called with `stop`."""
    @property
    def instance(self) -> str:
        """The id of this pipeline in this process, as text."""

@final
class FlushTicket:
    """A flush under way."""

    def is_done(self) -> bool:
        """Answer whether nothing is pending any more."""
    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is pending or `timeout_seconds` have passed, the interpreter released."""
    def finish(self) -> dict[str, Any]:
        """End the flush and answer its receipt; a second call answers an empty one."""

@final
class Selection:
    """A destination that is open to be asked; it can change nothing unless it was opened for that."""

    def __new__(
        cls,
        dsn: str,
        base_directory: str | PathLike[str],
        preset: str | None = None,
        to_change: bool = False,
    ) -> Self:
        """Open it. Raises ``ConfigError``, or ``TelesinkError`` if it is not to be had."""

    @property
    def target(self) -> str:
        """The destination without secrets."""

    @property
    def layout(self) -> str:
        """Whose tables: ``own``, ``systemprompt`` or ``chronicle``."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgres``."""

    @property
    def prefix(self) -> str:
        """What stands in front of the names of tables."""

    @property
    def notifies(self) -> bool:
        """Whether the DSN says that listeners are told."""

    def ask(self, sql: str) -> tuple[list[str], list[list[str | None]]]:
        """Ask one question; answer names of columns, and rows of texts."""

    def wait(self, channel: str, seconds: float) -> list[str]:
        """Wait for news on a channel, a second at most; the first time it only begins to listen.

        Answers with what was told. A file tells nothing: without waiting, it answers one empty text if it has
        changed since the last time.
        """

    def close(self) -> None:
        """Close it; nothing if it is closed. What is asked then raises ``TelesinkError``."""

    def change(self, sql: str) -> int:
        """Run one statement that changes rows, and answer how many.

        Raises ``ConfigError`` if it was not opened for that.
        """

@final
class Signals:
    """Takes into a pipeline what OpenTelemetry's providers bring, and the spans of `telesink.span`.

    Nothing here raises, but for what a value raises to end the program.
    """

    def __new__(cls, pipeline: Pipeline) -> Self:
        """Make a door of this pipeline."""
    def end_span(self, span: Any) -> None:
        """Take a ``ReadableSpan`` that has just ended; leave it if it is not sampled."""
    def export_spans(self, spans: Any) -> bool:
        """Take several, sampled or not. Answer whether all were accepted."""
    def emit_log(self, record: Any) -> None:
        """Take a ``ReadWriteLogRecord`` or ``ReadableLogRecord``."""
    def export_logs(self, records: Any) -> bool:
        """Take several. Answer whether all were accepted."""
    def export_metrics(self, data: Any) -> bool:
        """Take a ``MetricsData``. Answer whether all of its metrics were accepted."""
    def record_span(self, span: Mapping[str, Any]) -> bool:
        """Take a span of ``telesink.span``.

        The mapping has the keys ``name``, ``scope``, ``trace_id``, ``span_id``, ``parent_span_id``
        (bytes, zeros if there is none), ``start_unix_nano``, ``end_unix_nano``, ``error`` (text or None),
        ``attributes`` and ``events`` (triples of name, time and attributes).
        """
    def reject_closed(self, count: int) -> None:
        """Count so many records as refused, because whoever brought them was shut down."""
    def capacities(self) -> dict[str, int]:
        """How many records the queue of each sink holds at most, by the sinks' names."""
    def encoded(self, name: str) -> list[tuple[int, bytes, str, bytes, str, bytes]] | None:
        """The records kept by a ``memory://`` sink as they go on the wire.

        Each is signal (1 log, 2 span, 3 metric), resource and its schema, scope and its schema, message.
        None if there is no such sink.
        """

@final
class RedactionSet:
    """What is hidden in records: names, patterns and exact secrets, compiled once."""

    def __new__(
        cls,
        names: Sequence[str],
        patterns: Sequence[str],
        secrets: Sequence[str],
        keep: Sequence[str],
        defaults: bool,
    ) -> Self:
        """Compile a set; with `defaults`, telesink's own names and patterns are part of it."""
    @staticmethod
    def off() -> RedactionSet:
        """Make a set that hides nothing."""
    def redact_text(self, text: str) -> str:
        """Hide what the patterns and secrets match in a text."""
    def hides_name(self, name: str) -> bool:
        """Answer whether the value under a name is hidden."""

@final
class Prune:
    """Old records of a destination, deleted step by step."""

    def __new__(
        cls,
        dsn: str,
        options: Sequence[tuple[str, str]],
        base_directory: str | PathLike[str],
        policies: Sequence[tuple[str | None, str | None, str | None, float | None]],
        now_unix_nano: int,
    ) -> Self:
        """Open the destination and look for what is to go by policies of table, level, logger and seconds.

        Ages are counted from that moment. Deletes nothing. Raises ``ConfigError`` for a wrong DSN or policy
        and ``TelesinkError`` for whatever else is in the way.
        """
    @property
    def target(self) -> str:
        """The destination without secrets."""
    def scope(self) -> dict[str, Any]:
        """Tell what is to be deleted.

        The keys are ``limits_unix_nano`` (by policy; None where records stay), ``partitions`` (pairs of name
        and rows, None if unknown), and ``gives_back``: whether the file system gets the space.
        """
    def count(self) -> list[int]:
        """Count the records that are deleted one by one, by policy, the interpreter released."""
    def step(self) -> tuple[str, str | int] | None:
        """Do the next piece of work, the interpreter released; None when nothing is left.

        A piece is ``partition`` with its name, ``rows`` or ``bytes`` with their number, or ``wait``:
        somebody else is at work.
        """

@final
class Inspection:
    """A destination that is open to be looked at."""

    def __new__(
        cls, dsn: str, options: Sequence[tuple[str, str]], base_directory: str | PathLike[str]
    ) -> Self:
        """Open the destination and change nothing.

        Raises ``ConfigError`` for a wrong DSN and ``TelesinkError`` for whatever else is in the way.
        """
    @property
    def target(self) -> str:
        """The destination without secrets."""
    @property
    def doing(self) -> str:
        """What `count` or `stored` is at, in words."""
    def facts(self) -> dict[str, Any]:
        """Tell what is known of the destination, by names that stay what they are."""
    def count(self, letters: Sequence[tuple[str, int]], is_complete: bool) -> list[dict[str, Any]]:
        """Count what is stored, by instance, the interpreter released.

        `letters` are pairs of instance and number. With `is_complete` nothing was ever deleted.
        """
    def interrupt(self) -> None:
        """End `count` or `stored`, which another thread has called."""
    def stored(self, wanted: Sequence[tuple[str, int]]) -> list[str]:
        """Answer which of the records are stored: pairs of id and time in nanoseconds."""
    def recent(self, instance: str, since_unix_nano: int) -> list[str]:
        """Answer the messages that an instance has stored since a moment shortly ago."""
    def forget(self, instance: str, since_unix_nano: int) -> int:
        """Delete them, and the instance's row of the ledger. Answer how many records."""

@final
class ContextFields:
    """The fields bound in one context; immutable, shared by all records of the context."""

    def __new__(
        cls, fields: dict[str, Any], outer: ContextFields | None = None, without: Sequence[str] = ...
    ) -> Self:
        """Keep the fields as they are now, and those of `outer` but for some names.

        They are encoded with the first record.
        """
    def as_dict(self) -> dict[str, Any]:
        """Give the fields back as they were when they were bound, as a new dict."""

@final
class FileAppender:
    """Appends ready-made lines to the files of services, beside sinks of this and other processes."""

    def __new__(
        cls, dsn: str, options: Sequence[tuple[str, str]], base_directory: str | PathLike[str]
    ) -> Self:
        """Read a ``file:`` DSN; open nothing. Raises ``ConfigError``."""
    def append(self, service: str, lines: Sequence[str]) -> bool:
        """Append lines of metrics without their ends, all or none; False if they are switched off.

        Raises ``TelesinkError``.
        """
    def close(self) -> None:
        """Close the files; the next line opens them again. Raises ``TelesinkError``."""

@final
class UsageCounters:
    """Counters of tokens, costs and tool calls by server."""

    def __new__(cls) -> Self:
        """Begin with none."""
    def add(self, server: str, tokens: tuple[int, int, int], cost: tuple[int, int, int, int]) -> None:
        """Add what one call of a model has used."""
    def add_tool_call(self, server: str, tool: str, input_tokens: int, output_tokens: int) -> None:
        """Count a call of a tool."""
    def reset(self, server: str | None = None) -> None:
        """Set the counters of a server, or of all, back to zero."""
    def reset_cost(self, server: str | None = None) -> None:
        """Set the costs alone back to zero."""
    def remove(self, server: str) -> None:
        """Forget a server."""
    def restore(
        self,
        server: str,
        tokens: tuple[int, ...],
        cost: tuple[int, ...],
        tools: Mapping[str, tuple[int, ...]],
        minutes: Sequence[tuple[int, tuple[int, ...]]],
    ) -> tuple[int, int] | None:
        """Put counters of before under those of now.

        Answer how often the server was reset, and its costs; None, with nothing done, if there are too many
        servers.
        """
    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the counters as they are now, by server."""

def after_fork_in_parent() -> None:
    """Let the threads of the lanes go on, also after a fork that failed."""

def before_fork() -> None:
    """Wait until no lane is inside a library whose state a child could not use; at most half a second."""

def check_langfuse(sink: Mapping[str, Any]) -> str:
    """Ask a Langfuse server which form it takes and whether it takes the keys; answer it in words.

    Raises ``ConfigError``, ``AuthError``, ``ConnectError`` and ``TelesinkError``.
    """

def check_setting(name: str, value: str, origin: str) -> None:
    """Check one setting. `origin` says where the value came from, for the error."""

def check_settings(values: Sequence[tuple[str, str, str]]) -> None:
    """Check settings that depend on each other, given as name, value and origin."""

def check_sink(sink: Mapping[str, Any]) -> int:
    """Check a sink as `Pipeline.add_sinks` would. Answer the least level that it would take."""

def describe_sink(sink: Mapping[str, Any]) -> dict[str, Any]:
    """Check a sink as `Pipeline.add_sinks` would, and tell what it would be.

    The keys are ``kind``, ``target`` (without secrets), ``stores_logs``, ``linger_default_seconds``,
    ``level``, ``dead_letter``, ``dead_letter_bytes_max``, and ``from_dsn``: settings that its DSN changes.
    """

def dsn_identity(dsn: str, options: Sequence[tuple[str, str]], base_directory: str | PathLike[str]) -> int:
    """Tell two DSNs apart by an opaque number: equal for the same target and options."""

def folder_name(service: str) -> str:
    """Return the name of the folder that holds the files of a service."""

def fork_detection() -> str:
    """Say how the child of a fork is noticed that ran no hooks: ``wiped page`` or ``process id``."""

def parse_bytes(text: str) -> int | None:
    """Read a size such as `64 MiB`; None if it is none."""

def enqueue_many(pipeline: Pipeline, records: Iterable[Mapping[str, Any]]) -> int:
    """Take mappings in order; answer how many were accepted. A list or tuple is written together."""

def event_problems(event: Mapping[str, Any]) -> list[str]:
    """Tell what is wrong with an event about a run, a step or a call; empty if `enqueue` takes it."""

def parse_level(text: str) -> int | None:
    """Read a level's name or number; None if it is none."""

def parse_seconds(text: str) -> float | None:
    """Read a duration such as `200 ms`, in seconds; None if it is none."""

def next_moment(pattern: str, after_unix_nano: int) -> int | None:
    """Find the first moment after the one given that a cron pattern names, in UTC; None if there is none.

    Both are nanoseconds since the Unix epoch. Raises ``ConfigError``.
    """

def check_retention(
    dsn: str,
    options: Sequence[tuple[str, str]],
    base_directory: str | PathLike[str],
    policies: Sequence[tuple[str | None, str | None, str | None, float | None]],
) -> None:
    """Tell whether a DSN and policies can be pruned by, and touch nothing. Raises ``ConfigError``."""

def process_generation() -> int:
    """Number the processes that were forked from one another: the child of a fork has a new one."""

def replay(pipeline: Pipeline, otlp: bytes, line: Mapping[str, Any]) -> bool:
    """Offer a record that was refused once, with the id that it had. Answer whether it was taken.

    `line` has the keys ``id``, ``instance``, ``seq``, ``time_unix_nano`` and ``logger``. Raises
    ``ValueError`` with the reason if it is no record that telesink writes.
    """

def set_context_getter(getter: Callable[[], ContextFields | None]) -> None:
    """Tell how to read the context variable. Once per process."""

def set_span_getter(getter: Callable[[], bytes | None]) -> None:
    """Tell how to read the ids of the current ``telesink.span``: 24 bytes, or None. The first call counts."""

def current_ids() -> bytes:
    """The ids that a record made here would carry: 16 bytes of the trace, 8 of the span; zeros for none."""

def new_span_ids() -> bytes:
    """Random ids, never zero, and not those of a parent process: 16 bytes for a trace, 8 for a span."""

def set_inherited_span(trace_id: bytes, span_id: bytes) -> None:
    """Give records that belong to no span of this process these ids (16 and 8 bytes). The first counts."""

def table_definitions(dialect: str, schema: str | None = None, preset: str | None = None) -> str:
    """Answer the statements that make the tables: ``postgres`` or ``sqlite``. Raises ``ConfigError``."""

def write_line(text: str) -> None:
    """Write one line to standard error, raw, with `telesink: ` in front."""
