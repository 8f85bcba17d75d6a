"""Both databases for the tests here, behind one face."""

import sys

import pytest
from events.stores import PostgresStore, SqliteStore

if sys.platform != "win32":
    from postgres.conftest import direct_database, running, server, workshops

    __all__ = ["direct_database", "running", "server", "workshops"]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    """A fresh SQLite file, and a fresh database on a shared Postgres."""
    if request.param == "sqlite":
        return SqliteStore(tmp_path / "app.db")
    return PostgresStore(request.getfixturevalue("direct_database"))


@pytest.fixture
def sqlite_store(tmp_path):
    """A fresh SQLite file."""
    return SqliteStore(tmp_path / "app.db")


@pytest.fixture
def postgres_store(direct_database):
    """A fresh database on a shared Postgres."""
    return PostgresStore(direct_database)
