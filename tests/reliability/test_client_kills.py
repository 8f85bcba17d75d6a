"""Programs that log to Postgres and are killed: nothing is doubled, and only what was in memory is lost."""

import os
import random
import signal
import sys
import time
from collections import Counter

import pytest
from delivery.harness import Lost
from delivery.programs import INSTALL
from postgres.observing import PostgresRows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the subjects are forked")

KILLS = 200

#: A tenth of the default, so that a short life has many writes.
LINGER_SECONDS = 0.02

#: What may be lost: records accepted less than this before the end. The linger, and a generous allowance for
#: the log-in, for the write under way, and for a machine that is busy with other tests.
TAIL_SECONDS = LINGER_SECONDS + 1.0

#: For each word it hears, starts a program that logs until it is killed. Forked, because 200 interpreters
#: would take longer than all the rest; telesink is not used before the fork.
START_PROGRAMS = f"""{INSTALL}
dsn, start = sys.argv[1], int(sys.argv[2])

def work(number):
    counter = 0
    while True:
        for _ in range(20):
            # Numbered by time, so that the oracle knows when the call for a lost record has returned.
            counter = max(counter + 1, (time.monotonic_ns() - start) // 1_000)
            log.info("%d %d %d", os.getpid(), number, counter)
            took(number, counter)
        time.sleep(0.004)

while hear() == "start":
    pid = os.fork()
    if pid == 0:
        telesink.install_logging(dsn, linger_seconds={LINGER_SECONDS})
        in_threads(work)
    tell(pid)
    tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.slow
def test_200_programs_killed_under_load_double_nothing_and_lose_only_what_was_in_memory(subjects, database):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    start = time.monotonic_ns()
    starter = subjects.start(START_PROGRAMS, database.dsn(), start)
    killed = {}
    for _ in range(KILLS):
        starter.say("start")
        pid = starter.hear()
        time.sleep(moments.uniform(0.0, 0.4))
        killed[pid] = (time.monotonic_ns() - start) // 1_000
        os.kill(pid, signal.SIGKILL)
        assert starter.hear() == -signal.SIGKILL
    starter.say("end")
    assert starter.ends() == 0

    rows, keys = PostgresRows(database), subjects.keys()
    rows.check_once()
    rows.check_order()
    rows.check_dense()
    assert database.count()[0] == database.count()[1]
    stored, lost = set(rows.keys), Lost(keys, rows.keys)
    # A record that is stored although its key was not told yet: killed between the two.
    assert all(count <= 4 for count in Counter(pid for pid, _, _ in stored.difference(keys)).values())
    longest = max((killed[pid] - counter for pid, _, counter in lost.keys), default=0) / 1e6
    print(
        f"{len(keys)} accepted, {len(lost.keys)} lost in {len(lost.by_process)} of {KILLS} kills, "
        f"at most {max(lost.by_process.values())} at once, none older than {longest * 1e3:.0f} ms"
    )
    assert lost.is_tail
    assert longest <= TAIL_SECONDS
    # Many lived long enough to store something.
    assert len(rows.instances) > KILLS // 4
