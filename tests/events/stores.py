"""One face for both databases: rows as dicts, with UUIDs, times, lists and JSON as Python has them."""

import contextlib
import json
import sqlite3
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

JSON = {"input", "output", "info", "meta", "chat_request", "chat_response", "error", "response_meta"}
TIMES = {"created_at", "updated_at", "start_time", "end_time"}


def _options(options):
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
    }
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in texts.items())


class SqliteStore:
    """A file."""

    name = "sqlite"

    def __init__(self, path):
        self.path = path

    def dsn(self, **options):
        """How telesink reaches it."""
        return f"sqlite:///{self.path}?{_options(options)}"

    def sql(self, statement, *values):
        """All rows that a statement answers with."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def script(self, statements):
        """Run statements."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.executescript(statements)

    def rows(self, table, order="id"):
        """All rows of a table as dicts, as they would be in Postgres."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
        return [{name: self._value(name, row[name]) for name in row.keys()} for row in found]  # noqa: SIM118

    @staticmethod
    def _value(name, value):
        if value is None:
            return None
        if name in JSON:
            return json.loads(value)
        if name == "tags":
            return value.split("|")
        if name == "rate_limited":
            return bool(value)
        return round(value, 6) if name in TIMES else value


class PostgresStore:
    """A database of a server."""

    name = "postgres"

    def __init__(self, database):
        self.database = database

    def dsn(self, **options):
        """How telesink reaches it."""
        return self.database.dsn(**options)

    def sql(self, statement, *values):
        """All rows that a statement answers with."""
        return self.database.sql(statement, *values)

    script = sql

    def rows(self, table, order="id"):
        """All rows of a table as dicts; ids as text, times as seconds."""
        names = [
            name
            for (name,) in self.sql(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum",
                table,
            )
        ]
        found = self.sql(f"SELECT * FROM {table} ORDER BY {order}")
        return [dict(zip(names, map(self._value, row), strict=True)) for row in found]

    @staticmethod
    def _value(value):
        if isinstance(value, datetime):
            return round(value.timestamp(), 6)
        return str(value) if isinstance(value, UUID) else value
