"""Programs that log to Postgres and are killed: nothing is doubled, and only what was in memory is lost."""

import os
import random
import signal
import sys
import time

import pytest
from delivery.harness import check_killed
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
from delivery.subject_side import log_until_killed
dsn, start = sys.argv[1], int(sys.argv[2])

while hear() == "start":
    pid = os.fork()
    if pid == 0:
        telesink.install_logging(dsn, linger_seconds={LINGER_SECONDS})
        in_threads(log_until_killed, log, start, 0.004)
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

    rows = PostgresRows(database)
    _, longest = check_killed(rows, subjects.keys(), killed)
    assert longest <= TAIL_SECONDS
    assert database.count()[0] == database.count()[1]
    # Many lived long enough to store something.
    assert len(rows.instances) > KILLS // 4
