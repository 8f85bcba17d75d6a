"""Reading a dead-letter file, which may be torn, may hold other lines, and may come from anywhere."""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Self

from telesink._secret import shown_path
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError

#: Longest line that is read: the longest record once as base64 and once as JSON has room in it.
LINE_BYTES_MAX = 256 * 1024 * 1024

#: What SQLite and Postgres hold, and Rust's numbers of the same length.
INTEGER_MAX = 2**63 - 1

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A line of the file: who refused which record, and the record itself as base64."""

    line: int
    offset: int
    bytes: int
    id: str
    instance: str
    seq: int
    sink: str
    #: `log`, `span` or `metric`.
    signal: str
    time_unix_nano: int
    logger: str
    #: The program that it came from, as pairs; None if the line does not say.
    resource: tuple[tuple[str, str], ...] | None
    otlp: str

    def without_record(self) -> Self:
        """The same without the record itself: where many are kept, it is read again when it is needed."""
        return replace(self, otlp="")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no dead letter, and why."""

    line: int
    reason: str


def open_letters(path: Path) -> IO[bytes]:
    """Open a dead-letter file for reading.

    Raises:
        CommandError: it is not there, is no regular file, or must not be read.
    """
    try:
        # Non-blocking: a FIFO must not hang the command.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        message = f"could not read {shown_path(path)}: {error.strerror}"
        hint = "name the dead-letter file of a program with telesink"
        raise CommandError(message, hint=hint, exit_code=USAGE_EXIT_CODE) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        message = f"{shown_path(path)} is no regular file"
        raise CommandError(message, hint="name a dead-letter file", exit_code=USAGE_EXIT_CODE)
    return os.fdopen(descriptor, "rb")


def letters_of(file: IO[bytes]) -> Iterator[Letter | Unreadable]:
    """Read a file line by line; empty lines are passed over."""
    line, offset = 0, 0
    # A program writes many lines, and all of them are kept.
    programs: dict[Any, Any] = {}
    while text := file.readline(LINE_BYTES_MAX):
        line += 1
        begin = offset
        offset += len(text)
        if len(text) == LINE_BYTES_MAX and not text.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield Unreadable(line, "longer than any dead letter")
        elif text.strip():
            one = letter_of(text, line, begin)
            if isinstance(one, Letter):
                one = replace(one, resource=programs.setdefault(one.resource, one.resource))
            yield one


def letter_at(file: IO[bytes], letter: Letter) -> Letter | Unreadable:
    """Read a line again whose place is known."""
    file.seek(letter.offset)
    return letter_of(file.readline(LINE_BYTES_MAX), letter.line, letter.offset)


def letter_of(text: bytes, line: int, offset: int) -> Letter | Unreadable:
    """Read one line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        torn = "cut off in the middle" if not text.endswith(b"\n") else "no JSON"
        return Unreadable(line, torn)
    if not isinstance(value, dict):
        return Unreadable(line, "no JSON object")
    record: Any = value.get("record")
    if (wrong := _wrong(value, LINE_CHECKS) or _wrong(record, RECORD_CHECKS)) is not None:
        return Unreadable(line, f"no dead letter: {wrong}")
    resource = value.get("resource")
    return Letter(
        line=line,
        offset=offset,
        bytes=len(text),
        id=value["id"].lower(),
        instance=value["instance"].lower(),
        seq=value["seq"],
        sink=value["sink"],
        signal=value.get("signal", "log"),
        time_unix_nano=record["time_unix_nano"],
        logger=record["logger"],
        resource=None if resource is None else tuple(resource.items()),
        otlp=value["otlp"],
    )


def _wrong(found: dict[str, Any], checks: dict[str, Callable[[Any], bool]]) -> str | None:
    """Say what is wrong with an object that others may have written."""
    for name, is_right in checks.items():
        if name not in found and name not in OPTIONAL:
            return f"`{name}` is missing"
        if not is_right(found.get(name)):
            return f"`{name}` is not what it should be"
    return None


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INTEGER_MAX


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not _has_surrogates(value)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _is_ascii(value: Any) -> bool:
    return isinstance(value, str) and value.isascii()


def _is_signal(value: Any) -> bool:
    return value is None or value in ("log", "span", "metric")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_resource(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and all(_is_text(part) for pair in value.items() for part in pair)


#: What a line has to hold; whatever else stands there is for people.
LINE_CHECKS: dict[str, Callable[[Any], bool]] = {
    "id": _is_uuid,
    "instance": _is_uuid,
    "seq": _is_number,
    "sink": _is_text,
    "resource": _is_resource,
    "signal": _is_signal,
    "record": _is_object,
    "otlp": _is_ascii,
}

#: What its `record` has to hold: the same names elsewhere mean nothing.
RECORD_CHECKS: dict[str, Callable[[Any], bool]] = {
    "time_unix_nano": _is_number,
    "logger": _is_text,
}

#: Lines of the first versions have no resource, and those of log records do not say what they are.
OPTIONAL = frozenset({"resource", "signal"})
