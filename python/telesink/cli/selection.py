"""Which records are shown: by level, by logger, by columns and by attributes."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.reading import StoredRecord

#: The names that the library accepts for levels, and the numbers that Python gives them.
LEVELS = {
    "notset": 0,
    "trace": 5,
    "debug": 10,
    "info": 20,
    "success": 25,
    "warning": 30,
    "warn": 30,
    "error": 40,
    "critical": 50,
    "fatal": 50,
}

#: OpenTelemetry's short names, under which two of Python's levels are stored.
STORED_LEVELS = {"warning": "warn", "critical": "fatal"}

#: The columns that a filter can name; any other key is looked up in the attributes.
FILTER_COLUMNS = ("level", "logger", "service", "event_name", "trace_id", "span_id")

#: Stored as hexadecimal digits in lower case.
ID_COLUMNS = ("trace_id", "span_id")

#: Keys that stand in JSON text as they are, so that the database can pass over rows without them.
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that the database checks, and those left for `matches`."""

    conditions: tuple[str, ...] = ()
    parameters: tuple[str | int, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(
        cls, filters: Sequence[str] = (), *, level: str | None = None, logger: str | None = None
    ) -> Self:
        """Read what was written on the command line.

        Raises:
            CommandError: a filter is not `key=value`, or the level is unknown.
        """
        conditions: list[str] = []
        parameters: list[str | int] = []
        attributes: list[tuple[str, str]] = []
        if level is not None:
            conditions.append("severity >= ?")
            parameters.append(severity_of(level_number(level)))
        if logger is not None:
            # A logger stands for those below it, as in `logging`.
            conditions.append("(logger = ? OR substr(logger, 1, length(?) + 1) = ? || '.')")
            parameters += [logger, logger, logger]
        for text in filters:
            key, separator, value = text.partition("=")
            if not key or not separator:
                raise CommandError(
                    f"the filter `{text}` is not key=value",
                    hint="write for example order_id=1234, or level=error",
                    exit_code=USAGE_EXIT_CODE,
                )
            if key in FILTER_COLUMNS:
                conditions.append(f"{key} = ?" if key != "level" else "level = ? COLLATE NOCASE")
                parameters.append(_column_value(key, value))
                continue
            attributes.append((key, value))
            last = key.rpartition(".")[2]
            if PLAIN_KEY.fullmatch(last):
                conditions.append("instr(attributes, ?)")
                parameters.append(f'{last}"')
        return cls(tuple(conditions), tuple(parameters), tuple(attributes))

    def where(self, *more: str) -> str:
        """Return the SQL condition, with those of `more` in front."""
        return " AND ".join((*more, *self.conditions)) or "1"

    def matches(self, record: StoredRecord) -> bool:
        """Whether a record that the database selected has the attributes, too."""
        return all(has_value(record.attributes, key, value) for key, value in self.attributes)


def _column_value(key: str, value: str) -> str:
    if key == "level":
        return STORED_LEVELS.get(value.lower(), value)
    return value.lower() if key in ID_COLUMNS else value


def has_value(attributes: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether an attribute called `key` has the value whose text is `value`.

    Text is compared as it is, everything else as compact JSON: `true`, `null`, `12`, `["a","b"]`. A dot in
    `key` belongs to the name first; only then does it lead into nested objects.
    """
    if key in attributes and text_of(attributes[key]) == value:
        return True
    for at, character in enumerate(key):
        inner = attributes.get(key[:at]) if character == "." else None
        if isinstance(inner, Mapping) and has_value(inner, key[at + 1 :], value):
            return True
    return False


def text_of(value: Any) -> str:
    """Return an attribute's value as text: text as it is, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def level_number(text: str) -> int:
    """Return Python's number of a level given by its name or as a number.

    Raises:
        CommandError: names the nearest level.
    """
    name = text.strip().lower()
    if name.isascii() and name.isdigit():
        # More digits than any level has; Python refuses to read thousands of them.
        return int(name[:9])
    if name in LEVELS:
        return LEVELS[name]
    nearest = difflib.get_close_matches(name, LEVELS, 1)
    raise CommandError(
        f"unknown level `{text}`" + (f"; did you mean {nearest[0]}?" if nearest else ""),
        hint="use debug, info, warning, error, critical, or a number such as 30",
        exit_code=USAGE_EXIT_CODE,
    )


def severity_of(levelno: int) -> int:
    """Return the severity number of OpenTelemetry under which the library stores a level of Python."""
    if levelno <= 0:
        return 0
    if levelno < LEVELS["debug"]:
        return 1 + min((levelno - 1) // 3, 3)
    if levelno < LEVELS["critical"]:
        return levelno // 10 * 4 + 1 + min(levelno % 10, 3)
    return min(levelno - 29, 24)
