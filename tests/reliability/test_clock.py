"""The clock of the system jumps: nothing waits longer or shorter for it, nothing is lost, and order stays."""

import contextlib
import re
import sqlite3
import sys
import time
from contextlib import closing

import pytest
from delivery.harness import CREATED, locked
from delivery.programs import INSTALL
from reliability.clock import JumpingClock
from waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock is exchanged by Linux's loader")

HOUR = 3_600
YEAR = 365 * 24 * HOUR
JUMPS = {
    "an hour ahead": HOUR,
    "an hour back": -HOUR,
    "ten years ahead": 10 * YEAR,
    "ten years back": -10 * YEAR,
}


@pytest.fixture(params=JUMPS.values(), ids=JUMPS)
def jump(request):
    return request.param


@pytest.fixture
def clock(tmp_path):
    with contextlib.closing(JumpingClock(tmp_path)) as clock:
        yield clock


#: Whatever it is told, and for how long that took by a clock that does not jump.
OBEDIENT = f"""{INSTALL}
pipeline = telesink.Pipeline(DSN, linger_seconds=1.0, retry_initial_seconds=0.2, retry_max_seconds=0.4,
                             max_age_seconds=float(sys.argv[1]), exit_timeout_seconds=1.0)
counter = 0
for line in sys.stdin:
    word = line.strip()
    begun = time.monotonic()
    if word == "log":
        for _ in range(100):
            pipeline.enqueue({{"body": f"{{os.getpid()}} 0 {{counter}}"}})
            took(0, counter)
            counter += 1
    elif word == "delivered":
        while pipeline.stats().pending:
            time.sleep(0.005)
    elif word == "flush":
        pipeline.flush(1.0)
    elif word == "end":
        break
    stats = pipeline.stats().sinks["sqlite"]
    tell([time.monotonic() - begun, time.time(), stats.as_dict()])
"""


class Obedient:
    """The program above."""

    def __init__(self, subjects, clock, max_age_seconds):
        self.subject = subjects.start(OBEDIENT, max_age_seconds, environment=clock.environment)

    def told(self, word):
        """Let it do this; answers how long it took and the counters."""
        self.subject.say(word)
        seconds, self.now, stats = self.subject.hear()
        return seconds, stats


def test_T1_a_batch_lingers_as_long_as_ever_when_the_clock_jumps_meanwhile(subjects, clock, jump):
    program = Obedient(subjects, clock, 60)
    program.told("log")

    clock.set(jump)
    seconds, stats = program.told("delivered")

    assert abs(program.now - time.time() - jump) < 60
    assert seconds < 10
    assert (stats["delivered"], stats["dropped"]) == (100, {})
    # The same once more: begun after the jump, which is taken back meanwhile.
    program.told("log")
    clock.set(0)
    seconds, stats = program.told("delivered")
    assert seconds < 10
    assert (stats["delivered"], stats["dropped"]) == (200, {})
    program.subject.say("end")
    assert program.subject.ends() == 0
    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    rows.check_dense()


def test_T1_attempts_go_on_and_records_grow_no_older_when_the_clock_jumps_during_an_outage(
    subjects, clock, jump
):
    subjects.create_database()
    program = Obedient(subjects, clock, 60)
    with locked(subjects.database):
        program.told("log")
        wait_until(lambda: program.told("look")[1]["state"] == "retrying", "an attempt in vain")
        clock.set(jump)
        tried = program.told("look")[1]["retries"]
        # Logged after the jump; they stand behind the others all the same.
        program.told("log")
        wait_until(lambda: program.told("look")[1]["retries"] >= tried + 2, "more attempts")
        seconds, stats = program.told("flush")
        assert 1.0 <= seconds < 5
        assert (stats["pending"], stats["dropped"]) == (200, {})

    seconds, stats = program.told("delivered")
    assert seconds < 10
    assert (stats["delivered"], stats["dropped"]) == (200, {})
    program.subject.say("end")
    assert program.subject.ends() == 0
    subjects.rows().check_exactly([*subjects.keys(), *CREATED])
    subjects.rows().check_dense()
    with closing(sqlite3.connect(subjects.database)) as connection:
        query = (
            "SELECT min(observed_ts), max(observed_ts), count(DISTINCT id) FROM telesink_logs WHERE seq > 0"
        )
        first, last, ids = connection.execute(query).fetchone()
    # What the clock said is stored as it said it.
    assert (last - first) / 1e9 > abs(jump) - 60
    assert ids == 201


def test_T1_records_grow_old_in_their_time_also_when_the_clock_is_set_back(subjects, clock):
    subjects.create_database()
    program = Obedient(subjects, clock, 1)
    with locked(subjects.database):
        program.told("log")
        clock.set(-10 * YEAR)
        expired = {"expired": 100}
        # Looked at before each attempt, while the file stays locked.
        wait_until(lambda: program.told("look")[1]["dropped"] == expired, "the end of their time", 20)
    program.subject.say("end")

    assert program.subject.ends() == 0


def test_T1_the_end_waits_for_its_deadline_and_no_longer_when_the_clock_jumps_meanwhile(
    subjects, clock, jump
):
    subjects.create_database()
    program = Obedient(subjects, clock, 60)
    with locked(subjects.database):
        program.told("log")
        program.subject.say("end")
        begun = time.monotonic()
        time.sleep(0.3)
        clock.set(jump)
        code = program.subject.ends()
        seconds = time.monotonic() - begun

    assert code == 0
    assert 1.0 <= seconds < 5
    assert re.search("100 exit_(deadline|unresolved)", program.subject.stderr)
