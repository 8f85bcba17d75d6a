"""Tables of others are filled exactly once, too: lost answers, ended backends, several writers, PgBouncer."""

import random
import threading
import uuid

import pytest
from postgres.conftest import IS_POOLED
from reliability.fault_proxy import LOST_COMMITS, FaultProxy

import telesink

EAGER = {"retry_initial_seconds": 0.001, "retry_max_seconds": 0.01, "linger_seconds": 0.005}


def events(run, count):
    """A run that is updated again and again, with an event each time."""
    yield {"type": "run:start", "id": run, "name": "n", "time": 1_000}
    for number in range(count):
        moment = (number + 2) * 1_000
        yield {"type": "run:update", "id": run, "info": {"last": number}, "output": number, "time": moment}
        yield {"type": "an_event", "run_id": run, "data": {"n": number}}


def is_stored_once(database, run, count):
    """Whether each event is one row, and the run is as the last update left it."""
    stored = database.sql(
        "SELECT count(*), count(DISTINCT meta->>'n') FROM chronicle_events WHERE run_id = %s", run
    )
    assert stored == [(count, count)]
    rows = database.sql("SELECT name, status, output, info FROM chronicle_runs WHERE id = %s", run)
    assert rows == [("n", "finished", count - 1, {"last": count - 1})]


def test_P3_answers_to_commits_that_are_lost_double_no_event_and_lose_no_update(database):
    """P3: for rows and for changes of rows."""
    run, count = str(uuid.uuid4()), 300
    with FaultProxy(database.port, LOST_COMMITS) as proxy:
        dsn = database.dsn(port=proxy.port, sslmode="disable", preset="chronicle")
        with telesink.Pipeline(dsn, batch_records_max=5, **EAGER) as pipeline:
            assert pipeline.enqueue_many(iter(events(run, count))) == 2 * count + 1
            assert pipeline.flush(120).complete, pipeline.stats().last_error
            assert pipeline.stats().duplicates_suppressed > 0
        assert proxy.struck > 10
    is_stored_once(database, run, count)


@pytest.mark.slow
def test_P1_backends_ended_while_runs_are_written_lose_and_double_nothing(database):
    """P1: several writers of the same runs, each with a lane of its own."""
    run, count = str(uuid.uuid4()), 2_000
    is_over = threading.Event()

    def end_backends():
        chance = random.Random(7)
        while not is_over.wait(chance.uniform(0.01, 0.05)):
            database.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    dsn = database.dsn(preset="chronicle")
    pipelines = [telesink.Pipeline(dsn, batch_records_max=100, **EAGER) for _ in range(2)]
    pipelines[0].enqueue({"type": "run:start", "id": run, "name": "n", "time": 1_000})
    assert pipelines[0].flush(30).complete
    ending = threading.Thread(target=end_backends)
    if not IS_POOLED:
        ending.start()
    told = list(events(run, count))[1:]
    writers = [
        threading.Thread(target=pipeline.enqueue_many, args=(iter(told[place::2]),))
        for place, pipeline in enumerate(pipelines)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done = [pipeline.flush(120).complete for pipeline in pipelines]
    is_over.set()
    if not IS_POOLED:
        ending.join()
    for pipeline in pipelines:
        assert pipeline.close(10).complete

    assert all(done)
    is_stored_once(database, run, count)


def test_the_same_run_written_by_sixteen_lanes_at_once_meets_no_deadlock(database):
    """Rows are locked in one order."""
    runs = [str(uuid.uuid4()) for _ in range(20)]
    dsn = database.dsn(preset="chronicle")
    pipelines = [telesink.Pipeline(dsn, linger_seconds=0.001) for _ in range(4 if IS_POOLED else 16)]

    def write(number, pipeline):
        chance = random.Random(number)
        for step in range(20):
            chance.shuffle(runs_of := list(runs))
            pipeline.enqueue_many(
                [
                    {
                        "type": "run:update",
                        "id": run,
                        "info": {f"{number}": step},
                        "time": 1_000 * step + 1_000,
                    }
                    for run in runs_of
                ]
            )
            pipeline.flush(30)

    writers = [threading.Thread(target=write, args=pair) for pair in enumerate(pipelines)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    receipts = [pipeline.close(30) for pipeline in pipelines]

    assert all(receipt.complete for receipt in receipts)
    assert [pipeline.stats().retries for pipeline in pipelines] == [0] * len(pipelines)
    infos = database.sql("SELECT info FROM chronicle_runs")
    assert infos == [({str(number): 19 for number in range(len(pipelines))},)] * 20
