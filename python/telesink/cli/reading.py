"""Read-only access to a database: which file a DSN names, how it is opened, how its records are read.

Nothing here ever writes: the file is opened with `mode=ro`, and the connection refuses writes as well. A
reader never blocks the programs that write, because transactions last no longer than one query.
"""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from telesink.cli.failure import FAILED_EXIT_CODE, USAGE_EXIT_CODE, CommandError

#: A scheme as in RFC 3986; one letter alone would be a drive of Windows.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,31})://", re.ASCII)

#: STRICT tables cannot be read by an older library.
SQLITE_VERSION_MIN = (3, 37, 0)

#: The primary code of an extended result code is its low byte.
PRIMARY_CODE_MASK = 0xFF

#: The columns of `StoredRecord`, in its order.
COLUMNS = (
    "row_id, ts, observed_ts, severity, level, service, logger, body, "
    "event_name, trace_id, span_id, attributes"
)
WHAT_CAN_BE_READ = "this version reads SQLite databases: write sqlite:///app.db, or the path of a file"


class StoredRecord(NamedTuple):
    """A row of `telesink_logs`; times are nanoseconds since the Unix epoch."""

    row_id: int
    ts: int
    observed_ts: int
    severity: int
    level: str
    service: str
    logger: str
    body: str
    event_name: str | None
    trace_id: str | None
    span_id: str | None
    attributes: dict[str, Any]


def database_path(target: str) -> Path:
    """Return the file that `target` names: `sqlite:///app.db`, or the path of a file that exists.

    A DSN may name a file that does not exist yet; its options, behind `?`, say how to write and are left
    alone.

    Raises:
        CommandError: for anything else. The text is not repeated, because a DSN may hold a password.
    """
    text = target.strip()
    found = SCHEME.match(text)
    if found is not None:
        if found[1].lower() != "sqlite":
            raise CommandError(
                f"records behind `{found[1].lower()}://` cannot be read",
                hint=WHAT_CAN_BE_READ,
                exit_code=USAGE_EXIT_CODE,
            )
        return _path_of_dsn(text[found.end() :])
    path = Path(text)
    if text and path.exists():
        return path
    is_shown = path.suffix in {".db", ".sqlite", ".sqlite3"} and not set(text) & set("=@?#:")
    raise CommandError(
        f"there is no file {text}"
        if is_shown
        else "this is neither a DSN nor the path of a file that exists",
        hint=f"to wait for a file, name it as a DSN: sqlite:///{text}" if is_shown else WHAT_CAN_BE_READ,
        exit_code=USAGE_EXIT_CODE,
    )


def _path_of_dsn(body: str) -> Path:
    decoded = unquote(body.partition("?")[0])
    if decoded in {"", "/"} or decoded.endswith(":memory:"):
        message, hint = "sqlite:// names no file", "write sqlite:///app.db"
        raise CommandError(message, hint=hint, exit_code=USAGE_EXIT_CODE)
    if not decoded.startswith("/"):
        raise CommandError(
            "sqlite:// takes no host: a path begins with a third slash",
            hint="write sqlite:///app.db (relative) or sqlite:////var/lib/app.db (absolute)",
            exit_code=USAGE_EXIT_CODE,
        )
    return Path(decoded[1:])


def open_database(path: Path, *, timeout_seconds: float, takes_snapshot: bool = True) -> sqlite3.Connection:
    """Open a database for reading; a lock of others is waited for up to `timeout_seconds`.

    With `takes_snapshot` a file in a folder that must not be written is read as it stands, if nobody writes
    it; what is added later is not seen.

    Raises:
        CommandError: Python's SQLite is too old.
        sqlite3.Error: the file is missing, locked, or no database.
    """
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        raise CommandError(
            f"this Python comes with SQLite {sqlite3.sqlite_version}, too old for the tables of telesink",
            hint="use a Python with SQLite 3.37 or newer",
        )
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _connect(uri, timeout_seconds)
    except sqlite3.OperationalError as error:
        # Readers of a WAL database make two small files beside it. Where that is forbidden, and no writer has
        # made them, the file can still be read as it is.
        is_forbidden = primary_code(error) in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not takes_snapshot or not is_forbidden or not path.is_file() or Path(f"{path}-wal").exists():
            raise
        return _connect(f"{uri}&immutable=1", timeout_seconds)


def _connect(uri: str, timeout_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=timeout_seconds, isolation_level=None)
    try:
        # Others may have stored what is not UTF-8; one such value must not hide the rest.
        connection.text_factory = _decode
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def stored_record(row: tuple[Any, ...]) -> StoredRecord:
    """Make a record of a row that was selected with `COLUMNS`."""
    return StoredRecord._make((*row[:-1], _attributes(row[-1])))


def _attributes(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    # Only other writers store anything but an object; it is shown rather than hidden.
    return value if isinstance(value, dict) else {"attributes": value}


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error; 0 for errors of the Python module itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & PRIMARY_CODE_MASK


def is_missing_table(error: sqlite3.Error) -> bool:
    """Whether the table of the log records is not there, or not yet."""
    return str(error) == "no such table: telesink_logs"


def command_error(error: sqlite3.Error, path: Path) -> CommandError:
    """Say what an error of SQLite means for the file `path`, and what to do."""
    code = primary_code(error)
    if is_missing_table(error):
        hint = "telesink makes its tables when it stores the first record; is this the right file?"
        return CommandError(f"{path} has no table telesink_logs", hint=hint)
    if code == sqlite3.SQLITE_CANTOPEN and not path.exists():
        hint = "name the file that a program with telesink writes"
        return CommandError(f"there is no file {path}", hint=hint, exit_code=USAGE_EXIT_CODE)
    if code == sqlite3.SQLITE_CANTOPEN and path.is_file():
        hint = "following it takes the right to write in its folder; without that, use --no-follow"
        return CommandError(f"could not open {path}: {error}", hint=hint)
    if path.is_dir() or code == sqlite3.SQLITE_NOTADB:
        what = "a directory" if path.is_dir() else "no SQLite database"
        return CommandError(f"{path} is {what}", hint=WHAT_CAN_BE_READ, exit_code=USAGE_EXIT_CODE)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return CommandError(f"{path} is locked by another program", hint="try again when it is done")
    return CommandError(f"could not read {path}: {error}", exit_code=FAILED_EXIT_CODE)
