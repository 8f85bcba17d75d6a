"""Killed without warning, many times: nothing is doubled or torn, only what was not yet written is lost."""

import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from delivery.harness import Lost, check_integrity

KILLS = 200

#: What may be lost: records accepted less than this before the end. The linger of SQLite (20 ms), and a
#: generous allowance for the write under way and for a machine that is busy with other tests.
TAIL_SECONDS = 0.02 + 0.5

#: A batch of the default size.
BATCH_RECORDS_MAX = 8_192

LOG_UNTIL_KILLED = """
    import logging, os, sys, time
    from delivery.subject_side import DSN, in_threads, tell, took
    import telesink

    telesink.install_logging(DSN)
    log = logging.getLogger("killed")
    start = int(sys.argv[1])

    def work(number):
        counter = 0
        while True:
            for _ in range(20):
                # Numbered by time, so that the oracle knows when the call for a lost record has returned.
                counter = max(counter + 1, (time.monotonic_ns() - start) // 1_000)
                log.info("%d %d %d", os.getpid(), number, counter)
                took(number, counter)
            time.sleep(0.002)

    tell("ready")
    in_threads(work)
"""


def test_S5_200_kills_under_load_double_nothing_and_lose_at_most_the_last_batch(subjects):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    start = time.monotonic_ns()

    def kill_one(delay):
        subject = subjects.start(LOG_UNTIL_KILLED, start)
        subject.hear()
        time.sleep(delay)
        ended_at = (time.monotonic_ns() - start) // 1_000
        assert subject.kill() == -signal.SIGKILL
        return subject.pid, ended_at

    killed = {}
    # Two at a time: some processes die while another one writes to the same file.
    with ThreadPoolExecutor(2) as pool:
        for _ in range(KILLS // 50):
            killed.update(pool.map(kill_one, [moments.uniform(0.0, 0.25) for _ in range(50)]))
            check_integrity(subjects.database)

    rows, keys = subjects.rows(), subjects.keys()
    rows.check_once()
    rows.check_order()
    rows.check_dense()
    stored, lost = set(rows.keys), Lost(keys, rows.keys)
    # A record that is stored although its key was not told yet: killed between the two.
    assert all(count <= 4 for count in Counter(pid for pid, _, _ in stored.difference(keys)).values())
    longest = max((killed[pid] - counter for pid, _, counter in lost.keys), default=0) / 1e6
    largest = max(lost.by_process.values(), default=0)
    print(
        f"{len(keys)} accepted, {len(lost.keys)} lost in {len(lost.by_process)} of {KILLS} kills, "
        f"at most {largest} at once, none older than {longest * 1e3:.0f} ms"
    )
    assert lost.is_tail
    assert longest <= TAIL_SECONDS
    assert largest <= BATCH_RECORDS_MAX
    assert len(killed) == KILLS
