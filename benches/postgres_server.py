"""A private Postgres server for a benchmark, on a unix socket: the tests' rig with settings of its own."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_RIG = Path(__file__).parents[1] / "tests" / "postgres" / "servers.py"

# `fsync` and all else that makes rows durable is as by default. The write-ahead log is large and background
# work is off, so that no contestant meets a checkpoint or a vacuum that another one has caused.
_SETTINGS = {
    "fsync": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "listen_addresses": "",
}

# What decides how fast rows are stored; said on the page.
_SHOWN = ("shared_buffers", "fsync", "full_page_writes", "synchronous_commit", "max_wal_size", "autovacuum")


class Server:
    """A server of the newest Postgres there is, from `start` until `stop`."""

    def __init__(self) -> None:
        rig = _rig()
        self._workshop = rig.Workshop(rig.newest())
        self._cluster = self._workshop.cluster(**_SETTINGS)
        self.dsn = f"postgresql:///postgres?host={self._cluster.folder}&port={self._cluster.port}&user={rig.SUPERUSER}"

    def start(self) -> None:
        self._cluster.start()

    def stop(self) -> None:
        self._cluster.close()
        self._workshop.close()

    @property
    def pid(self) -> int:
        """The process whose children serve the connections."""
        return int(self._cluster.pid)

    def describe(self) -> str:
        """Version and settings."""
        shown = [f"{name} {self._setting(name)}" for name in _SHOWN]
        return ", ".join([f"PostgreSQL {self._setting('server_version')} on a unix socket", *shown])

    def _setting(self, name: str) -> str:
        ((value,),) = self._cluster.sql("SELECT current_setting(%s)", name)
        return str(value)


@cache
def _rig() -> Any:
    """The tests are no package: their module is loaded by its path."""
    spec = importlib.util.spec_from_file_location("postgres_rig", _RIG)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()
