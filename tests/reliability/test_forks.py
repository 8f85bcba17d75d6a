"""Forks at any moment and of any kind: parent and child each own what their calls have offered."""

import random
import sys
from collections import Counter

import pytest
from delivery.programs import FORK as PRELUDE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks without hooks are Linux' own")

#: Children of one thread, each forked at a random moment.
MOMENTS = 200

FORK_UNDER_LOAD = f"""{PRELUDE}
telesink.install_logging(DSN)
seed, moments = int(sys.argv[1]), int(sys.argv[2])
codes, seconds = [], []

def child(forked_at, number):
    before = time.monotonic()
    log.info("%d 9 0", os.getpid())
    os.write(told, b"%f\\n" % (time.monotonic() - before))
    took(9, 0)
    log_many(log, 9, 19, 1)
    assert telesink.flush(30)

def work(number):
    chosen = random.Random(seed + number)
    counter = 0
    for _ in range(moments):
        more = chosen.randrange(20)
        log_many(log, number, more, counter)
        counter += more
        time.sleep(chosen.uniform(0.0, 0.002))
        codes.extend(reap([forked(child, time.monotonic(), number)]))
    log_many(log, number, 200, counter)

reading, told = os.pipe()
os.set_inheritable(told, True)
first_calls = threading.Thread(target=lambda: seconds.extend(map(float, open(reading, closefd=False))))
first_calls.start()
in_threads(work)
os.close(told)
first_calls.join()
tell([Counter(codes), sorted(seconds)])
""".replace("import gc,", "from collections import Counter\nimport gc,")


def test_F1_200_forks_of_each_of_four_threads_under_load_lose_and_double_nothing(subjects, record_property):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    subject = subjects.run(FORK_UNDER_LOAD, seed, MOMENTS, seconds=240)

    codes, seconds = subject.hear()
    assert codes == {"0": 4 * MOMENTS}, subject.stderr
    keys, rows = subjects.keys(), subjects.rows()
    rows.check_exactly(keys)
    rows.check_dense()
    children = Counter(pid for pid, _, _ in keys if pid != subject.pid)
    assert set(children.values()) == {20}
    assert len(rows.instances) == len(rows.seqs) == 4 * MOMENTS + 1
    offered = {line["pid"]: line["stats"]["offered"] for line in subjects.stats_lines()}
    assert offered == Counter(pid for pid, _, _ in keys)
    # The first call of a child builds its pipeline. A busy machine may stop one child in a hundred.
    record_property("first_call_seconds", {"median": seconds[len(seconds) // 2], "max": seconds[-1]})
    assert len(seconds) == 4 * MOMENTS
    assert seconds[len(seconds) * 99 // 100] < 0.1, seconds[-10:]


FULL_QUEUE = f"""{PRELUDE}
telesink.install_logging(DSN, linger_seconds=30)
log_many(log, 0, 500)
pids = [forked(log_many, log, 9, 25) for _ in range(8)]
tell(telesink.stats()["sqlite"].pending)
tell(reap(pids))
"""


def test_F2_500_queued_records_are_sent_once_although_eight_children_inherit_them(subjects):
    subject = subjects.run(FULL_QUEUE)

    assert subject.hear() == 500
    assert subject.hear() == [0] * 8
    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    assert Counter(pid == subject.pid for pid, _, _ in rows.keys) == {True: 500, False: 200}


LOCKS_HELD = f"""{PRELUDE}
telesink.install_logging(DSN)
go_on = True

def hold_locks(number):
    # Every call here takes a lock of the core: books, tally, late records, removed lanes, tables.
    while go_on:
        telesink.stats()
        telesink.flush(0.0)
        pipeline = telesink.Pipeline("null://")
        pipeline.enqueue({{"body": "0 0 0", "logger": str(random.random())}})
        name = pipeline.add_sink("memory://")
        pipeline.remove_sink(name)
        del pipeline

def child():
    log_many(log, 9, 5)
    assert telesink.stats()["sqlite"].offered == 5
    assert telesink.flush(30)
    telesink.Pipeline("memory://").close()

threads = [threading.Thread(target=hold_locks, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
codes = []
for counter in range(100):
    log_many(log, 0, 1, counter)
    codes += reap([forked(child)])
go_on = False
for thread in threads:
    thread.join()
tell(codes)
"""


def test_F3_a_child_logs_although_other_threads_held_every_lock_at_the_fork(subjects):
    subject = subjects.run(LOCKS_HELD, seconds=200)

    assert subject.hear() == [0] * 100
    subjects.rows().check_exactly(subjects.keys())


#: How C code forks: `os.fork` of the program is replaced, so that none of Python's hooks runs.
WITHOUT_HOOKS = {
    "fork of the C library": "os.fork = library.fork",
    "system call": "os.fork = lambda: library.syscall(CLONE, signal.SIGCHLD, 0, 0, 0, 0)",
}

UNNOTICED = f"""{PRELUDE}
import ctypes, platform, signal
# Keeps the interpreter's lock, as an embedding server does.
library = ctypes.PyDLL(None)
CLONE = 56 if platform.machine() == "x86_64" else 220
"""

FORK_WITHOUT_HOOKS = f"""{UNNOTICED}
{{how}}
telesink.install_logging(DSN)
moments = random.Random(int(sys.argv[1]))
codes = []
for number in range(int(sys.argv[2])):
    log_many(log, 0, 20, 20 * number)
    # The lane is anywhere: idle, filling, inside its database.
    time.sleep(moments.uniform(0.0, 0.04))

    def child():
        assert telesink.stats()["sqlite"].offered == 0
        log_many(log, 9, 20)
        assert telesink.flush(30)

    codes += reap([forked(child)])
tell(codes)
"""


def test_F7_a_fork_of_c_code_without_pythons_hooks_loses_and_doubles_nothing(subjects):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    how = WITHOUT_HOOKS["fork of the C library"]
    subject = subjects.run(FORK_WITHOUT_HOOKS.format(how=how), seed, MOMENTS, seconds=120)

    assert subject.hear() == [0] * MOMENTS, subject.stderr
    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    rows.check_dense()
    assert len(rows.seqs) == MOMENTS + 1


CLONED = f"""{UNNOTICED}
{WITHOUT_HOOKS["system call"]}
telesink.install_logging(["memory://?records_max=100000", DSN])
log_many(log, 0, 1)
telesink.flush(30)
codes = []
for number in range(40):
    log_many(log, 0, 10, 1 + 10 * number)

    def child():
        for counter in range(20):
            log.info("mine %d", counter)
        receipt = telesink.flush(0.1)
        stats = telesink.stats()
        assert (stats["memory"].delivered, stats["memory"].offered) == (20, 20), stats
        assert [record["body"] for record in telesink.recent(1_000)] == [f"mine {{n}}" for n in range(20)]
        # The parent's connection is open on both sides: what the child wrote could harm the parent's file.
        assert stats["sqlite"].state == "held", stats["sqlite"]
        assert receipt.pending == 20, receipt

    codes += reap([forked(child)])
tell(codes)
"""


def test_F7_a_raw_clone_is_noticed_and_what_it_cannot_write_safely_is_held_and_told(subjects):
    subject = subjects.run(CLONED, seconds=200)

    assert subject.hear() == [0] * 40, subject.stderr
    subjects.rows().check_exactly(subjects.keys(subject.pid))
    assert any("forked" in line for line in subject.own_lines)


NO_SUCH_PAGES = """
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
int madvise(void *address, size_t bytes, int advice) {
    if (advice == 18) { errno = EINVAL; return -1; }
    return syscall(SYS_madvise, address, bytes, advice);
}
"""


def test_F7_a_kernel_that_wipes_no_pages_leaves_the_process_id(subjects, compiled):
    shim = compiled(NO_SUCH_PAGES)
    program = FORK_WITHOUT_HOOKS.format(how=WITHOUT_HOOKS["fork of the C library"])
    detection = "tell(telesink._native.fork_detection())\n"

    subject = subjects.run(program + detection, 7, 50, environment={"LD_PRELOAD": str(shim)})

    assert subject.hear() == [0] * 50, subject.stderr
    assert subject.hear() == "process id"
    subjects.rows().check_exactly(subjects.keys())


EXITS = f"""{PRELUDE}
telesink.install_logging(DSN)
in_threads(lambda number: log_many(log, number, 50))
removed = telesink.Pipeline("memory://")
removed.enqueue({{"body": "0 0 0"}})
for _ in range(50):
    pid = os.fork()
    if pid == 0:
        del removed
        gc.collect()
        # Ends as a program ends: exit hooks, garbage, destructors of objects whose threads are the parent's.
        sys.exit(7)
    codes = reap([pid])
    assert codes == [7], codes
tell("done")
"""


def test_F6_a_child_that_only_ends_runs_no_destructor_of_its_parents_threads(subjects):
    subject = subjects.run(EXITS, seconds=120)

    assert subject.hear() == "done"
    assert "Traceback" not in subject.stderr
    assert "Exception ignored" not in subject.stderr
    subjects.rows().check_exactly(subjects.keys())


SIGNAL_BETWEEN_HOOKS = f"""{PRELUDE}
import signal

def tells_itself_to_end():
    # Python code between two hooks of a fork: a signal that came meanwhile is handled right here.
    os.kill(os.getpid(), signal.SIGTERM)

# Registered in front of telesink's: it runs behind that before a fork, and in front of it after the fork.
os.register_at_fork(**{{sys.argv[1]: tells_itself_to_end}})
import telesink
telesink.install_logging(DSN, linger_seconds=30)
telesink.install_signal_flush()
log_many(log, 0, 50)
os.fork()
""".replace("import telesink\n", "", 1)


@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_F4_a_flush_between_two_hooks_of_a_fork_does_not_wait_for_the_fork(subjects, when):
    subject = subjects.start(SIGNAL_BETWEEN_HOOKS, when)

    assert subject.ends() == -15
    assert subject.own_lines == []
    subjects.rows().check_exactly(subjects.keys())


LATE_CHILD = f"""
import atexit, sqlite3

def late():
    # telesink's own exit handler has run; in the child nothing but the rest of this one will.
    log_many(log, 1, 1)
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except RuntimeError:
        # 3.12 refuses a fork so late.
        return
    if pid == 0:
        os.read(reading, 1)
        log_many(log, 2, 1)
        return
    with_lock = sqlite3.connect(DATABASE, isolation_level=None)
    with_lock.execute("BEGIN IMMEDIATE")
    os.write(writing, b"x")
    # Nothing can be stored for a moment.
    time.sleep(0.3)
    with_lock.close()
    assert reap([pid]) == [0]
    log_many(log, 3, 1)

atexit.register(late)
{PRELUDE}
from delivery.subject_side import DATABASE
telesink.install_logging(DSN)
log_many(log, 0, 10)
"""


def test_I9_a_child_forked_by_an_exit_handler_that_was_registered_earlier_delivers(subjects):
    subject = subjects.run(LATE_CHILD)

    keys = subjects.keys()
    assert len(keys) == (11 if sys.version_info[:2] == (3, 12) else 13)
    subjects.rows().check_exactly(keys)
    assert subject.own_lines == []
