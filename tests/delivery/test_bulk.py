"""A million records: every one of them arrives, once, in order, and the counters say exactly that."""

from delivery.harness import check_integrity

LOG_FROM_FOUR_THREADS = """
    import logging, sys
    from delivery.subject_side import DSN, in_threads, log_many, tell
    import telesink

    telesink.install_logging(DSN, when_full="block", block_timeout_seconds=60)
    in_threads(lambda number: log_many(logging.getLogger("bulk"), number, int(sys.argv[1])))
    receipt = telesink.flush(60)
    tell({"complete": receipt.complete, **telesink.stats()["sqlite"].as_dict()})
"""


def check_stats(stats, count):
    assert stats["complete"]
    assert (stats["offered"], stats["routed"], stats["delivered"]) == (count, count, count)
    assert stats["pending"] == 0
    assert (stats["rejected"], stats["dropped"]) == ({}, {})


def test_a_million_records_of_four_threads_arrive_once_and_in_order(subjects):
    subject = subjects.run(LOG_FROM_FOUR_THREADS, 250_000, seconds=120)

    check_stats(subject.hear(), 1_000_000)
    rows, keys = subjects.rows(), subjects.keys()
    assert len(keys) == 1_000_000
    rows.check_exactly(keys)
    rows.check_dense()
    assert subject.stderr == ""


def test_a_million_records_of_four_processes_arrive_once_in_one_file(subjects):
    started = [subjects.start(LOG_FROM_FOUR_THREADS, 62_500) for _ in range(4)]

    codes = [subject.ends(120) for subject in started]

    assert codes == [0, 0, 0, 0], [subject.stderr for subject in started]
    for subject in started:
        check_stats(subject.hear(), 250_000)
    rows, keys = subjects.rows(), subjects.keys()
    assert len(keys) == 1_000_000
    rows.check_exactly(keys)
    rows.check_dense()
    assert {len(instances) for instances in rows.instances.values()} == {1}
    check_integrity(subjects.database)
