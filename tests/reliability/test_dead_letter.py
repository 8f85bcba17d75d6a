"""The file of refused records: bounded, private, and never written through a link."""

import json
import os
import subprocess
import sys

import pytest
from delivery.programs import INSTALL
from refusing import TRIGGER, execute

import telesink

#: Names out of which paths could be made.
HOSTILE = ["../../x", "..\\..\\x", "/tmp/x", "nul\0", "x" * 300, "CON", "\u2024\u2024/x", "~/x", "."]

#: Makes a table that takes nothing of the logger `refused`, and gives it more of that than the file holds.
POISON = f"""{INSTALL}
import sqlite3
from delivery.subject_side import DATABASE, body

path, umask, count = sys.argv[1:]
os.umask(int(umask, 8))
hostile = {HOSTILE!r}
options = dict(dead_letter=path, dead_letter_bytes_max=100_000, resource={{"service.name": hostile[0]}})
pipeline = telesink.Pipeline(DSN, batch_records_max=20, **options)

def offer(counter, is_refused):
    name, logger = hostile[counter % len(hostile)], "refused" if is_refused else "shop"
    assert pipeline.enqueue({{"body": body(int(is_refused), counter), "logger": logger, "path": name}})
    took(int(is_refused), counter)

offer(0, False)
pipeline.flush(30)
connection = sqlite3.connect(DATABASE, timeout=30, isolation_level=None)
connection.execute(
    "CREATE TRIGGER IF NOT EXISTS planted BEFORE INSERT ON telesink_logs WHEN NEW.logger = 'refused' "
    "BEGIN SELECT RAISE(ABORT, 'planted'); END"
)
connection.close()
for counter in range(1, int(count)):
    offer(counter, counter % 3 == 0)
assert pipeline.flush(60)
tell(pipeline.stats().dropped)
"""


def letters(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_D15_a_flood_of_refused_records_fills_the_file_to_its_bound_and_is_counted_to_the_last(subjects):
    path = subjects.folder / "dead.ndjson"

    subject = subjects.run(POISON, path, "022", 3_000)

    dropped = subject.hear()
    found = letters(path)
    refused = [key for key in subjects.keys(subject.pid) if key[1] == 1]
    assert 0.9 * 100_000 < path.stat().st_size <= 100_000
    assert dropped == {"poison": len(found), "dead_letter_full": len(refused) - len(found)}
    assert {letter["reason"] for letter in found} == {"planted"}
    # The first ones are those that are kept, and neighbours are not touched.
    buried = [tuple(map(int, letter["record"]["body"].split())) for letter in found]
    assert buried == refused[: len(found)]
    subjects.rows().check_exactly([key for key in subjects.keys(subject.pid) if key[1] == 0])
    assert any("dead-letter file is at its bound" in line for line in subject.own_lines)


def test_D15_records_set_aside_by_a_program_that_is_killed_are_in_the_file(subjects):
    path = subjects.folder / "dead.ndjson"
    subject = subjects.start(POISON + "hear()\n", path, "022", 100)
    dropped = subject.hear()

    subject.kill()

    assert len(letters(path)) == dropped["poison"] == 33


#: The system lets no file grow beyond a bound, which the second line would cross; then it does again.
DISK_FULL = f"""{INSTALL}
import resource
from refusing import TRIGGER, execute
from delivery.subject_side import DATABASE

path = sys.argv[1]
pipeline = telesink.Pipeline(DSN, dead_letter=path)

def offer(text, logger="refused"):
    assert pipeline.enqueue({{"body": text, "logger": logger}})
    assert pipeline.flush(30)

offer("kept", "shop")
execute(DATABASE, TRIGGER)
offer("before " + "x" * 1_000_000)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path).st_size + 300, limits[1]))
offer("torn")
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
offer("after")
tell(pipeline.stats().dropped)
"""


def test_D15_a_line_that_a_full_disk_has_cut_costs_no_later_one(subjects):
    path = subjects.folder / "dead.ndjson"

    subject = subjects.run(DISK_FULL, path)

    assert subject.hear() == {"poison": 2, "dead_letter_full": 1}
    first, torn, last = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["record"]["body"].startswith("before")
    assert len(torn) == 300
    assert json.loads(last)["record"]["body"] == "after"
    assert any("only a part of the line could be written" in line for line in subject.own_lines)


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_D16_the_file_is_private_whatever_the_umask(subjects, umask):
    path = subjects.folder / "dead.ndjson"

    subjects.run(POISON, path, umask, 50)

    assert path.stat().st_mode & 0o777 == 0o600


def plant_symlink(path, victim):
    path.symlink_to(victim)


def plant_dangling_symlink(path, victim):
    path.symlink_to(victim.with_name("not there yet"))


def plant_fifo(path, victim):
    os.mkfifo(path)


def plant_hard_link(path, victim):
    path.hardlink_to(victim)


def plant_folder(path, victim):
    path.mkdir()


def plant_device(path, victim):
    path.symlink_to("/dev/null")


PLANTS = [plant_symlink, plant_dangling_symlink, plant_fifo, plant_hard_link, plant_folder, plant_device]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__.removeprefix("plant_"))
def test_D16_what_stands_in_the_place_of_the_file_is_neither_followed_nor_waited_for(subjects, plant):
    folder = subjects.folder / "open to all"
    folder.mkdir(mode=0o777)
    victim = subjects.folder / "victim"
    victim.write_text("untouched")
    path = folder / "dead.ndjson"
    plant(path, victim)
    before = path.lstat()

    subject = subjects.run(POISON, path, "022", 50)

    assert subject.hear() == {"dead_letter_full": 16}
    assert victim.read_text() == "untouched"
    assert not victim.with_name("not there yet").exists()
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    subjects.rows().check_exactly([key for key in subjects.keys(subject.pid) if key[1] == 0])


def test_D16_nothing_of_a_record_becomes_part_of_a_path(subjects):
    place = subjects.folder / "a" / "b"
    place.mkdir(parents=True)

    subject = subjects.run(POISON, place / "dead.ndjson", "022", 100)

    assert subject.hear() == {"poison": 33}
    made = {path.name for path in subjects.folder.rglob("*") if not path.name.startswith("app.db")}
    assert made == {"a", "b", "dead.ndjson", "keys", "program0.py", "stats"}


#: Leaves half a line, as a full disk does, while nobody else appends.
TEAR = """
import fcntl, os, sys, time
for _ in range(300):
    time.sleep(0.004)
    with open(sys.argv[1], "ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b'{"torn":')
"""


def test_D15_lines_torn_by_other_processes_cost_no_letter(tmp_path):
    path = tmp_path / "dead.ndjson"
    with telesink.Pipeline(f"sqlite:///{tmp_path}/app.db", dead_letter=str(path)) as pipeline:
        pipeline.enqueue({"body": "makes the tables"})
        assert pipeline.flush(30).complete
        execute(tmp_path / "app.db", TRIGGER)

        with subprocess.Popen([sys.executable, "-c", TEAR, path]) as tearing:
            while tearing.poll() is None:
                for logger in ("refused", "shop") * 10:
                    pipeline.enqueue({"body": "paid", "logger": logger})
                pipeline.flush(30)
        set_aside = pipeline.stats().sinks["sqlite"].dropped["poison"]

    lines = path.read_bytes().splitlines()
    letters = [line for line in lines if line and b'"torn"' not in line]
    assert len(letters) == set_aside
    assert all(json.loads(line)["id"] for line in letters)
    assert len(lines) > len(letters)
