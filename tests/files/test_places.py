"""Where files are made and where not: names, links, folders of others, full disks, moved files."""

import gzip
import os
import stat
import subprocess
import sys

import pytest
from files.reading import lines_in, mode_of
from reliability.small_fs import can_mount, on_small_disk

import telesink

#: Names that lead somewhere else if they are taken as they are.
HOSTILE = [
    "../../etc/x", "..", ".", "/etc/passwd", "a/../../b", "..\\..\\x", "C:\\x", "CON", "nul.txt", "a\x00b",
    "\u2024\u2024/x", "%2e%2e%2f", "~", "$HOME", "-rf", " ", "a\nb", "x" * 300, "ü" * 200, ".hidden",
]  # fmt: skip


def test_S6_no_name_of_a_service_leads_out_of_the_folder(folder, tmp_path):
    logger, pipeline = folder.logger()

    for name in HOSTILE:
        logger.info("hello", extra={"component": name})
    assert pipeline.flush(10)

    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*")]
    assert {path.parts[0] for path in made} == {"telemetry"}
    assert {len(path.parts) for path in made} == {1, 2, 3}
    assert len(list(folder.path.iterdir())) == len(HOSTILE)


def plant_link(path, tmp_path):
    (tmp_path / "target").write_text("kept")
    path.symlink_to(tmp_path / "target")


def plant_fifo(path, tmp_path):
    os.mkfifo(path)


def plant_hard_link(path, tmp_path):
    (tmp_path / "target").write_text("kept")
    path.hardlink_to(tmp_path / "target")


def plant_folder(path, tmp_path):
    path.mkdir()


@pytest.mark.parametrize("plant", [plant_link, plant_fifo, plant_hard_link, plant_folder])
def test_S7_what_is_planted_in_place_of_a_file_is_not_written_and_holds_the_lane(folder, tmp_path, plant):
    """S9: a FIFO without a reader does not hang it."""
    (folder.path / "shop").mkdir(parents=True)
    planted = folder.path / "shop" / "logs.jsonl"
    plant(planted, tmp_path)
    logger, pipeline = folder.logger(retry_initial_seconds=0.01)

    logger.error("hello")
    assert not pipeline.flush(0.3)
    held = pipeline.stats()
    planted.rmdir() if planted.is_dir() and not planted.is_symlink() else planted.unlink()
    assert pipeline.flush(10)

    assert held.state == "held"
    assert not (tmp_path / "target").exists() or (tmp_path / "target").read_text() == "kept"
    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["hello"]


def test_S7_a_link_in_place_of_a_services_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder.path.mkdir()
    (folder.path / "shop").symlink_to(tmp_path / "elsewhere")
    logger, pipeline = folder.logger(retry_initial_seconds=0.01)

    logger.error("hello")
    assert not pipeline.flush(0.3)
    (folder.path / "shop").unlink()
    assert pipeline.flush(10)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_S7_a_folder_that_everybody_may_write_to_is_refused(folder):
    folder.path.mkdir()
    folder.path.chmod(0o777)
    logger, pipeline = folder.logger(retry_initial_seconds=0.01)

    logger.error("hello")
    assert not pipeline.flush(0.3)
    folder.path.chmod(0o700)
    assert pipeline.flush(10)

    assert len(lines_in(folder.path / "shop")) == 1


def test_S9_a_fifo_in_place_of_a_file_is_left_alone_at_once(folder):
    (folder.path / "shop").mkdir(parents=True)
    os.mkfifo(folder.path / "shop" / "logs.jsonl")
    logger, pipeline = folder.logger(retry_initial_seconds=0.01)

    logger.error("hello")
    assert not pipeline.flush(0.2)
    (folder.path / "shop" / "logs.jsonl").unlink()

    assert pipeline.flush(10)


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_S8_files_are_private_whatever_the_umask_and_what_is_there_keeps_its_mode(
    run_python, tmp_path, umask
):
    code = """
import logging, os, sys, telesink
os.umask(int(sys.argv[1], 8))
telesink.install_logging("file:telemetry?service=shop&rotate=500")
for _ in range(10):
    logging.error("a line that fills the file soon")
telesink.shutdown()
"""
    (tmp_path / "telemetry").mkdir(mode=0o755)
    (tmp_path / "telemetry").chmod(0o755)

    run_python(code, umask)

    assert mode_of(tmp_path / "telemetry") == "0o755"
    assert mode_of(tmp_path / "telemetry" / "shop") == "0o700"
    modes = {mode_of(path) for path in (tmp_path / "telemetry" / "shop").iterdir()}
    assert modes == {"0o600"}


FULL = """
import json, logging, os, sys, telesink

telesink.install_logging(
    f"file://{sys.argv[1]}/logs?service=shop&rotate=never&fsync={sys.argv[2]}",
    when_full="block",
    retry_initial_seconds=0.01,
)
log = logging.getLogger("x")
ballast = os.open(f"{sys.argv[1]}/ballast", os.O_CREAT | os.O_WRONLY)
os.posix_fallocate(ballast, 0, 6 << 20)
number = 0
while not telesink.stats()["file"].retries:
    log.info("line", extra={"number": number, "padding": "x" * 1000})
    number += 1
    if number % 100 == 0:
        telesink.flush(0.05)
os.unlink(f"{sys.argv[1]}/ballast")
os.close(ballast)
for _ in range(100):
    log.info("line", extra={"number": number})
    number += 1
assert telesink.flush(30), telesink.stats()
with open(f"{sys.argv[1]}/logs/shop/logs.jsonl") as file:
    found = [json.loads(line)["number"] for line in file]
assert found == list(range(number)), (len(found), number)
print(number)
"""


@pytest.mark.parametrize("fsync", ["never", "batch"])
def test_S10_a_full_disk_tears_loses_and_doubles_no_line(tmp_path, fsync):
    if not can_mount():
        pytest.fail("this test mounts a small disk: run it as root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()

    command = [*on_small_disk(disk), sys.executable, "-c", FULL, str(disk), fsync]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) > 500


@pytest.mark.parametrize("ending", ["", '{"msg": "torn'])
def test_S10_a_line_that_a_killed_process_has_torn_is_taken_away_by_the_next_one(folder, ending):
    (folder.path / "shop").mkdir(parents=True)
    (folder.path / "shop").chmod(0o700)
    (folder.path / "shop" / "logs.jsonl").write_text('{"msg": "before"}\n' + ending)
    logger, pipeline = folder.logger()

    logger.info("after")
    assert pipeline.flush(10)

    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["before", "after"]


def test_S11_a_file_that_is_renamed_by_others_is_noticed_and_loses_no_line(folder):
    logger, pipeline = folder.logger(linger_seconds=0.001)
    active = folder.path / "shop" / "logs.jsonl"

    for turn in range(20):
        for number in range(100):
            logger.info("%d", turn * 100 + number)
            if number == 50:
                assert pipeline.flush(10)
                active.rename(active.with_name(f"aside-{turn:02}"))
    assert pipeline.flush(10)

    contents = [path.read_text() for path in sorted((folder.path / "shop").glob("aside-*"))]
    lines = "".join([*contents, active.read_text()]).splitlines()
    assert len(lines) == 2_000


def test_S11_a_file_that_is_copied_and_cut_off_by_others_goes_on_at_its_begin(folder):
    logger, pipeline = folder.logger()
    active = folder.path / "shop" / "logs.jsonl"
    logger.info("before")
    assert pipeline.flush(10)

    os.truncate(active, 0)
    logger.info("after")
    assert pipeline.flush(10)

    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["after"]
    assert b"\0" not in active.read_bytes()


@pytest.mark.parametrize("place", ["shop/logs.jsonl", "shop", "."])
def test_S11_what_is_deleted_or_moved_away_is_made_again(folder, tmp_path, place):
    """Weakness 3: nothing is written into a file that has no name any more."""
    logger, pipeline = folder.logger()
    logger.info("before")
    assert pipeline.flush(10)

    (folder.path / place).rename(tmp_path / "moved")
    logger.info("after")
    assert pipeline.flush(10)

    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["after"]
    assert stat.S_ISDIR((folder.path / "shop").stat().st_mode)


def test_a_descriptor_that_the_program_has_closed_is_not_written_to(folder, tmp_path):
    logger, pipeline = folder.logger()
    logger.info("before")
    assert pipeline.flush(10)
    active = (folder.path / "shop" / "logs.jsonl").stat()

    victim = None
    for number in range(3, 200):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (active.st_dev, active.st_ino):
            os.close(number)
            victim = os.open(tmp_path / "mine", os.O_CREAT | os.O_RDWR)
            os.dup2(victim, number) if victim != number else None
            break
    logger.info("after")
    assert pipeline.flush(10)

    assert victim is not None
    assert (tmp_path / "mine").read_bytes() == b""
    assert [line["msg"] for line in lines_in(folder.path / "shop")] == ["before", "after"]
    os.fstat(victim)
    os.close(victim)


def test_a_compressed_file_can_be_read_by_everybodys_tools(folder):
    logger, pipeline = folder.logger("service=shop&rotate=1 kB")
    for number in range(20):
        logger.info("line %d", number)
    assert pipeline.close()

    with telesink.Pipeline(f"file://{folder.path}?service=other") as other:
        other.enqueue({"body": "x"})
        from waiting import wait_until

        wait_until(
            lambda: not list((folder.path / "shop").glob("logs-*.jsonl")),
            "the rest is compressed by the next one",
        )
    for path in (folder.path / "shop").glob("*.gz"):
        assert gzip.decompress(path.read_bytes()).endswith(b"\n")
