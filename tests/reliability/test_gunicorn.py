"""gunicorn: every class of worker, recycled, reloaded and stopped under load; nothing to configure."""

import os
import signal

import pytest
from reliability import hosts
from waiting import is_alive, wait_until

WORKERS = 4
REQUESTS = 10_000
#: For a load that is cut off: more than any server answers within the second that gunicorn's own check takes.
REQUESTS_WITHOUT_END = 1_000_000


def start(subjects, kind, *options, install=hosts.BY_CALL):
    hosts.write_app(subjects, install)
    port = hosts.free_port()
    threads = ["--threads", "4"] if kind == "gthread" else []
    settings = ["--workers", WORKERS, "--worker-class", kind, "--bind", f"127.0.0.1:{port}"]
    # gunicorn's own records are heard, too, and have no key.
    quiet = ["--log-level", "critical"]
    command = ["-m", "gunicorn", *settings, *threads, *quiet, *options, "app:app"]
    return hosts.Host(subjects.start(hosts.LAUNCHER, *command), port).wait_until_ready()


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["lazy", "preload"])
def test_F8_ten_thousand_requests_are_logged_while_workers_are_recycled_and_reloaded(subjects, kind, preload):
    host = start(subjects, kind, *preload, "--max-requests", 1_000, "--max-requests-jitter", 100)

    with hosts.Load(host.port, REQUESTS, keep_alive=kind == "gthread") as load:
        load.wait_for(REQUESTS // 2)
        host.send(signal.SIGHUP)
        load.wait()
    code = host.stop()

    assert code == 0, host.subject.stderr
    assert len(load.answers) == REQUESTS
    assert load.errors == []
    # Those before the reload and some after it. How many is gunicorn's business: one that has served its
    # share still answers whoever it has let in, and which of the idle ones is asked is up to the kernel.
    hosts.check_exact(subjects, load.answers, WORKERS + 1)
    assert host.subject.own_lines == []


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["lazy", "preload"])
def test_F8_workers_that_are_terminated_under_load_deliver_all_they_have_taken(subjects, kind, preload):
    host = start(subjects, kind, *preload, install=hosts.BY_DICTIONARY)

    with hosts.Load(host.port, REQUESTS_WITHOUT_END, keep_alive=kind == "gthread") as load:
        load.wait_for(1_000)
        code = host.stop()

    assert code == 0, host.subject.stderr
    assert len(load.answers) < REQUESTS_WITHOUT_END
    hosts.check_exact(subjects, load.answers, 1)
    assert host.subject.own_lines == []


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_F8_workers_that_are_told_to_quit_at_once_deliver_all_they_have_taken(subjects, kind):
    host = start(subjects, kind, "--preload")

    with hosts.Load(host.port, REQUESTS_WITHOUT_END, keep_alive=kind == "gthread") as load:
        load.wait_for(1_000)
        host.stop(signal.SIGQUIT)

    rows, keys = subjects.rows(), subjects.keys()
    rows.check_once()
    assert set(keys) <= set(rows.keys)
    # The signal raises SystemExit, also between the return of the call and the key: once in each process.
    untold = [pid for pid, _, _ in set(rows.keys) - set(keys)]
    assert len(untold) == len(set(untold))
    assert host.subject.own_lines == []


def test_F8_workers_share_one_postgres_through_reload_and_stop(subjects, database):
    host = start(subjects, "gthread", "--preload", install=f"telesink.install_logging({database.dsn()!r})")

    with hosts.Load(host.port, REQUESTS) as load:
        load.wait_for(REQUESTS // 4)
        host.send(signal.SIGHUP)
        load.wait_for(REQUESTS // 2)
        code = host.stop()

    assert code == 0, host.subject.stderr
    found, keys = hosts.keys_in(database), subjects.keys()
    assert sorted(found) == sorted(keys)
    assert set(load.answers) <= set(found)
    # The master, those before, and some of those after the reload.
    assert len({pid for pid, _, _ in keys}) > 1 + WORKERS
    assert host.subject.own_lines == []


def test_F8_a_worker_that_is_killed_costs_at_most_its_last_moment(subjects):
    host = start(subjects, "sync", "--preload")

    with hosts.Load(host.port, REQUESTS, keep_alive=False) as load:
        load.wait_for(1_000)
        victim = host.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim), "the end of the worker")
        load.wait_for(len(load.answers) + 1_000)
        code = host.stop()

    assert code == 0, host.subject.stderr
    keys, rows = subjects.keys(), subjects.rows()
    rows.check_once()
    missing = set(keys) - set(rows.keys)
    assert {pid for pid, _, _ in missing} <= {victim}
