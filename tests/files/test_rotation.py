"""When files are rotated, how they are called, and what is kept of them."""

import gzip
import json
import os
import re
import time
from datetime import UTC, datetime

import pytest
from files.reading import files_in, lines_in, mode_of
from reliability.preload import compiled
from waiting import wait_until

import telesink

ROTATED = re.compile(r"logs-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})\.jsonl(\.gz)?")


def fill(folder, options, count=40, **settings):
    """Logs numbered lines of about 200 bytes and closes the pipeline."""
    logger, pipeline = folder.logger(f"service=shop&{options}", **settings)
    for number in range(count):
        logger.info("%d", number, extra={"padding": "x" * 100})
    assert pipeline.close(60).dropped == {}
    return folder.path / "shop"


def numbers_in(folder):
    return [int(line["msg"]) for line in lines_in(folder)]


def test_S4_2_a_rotated_file_is_called_by_its_moment_in_utc_and_compressed(folder):
    before = datetime.now(UTC)
    shop = fill(folder, "rotate=2 kB&keep=all")
    wait_until(lambda: compressed_by_another(folder, shop), "all rotated files are compressed")

    rotated = [path.name for path in files_in(shop)[:-1]]
    stamps = [ROTATED.fullmatch(name)[1] for name in rotated]
    moments = [datetime.strptime(f"{stamp}+0000", "%Y-%m-%dT%H-%M-%S.%f%z") for stamp in stamps]
    assert len(rotated) >= 3
    assert all(name.endswith(".jsonl.gz") for name in rotated)
    assert all(abs((moment - before).total_seconds()) < 60 for moment in moments)
    assert {mode_of(path) for path in files_in(shop)} == {"0o600"}
    assert numbers_in(shop) == list(range(40))


def compressed_by_another(folder, shop):
    """Whether nothing is left to compress; whoever opens the folder next sees to it."""
    with telesink.Pipeline(f"file://{folder.path}?service=other&keep=all") as pipeline:
        pipeline.enqueue({"body": "x"})
    return not list(shop.glob("logs-*.jsonl"))


def test_a_file_stays_below_its_size_and_ends_with_a_whole_line(folder):
    shop = fill(folder, "rotate=1500&keep=all&compress=none")

    assert numbers_in(shop) == list(range(40))
    for path in files_in(shop):
        assert path.stat().st_size <= 1_500
        assert path.read_bytes().endswith(b"\n")


def test_a_line_that_is_larger_than_a_file_gets_one_of_its_own(folder):
    """Weakness 8."""
    logger, pipeline = folder.logger("service=shop&rotate=1 kB&keep=all&compress=none")

    for body in ("small", "x" * 5_000, "small again"):
        logger.info(body)
    assert pipeline.close()

    sizes = [path.stat().st_size for path in files_in(folder.path / "shop")]
    assert len(sizes) == 3
    assert sizes[1] > 5_000
    assert [len(line["msg"]) for line in lines_in(folder.path / "shop")] == [5, 5_000, 11]


def test_a_file_ends_with_the_period_in_which_it_was_written(folder):
    shop = fill(folder, "rotate=1 day&compress=none", count=1)
    yesterday = time.time() - 86_400
    os.utime(shop / "logs.jsonl", (yesterday, yesterday))

    fill(folder, "rotate=1 day&compress=none", count=2)

    assert [len(path.read_text().splitlines()) for path in files_in(shop)] == [1, 2]


def test_a_file_of_this_period_goes_on(folder):
    fill(folder, "rotate=52 weeks&compress=none", count=1)

    shop = fill(folder, "rotate=52 weeks&compress=none", count=1)

    assert len(files_in(shop)) == 1


def test_never_means_never(folder):
    shop = fill(folder, "rotate=never", count=2_000)

    assert [path.name for path in files_in(shop)] == ["logs.jsonl"]


def rotated_at(shop, signal, days, size=10, ending=".jsonl"):
    """A rotated file of some days ago."""
    moment = datetime.fromtimestamp(time.time() - days * 86_400, UTC)
    name = f"{signal}-{moment:%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03}{ending}"
    content = b"{}\n" * size
    (shop / name).write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    return name


@pytest.fixture
def shop(folder):
    """The folder of a service that nobody logs to."""
    folder.path.mkdir(mode=0o700)
    path = folder.path / "shop"
    path.mkdir(mode=0o700)
    return path


def look_after(folder, options, is_done):
    """Lets a pipeline of another service look after the folder until that is so."""
    pipeline = folder.open(f"service=other&{options}")
    pipeline.enqueue({"body": "x"})
    wait_until(is_done, "the folder is looked after")


@pytest.mark.parametrize(("keep", "kept"), [("2 files", 2), ("3 days", 3), ("2 files, 12 h", 1), ("all", 5)])
def test_what_is_kept_of_rotated_files_is_said_in_words_and_an_idle_service_is_looked_after_too(
    folder, shop, keep, kept
):
    """Weakness 10: not only where something is rotated just now, and by the time in the name."""
    names = [rotated_at(shop, "logs", days) for days in (0.1, 1, 2, 5, 9)]
    for name in names:
        os.utime(shop / name, (1, 1))

    look_after(folder, f"keep={keep}&compress=gzip", lambda: not list(shop.glob("*.jsonl")))

    assert sorted(path.name.removesuffix(".gz") for path in shop.iterdir()) == sorted(names[:kept])


def test_past_a_total_the_oldest_of_all_services_go(folder, shop):
    for days in (1, 3):
        rotated_at(shop, "logs", days, size=1_000)
    jira = folder.path / "jira"
    jira.mkdir()
    for days in (2, 4):
        rotated_at(jira, "traces", days, size=1_000)

    def left():
        return sorted(path.name[:4] for path in (*shop.iterdir(), *jira.iterdir()))

    look_after(folder, "keep=7 kB&compress=none", lambda: len(left()) == 2)

    assert left() == ["logs", "trac"]
    assert len(list(jira.iterdir())) == 1


def test_an_error_with_one_file_keeps_no_other_from_its_turn(folder, shop):
    linked = rotated_at(shop, "logs", 0.1)
    (shop / "second-name").hardlink_to(shop / linked)
    traces = [rotated_at(shop, "traces", days) for days in (0.1, 0.2, 0.3, 0.4)]

    def left():
        return sorted(path.name for path in shop.glob("traces-*"))

    expected = sorted(f"{name}.gz" for name in traces[:2])
    look_after(folder, "keep=2 files", lambda: left() == expected)


def test_names_are_in_the_order_of_their_lines_however_quickly_files_are_rotated(folder):
    shop = fill(folder, "rotate=1 kB&keep=all&compress=none", count=1_500)

    assert len(files_in(shop)) > 300
    assert numbers_in(shop) == list(range(1_500))


def test_a_clock_that_was_ahead_leaves_no_name_that_later_files_come_before(folder, shop):
    ahead = rotated_at(shop, "logs", -1)

    fill(folder, "rotate=1 kB&keep=all&compress=none", count=20)

    assert files_in(shop)[0].name == ahead


def test_files_with_other_names_are_never_touched(folder, shop):
    others = ["logs-backup.jsonl", "logs-2020-01-01.jsonl", "notes.txt", "logs-2020-01-01T00-00-00.000.json"]
    for name in others:
        (shop / name).write_text("mine")
    old = rotated_at(shop, "logs", 400)

    look_after(folder, "keep=1 day", lambda: not (shop / old).exists())

    assert sorted(path.name for path in shop.iterdir()) == sorted(others)


def test_what_a_killed_process_has_left_is_cleaned_up_and_nothing_is_there_twice(folder, shop):
    plain = rotated_at(shop, "logs", 1)
    (shop / f"{plain}.gz").write_bytes(gzip.compress((shop / plain).read_bytes()))
    (shop / f".{plain}.gz.part").write_bytes(b"half")

    look_after(folder, "keep=all", lambda: len(list(shop.iterdir())) == 1)

    assert [path.name for path in shop.iterdir()] == [f"{plain}.gz"]


def test_compressing_keeps_no_line_waiting(folder, shop):
    """Weakness 4: lines are written while another thread compresses."""
    rotated = shop / rotated_at(shop, "logs", 0.1)
    rotated.write_bytes(os.urandom(40_000_000) + b"\n")
    logger, pipeline = folder.logger("service=shop&keep=all")
    logger.info("first")
    wait_until(lambda: list(shop.glob(".*.part")), "it is being compressed")

    logger.info("meanwhile")
    assert pipeline.flush(10)

    written = [line["msg"] for line in lines_of_active(shop)]
    assert rotated.exists(), "it was compressed before the line was written: nothing is shown"
    assert written == ["first", "meanwhile"]


def lines_of_active(shop):
    return [json.loads(line) for line in (shop / "logs.jsonl").read_text().splitlines()]


SYNCS = """
import os, sys, telesink

pipeline = telesink.Pipeline(f"file:t?service=shop&keep=all&compress=none&rotate=1 kB&fsync={sys.argv[1]}")
for turn in range(3):
    for number in range(10):
        pipeline.enqueue({"body": f"{turn} {number}"})
    assert pipeline.flush(10)
seen = open(os.environ["COUNTING_SYNC"], "a+")
seen.seek(0)
print(seen.read().count("logs"))
pipeline.close()
"""


@pytest.mark.parametrize("fsync", ["never", "interval", "batch"])
def test_lines_are_made_durable_when_that_is_asked_for(run_python, tmp_path, fsync):
    """Weakness 9: at the end of each batch, within a second and at the end, or not at all."""
    synced = tmp_path / "synced"
    library = compiled("counting_sync", tmp_path)

    finished = run_python(SYNCS, fsync, LD_PRELOAD=library, COUNTING_SYNC=str(synced))

    before_close = int(finished.stdout)
    paths = synced.read_text().splitlines()
    files = {path.name for path in (tmp_path / "t" / "shop").iterdir()}
    assert len(lines_in(tmp_path / "t" / "shop")) == 30
    assert len(files) > 2
    if fsync == "never":
        assert [path for path in paths if "logs" in path] == []
    elif fsync == "batch":
        assert before_close >= 3 + len(files) - 1
    else:
        # The active one at the end; those that were rotated before that.
        assert paths[-1].endswith("logs.jsonl")
        assert len([path for path in paths if "logs" in path]) >= len(files)


def test_S4_4_what_is_out_of_bounds_is_an_error_that_names_the_option_and_says_what_is_allowed(folder):
    for option in (
        "rotate=0",
        "rotate=-1 MB",
        "rotate=2000000 MB",
        "keep=0 files",
        "keep=1025 files",
        "keep=3651 days",
    ):
        with pytest.raises(telesink.ConfigError, match=rf"`{option.partition('=')[0]}`.*(1_048_576|3650)"):
            folder.open(option)
