"""Runs the command line in processes of their own, on databases made without the native module."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SCHEMA = Path(__file__).parents[1] / "rust/telesink-core/src/sinks/sqlite"

#: For whatever a process is waited for; a healthy one needs a second.
DEADLINE_SECONDS = 30.0

#: 2026-11-22T10:00:00Z
TEN_O_CLOCK = 1_795_341_600_000_000_000


def table_definitions():
    """The statements that the library runs itself, read from their one home."""
    versions = sorted(SCHEMA.glob("version_*.sql"))
    return "".join(path.read_text(encoding="utf-8") for path in versions).strip()


class Database:
    """A database with the tables of telesink."""

    def __init__(self, path, journal="wal"):
        self.path = path
        with self.connection() as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.executescript(table_definitions())

    @contextmanager
    def connection(self):
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            yield connection

    def add(self, *bodies, severity=9, level="INFO", logger="shop", attributes="{}", seconds=0, **columns):
        """Add one row for each body."""
        with self.connection() as connection:
            (count,) = connection.execute("SELECT count(*) FROM telesink_logs").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            for number, body in enumerate(bodies, count):
                ts = columns.get("ts", TEN_O_CLOCK + seconds * 1_000_000_000)
                values = {
                    "ts": ts,
                    "observed_ts": ts,
                    "id": f"{number}",
                    "severity": severity,
                    "level": level,
                    "service": "app",
                    "logger": logger,
                    "body": body,
                    "attributes": attributes,
                    "resource_id": 1,
                    "instance": "i",
                    "seq": number,
                    **columns,
                }
                marks = ", ".join("?" for _ in values)
                statement = f"INSERT INTO telesink_logs ({', '.join(values)}) VALUES ({marks})"
                connection.execute(statement, list(values.values()))
            connection.execute("COMMIT")

    def count(self):
        with self.connection() as connection:
            return connection.execute("SELECT count(*) FROM telesink_logs").fetchone()[0]


def environment(**variables):
    """The environment of a person with an ordinary terminal, and `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELESINK_", "OTEL_"))}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        kept.pop(name, None)
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "xterm-256color",
        "PYTHONUTF8": "1",
        **variables,
    }


def command(*arguments):
    return [sys.executable, "-m", "telesink", *map(str, arguments)]


def telesink(*arguments, folder=None, **variables):
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_SECONDS * 2,
        check=False,
    )


class Running:
    """A command that is running; what it writes is collected."""

    def __init__(self, process):
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        self.readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((process.stdout, self.out), (process.stderr, self.err))
        ]

    def _read(self, stream, lines):
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def wait_for(self, text, lines):
        """Wait until one of the lines holds `text`."""
        with self._changed:
            is_there = self._changed.wait_for(lambda: any(text in line for line in lines), DEADLINE_SECONDS)
        assert is_there, f"{text!r} is not in {self.out} or {self.err}"

    def interrupt(self, signal):
        """Send a signal and answer the exit code."""
        self.process.send_signal(signal)
        code = self.process.wait(DEADLINE_SECONDS)
        for reader in self.readers:
            reader.join(DEADLINE_SECONDS)
        return code


@contextmanager
def running(*arguments, folder=None, **variables) -> Iterator[Running]:
    """Start a command; it is gone when the block ends."""
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1", **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        started = Running(process)
        for reader in started.readers:
            reader.start()
        try:
            yield started
        finally:
            process.kill()
            for reader in started.readers:
                reader.join(DEADLINE_SECONDS)


def read_one_line(*arguments):
    """Read one line, then leave; answer it with the exit code and the error output."""
    with subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            line = process.stdout.readline()
            process.stdout.close()
            return line, process.wait(DEADLINE_SECONDS), process.stderr.read()
        finally:
            process.kill()


def in_terminal(*arguments, folder=None, **variables):
    """Run a command in a terminal of 100 columns; answer the exit code and what the terminal received."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    try:
        process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environment(**variables),
            stdin=follower,
            stdout=follower,
            stderr=follower,
        )
    finally:
        os.close(follower)
    with process, closing(os.fdopen(leader, "rb", buffering=0)) as screen:
        received = bytearray()
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            while (chunk := screen.read(4096)) and time.monotonic() < deadline:
                received += chunk
        except OSError:
            pass  # Linux says so when the last program has left the terminal.
        return process.wait(DEADLINE_SECONDS), received.decode().replace("\r\n", "\n")
