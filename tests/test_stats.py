"""Counters and receipts as Python sees them: frozen, printable, and true."""

import asyncio
import copy
import json
import pickle
import sqlite3
from contextlib import closing

import pytest

import telesink


@pytest.fixture
def pipeline():
    with telesink.Pipeline(["memory://", "null://?level=ERROR"]) as pipeline:
        yield pipeline


def test_a_new_pipeline_has_counted_nothing(pipeline):
    stats = pipeline.stats()

    assert (stats.offered, stats.accepted, stats.routed, stats.delivered, stats.pending) == (0, 0, 0, 0, 0)
    assert (stats.rejected, stats.dropped, stats.state, stats.last_error) == ({}, {}, "idle", "")
    assert list(stats.sinks) == ["memory", "null"]


def test_a_record_counts_once_as_accepted_and_once_for_each_sink_that_wants_it(pipeline):
    """I4: accepted counts records, routed counts records times sinks."""
    pipeline.enqueue({"body": "info"})
    pipeline.enqueue({"body": "error", "level": "ERROR"})
    assert pipeline.flush().complete

    stats = pipeline.stats()
    assert (stats.offered, stats.accepted, stats.routed, stats.delivered) == (2, 2, 3, 3)
    assert (stats.sinks["memory"].routed, stats.sinks["null"].routed) == (2, 1)
    assert stats.sinks["null"].sinks == {}


def test_counters_are_frozen_and_compared_by_value(pipeline):
    stats = pipeline.stats()

    with pytest.raises(AttributeError, match="Stats is frozen"):
        stats.offered = 7
    assert stats == pipeline.stats()
    assert hash(stats) == hash(pipeline.stats())
    pipeline.enqueue({"body": "paid"})
    assert stats != pipeline.stats()


def test_counters_are_one_line_for_people_and_plain_dicts_for_programs(pipeline):
    pipeline.enqueue({"body": "paid", "value": float("nan")})
    assert pipeline.flush().complete
    stats = pipeline.stats()

    assert "1 offered, 1 accepted; 1 routed, 1 delivered, 0 pending" in str(stats)
    assert "sanitised=1" in repr(stats)
    plain = json.loads(json.dumps(stats.as_dict()))
    assert (plain["offered"], plain["sinks"]["memory"]["delivered"]) == (1, 1)
    assert set(plain) == set(stats.__slots__)


def test_losses_are_named_in_the_line():
    pipeline = telesink.Pipeline("null://")
    pipeline.close()
    pipeline.enqueue({"body": "late"})

    assert "1 offered, 0 accepted, 1 closed" in str(pipeline.stats())


def test_every_documented_counter_is_there_and_every_one_is_documented():
    for kind in (telesink.Stats, telesink.Receipt):
        documented = {
            line.split(":")[1].removeprefix("ivar ") for line in lines(kind) if line.startswith(":ivar ")
        }

        assert documented == set(kind.__slots__)


def lines(kind):
    return [line.strip() for line in kind.__doc__.splitlines()]


def test_a_receipt_says_what_a_flush_achieved(pipeline):
    pipeline.enqueue({"body": "error", "level": "ERROR"})

    receipt = pipeline.flush(timeout_seconds=10)

    assert receipt.complete
    assert bool(receipt)
    assert (receipt.dropped, receipt.pending) == ({}, 0)
    assert 0 <= receipt.seconds < 10
    assert set(receipt.as_dict()) == set(receipt.__slots__)
    with pytest.raises(AttributeError, match="Receipt is frozen"):
        receipt.pending = 7


def test_an_incomplete_receipt_is_false():
    pipeline = telesink.Pipeline()
    pipeline.enqueue({"body": "waits for a sink"})

    receipt = pipeline.flush(timeout_seconds=0)

    assert not receipt
    assert receipt.pending == 1


@pytest.mark.parametrize("timeout", [0, 0.0, -1, float("nan")])
def test_a_flush_without_patience_does_not_wait(pipeline, timeout):
    assert pipeline.flush(timeout).complete


def test_a_flush_can_be_awaited_beside_other_tasks(pipeline):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main():
        ticking = asyncio.create_task(tick())
        pipeline.enqueue({"body": "paid"})
        receipts = await asyncio.gather(pipeline.aflush(), telesink.aflush())
        ticking.cancel()
        return receipts

    assert all(asyncio.run(main()))
    assert ticks > 0


def test_an_awaited_flush_waits_for_pipelines_that_nobody_holds_any_more(tmp_path):
    def forget():
        telesink.Pipeline(f"sqlite:///{tmp_path / 'app.db'}").enqueue({"body": "paid"})

    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        forget()
        while_locked = asyncio.run(telesink.aflush(timeout_seconds=0.1))
    afterwards = asyncio.run(telesink.aflush(timeout_seconds=30))

    assert (while_locked.complete, while_locked.pending) == (False, 1)
    assert (afterwards.complete, afterwards.pending) == (True, 0)
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("SELECT body FROM telesink_logs").fetchall() == [("paid",)]


MADE_MEANWHILE = """
import telesink

made = [telesink.Pipeline("null://")]

class Settings:
    # In another thread in earnest; here, in the middle of the walk for certain.
    @property
    def exit_timeout_seconds(self):
        made.append(telesink.Pipeline("null://"))
        return 1.0

made[0].settings = Settings()
"""


def test_a_pipeline_that_is_made_while_the_program_ends_disturbs_nobody(run_python):
    finished = run_python(MADE_MEANWHILE)

    assert finished.stderr == ""


def test_all_sinks_of_the_process_are_told_apart_by_number():
    telesink.install_logging(["memory://", "null://"])
    telesink.install_logging("memory://second", add=True)

    assert {"memory", "null", "memory-2"} <= set(telesink.stats())


def test_a_removed_sink_hands_over_its_last_counters(pipeline):
    pipeline.enqueue({"body": "error", "level": "ERROR"})

    stats = pipeline.remove_sink("null")

    assert (stats.delivered, stats.state) == (1, "closed")
    assert pipeline.sinks == ["memory"]
    with pytest.raises(telesink.ConfigError, match="no sink `null`"):
        pipeline.remove_sink("null")


def test_an_error_of_the_caller_is_no_offer(pipeline):
    with pytest.raises(TypeError):
        pipeline.enqueue(7)

    assert pipeline.stats().offered == 0


def test_counters_and_receipts_can_be_sent_to_another_process(pipeline):
    pipeline.enqueue({"body": "paid"})
    receipt = pipeline.flush()
    stats = pipeline.stats()

    assert pickle.loads(pickle.dumps(stats)) == stats == copy.deepcopy(stats)
    assert pickle.loads(pickle.dumps(receipt)) == receipt == copy.copy(receipt)
