"""A minute without the database: another process holds the file's lock while records keep coming.

Two programs live through the same minute, so that it passes only once: one logs little and must lose nothing,
the other logs 20,000 records a second and must stay within its bound and say exactly what it lost.
"""

import itertools
import time
from types import SimpleNamespace

import pytest
from delivery.harness import Subjects, check_integrity, locked, resident_bytes

OUTAGE_SECONDS = 60

#: The bound of the busy program, in bytes; the default.
BOUND_BYTES = 64 * 1024 * 1024

LOG_LITTLE = """
    import logging, time
    from delivery.subject_side import DSN, hear, log_many, tell
    import telesink

    telesink.install_logging(DSN)
    log = logging.getLogger("quiet")
    log_many(log, 0, 100)
    telesink.flush()
    tell("ready")
    end = time.monotonic() + float(hear())
    counter, longest = 100, 0.0
    while time.monotonic() < end:
        before = time.perf_counter()
        log.info("0 0 0 is not a key", extra={"probe": True}) if False else None
        log_many(log, 0, 10, counter)
        counter += 10
        time.sleep(0.05)
    tell(telesink.stats()["sqlite"].as_dict())
    hear()
    tell(bool(telesink.flush(30)))
    tell(telesink.stats()["sqlite"].as_dict())
"""

LOG_MUCH = """
    import time
    from delivery.subject_side import DSN, body, hear, tell, took
    import telesink

    pipeline = telesink.Pipeline(DSN, queue_bytes_max=BOUND_BYTES, queue_records_max=1_000_000)
    padding = "x" * 400
    counter, calls, slow = 0, 0, 0

    def log_for(seconds):
        global counter, calls, slow
        start = time.monotonic()
        due, end = start, start + seconds
        while (now := time.monotonic()) < end:
            # 200 records every 10 ms, and no more after a pause of the machine.
            for _ in range(200):
                before = time.perf_counter()
                is_taken = pipeline.enqueue({"body": f"{body(0, counter)} {padding}"})
                slow += time.perf_counter() - before > 0.005
                calls += 1
                if is_taken:
                    took(0, counter)
                counter += 1
            due = max(due + 0.01, now - 0.1)
            time.sleep(max(due - time.monotonic(), 0.0))

    log_for(2.0)
    pipeline.flush(30)
    tell("ready")
    seconds = float(hear())
    calls = slow = 0
    log_for(seconds)
    tell({"calls": calls, "slow": slow, **pipeline.stats().as_dict()})
    hear()
    tell(bool(pipeline.flush(60)))
    # The marker follows the recovery.
    log_for(0.5)
    pipeline.flush(30)
    tell(pipeline.stats().as_dict())
    pipeline.close()
""".replace("BOUND_BYTES", str(BOUND_BYTES))


def watch(pid, seconds):
    """The largest memory seen of a process."""
    end = time.monotonic() + seconds
    largest = 0
    while time.monotonic() < end:
        largest = max(largest, resident_bytes(pid))
        time.sleep(0.5)
    return largest


@pytest.fixture(scope="module")
def minute(tmp_path_factory):
    """What both programs, their databases and their memory looked like during the outage and after it."""
    little, much = (tmp_path_factory.mktemp(name) for name in ("little", "much"))
    with Subjects(little) as quiet, Subjects(much) as busy:
        programs = [quiet.start(LOG_LITTLE), busy.start(LOG_MUCH)]
        assert [program.hear() for program in programs] == ["ready", "ready"]
        baseline = resident_bytes(programs[1].pid)
        with locked(quiet.database), locked(busy.database):
            for program in programs:
                program.say(OUTAGE_SECONDS)
            largest = watch(programs[1].pid, OUTAGE_SECONDS)
            during = [program.hear() for program in programs]
            largest = max(largest, resident_bytes(programs[1].pid))
        for program in programs:
            program.say()
        complete = [program.hear() for program in programs]
        after = [program.hear() for program in programs]
        assert [program.ends() for program in programs] == [0, 0]
        yield [
            SimpleNamespace(
                during=during[index],
                is_complete=complete[index],
                after=after[index],
                rows=subjects.rows(),
                keys=subjects.keys(),
                lines=programs[index].errors,
                path=subjects.database,
                growth_bytes=largest - baseline if index else None,
            )
            for index, subjects in enumerate((quiet, busy))
        ]


@pytest.fixture
def quiet(minute):
    return minute[0]


@pytest.fixture
def busy(minute):
    return minute[1]


@pytest.mark.slow
def test_S3_a_file_locked_for_a_minute_loses_and_doubles_nothing(quiet):
    assert quiet.during["state"] == "retrying"
    assert quiet.during["pending"] > 5_000
    assert quiet.is_complete
    assert (quiet.after["rejected"], quiet.after["dropped"], quiet.after["pending"]) == ({}, {}, 0)
    quiet.rows.check_exactly(quiet.keys)
    quiet.rows.check_dense()
    assert quiet.rows.losses == []


@pytest.mark.slow
def test_S3_a_lock_held_for_a_minute_is_told_once_with_its_cause_and_the_next_step(quiet):
    (line,) = quiet.lines
    assert line.startswith("telesink: sqlite: ")
    assert "database is locked" in line
    assert "another process holds the lock of the file; end its transaction" in line


@pytest.mark.slow
def test_Q1_memory_grows_by_no_more_than_the_bound_and_a_quarter(busy, record_property):
    record_property("growth_mib", round(busy.growth_bytes / 2**20, 1))
    print(f"memory grew by {busy.growth_bytes / 2**20:.1f} MiB, bound {BOUND_BYTES / 2**20:.0f} MiB")
    assert busy.during["bytes_pending"] <= BOUND_BYTES
    assert busy.during["bytes_pending"] >= 0.85 * BOUND_BYTES
    assert busy.growth_bytes <= 1.25 * BOUND_BYTES


@pytest.mark.slow
def test_Q7_what_does_not_fit_is_dropped_counted_and_nobody_waits(busy):
    """S0-2."""
    print(f"{busy.during['calls']} calls, {busy.during['slow']} of them over 5 ms")
    assert busy.during["calls"] > 0.8 * 20_000 * OUTAGE_SECONDS
    assert list(busy.during["rejected"]) == ["queue_full"]
    assert busy.during["rejected"]["queue_full"] > 500_000
    assert busy.during["slow"] <= busy.during["calls"] / 1_000


@pytest.mark.slow
def test_what_was_accepted_arrives_once_and_in_order(busy):
    assert busy.is_complete
    assert (busy.after["dropped"], busy.after["pending"]) == ({}, 0)
    busy.rows.check_exactly(busy.keys)
    check_integrity(busy.path)


@pytest.mark.slow
def test_Q4_the_gap_in_the_numbers_is_exactly_what_the_loss_markers_tell(busy):
    ((_, seqs),) = busy.rows.seqs.items()
    gaps = [(left + 1, right - 1) for left, right in itertools.pairwise(seqs) if right - left > 1]
    losses = busy.rows.losses
    print(f"gaps {gaps}")

    assert seqs[0] == 1
    assert [(loss["seq_from"], loss["seq_to"]) for loss in losses] == gaps
    assert [loss["lost"] for loss in losses] == [last - first + 1 for first, last in gaps]
    assert {loss["cause"] for loss in losses} == {"queue_full"}
    lost = sum(loss["lost"] for loss in losses)
    assert lost == busy.after["rejected"]["queue_full"] == busy.after["offered"] - len(busy.rows.keys)
    assert busy.after["loss_markers"] == len(losses) > 0
