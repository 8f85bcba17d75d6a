"""Memory after many outages is what it was after the first: nothing of an outage stays."""

import pytest
from delivery.harness import resident_bytes
from reliability.fault_proxy import FaultProxy
from waiting import wait_until

OUTAGES = 10
QUEUE_BYTES = 64 * 2**20

#: How much more there may be after the last outage than after the first.
GROWTH_MAX = 0.1

#: Offers records of a kilobyte, until the outage has lasted its time, attempts have failed, and the bound is
#: reached.
OFFER_DURING_OUTAGES = """
    import sys, time
    from delivery.subject_side import hear, tell
    import telesink

    pipeline = telesink.Pipeline(
        sys.argv[1], queue_bytes_max=int(sys.argv[2]), connect_timeout_seconds=1, write_timeout_seconds=1,
        retry_initial_seconds=0.05, retry_max_seconds=0.2,
    )
    body = "x" * 1_000
    accepted = int(pipeline.enqueue({"body": "first"}))
    assert pipeline.flush(30).complete
    tell("ready")

    def troubles():
        stats = pipeline.stats()
        return stats.rejected.get("queue_full", 0), stats.retries

    while hear() == "outage":
        (full, retries), end = troubles(), time.monotonic() + float(sys.argv[3])
        while time.monotonic() < end or not (troubles()[0] > full and troubles()[1] > retries):
            accepted += pipeline.enqueue_many({"body": body} for _ in range(1_000))
            time.sleep(0.01)
        tell("outage lasted")
        hear()
        tell([pipeline.flush(120).complete, accepted])
"""


def settled(pid, limit):
    """The memory once what filled the queue is given back: the worker does so when it has nothing to do."""
    return wait_until(lambda: (size := resident_bytes(pid)) < limit and size, "memory given back", 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    "outage_seconds", [3, pytest.param(30, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
def test_Q17_memory_after_ten_outages_is_what_it_was_after_the_first(subjects, database, outage_seconds):
    resident = []
    with FaultProxy(database.port) as proxy:
        dsn = database.dsn(port=proxy.port, sslmode="disable")
        subject = subjects.start(OFFER_DURING_OUTAGES, dsn, QUEUE_BYTES, outage_seconds)
        assert subject.hear() == "ready"
        healthy = resident_bytes(subject.pid)
        for _ in range(OUTAGES):
            proxy.blackhole()
            subject.say("outage")
            assert subject.hear(outage_seconds + 60) == "outage lasted"
            proxy.heal()
            subject.say("over")
            is_complete, accepted = subject.hear(150)
            assert is_complete
            resident.append(settled(subject.pid, healthy + QUEUE_BYTES / 4))
        subject.say("end")
        assert subject.ends() == 0

    told = [round(size / 2**20, 1) for size in (healthy, *resident)]
    print(f"before and after each outage of {outage_seconds} s: {told} MiB")
    assert resident[-1] <= resident[0] * (1 + GROWTH_MAX)
    ((stored,),) = database.sql("SELECT count(*) FROM telesink_logs WHERE logger <> 'telesink'")
    assert stored == accepted
