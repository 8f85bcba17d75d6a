"""`telesink query`: one SQL statement on a database, which it cannot change."""

import csv
import difflib
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from telesink.cli.failure import INTERRUPTED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.reading import command_error, open_database, primary_code
from telesink.cli.render import escaped, safe_json

#: How long a lock of another program is waited for.
LOCK_SECONDS = 5.0

#: Steps of SQLite's virtual machine between two looks for Ctrl+C: some milliseconds.
STEPS_BETWEEN_LOOKS = 100_000

#: Columns that a terminal needs for each column of a table; with less, one row is shown below the other.
COLUMN_CHARS_MIN = 12

#: What a statement may do. Everything else is refused before it begins: `VACUUM INTO` and `ATTACH` could
#: write files although the database itself is open for reading only.
ALLOWED_ACTIONS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_PRAGMA,
    }
)

#: Pragmas that tell something and change nothing. Their argument is the name of a table or an index.
ALLOWED_PRAGMAS = frozenset(
    {
        "data_version",
        "encoding",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "page_count",
        "page_size",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

Row = tuple[Any, ...]


class Format(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    TABS = "tabs"
    JSON = "json"
    CSV = "csv"


class Answer:
    """The rows of a statement, at most `limit` of them, and whether there were more. Iterate once."""

    def __init__(self, cursor: sqlite3.Cursor, limit: int) -> None:
        self.columns = _unique([column[0] for column in cursor.description or ()])
        self.rows = 0
        self.is_cut = False
        self._cursor = cursor
        self._limit = limit

    def __iter__(self) -> Iterator[Row]:
        for row in self._cursor:
            if self._limit and self.rows == self._limit:
                self.is_cut = True
                return
            self.rows += 1
            yield row


def run_query(
    path: Path, sql: str, *, form: Format, limit: int, out: TextIO, say: Callable[[str], None]
) -> None:
    """Run one statement and write its rows to `out`; that there are more goes to `say`. A limit of 0 is none.

    Raises:
        CommandError: the file cannot be read, the statement cannot be run or would write, or Ctrl+C was
            pressed.
    """
    try:
        with closing(open_database(path, timeout_seconds=LOCK_SECONDS)) as connection:
            known = _tables(connection)
            connection.set_authorizer(_authorize)
            # Does nothing but to be called: Ctrl+C raises inside, which SQLite takes as the wish to be
            # interrupted.
            connection.set_progress_handler(_go_on, STEPS_BETWEEN_LOOKS)
            try:
                with closing(connection.execute(sql)) as cursor:
                    answer = Answer(cursor, limit)
                    _write(answer, form, out)
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise _statement_error(error, path, known) from error
    except sqlite3.Error as error:
        raise command_error(error, path) from error
    except KeyboardInterrupt as error:
        raise _interrupted() from error
    if answer.is_cut:
        say(f"only the first {limit:,} rows are shown; --limit 0 shows all")


def _go_on() -> int:
    return 0


def _authorize(action: int, name: str | None, *_: str | None) -> int:
    """Answer whether a statement may do something; for pragmas `name` is the pragma's."""
    is_allowed = action in ALLOWED_ACTIONS
    if action == sqlite3.SQLITE_PRAGMA:
        is_allowed = (name or "").lower() in ALLOWED_PRAGMAS
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the tables and views of telesink with their columns; all others, if there are none."""
    rows = connection.execute(
        "SELECT s.name, c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c "
        "WHERE s.type IN ('table', 'view') AND substr(s.name, 1, 7) != 'sqlite_' ORDER BY s.rowid, c.cid"
    )
    tables: dict[str, list[str]] = {}
    for table, column in rows:
        tables.setdefault(table, []).append(column)
    return {table: columns for table, columns in tables.items() if table.startswith("telesink_")} or tables


def _statement_error(error: Exception, path: Path, known: dict[str, list[str]]) -> CommandError:
    text = str(error)
    code = primary_code(error) if isinstance(error, sqlite3.Error) else 0
    if code == sqlite3.SQLITE_INTERRUPT:
        return _interrupted()
    if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY}:
        return CommandError(
            "a query only reads, and this statement would change something",
            hint=f"to change the database, use another program, such as: sqlite3 {path}",
            exit_code=USAGE_EXIT_CODE,
        )
    if code == sqlite3.SQLITE_ERROR:
        listed = "\n".join(f"{table}({', '.join(columns)})" for table, columns in known.items())
        hint = f"tables and columns:\n{listed}" if listed else "the database has no tables"
        return CommandError(f"{text}{_suggestion(text, known)}", hint=hint)
    if "one statement at a time" in text:
        return CommandError("a query is one statement, and this is more than one", exit_code=USAGE_EXIT_CODE)
    if isinstance(error, sqlite3.Error) and code:
        return command_error(error, path)
    return CommandError(text)


def _interrupted() -> CommandError:
    return CommandError("the query was interrupted", exit_code=INTERRUPTED_EXIT_CODE)


def _suggestion(text: str, known: dict[str, list[str]]) -> str:
    found = re.fullmatch(r"no such (table|column): (?:\w+\.)?(\w+)", text)
    if found is None:
        return ""
    names = (
        list(known)
        if found[1] == "table"
        else sorted({name for columns in known.values() for name in columns})
    )
    # Most of a long name is the prefix; people who leave it out mean the table all the same.
    prefixed = f"telesink_{found[2]}"
    nearest = [prefixed] if prefixed in names else difflib.get_close_matches(found[2], names, 1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind those that stood there before: objects need different keys."""
    unique: list[str] = []
    for name in names:
        numbered, number = name, 1
        while numbered in unique:
            number += 1
            numbered = f"{name}_{number}"
        unique.append(numbered)
    return unique


def _write(answer: Answer, form: Format, out: TextIO) -> None:
    if not answer.columns:
        return
    if form is Format.TABLE:
        _write_table(answer, out)
    elif form is Format.JSON:
        out.writelines(
            safe_json(dict(zip(answer.columns, map(_json_value, row), strict=True))) + "\n" for row in answer
        )
    elif form is Format.CSV:
        writer = csv.writer(_WithoutControls(out) if out.isatty() else out, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_text(value) for value in row] for row in answer)
    else:
        out.write("\t".join(map(escaped, answer.columns)) + "\n")
        out.writelines("\t".join(escaped(_text(value)) for value in row) + "\n" for row in answer)


class _WithoutControls:
    """A stream for text with line ends of its own, which lets no other control character through."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write("\n".join(map(escaped, text.split("\n"))))


def _write_table(answer: Answer, out: TextIO) -> None:
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    rows = list(answer)
    if len(answer.columns) * COLUMN_CHARS_MIN > console.width and rows:
        _write_blocks(answer.columns, rows, console)
    else:
        console.print(_table(answer.columns, rows))
    console.print(Text(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", style="dim"))


def _table(columns: Iterable[str], rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[at], int | float | None) for row in rows)
        table.add_column(Text(escaped(column)), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _write_blocks(columns: Sequence[str], rows: Sequence[Row], console: Console) -> None:
    for number, row in enumerate(rows, 1):
        console.rule(Text(f"row {number:,}", style="dim"), align="left", style="dim")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold")
        grid.add_column(overflow="fold")
        for column, value in zip(columns, row, strict=True):
            grid.add_row(Text(escaped(column)), _cell(value))
        console.print(grid)


def _cell(value: Any) -> Text:
    return Text("null", style="dim") if value is None else Text(escaped(_text(value)))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    # JSON has no infinities; the library stores their names, too.
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
