"""Listeners of a run hear of it once a batch, after the rows are there."""

import psycopg
import pytest
from events.fixture import entries, identifier

import telesink


@pytest.fixture
def listener(postgres_store):
    """A connection that listens for two runs."""
    database = postgres_store.database
    with psycopg.connect(
        host="127.0.0.1", port=database.port, dbname=database.name, user="postgres", autocommit=True
    ) as opened:
        for number in (0, 1):
            opened.execute(f'LISTEN "chronicle_run:{identifier(number, 1)}"')
        yield opened


def heard(listener):
    """The channels of what arrives within a second."""
    return sorted(notify.channel for notify in listener.notifies(timeout=1, stop_after=3))


def test_seed_S1_11_each_run_of_a_batch_is_told_of_once(postgres_store, listener):
    """S1-11: and only with `notify=true`."""
    with telesink.Pipeline(postgres_store.dsn(preset="chronicle", notify=True), linger_seconds=5) as pipeline:
        pipeline.enqueue_many([*entries(0), *entries(1)])
        assert pipeline.flush(30).complete
        assert heard(listener) == [f"chronicle_run:{identifier(number, 1)}" for number in (0, 1)]
        pipeline.enqueue({"type": "an_event", "run_id": identifier(0, 1)})
        assert pipeline.flush(30).complete
        assert heard(listener) == [f"chronicle_run:{identifier(0, 1)}"]

    with telesink.Pipeline(postgres_store.dsn(preset="chronicle")) as pipeline:
        pipeline.enqueue_many(entries(0))
        assert pipeline.flush(30).complete
    assert heard(listener) == []
