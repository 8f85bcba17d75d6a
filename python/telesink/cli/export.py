"""Log records written into a file: complete, correctly quoted, and gone on with where it was cut short."""

import csv
import dataclasses
import enum
import io
import itertools
import json as json_module
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from telesink import ConfigError, TelesinkError
from telesink.cli import output
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.render import escaped, safe_json
from telesink.cli.target import command_error_of, count_of
from telesink.reading import LogRow, Reader

#: Records between two words about how far an export is.
_TOLD_EVERY = 10_000

#: The columns, in their order.
_NAMES = [field.name for field in dataclasses.fields(LogRow)]


class Form(enum.StrEnum):
    """What an export writes."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def as_json(row: LogRow) -> str:
    """A record as a JSON object on one line."""
    return safe_json({**dataclasses.asdict(row), **_times(row)})


def _times(row: LogRow) -> dict[str, str | None]:
    observed = None if row.observed_time is None else _time(row.observed_time)
    return {"time": _time(row.time), "observed_time": observed}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def run_export(
    reader: Reader, form: Form, path: Path | None, *, resumes: bool, limit: int, **chosen: Any
) -> None:
    """Write records, oldest first, and say how far it is."""
    whole = Whole(end=0, id=None)
    if resumes:
        if path is None or form is Form.JSON:
            message = "--resume goes on with a file of lines"
            hint = "name it with --output, as csv or jsonl"
            raise CommandError(message, hint=hint, exit_code=USAGE_EXIT_CODE)
        whole = whole_of(path, form)
    try:
        # Counted only for who sees it.
        total = reader.summary(**chosen).total if sys.stderr.isatty() else 0
        rows = _limited(reader.all_logs(after=whole.id, **chosen), limit)
        # Asked for before the file is touched.
        first = list(itertools.islice(rows, 1))
        with _opened(path, whole.end) as out:
            every = itertools.chain(first, rows)
            count = _write(every, form, out, has_header=whole.id is None, total=min(total, limit or total))
    except TelesinkError as error:
        if whole.id is not None and isinstance(error, ConfigError):
            message = f"{path} ends with a record that is not there any more"
            raise CommandError(message, hint="write to another file, without --resume") from error
        raise command_error_of(error) from error
    except OSError as error:
        if path is None:
            raise
        message = f"{path} cannot be written: {error.strerror}"
        raise CommandError(message, hint="choose another file; --resume goes on with this one") from error
    output.flush()
    output.say(f"telesink: {count_of(count, 'record')} exported")


class Whole(NamedTuple):
    """How far an earlier export has come.

    Attributes:
        end: bytes up to the end of its last whole record.
        id: that record's id; None if there is none.
    """

    end: int
    id: str | None


def whole_of(path: Path, form: Form) -> Whole:
    """Find the last whole record of an earlier export, in one pass over the file.

    Raises:
        CommandError: it is no such export.
    """
    if not path.exists():
        return Whole(0, None)
    header = _header().encode() if form is Form.CSV else b""
    last, end = (0, 0), 0
    with path.open("rb") as file:
        is_quoted = False
        for line in file:
            # A line end inside of quotes ends no record, and a line without an end is torn.
            is_quoted ^= form is Form.CSV and line.count(b'"') % 2 == 1
            if not is_quoted and line.endswith(b"\n"):
                last, end = (end, file.tell()), file.tell()
        size = file.tell()
        file.seek(0)
        start = file.read(max(len(header), len(_FIRST)))
        file.seek(last[0])
        record = file.read(last[1] - last[0])
    if form is Form.CSV and last[0] == 0:
        # The header at most: anew, if it is one.
        if size == 0 or header.startswith(start[:size]) or record == header:
            return Whole(0, None)
        raise _no_export(path, "it has no header")
    if end == 0:
        if size == 0 or start[:size].startswith(_FIRST[:size]):
            return Whole(0, None)
        raise _no_export(path, "it has no whole line")
    try:
        return Whole(end, _id_of(record.decode("utf-8"), form))
    except (ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise _no_export(path, repr(error)) from error


#: How the first line of an export begins, whose header is none.
_FIRST = b'{"id":"'


def _no_export(path: Path, why: str) -> CommandError:
    message = f"{path} is no export that could be gone on with: {why}"
    return CommandError(message, hint="write to another file, without --resume")


def _id_of(record: str, form: Form) -> str:
    if form is Form.JSONL:
        return str(json_module.loads(record)["id"])
    csv.field_size_limit(sys.maxsize)
    (cells,) = csv.reader(io.StringIO(record, newline=""), strict=True)
    if len(cells) != len(_NAMES):
        message = f"its last record has {len(cells)} columns, not {len(_NAMES)}"
        raise ValueError(message)
    return cells[0]


@contextmanager
def _opened(path: Path | None, end: int) -> Iterator[TextIO]:
    """The file, cut off behind its last whole record; standard output without one."""
    if path is None:
        yield sys.stdout
        return
    with path.open("r+" if end else "w", encoding="utf-8", newline="") as file:
        file.seek(end)
        file.truncate()
        yield file


def _writer(out: TextIO) -> Any:
    # With both characters in the line end, both are quoted where they stand in a value.
    return csv.writer(out, lineterminator="\r\n")


def _header() -> str:
    text = io.StringIO(newline="")
    _writer(text).writerow(_NAMES)
    return text.getvalue()


def _limited(rows: Iterator[LogRow], limit: int) -> Iterator[LogRow]:
    for number, row in enumerate(rows):
        if limit and number >= limit:
            return
        yield row


def _write(rows: Iterator[LogRow], form: Form, out: TextIO, *, has_header: bool, total: int) -> int:
    writer = _writer(out)
    is_terminal = out.isatty()
    if form is Form.CSV and has_header:
        writer.writerow(_NAMES)
    count = 0
    for count, row in enumerate(rows, 1):
        if form is Form.CSV:
            mappings = {"attributes": safe_json(row.attributes), "resource": safe_json(row.resource)}
            cells = {**dataclasses.asdict(row), **_times(row), **mappings}
            texts = [cells[name] for name in _NAMES]
            # A file holds what was stored; a terminal would obey it.
            writer.writerow([escaped(str(text)) for text in texts] if is_terminal else texts)
        elif form is Form.JSONL:
            out.write(as_json(row) + "\n")
        else:
            out.write(("[\n" if count == 1 else ",\n") + as_json(row))
        if total and count % _TOLD_EVERY == 0:
            output.say(f"telesink: {count:,} of {total:,}")
    if form is Form.JSON:
        out.write("\n]\n" if count else "[]\n")
    return count
