"""What a flush promises: all that was taken before it, and nothing that came after."""

import random
import sys

import pytest
from delivery.programs import INSTALL

ROUNDS, THREADS = 30, 8

FLUSH_AND_LOOK = f"""{INSTALL}
import random, sqlite3
from delivery.subject_side import DATABASE

telesink.install_logging(DSN)
seed, rounds, threads = map(int, sys.argv[1:])
wrong = []

def stored(number):
    # With the copy of SQLite that Python has; on Linux both may be used in one process.
    connection = sqlite3.connect(f"file:{{DATABASE}}?mode=ro", uri=True, timeout=30)
    try:
        query = "SELECT count(*) FROM telesink_logs WHERE body LIKE ?"
        return connection.execute(query, [f"{{os.getpid()}} {{number}} %"]).fetchone()[0]
    finally:
        connection.close()

def work(number):
    own, logged = random.Random(seed + number), 0
    for _ in range(rounds):
        count = own.randrange(1, 50)
        log_many(log, number, count, logged)
        logged += count
        receipt = telesink.flush(60)
        found = stored(number)
        if not receipt.complete or receipt.pending or found != logged:
            wrong.append([number, logged, found, receipt.pending])

in_threads(work, count=threads)
tell(wrong)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere two copies of SQLite do not mix in one process"
)
def test_Q9_after_a_flush_each_thread_finds_all_that_it_has_logged(subjects):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    subject = subjects.run(FLUSH_AND_LOOK, seed, ROUNDS, THREADS, seconds=200)

    assert subject.hear() == []
    subjects.rows().check_exactly(subjects.keys())


FLUSH_UNDER_LOAD = f"""{INSTALL}
pipeline = telesink.Pipeline(DSN, queue_records_max=5_000)
body = "0 0 0 " + "x" * 4_000
running = True

def flood():
    while running:
        pipeline.enqueue_many({{"body": body}} for _ in range(100))

flooders = [threading.Thread(target=flood) for _ in range(3)]
for flooder in flooders:
    flooder.start()
while pipeline.stats().accepted < 20_000:
    time.sleep(0.01)
seconds, came_after, waiting = [], [], []
for _ in range(30):
    before = pipeline.stats().offered
    waiting.append(pipeline.stats().pending)
    begun = time.monotonic()
    receipt = pipeline.flush(60)
    seconds.append(time.monotonic() - begun)
    came_after.append(pipeline.stats().offered - before)
    assert receipt.complete and receipt.pending == 0
tell([sorted(seconds), came_after, sorted(waiting)])
running = False
for flooder in flooders:
    flooder.join()
"""


@pytest.mark.slow
def test_Q10_a_flush_under_full_load_waits_for_nothing_that_comes_after_it(subjects):
    subject = subjects.run(FLUSH_UNDER_LOAD, seconds=200)

    seconds, came_after, waiting = subject.hear()
    print(f"a flush took {seconds[15] * 1e3:.0f} ms, at most {seconds[-1] * 1e3:.0f} ms")
    print(f"{max(came_after)} came during one of them; {waiting[15]} records waited when one began")
    # Others went on logging all the time, so a flush that waited for an empty queue would not have ended.
    assert sum(came_after) > 10_000
    assert waiting[15] > 1_000
    assert seconds[15] < 2
    assert seconds[-1] < 10
