"""Celery's prefork pool with the recipe of docs/deployment.md, as it stands there."""

import contextlib
import os
import re
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest
from reliability import hosts
from waiting import is_alive, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"

#: A broker without a server, and a task that logs one record.
TASKS = """
import itertools, os
from delivery.subject_side import took
import celery

numbers = itertools.count()
log = logging.getLogger("app")
app = celery.Celery("tasks", broker="filesystem://")
folders = {name: "broker" for name in ("data_folder_in", "data_folder_out")}
app.conf.broker_transport_options = {**folders, "control_folder": "control", "polling_interval": 0.02}
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 8
# Broadcasts of files would be a second broker.
app.conf.worker_enable_remote_control = False

@app.task
def work():
    number = next(numbers)
    log.info("%d 0 %d", os.getpid(), number)
    took(0, number)
"""

#: Sends tasks, so many in a message; few messages at a time: the broker reads its whole folder for each.
SENDER = """
import os, sys, time
sys.path.insert(0, os.environ["SUBJECT_FOLDER"])
from tasks import work

count, together = map(int, sys.argv[1:])
for number in range(count // together):
    while number % 10 == 0 and len(os.listdir("broker")) > 100:
        time.sleep(0.01)
    if together == 1:
        work.delay()
    else:
        work.chunks([()] * together, together).apply_async()
"""


def recipe():
    """The code that the page tells to write."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    [found] = [block for block in blocks if "setup_logging" in block]
    assert '"sqlite:///app.db"' in found
    return found


def start(subjects, *options):
    hosts.write_app(subjects, name="tasks", text=recipe() + TASKS)
    for name in ("broker", "control"):
        (subjects.folder / name).mkdir()
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    # Not `-m celery`: a restart names the program by its file.
    program = Path(sysconfig.get_path("scripts")) / "celery"
    command = [program, "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", 4]
    return hosts.Host(subjects.start(hosts.LAUNCHER, *command, *quiet, *options), None)


def send(subjects, count, together=1):
    return subjects.start(SENDER, count, together, environment={"SUBJECT_IS_LOUD": "1"})


def wait_for_keys(subjects, count):
    wait_until(lambda: len(subjects.keys()) >= count, f"{count} tasks", 180)


def check_exact(subjects, *, untold_max=0):
    rows, keys = subjects.rows("app"), subjects.keys()
    rows.check_once()
    rows.check_order()
    missing, untold = set(keys) - set(rows.keys), set(rows.keys) - set(keys)
    assert not missing
    # A signal may raise SystemExit between the return of a log call and its key: once in each child.
    assert len(untold) <= untold_max


def test_F10_200_tasks_in_children_that_end_after_five_arrive_and_a_warm_shutdown_loses_none(subjects):
    host = start(subjects, "--max-tasks-per-child", 5)
    send(subjects, 200).ends()

    wait_for_keys(subjects, 200)
    code = host.stop(signal.SIGTERM)

    assert code == 0, host.subject.stderr
    keys = subjects.keys()
    assert len(keys) == 200
    assert len({pid for pid, _, _ in keys}) >= 200 // 5
    check_exact(subjects)
    # Forty children share one file; on a busy machine one may wait for it for so long that it says so.
    assert [line for line in host.subject.own_lines if "database is locked" not in line] == []


def test_F10_ten_thousand_tasks_arrive_although_the_worker_is_restarted_and_stopped_under_load(subjects):
    host = start(subjects)
    sender = send(subjects, 10_500, 20)

    wait_for_keys(subjects, 4_000)
    host.send(signal.SIGHUP)
    wait_for_keys(subjects, 10_000)
    code = host.stop(signal.SIGTERM)

    assert code == 0, host.subject.stderr
    keys = subjects.keys()
    assert len({pid for pid, _, _ in keys}) >= 8
    check_exact(subjects)
    assert host.subject.own_lines == []
    sender.kill()


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_F10_a_cold_shutdown_under_load_loses_no_record(subjects, number):
    host = start(subjects)
    sender = send(subjects, 5_000, 20)

    wait_for_keys(subjects, 500)
    workers = host.workers()
    host.send(number)
    if number == signal.SIGINT:
        # The second one turns the warm shutdown into a cold one.
        host.send(number)
    # Now and then Celery's children wait for a lock that one of them died with, also without telesink.
    with contextlib.suppress(subprocess.TimeoutExpired):
        host.subject.ends(20)
    for pid in filter(is_alive, workers):
        os.kill(pid, signal.SIGKILL)
    host.subject.kill()

    check_exact(subjects, untold_max=4)
    assert host.subject.own_lines == []
    sender.kill()
