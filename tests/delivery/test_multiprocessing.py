"""Children of `multiprocessing` leave without exit hooks, and deliver all the same."""

import pytest

MULTIPROCESSING = """
import logging, multiprocessing, sys
from delivery.subject_side import DSN, log_many, note_stats, tell

def install():
    import telesink
    telesink.install_logging(DSN)

def work(number):
    if not logging.getLogger().handlers:
        install()
    # Ten records, and back at once: nobody flushes.
    log_many(logging.getLogger("fork"), number, 10)
    return number

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    install()
    log_many(logging.getLogger("fork"), 100, 10)
    if sys.argv[2] == "process":
        processes = [context.Process(target=work, args=(number,)) for number in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        tell([process.exitcode for process in processes])
    else:
        with context.Pool(3) as pool:
            numbers = pool.map(work, range(6), chunksize=1)
            pool.close()
            pool.join()
        tell(numbers)
    log_many(logging.getLogger("fork"), 100, 10, 10)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["process", "pool"])
def test_F12_children_of_multiprocessing_deliver_although_they_return_at_once(subjects, method, kind):
    subject = subjects.run(MULTIPROCESSING, method, kind)

    assert subject.hear() == ([0] * 6 if kind == "process" else list(range(6)))
    rows, keys = subjects.rows(), subjects.keys()
    assert len(keys) == 20 + 60
    rows.check_exactly(keys)
    assert subject.errors == []


POOL_TERMINATED = """
import logging, multiprocessing, sys, time
from delivery.subject_side import DSN, log_many, tell
import telesink

def work(number):
    log_many(logging.getLogger("fork"), number, 10)
    # Longer than the linger of SQLite: what the pool kills afterwards has nothing left to lose.
    time.sleep(0.3)
    return number

if __name__ == "__main__":
    telesink.install_logging(DSN)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        tell(pool.map(work, range(6), chunksize=1))
"""


def test_a_pool_that_kills_its_idle_children_loses_nothing_written_before(subjects):
    subject = subjects.run(POOL_TERMINATED)

    assert subject.hear() == list(range(6))
    subjects.rows().check_exactly(subjects.keys())


THREADS = """
import concurrent.futures, logging, multiprocessing, sys, threading
from delivery.subject_side import DSN, log_many, tell

class Returning:
    # Its destructor says that the function that made it has returned.
    def __init__(self):
        self.event = threading.Event()

    def __del__(self):
        self.event.set()

def log_late(returned, thread):
    assert returned.wait(60)
    log_many(logging.getLogger("fork"), thread, 1_000)

def work(kind):
    if not logging.getLogger().handlers:
        import telesink
        telesink.install_logging(DSN)
    returning = Returning()
    if kind == "thread":
        for thread in range(3):
            threading.Thread(target=log_late, args=(returning.event, thread)).start()
    else:
        executor = concurrent.futures.ThreadPoolExecutor(2)
        for thread in range(3):
            executor.submit(log_late, returning.event, thread)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    processes = [context.Process(target=work, args=(sys.argv[2],)) for _ in range(3)]
    import telesink
    telesink.install_logging(DSN)
    log_many(logging.getLogger("fork"), 100, 10)
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    tell([process.exitcode for process in processes])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["thread", "executor"])
def test_F12_threads_of_children_deliver_what_they_log_after_the_childs_function(subjects, method, kind):
    subject = subjects.run(THREADS, method, kind)

    assert subject.hear() == [0, 0, 0]
    keys = subjects.keys()
    assert len(keys) == 10 + 3 * 3 * 1_000
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


LAST_OF_ALL = """
import io, logging, multiprocessing, sqlite3, sys, threading
from delivery.subject_side import DATABASE, DSN, log_many, tell
import telesink

class Logging(io.TextIOBase):
    # What is written to standard error becomes records.
    def write(self, text):
        if text.startswith("Process "):
            # Nothing can be stored for a moment.
            other = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")
            threading.Timer(0.3, other.rollback).start()
            log_many(logging.getLogger("fork"), 1, 1)
        return len(text)

def work():
    log_many(logging.getLogger("fork"), 0, 10)
    sys.stderr = Logging()
    raise ValueError("this is the end")

if __name__ == "__main__":
    telesink.install_logging(DSN)
    process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
    process.start()
    process.join()
    tell(process.exitcode)
else:
    telesink.install_logging(DSN)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_F12_what_multiprocessing_tells_of_a_child_that_failed_arrives(subjects, method):
    subject = subjects.run(LAST_OF_ALL, method)

    assert subject.hear() == 1
    keys = subjects.keys()
    assert len(keys) == 11
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


GRANDCHILD = """
import logging, multiprocessing, os
from delivery.subject_side import DSN, log_many, tell
import telesink

def work():
    pid = os.fork()
    log_many(logging.getLogger("fork"), 0, 10)
    if pid:
        assert os.waitpid(pid, 0)[1] == 0

if __name__ == "__main__":
    telesink.install_logging(DSN)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    tell(process.exitcode)
"""


def test_F12_a_fork_of_a_child_that_ends_in_its_parents_way_delivers(subjects):
    subject = subjects.run(GRANDCHILD)

    assert subject.hear() == 0
    keys = subjects.keys()
    assert len(keys) == 20
    subjects.rows().check_exactly(keys)
    assert subject.errors == []
