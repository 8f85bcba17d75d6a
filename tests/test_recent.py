"""The last records of a `memory://` sink."""

import pytest

import telesink


def test_recent_answers_the_last_across_the_wrap_of_the_ring():
    """S3-33, S4-27"""
    with telesink.Pipeline("memory://?records_max=100") as pipeline:
        for number in range(250):
            pipeline.enqueue({"body": str(number)})
        assert pipeline.flush().complete

        everything = [record["body"] for record in pipeline.recent(1_000)]
        assert everything == [str(number) for number in range(150, 250)]
        assert [record["body"] for record in pipeline.recent(3)] == ["247", "248", "249"]
        assert [record["seq"] for record in pipeline.recent(2)] == [249, 250]
        assert pipeline.recent(0) == pipeline.recent(-1) == []


def test_recent_takes_nothing_away():
    """S3-33"""
    with telesink.Pipeline("memory://") as pipeline:
        pipeline.enqueue({"body": "paid"})
        assert pipeline.flush().complete

        assert pipeline.recent() == pipeline.recent()


def test_recent_filters_by_level_and_logger_across_the_wrap():
    """S4-27"""
    with telesink.Pipeline("memory://?records_max=90") as pipeline:
        for number in range(100):
            logger = ("shop", "shop.cart", "shopping")[number % 3]
            level = ("INFO", "ERROR")[number % 2]
            pipeline.enqueue({"body": str(number), "level": level, "logger": logger})
        assert pipeline.flush().complete

        found = pipeline.recent(5, level="WARNING", logger="shop")

    expected = [number for number in range(10, 100) if number % 2 and number % 3 != 2][-5:]
    assert [record["body"] for record in found] == [str(number) for number in expected]


def test_recent_without_a_memory_sink_says_how_to_have_one():
    with pytest.raises(telesink.ConfigError, match="no memory:// sink") as caught:
        telesink.Pipeline("null://").recent()

    assert "add_sink" in caught.value.hint


def test_two_rings_are_apart():
    """S3-33: nested recordings are isolated."""
    with telesink.Pipeline("memory://") as first, telesink.Pipeline("memory://") as second:
        first.enqueue({"body": "first"})
        second.enqueue({"body": "second"})
        assert first.flush().complete
        assert second.flush().complete

        assert [record["body"] for record in first.recent()] == ["first"]
        assert [record["body"] for record in second.recent()] == ["second"]
