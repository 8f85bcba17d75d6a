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
