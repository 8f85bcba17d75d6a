"""Forks: parent and child each own what their calls have offered; nothing is sent twice, and nobody hangs."""

import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing

import pytest
from delivery.harness import Subjects, locked
from delivery.programs import FORK as PRELUDE
from waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")


@pytest.fixture
def subjects(tmp_path):
    with Subjects(tmp_path) as started:
        yield started


FORK_UNDER_LOAD = f"""{PRELUDE}
telesink.install_logging(DSN)
moments = random.Random(int(sys.argv[1]))
go_on = True

def work(number):
    counter = 0
    while go_on or counter < 200:
        log_many(log, number, 1, counter)
        counter += 1
        time.sleep(0.0005)

def child():
    stats = telesink.stats()["sqlite"]
    assert (stats.offered, stats.delivered, stats.pending) == (0, 0, 0), stats
    log_many(log, 9, 200)
    assert telesink.flush(30)

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
pids = []
for _ in range(50):
    time.sleep(moments.uniform(0.0, 0.02))
    pids.append(forked(child))
codes = reap(pids)
go_on = False
for thread in threads:
    thread.join()
tell(codes)
"""


@pytest.mark.slow
def test_F1_50_forks_while_four_threads_log_lose_and_double_nothing(subjects):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    subject = subjects.run(FORK_UNDER_LOAD, seed)

    assert subject.hear() == [0] * 50, subject.stderr
    keys, rows = subjects.keys(), subjects.rows()
    rows.check_exactly(keys)
    rows.check_dense()
    # Each process has its own instance, and counts what its own calls offered.
    assert {len(instances) for instances in rows.instances.values()} == {1}
    assert len(rows.instances) == len(rows.seqs) == 51
    children = Counter(pid for pid, _, _ in keys if pid != subject.pid)
    assert set(children.values()) == {200}
    lines = {line["pid"]: line["stats"]["offered"] for line in subjects.stats_lines()}
    assert lines == Counter(pid for pid, _, _ in keys)


FORK_WITH_A_FULL_QUEUE = f"""{PRELUDE}
telesink.install_logging(DSN)
log_many(log, 0, 1)
telesink.flush(30)
tell("ready")
hear()
log_many(log, 0, 1_000, 1)

def child():
    assert telesink.stats()["sqlite"].pending == 0
    log_many(log, 9, 10)
    tell("child is waiting")
    assert telesink.flush(60)

pids, seconds = [], []
for _ in range(8):
    before = time.monotonic()
    pids.append(forked(child))
    seconds.append(time.monotonic() - before)
tell(min(seconds))
tell(telesink.stats()["sqlite"].pending)
tell(reap(pids))
"""


def test_F2_what_the_parent_has_queued_is_sent_once_although_eight_children_inherit_it(subjects):
    subject = subjects.start(FORK_WITH_A_FULL_QUEUE)
    subject.hear()
    with locked(subjects.database):
        subject.say()
        heard = [subject.hear() for _ in range(10)]
        assert heard.count("child is waiting") == 8
        seconds, pending = [value for value in heard if value != "child is waiting"]
        assert pending == 1_000
        # A fork does not wait for a lane that waits for its database.
        assert seconds < 0.4

    assert subject.hear() == [0] * 8
    assert subject.ends() == 0
    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    assert Counter(pid for pid, _, _ in rows.keys)[subject.pid] == 1_001


SILENT_CHILD = f"""{PRELUDE}
telesink.install_logging(DSN)
other = telesink.Pipeline("sqlite:///other.db")
log_many(log, 0, 100)
other.enqueue({{"body": "0 0 0"}})
pid = os.fork()
if pid == 0:
    other = None
    gc.collect()
    gc.collect()
    # Ends as an ordinary program does: exit hooks, garbage, destructors.
    sys.exit(7)
tell(reap([pid]))
"""


def test_F6_a_child_that_never_logs_collects_its_garbage_and_exits_cleanly(subjects):
    subject = subjects.run(SILENT_CHILD)

    assert subject.hear() == [7]
    assert subject.own_lines == []
    assert "Traceback" not in subject.stderr
    assert "Exception ignored" not in subject.stderr
    subjects.rows().check_exactly(subjects.keys())


CHILD_OF_A_CHILD = f"""{PRELUDE}
telesink.install_logging(DSN)

def generation(number):
    log_many(log, number, 50)
    if number < 4:
        assert reap([forked(generation, number + 1)]) == [0]
    log_many(log, number, 50, 50)

generation(0)
"""


def test_a_child_of_a_child_of_a_child_keeps_the_families_apart(subjects):
    subjects.run(CHILD_OF_A_CHILD)

    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    rows.check_dense()
    assert len(rows.keys) == 500
    assert len(rows.seqs) == len(rows.instances) == 5


DISTINCT_IDS = f"""{PRELUDE}
telesink.install_logging(DSN)
log_many(log, 0, 10)
for _ in range(50):
    # Several at a time: children that exist side by side are the ones that could repeat one another.
    assert set(reap([forked(log_many, log, 9, 3) for _ in range(10)])) == {{0}}
log_many(log, 0, 10, 10)
"""


@pytest.mark.slow
def test_F14_ids_are_distinct_over_500_forks(subjects):
    subjects.run(DISTINCT_IDS, seconds=120)

    subjects.rows().check_exactly(subjects.keys())
    with closing(sqlite3.connect(subjects.database)) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id), count(DISTINCT instance) FROM telesink_logs"
        ).fetchone()
    assert found == (1_520, 1_520, 501)


FORK_WITHOUT_RECORD = f"""{PRELUDE}
warnings.simplefilter("error")
telesink.install_logging(DSN)
pid = os.fork()
if pid == 0:
    log.info("%d 9 0", os.getpid())
    took(9, 0)
    sys.exit(0)
tell(reap([pid]))
log_many(log, 0, 1)
"""


def test_F18_a_fork_before_the_first_record_warns_of_no_threads(subjects):
    subject = subjects.run(FORK_WITHOUT_RECORD)

    assert subject.hear() == [0]
    assert subject.errors == []
    subjects.rows().check_exactly(subjects.keys())


FORK_IN_THREADS = f"""{PRELUDE}
telesink.install_logging(DSN)

def work(number):
    log_many(log, number, 20)
    assert reap([forked(log_many, log, 9, 20) for _ in range(5)]) == [0] * 5
    log_many(log, number, 20, 20)

in_threads(work)
"""


def test_F1_forks_by_several_threads_lose_and_double_nothing(subjects):
    subjects.run(FORK_IN_THREADS)

    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    assert len(rows.keys) == 4 * 40 + 20 * 20


FORK_DURING_FLUSH = f"""{PRELUDE}
telesink.install_logging(DSN)
log_many(log, 0, 1)
telesink.flush(30)
tell("ready")
hear()
log_many(log, 0, 100, 1)
waiting = threading.Thread(target=telesink.flush, args=(60,))
waiting.start()
time.sleep(0.1)
pids = [forked(log_many, log, 9, 10) for _ in range(4)]
tell("forked")
tell(reap(pids))
waiting.join()
"""


def test_a_fork_while_a_thread_flushes_hangs_nobody(subjects):
    subject = subjects.start(FORK_DURING_FLUSH)
    subject.hear()
    with locked(subjects.database):
        subject.say()
        assert subject.hear() == "forked"

    assert subject.hear() == [0] * 4
    assert subject.ends() == 0
    subjects.rows().check_exactly(subjects.keys())


CHILD_OUTLIVES_PARENT = f"""{PRELUDE}
telesink.install_logging(DSN)
log_many(log, 0, 100)
telesink.flush(30)
if os.fork() == 0:
    log_many(log, 9, 100)
    assert telesink.flush(30)
    tell("child is ready")
    # The test says so once the parent has ended.
    hear()
    log_many(log, 9, 100, 100)
    assert telesink.flush(30)
    tell("child is done")
    hear()
    os._exit(0)
telesink.shutdown()
"""


def test_a_child_that_outlives_its_parent_goes_on_writing_to_the_same_file(subjects):
    subject = subjects.start(CHILD_OUTLIVES_PARENT)
    assert subject.hear() == "child is ready"
    assert subject.process.wait(60) == 0
    subject.say()
    assert subject.hear() == "child is done"

    try:
        # A reader of its own sees the rows: they are in the file that has this name.
        subjects.rows().check_exactly(subjects.keys())
    finally:
        subject.say()
    assert subject.ends() == 0


CLOSED_BEFORE_THE_FORK = f"""{PRELUDE}
closed, open_ = telesink.Pipeline(DSN), telesink.Pipeline(DSN)
closed.enqueue({{"body": f"{{os.getpid()}} 0 0"}})
took(0, 0)
assert closed.close().complete

def child():
    assert not closed.enqueue({{"body": "0 0 0"}})
    assert closed.stats().rejected == {{"closed": 1}}
    assert closed.close().complete
    assert open_.enqueue({{"body": f"{{os.getpid()}} 9 0"}})
    took(9, 0)

tell(reap([forked(child)]))
"""


def test_a_pipeline_that_was_closed_is_closed_in_a_child_too(subjects):
    subject = subjects.run(CLOSED_BEFORE_THE_FORK)

    assert subject.hear() == [0], subject.stderr
    subjects.rows().check_exactly(subjects.keys())


PARENT_KILLED = f"""{PRELUDE}
telesink.install_logging(DSN)
log_many(log, 0, 100)
telesink.flush(30)
if os.fork() == 0:
    tell("child is ready")
    hear()
    log_many(log, 9, 100)
    assert telesink.flush(30)
    tell("child is done")
    os._exit(0)
in_threads(lambda number: log_many(log, number, 10_000_000, 100))
"""


@pytest.mark.slow
def test_a_parent_that_is_killed_in_the_middle_of_a_write_leaves_no_lock_behind_in_its_child(subjects):
    for _ in range(5):
        subject = subjects.start(PARENT_KILLED)
        assert subject.hear() == "child is ready"
        # Under full load the parent is nearly always inside a transaction.
        pid = subject.pid
        wait_until(lambda pid=pid: len(subjects.keys(pid)) > 3_000, "the parent is under load")
        subject.process.kill()
        subject.process.wait(60)
        subject.say()
        assert subject.hear(20) == "child is done"
        assert subject.ends() == -9

    rows = subjects.rows()
    rows.check_once()
    rows.check_order()
    keys = subjects.keys()
    children = [key for key in keys if key[1] == 9]
    assert len(children) == 500
    assert set(children) <= set(rows.keys)
