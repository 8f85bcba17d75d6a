"""uWSGI: forks from C, with and without threads, hooks and lazy loading; recycled, reloaded and stopped."""

import collections
import os
import signal
import sysconfig
from pathlib import Path

import pytest
from delivery.harness import TESTS
from reliability import hosts
from waiting import wait_until

import telesink

WORKERS = 4
REQUESTS = 10_000
#: After so many a worker is replaced.
WORKER_REQUESTS = 1_000

#: As the page on deployment has it: workers end with their request, and SIGTERM is no reload.
GRACEFUL = ["--die-on-term", "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]

#: How threads and forks are set up; every mixture is somebody's.
FLAGS = {
    "plain": [],
    "threads": ["--enable-threads"],
    "lazy": ["--lazy-apps"],
    "lazy-threads": ["--enable-threads", "--lazy-apps"],
    "osafterfork": ["--py-call-osafterfork"],
    "fork-hooks": ["--enable-threads", "--py-call-uwsgi-fork-hooks"],
    "several-threads": ["--threads", "4"],
}


def start(subjects, *options, requests_max=WORKER_REQUESTS, install=hosts.BY_CALL):
    hosts.write_app(subjects, install)
    port = hosts.free_port()
    program = Path(sysconfig.get_path("scripts")) / "uwsgi"
    settings = {
        "--http-socket": f"127.0.0.1:{port}",
        "--wsgi-file": "app.py",
        "--processes": WORKERS,
        "--max-requests": requests_max,
        # Else no worker is replaced in its first minute.
        "--min-worker-lifetime": 1,
        "--worker-reload-mercy": 30,
        "--reload-mercy": 30,
    }
    flat = [text for pair in settings.items() for text in pair]
    command = [program, "--master", "--disable-logging", "--need-app", *flat, *GRACEFUL, *options]
    # To reload, it becomes the interpreter that the environment was made from, which knows nothing of that.
    places = [TESTS, sysconfig.get_path("purelib"), Path(telesink.__file__).parents[1]]
    prefix = ["env", f"PYTHONPATH={os.pathsep.join(map(str, places))}"]
    return hosts.Host(subjects.start(hosts.LAUNCHER, *command, prefix=prefix), port).wait_until_ready()


def wait_until_all_serve(host, answers):
    """
    Wait until no worker is being replaced, or is about to be; the answers to this are answers, too.

    uWSGI 2.0.30 does not end when it is told to while a worker begins, or loads the application.
    """

    def all_serve():
        counts, workers = collections.Counter(pid for pid, _, _ in answers), host.workers()
        if len(workers) == WORKERS and all(0 < counts[pid] < WORKER_REQUESTS - 10 for pid in workers):
            return True
        with hosts.Load(host.port, 40, keep_alive=False) as load:
            load.wait()
        assert load.errors == []
        answers.extend(load.answers)
        return False

    wait_until(all_serve, "an answer of each worker")


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_F9_ten_thousand_requests_are_logged_while_workers_are_recycled_and_reloaded(subjects, flags):
    host = start(subjects, *flags)

    with hosts.Load(host.port, REQUESTS, keep_alive=False) as load:
        load.wait_for(REQUESTS // 2)
        host.send(signal.SIGHUP)
        load.wait()
    assert len(load.answers) == REQUESTS
    assert load.errors == []
    wait_until_all_serve(host, load.answers)
    host.stop()

    hosts.check_exact(subjects, load.answers, WORKERS + 1)
    assert host.subject.own_lines == []


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_F9_workers_that_are_stopped_under_load_deliver_all_they_have_taken(subjects, flags):
    host = start(subjects, *flags, requests_max=100_000, install=hosts.BY_DICTIONARY)

    with hosts.Load(host.port, REQUESTS, keep_alive=False) as load:
        load.wait_for(1_000)
        # uWSGI never ends a worker that is told to while it loads the application, whatever that is.
        wait_until(lambda: len({pid for pid, _, _ in load.answers}) == WORKERS, "an answer of each worker")
        host.stop()

    assert len(load.answers) < REQUESTS
    hosts.check_exact(subjects, load.answers, 1)
    assert host.subject.own_lines == []


@pytest.mark.parametrize("options", [[], ["--skip-atexit"]], ids=["plain", "skip-atexit"])
def test_F9_workers_that_are_cut_off_in_a_request_lose_only_their_last_moment(subjects, options):
    host = start(subjects, *options, requests_max=100_000)

    with hosts.Load(host.port, REQUESTS, keep_alive=False) as load:
        load.wait_for(1_000)
        # uWSGI ends its workers by SIGINT in the middle of a request, and then runs no exit hooks of Python.
        host.stop(signal.SIGINT)

    rows, keys = subjects.rows(), subjects.keys()
    rows.check_once()
    rows.check_order()
    stored = set(rows.keys)
    for pid in {pid for pid, _, _ in keys}:
        own = [key in stored for key in keys if key[0] == pid]
        # A prefix: nothing is missing before something that is there.
        assert own == sorted(own, reverse=True)
    assert len(stored) > 1_000 // 2
    assert host.subject.own_lines == []
