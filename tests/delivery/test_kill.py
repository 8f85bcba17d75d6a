"""Killed without warning, many times: nothing is doubled or torn, only what was not yet written is lost."""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from delivery.harness import check_integrity, check_killed
from delivery.programs import INSTALL

KILLS = 500

#: What may be lost: records accepted less than this before the end. The linger of SQLite (20 ms), and a
#: generous allowance for the write under way and for a machine that is busy with other tests.
TAIL_SECONDS = 0.02 + 0.5

#: A batch of the default size.
BATCH_RECORDS_MAX = 8_192

LOG_UNTIL_KILLED = f"""{INSTALL}
from delivery.subject_side import log_until_killed
telesink.install_logging(DSN)
tell("ready")
in_threads(log_until_killed, log, int(sys.argv[1]), 0.002)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_S5_500_kills_under_load_double_nothing_and_lose_at_most_the_last_batch(subjects):
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

    lost, longest = check_killed(subjects.rows(), subjects.keys(), killed)
    assert longest <= TAIL_SECONDS
    assert lost.by_process_max <= BATCH_RECORDS_MAX
    assert len(killed) == KILLS
