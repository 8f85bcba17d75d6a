"""Application servers as subjects, and clients that give them work."""

import http.client
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from waiting import DEADLINE_SECONDS, is_alive, wait_until

#: Becomes the server, so that the subject is the server itself and not its parent.
LAUNCHER = """
import os, sys
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

#: One record for each request; the answer is its key. The thread is part of the key, because only within one
#: is there an order.
APP = """
import itertools, logging, os, threading, time
from delivery.subject_side import DSN, took
import telesink

INSTALL
log = logging.getLogger("app")
# A server that reloads itself begins anew in the same process; its numbers must not.
numbers = itertools.count(time.time_ns() // 1_000_000 % 2**31)
first = next(numbers)
log.info("%d 0 %d", os.getpid(), first)
took(0, first)

def app(environ, start_response):
    thread, number = threading.get_native_id(), next(numbers)
    log.info("%d %d %d", os.getpid(), thread, number)
    took(thread, number)
    answer = f"{os.getpid()} {thread} {number}".encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]

application = app
"""

#: The ways to install telesink that need nothing else in the program.
BY_CALL = "telesink.install_logging(DSN)"
BY_DICTIONARY = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"telesink": {"class": "telesink.LogHandler", "dsn": DSN}},
    "root": {"level": "INFO", "handlers": ["telesink"]},
})
"""

#: What the application answers.
KEY = re.compile(rb"\d+ \d+ \d+")

#: What a client sees of a server that goes away.
GONE = (http.client.HTTPException, OSError)


def free_port():
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """One application server with its workers."""

    def __init__(self, subject, port):
        self.subject = subject
        self.port = port

    def wait_until_ready(self):
        """Wait until it answers; the first answers are records, too."""
        wait_until(self._answers, "the server's first answer")
        return self

    def _answers(self):
        assert self.subject.process.poll() is None, self.subject.stderr
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                return True
        except (urllib.error.URLError, *GONE):
            return False

    def workers(self):
        """The processes that the server has forked, and theirs."""
        return descendants(self.subject.pid)

    def send(self, number):
        """Send a signal to the master."""
        self.subject.interrupt(number)

    def stop(self, number=signal.SIGTERM, seconds=DEADLINE_SECONDS):
        """End it, wait until its workers are gone too, and answer the exit code."""
        workers = self.workers()
        self.send(number)
        code = self.subject.ends(seconds)
        # For whoever reads of a failure.
        print(self.subject.stderr)
        wait_until(lambda: not any(map(is_alive, workers)), "the end of all workers")
        return code


def descendants(pid):
    """All processes below this one."""
    try:
        paths = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for path in paths for child in path.read_text().split()]
    except OSError:
        return []
    return children + [one for child in children for one in descendants(child)]


class Load:
    """A bounded number of requests from some threads; one whose server goes away is asked again."""

    def __init__(self, port, count, threads=8, *, keep_alive=True):
        self._port = port
        self._keep_alive = keep_alive
        self._left = count
        self._lock = threading.Lock()
        self._is_over = False
        self.answers: list[tuple[int, int, int]] = []
        self.errors: list[int] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, error, traceback):
        self._is_over = True
        self.wait()

    def wait(self):
        """Wait until all requests are answered."""
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS * 3)
            assert not thread.is_alive(), f"a client hangs; {len(self.answers)} requests were answered"

    def wait_for(self, count):
        """Wait until so many are answered."""
        wait_until(lambda: len(self.answers) >= count, f"{count} answers", DEADLINE_SECONDS * 2)

    def _take(self):
        with self._lock:
            self._left -= 1
            return self._left >= 0 and not self._is_over

    def _work(self):
        connection = None
        while self._take():
            answer = None
            while answer is None and not self._is_over:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                answer = self._ask(connection)
                if answer is None or not self._keep_alive:
                    connection.close()
                    connection = None
                if answer is None:
                    # Between two servers nobody listens, and to ask all the time would only delay the next.
                    time.sleep(0.02)
            if answer is not None:
                self.answers.append(tuple(map(int, answer.split())))
        if connection is not None:
            connection.close()

    def _ask(self, connection):
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            answer = response.read()
        except GONE:
            return None
        if response.status != http.client.OK:
            self.errors.append(response.status)
            return None
        # A worker that is cut off between the headers and their body may begin a second answer behind them.
        return answer if KEY.fullmatch(answer) else None


def write_app(subjects, install=BY_CALL, *, name="app", text=APP):
    """Put the application where the server finds it."""
    path = subjects.folder / f"{name}.py"
    path.write_text(text.replace("INSTALL", install), encoding="utf-8")
    return path


def keys_in(database):
    """The keys of the rows in Postgres."""
    return [tuple(map(int, body.split())) for body in database.bodies()]


def check_exact(subjects, answers, workers_min):
    """Rows are what was accepted by all workers, every answered request among them."""
    keys, rows = subjects.keys(), subjects.rows()
    rows.check_exactly(keys)
    rows.check_dense()
    assert set(answers) <= set(keys)
    assert len(set(answers)) == len(answers)
    assert len({pid for pid, _, _ in answers}) >= workers_min
