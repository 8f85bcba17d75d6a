"""Counters and the lines that they become, compared with lines written by hand."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from files.by_hand import BY_HAND
from files.reading import files_in, lines_in, raw_lines

import telesink
from telesink.metrics import Accumulator, MetricsFlusher, Tokens


def lines_of(folder, server="github"):
    return lines_in(folder.path / server, "metrics")


def test_S4_15_an_idle_server_gets_no_line(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=1)

    assert [flusher.flush() for _ in range(3)] == [2, 0, 0]


def test_S4_15_tokens_costs_and_tools_each_make_a_line(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=1)
    flusher.flush()

    for change in (
        lambda: usage.add("github", output_tokens=1),
        lambda: usage.add("github", cache_read_micro_usd=1),
        lambda: usage.add_tool_call("github", "search"),
    ):
        change()
        assert flusher.flush() == 1


def test_S4_16_a_reset_is_told_by_a_line_of_its_own_and_then_with_everything(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=100, output_tokens=20)
    flusher.flush()
    usage.reset("github")
    usage.add("github", input_tokens=7)
    flusher.flush()

    first, full, second, full_again = lines_of(folder)
    assert first.keys() == second.keys() == {"ts", "server", "reset"}
    assert full["reset"] is full_again["reset"] is True
    assert full["diff"] == full["total"] == {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    assert (
        full_again["diff"]
        == full_again["total"]
        == {"input_tokens": 7, "output_tokens": 0, "total_tokens": 7}
    )


def test_S4_16_a_source_whose_counters_fall_is_a_reset_too(folder, usage, make):
    class Falling:
        found = usage

        def snapshot(self):
            return self.found.snapshot()

        def restored(self):
            return {}

    source = Falling()
    flusher = make(source)
    usage.add("github", input_tokens=100)
    flusher.flush()
    source.found = Accumulator()
    source.found.add("github", input_tokens=60)
    flusher.flush()

    assert [line.get("reset", False) for line in lines_of(folder)] == [True] * 4


def test_both_lines_of_a_reset_are_written_together_or_not_at_all(run_python, tmp_path):
    """Weakness 6: a disk that takes but one of them has none, and nothing is lost of the difference."""
    run_python(
        "import resource, telesink\n"
        "from telesink.metrics import *\n"
        "usage = Accumulator()\n"
        "usage.add('github', input_tokens=1000)\n"
        "flusher = MetricsFlusher(usage, dsn='file:t')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    flusher.flush()\n"
        "except telesink.TelesinkError:\n"
        "    assert open('t/github/metrics.jsonl').read() == ''\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "    usage.add('github', input_tokens=5)\n"
        "    assert flusher.flush() == 2\n"
    )

    sentinel, line = lines_in(tmp_path / "t" / "github", "metrics")
    assert list(sentinel) == ["ts", "server", "reset"]
    assert line["diff"]["input_tokens"] == 1_005


def test_a_rotation_comes_before_both_lines_of_a_reset_and_never_between(folder, usage):
    flusher = MetricsFlusher(usage, dsn=f"file://{folder.path}?rotate=400&keep=all&compress=none")
    for _ in range(10):
        usage.reset()
        usage.add("github", input_tokens=1)
        flusher.flush()
    flusher.stop()

    for path in files_in(folder.path / "github", "metrics"):
        assert b'"total"' not in raw_lines(path)[0][0], "a file begins with the line that tells of the reset"


def test_S4_17_lines_without_costs_are_those_of_the_older_format_to_the_byte(folder, usage, make):
    moment = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    flusher = make(clock=lambda: moment)
    usage.add("github", input_tokens=100, output_tokens=20)
    flusher.flush()
    moment += timedelta(minutes=1)
    usage.add("github", input_tokens=50, output_tokens=15)
    flusher.flush()

    written = (folder.path / "github" / "metrics.jsonl").read_text().splitlines()
    by_hand = BY_HAND.splitlines()
    assert written[:2] == by_hand[:2]
    assert written[2] == by_hand[2].partition(',"tool_usage"')[0] + "}"


def test_S4_17_costs_have_a_reset_of_their_own_that_leaves_the_tokens_alone(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=100, input_micro_usd=30)
    flusher.flush()
    usage.reset_cost("github")
    usage.add("github", input_tokens=5, input_micro_usd=2)
    flusher.flush()

    last = lines_of(folder)[-1]
    assert "reset" not in last
    assert last["cost_reset"] is True
    assert last["diff"]["input_tokens"] == 5
    assert last["cost_diff"] == last["cost_total"]
    assert last["cost_total"]["input_micro_usd"] == 2


def test_our_lines_carry_exactly_the_keys_of_the_format(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=1, output_micro_usd=1)
    usage.add_tool_call("github", "search", input_tokens=3, output_tokens=4)
    flusher.flush()

    sentinel, line = lines_of(folder)
    assert list(sentinel) == ["ts", "server", "reset"]
    keys = ["ts", "server", "reset", "diff", "total", "tool_usage", "cost_reset", "cost_diff", "cost_total"]
    assert list(line) == keys
    assert list(line["total"]) == ["input_tokens", "output_tokens", "total_tokens"]
    assert list(line["tool_usage"]["search"]) == ["calls", "last_called_at", "input_tokens", "output_tokens"]
    costs = ["input_micro_usd", "output_micro_usd", "cache_read_micro_usd", "cache_write_micro_usd"]
    assert list(line["cost_total"]) == costs


def test_S4_18_what_could_not_be_written_is_part_of_the_next_line(folder, usage, make):
    """Weakness 7."""
    flusher = make()
    usage.add("github", input_tokens=1)
    flusher.flush()
    aside = folder.path / "aside"
    (folder.path / "github").rename(aside)
    (folder.path / "github").write_text("in the way")

    usage.add("github", input_tokens=10)
    with pytest.raises(telesink.TelesinkError, match="github"):
        flusher.flush()
    usage.add("github", input_tokens=100)
    (folder.path / "github").unlink()
    aside.rename(folder.path / "github")
    flusher.flush()

    assert lines_of(folder)[-1]["diff"]["input_tokens"] == 110
    assert (flusher.failures, bool(flusher.last_error)) == (1, True)


def test_S4_18_a_server_that_was_removed_begins_anew(folder, usage, make):
    flusher = make()
    usage.add("github", input_tokens=5)
    flusher.flush()
    usage.remove("github")
    flusher.flush()
    usage.add("github", input_tokens=7)
    flusher.flush()
    usage.remove("github")
    usage.add("github", input_tokens=9)
    flusher.flush()

    assert [line.get("reset", False) for line in lines_of(folder)] == [True] * 6
    assert lines_of(folder)[-1]["diff"]["input_tokens"] == 9


def test_counts_are_bounded_and_errors_say_what_is_allowed(usage, folder):
    with pytest.raises(telesink.ConfigError, match="a count is -1"):
        usage.add("github", input_tokens=-1)
    with pytest.raises(telesink.ConfigError, match="a count is"):
        usage.add_tool_call("github", "t", output_tokens=2**63)
    with pytest.raises(telesink.ConfigError, match="interval_seconds is 0"):
        MetricsFlusher(usage, 0, dsn=f"file://{folder.path}")
    with pytest.raises(telesink.ConfigError, match="sqlite:// is no folder"):
        MetricsFlusher(usage, dsn="sqlite:///x.db")
    with pytest.raises(telesink.ConfigError, match="n is 0"):
        usage.seed_from_file("x", 0)


def test_many_threads_lose_no_count(usage):
    def count():
        for _ in range(2_000):
            usage.add("github", input_tokens=1, output_tokens=2)
            usage.add_tool_call("github", "t")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = usage.snapshot()["github"]
    assert found.tokens == Tokens(8_000, 16_000, 24_000)
    assert found.tools["t"].calls == 8_000


def test_lines_of_counters_and_of_otlp_share_a_file_and_neither_reader_minds(folder, usage, make):
    usage.add("shop", input_tokens=5)
    make().flush()
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.resources import Resource

    import telesink.opentelemetry

    reader = InMemoryMetricReader()
    MeterProvider([reader], resource=Resource({"service.name": "shop"})).get_meter("m").create_counter(
        "c"
    ).add(1)
    exporter = telesink.opentelemetry.MetricExporter(f"file://{folder.path}")
    exporter.export(reader.get_metrics_data())
    assert exporter.force_flush(10_000)

    again = Accumulator()
    path = folder.path / "shop" / "metrics.jsonl"
    assert again.seed_from_file(path) == 1
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert ["resourceMetrics" in line for line in lines] == [False, False, True]
