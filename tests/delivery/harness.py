"""Subjects (programs under test, each in a fresh interpreter) and the oracle outside them.

A subject writes the key of each record to a named pipe after the call has returned, so that what was
accepted is known even if it is killed. The oracle reads the database with the stdlib's sqlite3.
"""

import contextlib
import itertools
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

from delivery.key import KEY
from waiting import DEADLINE_SECONDS

TESTS = Path(__file__).parents[1]

#: The event name of the records in which telesink tells of losses.
LOSS_EVENT = "telesink.loss"

#: What `Subjects.create_database` has stored.
CREATED = [(0, 0, 0)]


def resident_bytes(pid):
    """The memory that a process really uses."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) * 1024


def check_identities(stats, *, is_quiet=True):
    """Both identities: exact when nobody logs; a live snapshot may only over-state what is pending."""
    rejected, dropped = sum(stats["rejected"].values()), sum(stats["dropped"].values())
    resolved = stats["delivered"] + dropped + stats["pending"]
    if is_quiet:
        assert stats["accepted"] + rejected == stats["offered"], stats
        assert resolved == stats["routed"], stats
    else:
        assert resolved >= stats["routed"], stats
    for sink in stats["sinks"].values():
        check_identities(sink, is_quiet=is_quiet)


class Subject:
    """One program under test; it is gone when the with-block of its `Subjects` ends."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid
        self.errors: list[str] = []
        self._told: queue.Queue = queue.Queue()
        self._readers = []
        if process.stdout is not None:
            self._readers.append(threading.Thread(target=self._read_words, daemon=True))
        if process.stderr is not None:
            self._readers.append(threading.Thread(target=self._read_errors, daemon=True))
        for reader in self._readers:
            reader.start()

    def _read_words(self):
        for line in self.process.stdout:
            self._told.put(line)
        self._told.put("")

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))

    def hear(self, seconds=DEADLINE_SECONDS):
        """The next thing that the subject tells."""
        try:
            line = self._told.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the subject told nothing within {seconds} s; {self.stderr}") from None
        if not line:
            self.ends()
            raise AssertionError(f"the subject has ended: {self.stderr}")
        return json.loads(line)

    def say(self, word="go"):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def ends(self, seconds=DEADLINE_SECONDS):
        """Wait for the end, and answer the exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    def kill(self):
        self.process.kill()
        return self.ends()

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)

    @property
    def stderr(self):
        return "\n".join(self.errors)

    @property
    def own_lines(self):
        """What telesink itself said on standard error."""
        return [line for line in self.errors if line.startswith("telesink: ")]


class Subjects:
    """Starts subjects in one folder, with one database, one pipe of keys, and one check at the end."""

    def __init__(self, folder):
        self.folder = folder
        self.database = folder / "app.db"
        self._all: list[Subject] = []
        self._numbers = itertools.count()
        self._pipe = folder / "keys"
        self._bytes = bytearray()
        self._marks = 0
        self._changed = threading.Condition()

    def __enter__(self):
        os.mkfifo(self._pipe)
        reading = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        # Kept open, so that the reader does not see an end between two subjects.
        self._keeper = os.open(self._pipe, os.O_WRONLY)
        os.set_blocking(reading, True)
        self._reader = threading.Thread(target=self._read_keys, args=(reading,), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind, error, traceback):
        for subject in self._all:
            subject.kill()
        os.close(self._keeper)
        self._reader.join(DEADLINE_SECONDS)
        if kind is None:
            self._check()

    def _read_keys(self, descriptor):
        with closing(os.fdopen(descriptor, "rb", buffering=0)) as pipe:
            while chunk := pipe.read(1 << 16):
                with self._changed:
                    self._bytes += chunk
                    self._changed.notify_all()

    def _check(self):
        for line in self.stats_lines():
            check_identities(line["stats"], is_quiet=line["is_quiet"])
        for subject in self._all:
            assert "panicked" not in subject.stderr
            assert "please report it" not in subject.stderr

    def stats_lines(self):
        """The counters that processes noted at their end."""
        path = self.folder / "stats"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def start(self, program, *arguments, environment=None, prefix=(), **options):
        """Start a program; `prefix` is a command that runs it, `options` are those of `Popen`."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("TELESINK_", "OTEL_"))
        }
        paths = [str(TESTS), *filter(None, [variables.get("PYTHONPATH")])]
        variables.update(
            PYTHONPATH=os.pathsep.join(paths),
            PYTHONUNBUFFERED="1",
            SUBJECT_FOLDER=str(self.folder),
            SUBJECT_KEYS=str(self._pipe),
            **(environment or {}),
        )
        path = self.folder / f"program{next(self._numbers)}.py"
        path.write_text(textwrap.dedent(program), encoding="utf-8")
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [*prefix, sys.executable, str(path), *map(str, arguments)],
            cwd=self.folder,
            env=variables,
            encoding="utf-8",
            errors="replace",
            **{**streams, **options},
        )
        subject = Subject(process)
        self._all.append(subject)
        return subject

    def run(self, program, *arguments, seconds=DEADLINE_SECONDS, **options):
        """Start a program, and wait for its good end."""
        subject = self.start(program, *arguments, **options)
        code = subject.ends(seconds)
        assert code == 0, subject.stderr
        return subject

    def create_database(self):
        """Make the database, with one record in it, so that it can be locked or changed."""
        self.run("import telesink\ntelesink.Pipeline('sqlite:///app.db').enqueue({'body': '0 0 0'})")

    def keys(self, pid=None):
        """The keys of all accepted records (of one process) so far, in the order they were told."""
        with self._changed:
            self._marks += 1
            mark = KEY.pack(0, 0, self._marks)
            os.write(self._keeper, mark)
            # A pipe keeps the order: all that ended processes wrote lies before the mark.
            assert self._changed.wait_for(lambda: self._bytes.endswith(mark) or mark in self._bytes, 60)
            whole = bytes(self._bytes)
        return [key for key in KEY.iter_unpack(whole) if (key[0] == pid if pid else key[0] != 0)]

    def rows(self, logger=None):
        return Rows(self.database, logger)


@contextlib.contextmanager
def reading(path):
    """A connection that only reads."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        yield connection


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a database, as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


class Rows:
    """What a database holds, in the order it was stored; only the keys of one logger, if it is named."""

    def __init__(self, path, logger=None):
        with reading(path) as connection:
            found = connection.execute(
                "SELECT body, logger, instance, seq, event_name, attributes FROM telesink_logs "
                "ORDER BY row_id"
            ).fetchall()
        self._read(found, logger)

    def _read(self, found, logger=None):
        self.keys = []
        self.losses = []
        self.seqs: dict[str, list[int]] = {}
        self.instances: dict[int, set[str]] = {}
        for body, name, instance, seq, event_name, attributes in found:
            self.seqs.setdefault(instance, []).append(seq)
            if event_name == LOSS_EVENT:
                self.losses.append(json.loads(attributes))
                continue
            if logger not in (None, name):
                continue
            pid, thread, counter = body.split(" ", 3)[:3]
            self.keys.append((int(pid), int(thread), int(counter)))
            self.instances.setdefault(int(pid), set()).add(instance)

    def check_exactly(self, keys):
        """Every accepted record is there, once, none besides, and those of one thread in their order."""
        self.check_once()
        self.check_order()
        missing, surplus = set(keys).difference(self.keys), set(self.keys).difference(keys)
        assert not missing, f"{len(missing)} accepted records are missing: {sorted(missing)[:5]} ..."
        assert not surplus, f"{len(surplus)} rows were never accepted: {sorted(surplus)[:5]} ..."

    def check_once(self):
        if len(set(self.keys)) != len(self.keys):
            twice = [key for key, count in Counter(self.keys).items() if count > 1]
            raise AssertionError(f"{len(twice)} records are stored twice: {twice[:5]} ...")

    def check_order(self):
        last: dict[tuple[int, int], int] = {}
        for pid, thread, counter in self.keys:
            before = last.get((pid, thread), -1)
            assert before < counter, f"thread {thread} of {pid}: {counter} is stored after {before}"
            last[pid, thread] = counter
        for instance, seqs in self.seqs.items():
            assert all(left < right for left, right in itertools.pairwise(seqs)), instance

    def check_dense(self):
        """No gaps: each process and sink counts 1, 2, 3 …"""
        for instance, seqs in self.seqs.items():
            assert seqs == list(range(1, len(seqs) + 1)), instance


class Lost:
    """The accepted records that are not stored."""

    def __init__(self, keys, stored):
        found = set(stored)
        self.keys = [key for key in keys if key not in found]
        self.by_process = Counter(pid for pid, _, _ in self.keys)
        #: The most that one process lost.
        self.by_process_max = max(self.by_process.values(), default=0)
        last = {}
        for pid, thread, counter in stored:
            last[pid, thread] = counter
        #: Whether each thread lost nothing but its last records.
        self.is_tail = all(last.get((pid, thread), -1) < counter for pid, thread, counter in self.keys)


def check_killed(rows, keys, killed):
    """
    Check that killed processes doubled nothing and lost nothing but their last records.

    `killed` holds the moment of each by its pid, in microseconds as `log_until_killed` numbers the records.
    Answers what was lost, and the age of the oldest of it in seconds.
    """
    rows.check_once()
    rows.check_order()
    rows.check_dense()
    stored, lost = set(rows.keys), Lost(keys, rows.keys)
    # A record that is stored although its key was not told yet: killed between the two.
    assert all(count <= 4 for count in Counter(pid for pid, _, _ in stored.difference(keys)).values())
    longest = max((killed[pid] - counter for pid, _, counter in lost.keys), default=0) / 1e6
    print(
        f"{len(keys)} accepted, {len(lost.keys)} lost in {len(lost.by_process)} of {len(killed)} kills, "
        f"at most {lost.by_process_max} at once, none older than {longest * 1e3:.0f} ms"
    )
    assert lost.is_tail
    return lost, longest


def check_integrity(path):
    """The file as SQLite's own check sees it, and each row readable."""
    with reading(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        broken = connection.execute("SELECT count(*) FROM telesink_logs WHERE NOT json_valid(attributes)")
        assert broken.fetchone() == (0,)
