"""Totals, records and spans that a program finds in the files of programs before it."""

import gzip
import logging
from datetime import UTC, datetime

import pytest
from files.by_hand import BY_HAND
from files.reading import lines_in

import telesink
from telesink.files import last_lines, last_spans, seed
from telesink.metrics import Accumulator, MetricsFlusher, Tokens

MINUTE = 60


def test_S4_19_totals_and_minutes_come_back_and_the_next_line_tells_only_what_is_new(folder, usage):
    path = folder.path / "github" / "metrics.jsonl"
    path.parent.mkdir(parents=True)
    folder.path.chmod(0o700)
    path.parent.chmod(0o700)
    path.write_text(BY_HAND)

    used = usage.seed_from_file(path, 500)
    usage.add("github", input_tokens=10)
    MetricsFlusher(usage, dsn=f"file://{folder.path}").flush()

    found = usage.snapshot()
    at = int(datetime(2026, 1, 31, 12, 1, tzinfo=UTC).timestamp()) // MINUTE
    assert used == 3
    assert found["github"].tokens == Tokens(160, 35, 195)
    assert found["github"].minutes[0] == (at, Tokens(50, 15, 65))
    assert found["github"].tools["search"].calls == 3
    assert found["jira"].tokens == Tokens(9, 9, 18)
    assert found["jira"].cost.output == 60
    last = lines_in(folder.path / "github", "metrics")[-1]
    assert "reset" not in last
    assert last["diff"] == {"input_tokens": 10, "output_tokens": 0, "total_tokens": 10}
    assert last["total"]["total_tokens"] == 195


def test_S4_19_a_missing_or_empty_file_is_fine_and_malformed_and_torn_lines_are_passed_over(tmp_path, usage):
    path = tmp_path / "metrics.jsonl"
    assert usage.seed_from_file(path) == 0
    path.write_text("")
    assert usage.seed_from_file(path) == 0

    good = BY_HAND.splitlines(keepends=True)
    bad = [
        "\n", "{\n", "[1]\n", '{"server":"github"}\n',
        '{"server":"github","total":{"input_tokens":-1},"ts":"x"}\n',
        '{"server":"github","total":{"input_tokens":1},"ts":"yesterday"}\n',
        '{"server":"github","total":{"input_tokens":1},"ts":"2026-01-31T12:00:00Z","tool_usage":7}\n',
        '{"server":"github","total":{"input_tokens":1},"diff":{"input_tokens":1},"ts":"1969-01-31T12:00:00Z"}\n',
        '{"server":"github","total":{"input_tokens":1},"diff":{"input_tokens":1},"ts":"9999-01-31T12:00:00Z"}\n',
        "[" * 100_000 + "\n",
        "\xff\xfe\n",
    ]  # fmt: skip
    path.write_bytes("".join([*good, *bad, good[1][:60]]).encode("latin-1"))

    assert usage.seed_from_file(path) == 3
    assert usage.snapshot()["github"].tokens == Tokens(150, 35, 185)


def test_S4_19_rotated_files_are_read_too(folder, usage):
    """Weakness 6."""
    flusher = MetricsFlusher(usage, dsn=f"file://{folder.path}?rotate=600&keep=all")
    for _ in range(30):
        usage.add("github", input_tokens=1)
        flusher.flush()
    flusher.stop()

    again = Accumulator()
    used = again.seed_from_file(folder.path / "github" / "metrics.jsonl", 500)

    assert len(list((folder.path / "github").iterdir())) > 3
    assert used == 30
    assert again.snapshot()["github"].tokens == Tokens(30, 0, 30)
    assert sum(tokens.input for _, tokens in again.snapshot()["github"].minutes) == 29


def test_S4_19_seeding_after_a_reset_or_a_second_time_counts_nothing_twice(folder, usage):
    path = folder.path / "metrics.jsonl"
    folder.path.mkdir()
    path.write_text(BY_HAND)
    usage.add("github", input_tokens=1)
    usage.reset()

    usage.seed_from_file(path)
    usage.seed_from_file(path)
    usage.add("github", input_tokens=7)
    MetricsFlusher(usage, dsn=f"file://{folder.path}").flush()

    assert usage.snapshot()["github"].tokens == Tokens(157, 35, 192)
    [line] = lines_in(folder.path / "github", "metrics")
    assert line["diff"]["input_tokens"] == 7


def test_S4_19_past_the_servers_that_are_told_apart_nothing_is_seeded(folder, usage):
    path = folder.path / "metrics.jsonl"
    folder.path.mkdir()
    path.write_text(BY_HAND)
    for number in range(1_024):
        usage.add(f"s{number}", input_tokens=1)

    usage.seed_from_file(path)

    assert usage.restored() == {}
    assert "github" not in usage.snapshot()


def test_S4_19_a_compressed_file_that_is_cut_off_gives_what_stands_before(folder, usage):
    folder.path.mkdir()
    whole = gzip.compress(BY_HAND.encode() * 200)
    (folder.path / "metrics-2026-01-31T12-00-00.000.jsonl.gz").write_bytes(whole[: len(whole) // 2])

    assert usage.seed_from_file(folder.path / "metrics.jsonl") > 0
    assert usage.snapshot()["github"].tokens.total >= 120


def test_S4_20_log_records_come_back_into_a_ring(folder):
    logger, pipeline = folder.logger("service=shop&rotate=1 kB&keep=all")
    (folder.path / "shop").mkdir(parents=True, mode=0o700)
    folder.path.chmod(0o700)
    (folder.path / "shop" / "logs.jsonl").write_text(
        '{"ts":"2026-01-31T12:00:00Z","level":"LOUD","msg":"of a level that nobody knows"}\n'
        '{"ts":"1969-01-31T12:00:00Z","level":"INFO","msg":"of a time before all times"}\n'
    )
    for number in range(20):
        logger.warning("%d", number, extra={"number": number, "ts": "mine"})
    assert pipeline.close()

    with telesink.Pipeline("memory://") as ring:
        assert seed(ring, folder.path / "shop" / "logs.jsonl", 100) == 20
    with telesink.Pipeline("memory://") as ring:
        taken = seed(ring, folder.path / "shop" / "logs.jsonl", 5)
        assert ring.flush(10)
        records = ring.recent()

    assert taken == 5
    assert [record["body"] for record in records] == ["15", "16", "17", "18", "19"]
    assert (records[0]["level"], records[0]["logger"]) == ("WARN", "cart")
    assert records[0]["attributes"]["number"] == 15
    assert records[0]["attributes"]["ts"] == "mine"
    assert records[0]["time_unix_nano"] <= records[-1]["time_unix_nano"]


def test_S4_19_only_the_last_lines_are_read(folder, usage):
    path = folder.path / "metrics.jsonl"
    folder.path.mkdir()
    path.write_text(BY_HAND)

    assert usage.seed_from_file(path, 1) == 1
    assert set(usage.snapshot()) == {"jira"}


def test_S4_20_the_last_records_and_spans_come_back_with_values_of_their_types(folder):
    """Weakness 11: errors and attributes that are no text stay what they are."""
    telesink.install_logging(f"file://{folder.path}?service=shop&rotate=2 kB&keep=all", logger="cart")
    for number in range(30):
        with telesink.span("step", number=number, ratio=0.5, ok=True, tags=["a", 1]):
            logging.getLogger("cart").warning("%d", number)
    assert telesink.flush(10)

    records = last_lines(folder.path / "shop" / "logs.jsonl", 5)
    spans = last_spans(folder.path / "shop" / "traces.jsonl", 5)

    assert [record["msg"] for record in records] == ["25", "26", "27", "28", "29"]
    assert [span["attributes"]["number"] for span in spans] == [25, 26, 27, 28, 29]
    assert spans[0]["attributes"] == {"number": 25, "ratio": 0.5, "ok": True, "tags": ["a", 1]}
    assert spans[0]["end_unix_nano"] >= spans[0]["start_unix_nano"] > 1_700_000_000_000_000_000
    assert last_lines(folder.path / "missing" / "logs.jsonl", 5) == []


def test_S4_20_a_span_that_failed_still_has_failed_and_a_line_of_any_length_is_read(folder):
    telesink.install_logging(f"file://{folder.path}?service=shop", record_bytes_max="8 MiB")
    with pytest.raises(ValueError, match="no"), telesink.span("step"):
        raise ValueError("no")
    telesink.enqueue({"body": "x" * 6_000_000})
    assert telesink.flush(30)

    [span] = last_spans(folder.path / "shop" / "traces.jsonl", 5)
    [record] = last_lines(folder.path / "shop" / "logs.jsonl", 5)

    assert span["status"] == 2
    assert len(record["msg"]) == 6_000_000
