"""Hosts that freeze a program between two requests, and may never wake it again: AWS Lambda."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from waiting import wait_until

FUNCTION = """
import functools, logging, sys, telesink

telesink.install_logging("sqlite:///app.db", linger_seconds=5)


def delivered(handler):
    @functools.wraps(handler)
    def handle(event):
        try:
            return handler(event)
        finally:
            telesink.flush(timeout_seconds=10)

    return handle


@delivered
def handler(event):
    for number in range(100):
        logging.getLogger("shop").warning("%s %d", event, number)
    return "done"


for line in sys.stdin:
    print(handler(line.strip()), flush=True)
"""


def rows_in(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [body for (body,) in connection.execute("SELECT body FROM telesink_logs ORDER BY seq")]


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_what_an_invocation_has_logged_is_there_before_the_program_is_frozen_or_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", FUNCTION],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as function:
        found = []
        for event in ("first", "second"):
            function.stdin.write(f"{event}\n")
            assert function.stdout.readline() == "done\n"
            os.kill(function.pid, signal.SIGSTOP)
            wait_until(lambda: is_stopped(function.pid), "it stands still")
            found.append(rows_in(tmp_path / "app.db"))
            os.kill(function.pid, signal.SIGCONT)
        function.kill()

    first = [f"first {number}" for number in range(100)]
    assert found == [first, first + [f"second {number}" for number in range(100)]]
    assert rows_in(tmp_path / "app.db") == found[1]
