"""Following a file across rotation: every line once, none torn."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest
from files.reading import lines_in
from waiting import wait_until

import telesink
from telesink import files


class Reader:
    """Follows in a thread and keeps what it was given."""

    def __init__(self, root, service="shop", signal="logs", **options):
        self._stop = threading.Event()
        self.lines = []
        lines = files.tail(root, service, signal, poll_seconds=0.001, stop=self._stop, **options)
        self._thread = threading.Thread(target=lambda: self.lines.extend(lines))
        # The position is taken when it is made, not when it is first asked.
        self._thread.start()

    def wait_for(self, text):
        wait_until(lambda: any(text in line for line in list(self.lines)), f"a line with {text}")

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        return self.lines


@pytest.fixture
def active(tmp_path):
    """The path of an active file, in a folder of its own."""
    (tmp_path / "t" / "shop").mkdir(parents=True)
    return tmp_path / "t" / "shop" / "logs.jsonl"


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def test_S4_25_it_begins_at_the_end_and_holds_a_line_until_it_is_whole(active):
    append(active, "old\n")
    reader = Reader(active.parents[1])

    append(active, "begun")
    append(active, " and ended\nnext")
    reader.wait_for("ended")
    append(active, " one\n")
    reader.wait_for("next one")

    assert reader.stop() == ["begun and ended", "next one"]


def test_S4_25_it_goes_on_in_new_files_also_if_there_were_several_meanwhile(active):
    append(active, "old\n")
    reader = Reader(active.parents[1])

    for number in range(5):
        append(active, f"last of {number}\n")
        active.rename(active.with_name(f"logs-2026-01-31T12-00-0{number}.000.jsonl"))
        append(active, f"first of {number + 1}\n")
    reader.wait_for("first of 5")

    expected = ["last of 0"]
    for number in range(1, 5):
        expected += [f"first of {number}", f"last of {number}"]
    assert reader.stop() == [*expected, "first of 5"]


def test_it_begins_with_a_whole_line_also_in_the_middle_of_one(active):
    append(active, "old\nbegun before")
    reader = Reader(active.parents[1])

    append(active, " and ended after\n")
    reader.wait_for("ended after")

    assert reader.stop() == ["begun before and ended after"]


def test_a_torn_line_that_is_taken_away_is_in_no_line_that_follows(active):
    append(active, "old\n")
    lines = files.tail(active.parents[1], "shop", "logs", poll_seconds=0.001)
    append(active, "one\ntorn li")
    first = next(lines)
    # As the next append mends it, between two looks.
    os.truncate(active, len("old\none\n"))
    append(active, "a line that is longer\n")

    assert [first, next(lines)] == ["one", "a line that is longer"]
    lines.close()


def test_a_file_that_was_deleted_takes_no_compressed_one_with_it(active):
    append(active, "old\n")
    lines = files.tail(active.parents[1], "shop", "logs", poll_seconds=0.001)
    append(active, "one\n")
    first = next(lines)
    active.unlink()
    rotated = active.with_name("logs-2026-01-31T12-00-00.000.jsonl.gz")
    rotated.write_bytes(gzip.compress(b"two, which was rotated and compressed at once\n"))
    append(active, "three\n")

    assert [first, next(lines)[:3], next(lines)] == ["one", "two", "three"]
    lines.close()


def test_a_file_of_the_same_length_is_not_taken_for_the_one_that_was_read(active):
    append(active, "old\n")
    lines = files.tail(active.parents[1], "shop", "logs", poll_seconds=0.001)
    append(active, "one\n")
    first = next(lines)
    active.unlink()
    rotated = active.with_name("logs-2026-01-31T12-00-00.000.jsonl.gz")
    rotated.write_bytes(gzip.compress(b"new\ntwo\n"))
    append(active, "three\n")

    assert [first, next(lines), next(lines), next(lines)] == ["one", "new", "two", "three"]
    lines.close()


def test_a_file_that_is_compressed_after_it_was_read_is_not_given_again(active):
    append(active, "old\n")
    lines = files.tail(active.parents[1], "shop", "logs", poll_seconds=0.001)
    append(active, "one\n")
    first = next(lines)
    rotated = active.with_name("logs-2026-01-31T12-00-00.000.jsonl.gz")
    rotated.write_bytes(gzip.compress(active.read_bytes()))
    active.unlink()
    append(active, "two\n")

    assert [first, next(lines)] == ["one", "two"]
    lines.close()


def test_lines_that_nobody_asks_for_leave_no_descriptor_open(active):
    append(active, "old\n")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        files.tail(active.parents[1], "shop", "logs")

    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    reader = Reader(tmp_path / "t")

    (tmp_path / "t" / "shop").mkdir(parents=True)
    append(tmp_path / "t" / "shop" / "logs.jsonl", "first\n")
    reader.wait_for("first")

    assert reader.stop() == ["first"]


def test_a_file_that_is_wiped_or_cut_off_goes_on_at_its_begin(active):
    append(active, "old\n")
    reader = Reader(active.parents[1])
    append(active, "one\n")
    reader.wait_for("one")

    active.unlink()
    append(active, "two\n")
    reader.wait_for("two")
    active.write_text("")
    # Shorter than what was read, so that it is seen whenever somebody looks.
    append(active, "3\n")
    reader.wait_for("3")

    assert reader.stop() == ["one", "two", "3"]


def test_from_the_start_it_reads_what_was_rotated_and_compressed(folder):
    logger, pipeline = folder.logger("service=shop&rotate=2 kB&keep=all", linger_seconds=0.001)
    for number in range(100):
        logger.info("%d", number)
    assert pipeline.flush(10)

    lines = list(files.tail(folder.path, "shop", "logs", from_start=True, follow=False))

    assert [json.loads(line)["msg"] for line in lines] == [str(number) for number in range(100)]


def test_S4_25_beside_a_writer_that_rotates_all_the_time_it_gives_every_line_once(folder):
    logger, pipeline = folder.logger("service=shop&rotate=3 kB&keep=all", linger_seconds=0.001)
    logger.info("before")
    assert pipeline.flush(10)
    reader = Reader(folder.path)

    for number in range(2_000):
        logger.info("%d", number)
        if number % 100 == 0:
            assert pipeline.flush(10)
    logger.info("the end")
    assert pipeline.flush(10)
    reader.wait_for("the end")

    assert [json.loads(line)["msg"] for line in reader.stop()] == [*map(str, range(2_000)), "the end"]
    assert len(lines_in(folder.path / "shop")) == 2_002


def test_what_is_no_signal_is_an_error_at_once(tmp_path):
    with pytest.raises(telesink.ConfigError, match="'spans'"):
        files.tail(tmp_path, "shop", "spans")
