"""`telesink tail`: the last records of a database, and those that are being added."""

import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from telesink.cli.reading import (
    COLUMNS,
    StoredRecord,
    command_error,
    is_missing_table,
    open_database,
    primary_code,
    stored_record,
)
from telesink.cli.selection import Selection

#: Time between two looks at the file.
POLL_SECONDS = 0.2

#: How long one look waits for a lock; while following, the next look tries again.
LOCK_SECONDS = 0.2

#: The same where there is one look only.
LOCK_SECONDS_ONCE = 5.0

#: Records read at once: no transaction of ours may keep a writer from tidying up while a slow terminal
#: prints.
CHUNK_RECORDS_MAX = 1_000

#: Looks in a row that may fail for reasons that seldom pass, such as a file that is being copied over: 2
#: seconds.
FAILURES_MAX = 10

#: Result codes of reasons that do pass.
PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Position(NamedTuple):
    """How far a table was read: the number of a row, and when that row was observed."""

    row_id: int
    observed_ts: int


#: Before the first row.
START = Position(0, 0)


class Follower:
    """Reads what was added to `telesink_logs` since the last look, whatever happens to the file meanwhile.

    Args:
        path: the file, which need not exist yet.
        selection: which records are wanted.
        lines: how many records from before the first look are wanted. A file that appears or is replaced
            later is shown from its first record.
        say: told once about each trouble that may pass.
    """

    def __init__(self, path: Path, selection: Selection, *, lines: int, say: Callable[[str], None]) -> None:
        self._path = path
        self._selection = selection
        self._lines = lines
        self._say = say
        self._said = ""
        self._failures = 0
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._position: Position | None = None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def look(self) -> Iterator[list[StoredRecord]]:
        """Yield the wanted records that are new, in chunks and in order of arrival; none while it waits.

        Raises:
            CommandError: the file did not become readable by waiting.
        """
        try:
            connection = self._open()
            if connection is None:
                return
            newest = _newest(connection)
            if self._position is None:
                self._position = newest
                yield last_records(connection, self._selection, lines=self._lines, newest=newest)
            self._position = _position_in(connection, self._position, newest)
            while self._position != newest:
                chunk, self._position = _chunk_after(connection, self._selection, self._position, newest)
                yield chunk
        except sqlite3.Error as error:
            self._wait_or_raise(error)
        else:
            self._said, self._failures = "", 0

    def _open(self) -> sqlite3.Connection | None:
        identity = _identity(self._path)
        if identity is None:
            self._start_over(f"waiting for {self._path}, which does not exist yet")
            return None
        if self._connection is not None and identity != self._identity:
            self._start_over(f"{self._path} was replaced; going on with the new file")
        if self._connection is None:
            # Asked before the file is opened: should it be replaced in between, the next look sees the
            # difference.
            self._identity = identity
            self._connection = open_database(self._path, timeout_seconds=LOCK_SECONDS, takes_snapshot=False)
        return self._connection

    def _start_over(self, why: str) -> None:
        self.close()
        self._position = START
        self._tell(why)

    def _tell(self, what: str) -> None:
        if what != self._said:
            self._said = what
            self._say(what)

    def _wait_or_raise(self, error: sqlite3.Error) -> None:
        if is_missing_table(error):
            self._position = START
            self._tell(f"waiting for the table telesink_logs in {self._path}")
            return
        if primary_code(error) in PASSING:
            self._tell(f"waiting for {self._path}, which is locked by another program")
            return
        self.close()
        self._failures += 1
        if self._failures > FAILURES_MAX:
            raise command_error(error, self._path) from error


def run_tail(
    path: Path,
    selection: Selection,
    *,
    lines: int,
    follows: bool,
    show: Callable[[StoredRecord], str],
    out: TextIO,
    say: Callable[[str], None],
) -> None:
    """Write the last records, and with `follows` those to come, until Ctrl+C or until nobody reads on.

    Raises:
        CommandError: the file cannot be read.
        BrokenPipeError: nobody reads on, noticed while writing.
    """
    if not follows:
        out.writelines(show(record) + "\n" for record in read_once(path, selection, lines=lines))
        return
    with closing(Follower(path, selection, lines=lines, say=say)) as follower, suppress(KeyboardInterrupt):
        while not _is_reader_gone(out):
            for chunk in follower.look():
                out.writelines(show(record) + "\n" for record in chunk)
            out.flush()
            time.sleep(POLL_SECONDS)


def read_once(path: Path, selection: Selection, *, lines: int) -> list[StoredRecord]:
    """Return the last records that are wanted, oldest first.

    Raises:
        CommandError: the file cannot be read.
    """
    try:
        with closing(open_database(path, timeout_seconds=LOCK_SECONDS_ONCE)) as connection:
            return last_records(connection, selection, lines=lines, newest=_newest(connection))
    except sqlite3.Error as error:
        raise command_error(error, path) from error


def last_records(
    connection: sqlite3.Connection, selection: Selection, *, lines: int, newest: Position
) -> list[StoredRecord]:
    """Return the last records up to `newest` that are wanted, oldest first."""
    statement = (
        f"SELECT {COLUMNS} FROM telesink_logs WHERE {selection.where('row_id <= ?')} ORDER BY row_id DESC"  # noqa: S608
    )
    with closing(connection.execute(statement, (newest.row_id, *selection.parameters))) as rows:
        wanted = filter(selection.matches, map(stored_record, rows))
        return list(islice(wanted, lines))[::-1]


def _newest(connection: sqlite3.Connection) -> Position:
    row = connection.execute(
        "SELECT row_id, observed_ts FROM telesink_logs ORDER BY row_id DESC LIMIT 1"
    ).fetchone()
    return START if row is None else Position(*row)


def _position_in(connection: sqlite3.Connection, last: Position, newest: Position) -> Position:
    """Return where to go on: not always `last`, because SQLite gives the numbers of deleted rows again."""
    if newest.row_id > last.row_id or newest == last:
        return last
    # The newest rows were deleted. What was stored since then is what was observed after the last row seen.
    row = connection.execute(
        "SELECT min(row_id) FROM telesink_logs WHERE observed_ts > ?", (last.observed_ts,)
    ).fetchone()
    return newest if row[0] is None else Position(row[0] - 1, last.observed_ts)


def _chunk_after(
    connection: sqlite3.Connection, selection: Selection, position: Position, newest: Position
) -> tuple[list[StoredRecord], Position]:
    """Return wanted records behind `position`, and how far that was: rows passed over need no second look."""
    statement = (
        f"SELECT {COLUMNS} FROM telesink_logs WHERE {selection.where('row_id > ?', 'row_id <= ?')} "  # noqa: S608
        "ORDER BY row_id LIMIT ?"
    )
    parameters = (position.row_id, newest.row_id, *selection.parameters, CHUNK_RECORDS_MAX)
    records = [stored_record(row) for row in connection.execute(statement, parameters)]
    is_all = len(records) < CHUNK_RECORDS_MAX
    reached = newest if is_all else Position(records[-1].row_id, records[-1].observed_ts)
    return [record for record in records if selection.matches(record)], reached


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode, which tell whether a path still names the same file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_reader_gone(out: TextIO) -> bool:
    """Whether nobody reads the pipe or terminal any more; a quiet database would otherwise hide it."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    # Nothing is asked for: these three are told in any case.
    poll.register(out.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))
