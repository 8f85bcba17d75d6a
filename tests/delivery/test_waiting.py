"""Waiting for records: flush, aflush, block, and a pipeline that has nothing to do."""

from delivery.harness import CREATED, locked
from delivery.interrupting import interrupt_flushes
from delivery.programs import INSTALL


def test_a_flush_interrupted_by_the_keyboard_ends_at_once_and_the_next_one_is_right(subjects):
    # Told just before the call: let it begin.
    subject, delays = interrupt_flushes(subjects, [0.3] * 3)

    # The best of three: the machine may be busy with other things.
    assert min(delays) <= 0.15, delays
    assert subject.hear() == [True, 100, {}, 0]
    assert subject.ends() == 0
    subjects.rows().check_exactly([*subjects.keys(), *CREATED])


def test_a_flush_says_what_it_achieved_and_what_it_did_not(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 100)
begun = time.monotonic()
early = telesink.flush(0.2)
is_in_time = 0.2 <= time.monotonic() - begun < 1.0
tell([bool(early), early.delivered, early.pending, is_in_time, early.seconds >= 0.2])
hear()
late = telesink.flush(30)
tell([bool(late), late.delivered, late.dropped, late.pending])
tell(bool(telesink.flush(0.0)))
"""
        )
        assert subject.hear() == [False, 0, 100, True, True]
    subject.say()

    assert subject.hear() == [True, 100, {}, 0]
    assert subject.hear() is True
    assert subject.ends() == 0


AFLUSH = f"""{INSTALL}
import asyncio
telesink.install_logging(DSN)
log_many(log, 0, 100)

async def main():
    longest, ticks = 0.0, 0

    async def tick():
        nonlocal longest, ticks
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)
            ticks += 1

    ticker = asyncio.create_task(tick())
    receipts = [await telesink.aflush(0.5)]
    tell([longest, ticks])
    receipts.append(await asyncio.wait_for(telesink.aflush(30), 30))
    ticker.cancel()
    tell([[bool(receipt), receipt.delivered, receipt.pending] for receipt in receipts])

asyncio.run(main())
"""


def test_aflush_waits_without_blocking_the_event_loop(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(AFLUSH)
        longest, ticks = subject.hear()

    assert subject.hear() == [[False, 0, 100], [True, 100, 0]]
    # A flush that blocked the loop would have done so for its half second.
    assert ticks >= 10
    assert longest < 0.4
    assert subject.ends() == 0


BLOCK = f"""{INSTALL}
import asyncio
pipeline = telesink.Pipeline(DSN, queue_records_max=50, when_full="block", block_timeout_seconds=0.5)

def offer(count):
    begun = time.monotonic()
    taken = sum(pipeline.enqueue({{"body": "0 1 0"}}) for _ in range(count))
    return [taken, time.monotonic() - begun]

async def on_loop():
    return offer(20)

tell(offer(50))
tell(asyncio.run(on_loop()))
tell(offer(1))
tell(pipeline.stats().rejected)
hear()
pipeline.flush(30)
"""


def test_Q6_block_waits_for_room_but_never_on_a_running_event_loop(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(BLOCK)
        assert subject.hear()[0] == 50

        taken, seconds = subject.hear()
        assert (taken, seconds < 0.45) == (0, True)
        taken, seconds = subject.hear()
        assert (taken, 0.5 <= seconds < 2.0) == (0, True)
        assert subject.hear() == {"queue_full": 21}
    subject.say()

    assert subject.ends() == 0


def test_Q6_a_blocked_caller_goes_on_as_soon_as_there_is_room(subjects):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{INSTALL}
telesink.install_logging(DSN, queue_records_max=50, when_full="block", block_timeout_seconds=60)
log_many(log, 0, 50)
tell("full")
in_threads(lambda number: log_many(log, number, 500, 50))
telesink.flush(30)
tell(telesink.stats()["sqlite"].rejected)
"""
        )
        subject.hear()
    assert subject.hear() == {}

    assert subject.ends() == 0
    subjects.rows().check_exactly([*subjects.keys(), *CREATED])


IDLE = f"""{INSTALL}
def threads():
    folder = "/proc/self/task"
    return sorted(open(f"{{folder}}/{{task}}/comm").read().strip() for task in os.listdir(folder))

before = threads() if sys.platform == "linux" else []
telesink.install_logging(DSN)
tell([name for name in threads() if name not in before] if before else [])
log_many(log, 0, 1_000)
telesink.flush()
tell([name for name in threads() if name not in before] if before else ["telesink-sqlite"])
idle_from = time.process_time()
time.sleep(3.0)
tell(time.process_time() - idle_from)
telesink.shutdown()
tell([name for name in threads() if name not in before] if before else [])
"""


def test_an_idle_pipeline_has_one_thread_that_uses_no_processor_time(subjects):
    subject = subjects.start(IDLE)

    assert subject.hear() == []
    assert subject.hear() == ["telesink-sqlite"]
    assert subject.hear() < 0.010
    subject.hear()
    assert subject.ends() == 0


def test_shutdown_ends_the_threads_and_takes_nothing_more(subjects):
    """S0-3, S1-5."""
    subject = subjects.run(
        f"""{INSTALL}
handler = telesink.install_logging(DSN)
log_many(log, 0, 100)
receipt = telesink.shutdown()
assert (bool(receipt), receipt.delivered) == (True, 100), receipt
log.warning("nobody listens")
handler.handle(logging.makeLogRecord({{"msg": "too late", "levelno": 40}}))
assert handler.stats().rejected == {{"closed": 1}}, handler.stats()
if sys.platform == "linux":
    deadline = time.monotonic() + 10
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/task")) == 1
"""
    )

    subjects.rows().check_exactly(subjects.keys())
    assert [line for line in subject.own_lines if "closed" not in line] == []
