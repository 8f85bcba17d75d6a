"""Records as text, in the layouts of `console://`: pretty for terminals, plain for files, JSON for programs.

Pure: a record goes in, text without a line end comes out. Nothing that was stored reaches a terminal raw:
    control characters, line breaks and the controls that turn text around are shown as escapes.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TextIO

from telesink.cli.reading import StoredRecord
from telesink.cli.selection import text_of

#: What must not be shown raw: control characters, line and paragraph separators, the controls of
#: bidirectional text (CWE-117, CVE-2021-42574), and lone surrogates, which no stream can encode.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: What may stand around `=` without quotes.
PLAIN_TOKEN = re.compile(r"[^\s='\"\\]+")

SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

#: Longest value that the pretty layout shows, in characters.
VALUE_CHARS_MAX = 200

#: Columns that a level takes at least.
LEVEL_CHARS = 5

#: Attributes that say where a record came from, not what it says; only JSON has them.
HIDDEN_PREFIXES = ("code.", "thread.", "process.", "exception.", "telesink.", "asyncio.task.name")

#: Exceptions from the above: they say that the line does not show everything.
SHOWN = frozenset({"telesink.format_error", "telesink.truncated_from"})

#: Parts of a path that mark a frame as somebody else's code.
LIBRARY_MARKS = ("site-packages", "dist-packages", "lib/python3", "<frozen")

#: By this much the lines of a stack trace are moved in, so that they cannot be taken for records.
INDENT = "    "

NANO = 1_000_000_000

BRIGHT, DIM, NORMAL = "1", "2", "0"


@dataclass(frozen=True, slots=True)
class Band:
    """Severities that look alike: their name, colour (ECMA-48), and symbols with and without Unicode."""

    name: str
    severity_max: int
    color: str
    unicode_symbol: str
    ascii_symbol: str


BANDS = (
    Band("debug", 8, "36", "·", "."),
    Band("info", 12, "32", "•", "i"),
    Band("warning", 16, "33", "▲", "!"),
    Band("error", 20, "31", "✖", "x"),
    Band("critical", 24, "1;31", "■", "#"),
)


def band_of(severity: int) -> Band:
    """Return the band of one of OpenTelemetry's severity numbers."""
    return next((band for band in BANDS if severity <= band.severity_max), BANDS[-1])


@dataclass(frozen=True, slots=True)
class Style:
    """What the pretty layout may use."""

    has_color: bool
    has_unicode: bool

    def paint(self, text: str, color: str) -> str:
        """Return `text` in a colour, if there are colours."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.has_color and color != NORMAL else text

    def symbol(self, band: Band) -> str:
        """Return the symbol that tells the level without colour and without reading."""
        return band.unicode_symbol if self.has_unicode else band.ascii_symbol


def style_of(stream: TextIO, environment: Mapping[str, str]) -> Style | None:
    """Return the style for a stream; None where people did not ask for one, as in a file or a pipe.

    In CPython's order: `NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`, terminal. A variable that is empty is not set.
    """
    is_terminal = stream.isatty()
    is_forbidden = bool(environment.get("NO_COLOR"))
    is_forced = not is_forbidden and environment.get("FORCE_COLOR", "") not in {"", "0"}
    if not is_terminal and not is_forced:
        return None
    can_color = is_terminal and environment.get("TERM") != "dumb"
    encoding = (stream.encoding or "").lower().replace("-", "")
    return Style(
        has_color=not is_forbidden and (can_color or is_forced), has_unicode=encoding.startswith("utf")
    )


def escaped(text: str) -> str:
    """Return `text` on one line, with every unsafe character as an escape; backslashes stay as they are."""
    return UNSAFE.sub(lambda found: SHORT_ESCAPES.get(found[0]) or f"\\u{{{ord(found[0]):04x}}}", text)


def token(text: str, ellipsis: str = "") -> str:
    """Return a key or a value, quoted where it could be misread."""
    if PLAIN_TOKEN.fullmatch(text) and not UNSAFE.search(text):
        return text + ellipsis
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(quoted)}{ellipsis}"'


def safe_json(value: Any) -> str:
    """Return compact JSON without unsafe characters; it means the same as with them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def pretty(record: StoredRecord, style: Style, zone: tzinfo | None = None) -> str:
    """Return the layout for terminals: time of day in `zone` (None: local), colours, long values cut."""
    band = band_of(record.severity)
    clock = _moment(record.ts, zone, "%H:%M:%S", 3)
    head = [style.paint(clock, DIM), style.paint(f"{style.symbol(band)} {_level(record)}", band.color)]
    ellipsis = "…" if style.has_unicode else "..."
    extras = " ".join(_extras(record, VALUE_CHARS_MAX, ellipsis))
    return _lines(
        record,
        [*head, style.paint(escaped(record.logger), DIM)],
        style.paint(extras, DIM) if extras else "",
        style,
    )


def plain(record: StoredRecord) -> str:
    """Return the layout for files that people read: date and time in UTC, no colour, nothing cut."""
    head = [f"{_moment(record.ts, UTC, '%Y-%m-%dT%H:%M:%S', 3)}Z", _level(record), escaped(record.logger)]
    return _lines(record, head, " ".join(_extras(record)), Style(has_color=False, has_unicode=True))


def as_json(record: StoredRecord) -> str:
    """Return the layout for programs: the keys of `console://?format=json`, and `row_id` and `service`."""
    named = {"event_name": record.event_name, "trace_id": record.trace_id, "span_id": record.span_id}
    return safe_json(
        {
            "row_id": record.row_id,
            "ts": f"{_moment(record.ts, UTC, '%Y-%m-%dT%H:%M:%S', 9)}Z",
            "level": record.level,
            "service": record.service,
            "logger": record.logger,
            "msg": record.body,
            **{name: value for name, value in named.items() if value is not None},
            # An object of their own: an attribute called `level` must not replace the level.
            "attributes": record.attributes,
        }
    )


def _moment(unix_nano: int, zone: tzinfo | None, form: str, digits: int) -> str:
    seconds, nano = divmod(unix_nano, NANO)
    try:
        moment = datetime.fromtimestamp(seconds, zone)
    except (OverflowError, ValueError, OSError):
        # Only other writers store such a time; the number itself says most.
        return str(unix_nano)
    return f"{moment.strftime(form)}.{nano:09d}"[: digits - 9 or None]


def _level(record: StoredRecord) -> str:
    return escaped(record.level).ljust(LEVEL_CHARS)


def _lines(record: StoredRecord, head: list[str], extras: str, style: Style) -> str:
    parts = [*head, escaped(record.body), extras]
    line = " ".join(part for part in parts if part)
    return "\n".join([line, *(INDENT + below for below in _traces(record, style))])


def _extras(record: StoredRecord, chars_max: int | None = None, ellipsis: str = "") -> Iterator[str]:
    if record.event_name:
        yield f"event_name={token(record.event_name)}"
    for key, value in record.attributes.items():
        if key.startswith(HIDDEN_PREFIXES) and key not in SHOWN:
            continue
        text = text_of(value)
        cut = text[:chars_max]
        end = ellipsis if len(cut) < len(text) else ""
        # JSON shows its own end, so lists and maps need no quotes around them.
        shown = token(cut, end) if isinstance(value, str) else f"{escaped(cut)}{end}"
        yield f"{token(key)}={shown}"


def _traces(record: StoredRecord, style: Style) -> Iterator[str]:
    def text(name: str) -> str:
        value = record.attributes.get(name)
        return value if isinstance(value, str) else ""

    yield from _trace(text("code.stacktrace"), style.paint)
    # Without a trace the type and the text still say what happened; CPython joins them in the same way.
    brief = ": ".join(part for part in (text("exception.type"), text("exception.message")) if part)
    yield from _trace(text("exception.stacktrace") or brief, style.paint)


def _trace(trace: str, paint: Callable[[str, str], str]) -> Iterator[str]:
    """Yield the lines of a stack trace, frames of the program bright and those of libraries dim."""
    # The frame that the lines stand in: its column, and its colour. Source lines stand further in than
    # `File`, the exception's own text further out. Groups draw a margin of `|`, `+` and `-`, which counts
    # as space.
    column_of_frame, color = -1, NORMAL
    for line in trace.rstrip("\n").split("\n") if trace else ():
        content = line.lstrip(" |+-")
        column = len(line) - len(content)
        if content.startswith('File "'):
            path = content.replace("\\", "/")
            column_of_frame, color = column, DIM if any(mark in path for mark in LIBRARY_MARKS) else BRIGHT
        elif column < column_of_frame:
            column_of_frame, color = -1, NORMAL
        yield paint(escaped(line), color)
