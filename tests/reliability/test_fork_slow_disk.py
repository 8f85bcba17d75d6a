"""Forks while a disk takes its time: they wait for the write under way, with a limit, and nobody else."""

import sys

import pytest
from delivery.programs import FORK as PRELUDE

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="needs a library in front of the system's own"
)

#: A disk that takes SLOW_DISK_MILLIS for each sync, and makes a file when the first slow one begins.
SLOW_DISK = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int nap(void)
{
    const char *words = getenv("SLOW_DISK_MILLIS");
    long millis = words ? atol(words) : 0;
    struct timespec pause = {millis / 1000, millis % 1000 * 1000000};
    if (millis > 0)
        close(open("syncing", O_CREAT | O_WRONLY, 0600));
    nanosleep(&pause, 0);
    return 0;
}

int fsync(int descriptor) { return nap(); }
int fdatasync(int descriptor) { return nap(); }
"""

FORK_DURING_A_SYNC = f"""{PRELUDE}
telesink.install_logging(DSN, synchronous="full", exit_timeout_seconds=20)
log_many(log, 0, 10)
assert telesink.flush(30)
go_on, gaps = True, []

def tick():
    before = time.monotonic()
    while go_on:
        time.sleep(0.005)
        now = time.monotonic()
        gaps.append(now - before)
        before = now

def child():
    os.environ["SLOW_DISK_MILLIS"] = "0"
    log_many(log, 9, 10)
    tell([telesink.flush(2.0).complete, telesink.stats()["sqlite"].state == "held"])

os.environ["SLOW_DISK_MILLIS"] = sys.argv[1]
log_many(log, 0, 1, 10)
while not os.path.exists("syncing"):
    time.sleep(0.005)
ticking = threading.Thread(target=tick)
ticking.start()
before = time.monotonic()
pid = forked(child)
seconds = time.monotonic() - before
go_on = False
ticking.join()
os.environ["SLOW_DISK_MILLIS"] = "0"
tell([reap([pid]), seconds, max(gaps)])
"""


def test_F4_a_fork_waits_for_a_slow_disk_so_that_the_child_can_write(subjects, compiled):
    slow = {"LD_PRELOAD": str(compiled(SLOW_DISK))}

    subject = subjects.run(FORK_DURING_A_SYNC, 1_500, environment=slow)

    assert subject.hear() == [True, False]
    codes, seconds, gap = subject.hear()
    assert codes == [0]
    assert 0.5 < seconds < 5.0
    # The thread that forks waits without the interpreter.
    assert gap < 0.45
    assert subject.own_lines == []
    subjects.rows().check_exactly(subjects.keys())


def test_F4_a_fork_that_waits_in_vain_waits_once_and_its_child_says_what_to_do(subjects, compiled):
    slow = {"LD_PRELOAD": str(compiled(SLOW_DISK))}

    subject = subjects.run(FORK_DURING_A_SYNC, 8_000, environment=slow)

    assert subject.hear() == [False, True]
    codes, seconds, gap = subject.hear()
    assert codes == [0]
    assert 5.0 <= seconds < 6.5
    assert gap < 0.45
    told = [line for line in subject.own_lines if "not delivered" not in line]
    (line,) = told
    assert "this process was forked in the middle of a write" in line
    assert "start processes with the spawn method" in line
    assert "once this is mended" not in line
    subjects.rows().check_exactly(subjects.keys(subject.pid))
