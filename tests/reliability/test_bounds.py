"""What records cost while their sink is away: no more than the bound, however large they are."""

import contextlib
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from delivery.harness import CREATED, locked
from delivery.programs import INSTALL
from waiting import wait_until

MIB = 2**20

#: Each the largest that a record may be.
LARGE = f"""{INSTALL}
from delivery.subject_side import FOLDER, body, peak_bytes

BOUND = 32 * 2**20
pipeline = telesink.Pipeline(DSN, queue_bytes_max=BOUND, dead_letter=str(FOLDER / "dead.ndjson"))
padding = "x" * 1_000_000

def offer(counter, thread=0):
    # Every eighth will be refused once there is somebody to refuse it.
    logger = "refused" if counter % 8 == 7 else "shop"
    if pipeline.enqueue({{"body": f"{{body(thread, counter)}} {{padding}}", "logger": logger}}):
        took(thread + (logger == "refused"), counter)

for counter in range(7):
    offer(counter, thread=2)
    pipeline.flush(30)
tell("ready")
hear()
before = peak_bytes()
for counter in range(200):
    offer(counter)
stats = pipeline.stats()
tell([stats.bytes_pending, stats.rejected, peak_bytes() - before])
hear()
tell([bool(pipeline.flush(60)), pipeline.stats().dropped, peak_bytes() - before])
"""


@pytest.mark.slow
def test_Q1_records_of_a_megabyte_stay_within_the_bound_while_they_wait_and_while_some_are_refused(subjects):
    subjects.create_database()
    with closing(sqlite3.connect(subjects.database, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TRIGGER planted BEFORE INSERT ON telesink_logs WHEN NEW.logger = 'refused' "
            "BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
    subject = subjects.start(LARGE)
    assert subject.hear() == "ready"
    with locked(subjects.database):
        subject.say()
        held, rejected, waiting = subject.hear()
    subject.say()
    is_complete, dropped, recovering = subject.hear()

    assert subject.ends() == 0, subject.stderr
    print(f"grew by {waiting / MIB:.1f} MiB, by {recovering / MIB:.1f} MiB with the recovery; bound 32 MiB")
    assert 0.85 * 32 * MIB <= held <= 32 * MIB
    assert rejected["queue_full"] > 160
    assert waiting <= 1.25 * 32 * MIB
    # A line of the dead-letter file holds the record twice, as JSON and as base64.
    assert recovering <= 1.25 * 32 * MIB + 3 * MIB
    assert is_complete
    keys = subjects.keys(subject.pid)
    refused = [key for key in keys if key[1] == 1]
    assert dropped == {"poison": len(refused)}
    subjects.rows().check_exactly([*(key for key in keys if key[1] != 1), *CREATED])


#: A container's, half of which the default bound is.
LIMIT_BYTES = 128 * MIB

FLOOD = f"""{INSTALL}
from delivery.subject_side import body, peak_bytes

pipeline = telesink.Pipeline(DSN, exit_timeout_seconds=60)
padding = "x" * 1_000
tell("ready")
hear()
# Three times what fits.
for counter in range(200_000):
    if pipeline.enqueue({{"body": f"{{body(0, counter)}} {{padding}}"}}):
        took(0, counter)
tell(pipeline.stats().as_dict())
hear()
tell(bool(pipeline.flush(60)))
tell(peak_bytes())
"""


def own_cgroup():
    """The folder of the memory group that this process is in, and the file there that holds the limit."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return Path("/sys/fs/cgroup/memory", path.lstrip("/")), "memory.limit_in_bytes"
        if controllers == "" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return Path("/sys/fs/cgroup", path.lstrip("/")), "memory.max"
    return None


@contextlib.contextmanager
def memory_limited(subject):
    """Put a program where it is killed for using more than the limit; answers whether we may do that here."""
    found = own_cgroup()
    if found is None:
        yield False
        return
    parent, name = found
    folder = parent / f"telesink-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield False
        return
    try:
        try:
            (folder / name).write_text(str(LIMIT_BYTES))
            (folder / "cgroup.procs").write_text(str(subject.pid))
        except OSError:
            yield False
        else:
            yield True
    finally:
        if subject.process.poll() is None:
            subject.kill()
        wait_until(lambda: (folder / "cgroup.procs").read_text() == "", "the end of the limited program")
        folder.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured by Linux")
def test_T3_the_default_bound_survives_an_outage_under_a_memory_limit_of_128_mib(subjects):
    subjects.create_database()
    subject = subjects.start(FLOOD)
    assert subject.hear() == "ready"
    with memory_limited(subject) as is_limited:
        with locked(subjects.database):
            subject.say()
            stats = subject.hear()
        subject.say()
        assert subject.hear() is True
        peak = subject.hear()
        assert subject.ends() == 0

    print(f"peak {peak / MIB:.1f} MiB of {LIMIT_BYTES / MIB:.0f}, enforced by the kernel: {is_limited}")
    assert stats["rejected"]["queue_full"] > 100_000
    assert peak < LIMIT_BYTES
    subjects.rows().check_exactly([*subjects.keys(subject.pid), *CREATED])
