"""Log records written into a file: complete, correctly quoted, and gone on with where it was cut short."""

import csv
import dataclasses
import enum
import io
import json as json_module
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from telesink import TelesinkError
from telesink.cli import output
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.target import command_error_of, count_of
from telesink.reading import LogRow, Reader

#: Records between two words about how far an export is.
_TOLD_EVERY = 10_000

#: Lines that a record may have had when it was cut off.
_TORN_LINES_MAX = 1_000


class Form(enum.StrEnum):
    """What an export writes."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def as_json(row: LogRow) -> str:
    """A record as a JSON object on one line."""
    return json_module.dumps({**dataclasses.asdict(row), "time": _time(row)}, ensure_ascii=False)


def _time(row: LogRow) -> str:
    return f"{row.time:%Y-%m-%dT%H:%M:%S.%f}Z"


def run_export(
    reader: Reader, form: Form, path: Path | None, *, resumes: bool, limit: int, **chosen: Any
) -> None:
    """Write records, oldest first, and say how far it is."""
    after = None
    if resumes:
        if path is None or form is Form.JSON:
            message = "--resume goes on with a file of lines"
            raise CommandError(
                message, hint="name it with --output, as csv or jsonl", exit_code=USAGE_EXIT_CODE
            )
        after = last_id(path, form)
    try:
        total = reader.summary(**chosen).total
        rows = _limited(reader.all_logs(after=after, **chosen), limit)
        with _opened(path, appends=after is not None) as out:
            count = _write(rows, form, out, has_header=after is None, total=min(total, limit or total))
    except TelesinkError as error:
        raise command_error_of(error) from error
    except OSError as error:
        if path is None:
            raise
        message = f"{path} cannot be written: {error.strerror}"
        raise CommandError(message, hint="choose another file; --resume goes on with this one") from error
    output.flush()
    output.say(f"telesink: {count_of(count, 'record')} exported")


def last_id(path: Path, form: Form) -> str | None:
    """Return the id of the last record of an earlier export; a line that was cut off is taken away.

    Raises:
        CommandError: the file cannot be read, or is no such export.
    """
    if not path.exists():
        return None
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    found: str | None = None
    for _ in range(_TORN_LINES_MAX):
        try:
            found = _last_of(kept.decode("utf-8"), form)
        except csv.Error:
            # A record whose text has several lines was cut off inside of its quotes.
            kept = kept[: kept.rfind(b"\n", 0, len(kept) - 1) + 1]
            continue
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path} is no export that could be gone on with: {error!r}"
            raise CommandError(message, hint="write to another file, without --resume") from error
        break
    if len(kept) < len(whole):
        with path.open("r+b") as file:
            file.truncate(len(kept))
    return found


def _last_of(text: str, form: Form) -> str | None:
    if form is Form.JSONL:
        lines = text.splitlines()
        return str(json_module.loads(lines[-1])["id"]) if lines else None
    records = deque(csv.DictReader(io.StringIO(text, newline=""), strict=True), maxlen=1)
    return records[0]["id"] if records else None


def _opened(path: Path | None, *, appends: bool) -> Any:
    if path is None:
        return nullcontext(sys.stdout)
    return path.open("a" if appends else "w", encoding="utf-8", newline="")


def _limited(rows: Iterator[LogRow], limit: int) -> Iterator[LogRow]:
    for number, row in enumerate(rows):
        if limit and number >= limit:
            return
        yield row


def _write(rows: Iterator[LogRow], form: Form, out: TextIO, *, has_header: bool, total: int) -> int:
    names = [field.name for field in dataclasses.fields(LogRow)]
    writer = csv.writer(out, lineterminator="\n")
    if form is Form.CSV and has_header:
        writer.writerow(names)
    count = 0
    for count, row in enumerate(rows, 1):
        if form is Form.CSV:
            attributes = json_module.dumps(row.attributes, ensure_ascii=False)
            cells = {**dataclasses.asdict(row), "time": _time(row), "attributes": attributes}
            writer.writerow([cells[name] for name in names])
        elif form is Form.JSONL:
            out.write(as_json(row) + "\n")
        else:
            out.write(("[\n" if count == 1 else ",\n") + as_json(row))
        if count % _TOLD_EVERY == 0 and sys.stderr.isatty():
            output.say(f"telesink: {count:,} of {total:,}")
    if form is Form.JSON:
        out.write("\n]\n" if count else "[]\n")
    return count
