"""Files that telesink makes belong to their owner alone, and lie where they were meant to."""

import contextlib
import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

#: Logs into SQLite with a dead-letter file, under the umask that is given, and says what it counted.
LOGS = """
import json, logging, os, sys
import telesink

os.umask(int(sys.argv[1], 8))
telesink.install_logging("sqlite:///app.db", dead_letter=sys.argv[2])
for name in ("shop", "refused"):
    logging.getLogger(name).warning("hello")
telesink.flush(10)
print(json.dumps(telesink.stats()["sqlite"].as_dict()["dropped"]))
print(json.dumps({name: os.stat(name).st_mode for name in os.listdir() if os.path.isfile(name)}))
"""


@pytest.fixture
def refusing(run_python, tmp_path):
    """
    A folder whose database takes no records of the logger `refused`; it is private to nobody.
    """
    run_python("import logging, telesink\ntelesink.install_logging('sqlite:///app.db')\nlogging.error('x')")
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute(
            "CREATE TRIGGER planted BEFORE INSERT ON telesink_logs WHEN NEW.logger = 'refused' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    return tmp_path


def dropped(finished):
    """
    What became of the refused record: in the dead-letter file it is `poison`.
    """
    return json.loads(finished.stdout.splitlines()[0])


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", ["000", "002", "022", "027", "077"])
def test_a_database_and_what_lies_beside_it_are_private_whatever_the_umask(run_python, tmp_path, umask):
    """FIL2: also the log and its index, which are gone after a clean end."""
    finished = run_python(LOGS, umask, str(tmp_path / "dead.ndjson"))

    modes = json.loads(finished.stdout.splitlines()[1])
    assert {"app.db", "app.db-wal", "app.db-shm"} <= set(modes)
    assert {name: oct(stat.S_IMODE(mode)) for name, mode in modes.items()} == dict.fromkeys(modes, "0o600")


def test_a_database_behind_a_link_to_nowhere_is_private_too(run_python, tmp_path):
    """FIL2: SQLite follows the link, and would make the file as readable as the umask lets it."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "app.db").symlink_to("next.db")
    (tmp_path / "next.db").symlink_to(tmp_path / "volume" / "real.db")

    run_python(LOGS, "000", str(tmp_path / "dead.ndjson"))

    assert mode_of(tmp_path / "volume" / "real.db") == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o666, 0o600])
def test_the_mode_of_a_database_that_is_there_already_stays_as_it_is(run_python, tmp_path, mode):
    """FIL2: never widened and never narrowed; who shares a database has a reason."""
    (tmp_path / "app.db").touch()
    (tmp_path / "app.db").chmod(mode)

    finished = run_python(LOGS, "022", str(tmp_path / "dead.ndjson"))

    modes = json.loads(finished.stdout.splitlines()[1])
    assert {oct(stat.S_IMODE(found)) for found in modes.values()} == {oct(mode)}


@pytest.mark.parametrize("umask", ["000", "002", "022", "027", "077"])
def test_D16_the_dead_letter_file_is_private_whatever_the_umask(run_python, refusing, umask):
    path = refusing / "dead.ndjson"

    finished = run_python(LOGS, umask, str(path))

    assert dropped(finished) == {"poison": 1}
    assert mode_of(path) == 0o600
    assert len(path.read_text().splitlines()) == 1


def test_D16_the_mode_of_a_dead_letter_file_that_is_there_already_stays_as_it_is(run_python, refusing):
    path = refusing / "dead.ndjson"
    path.touch()
    path.chmod(0o640)

    finished = run_python(LOGS, "022", str(path))

    assert dropped(finished) == {"poison": 1}
    assert mode_of(path) == 0o640


def link_to_a_file(folder, path):
    (folder / "valuable").write_text("keep me\n")
    path.symlink_to(folder / "valuable")
    return "symbolic link"


def link_to_nowhere(folder, path):
    path.symlink_to(folder / "made-by-accident")
    return "symbolic link"


def second_name(folder, path):
    (folder / "valuable").write_text("keep me\n")
    path.hardlink_to(folder / "valuable")
    return "hard link"


def queue_without_reader(folder, path):
    os.mkfifo(path)
    return ""


def folder_instead(folder, path):
    path.mkdir()
    return "directory"


def device(folder, path):
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return "regular"


def of_another_user(folder, path):
    path.touch(mode=0o666)
    os.chown(path, 4_321, 4_321)
    return "another user"


PLANTED = [link_to_a_file, link_to_nowhere, second_name, queue_without_reader, folder_instead]
if os.geteuid() == 0:
    PLANTED += [device, of_another_user]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_D16_what_others_may_have_planted_is_not_written_to_and_the_loss_is_counted(
    run_python, refusing, plant
):
    path = refusing / "dead.ndjson"
    words = plant(refusing, path)
    before = sorted(refusing.iterdir())

    finished = run_python(LOGS, "022", str(path))

    assert dropped(finished) == {"dead_letter_full": 1}
    assert "could not write the dead-letter file" in finished.stderr
    assert words in finished.stderr.lower()
    new = {one.name for one in refusing.iterdir()} - {one.name for one in before}
    assert new <= {"app.db-wal", "app.db-shm"}
    if (refusing / "valuable").exists():
        assert (refusing / "valuable").read_text() == "keep me\n"


@pytest.mark.parametrize(("mode", "is_taken"), [(0o777, False), (0o1777, True), (0o770, True), (0o700, True)])
def test_D16_a_folder_in_which_everybody_may_exchange_files_is_refused(run_python, refusing, mode, is_taken):
    folder = refusing / "letters"
    folder.mkdir()
    folder.chmod(mode)

    finished = run_python(LOGS, "022", str(folder / "dead.ndjson"))

    assert dropped(finished) == {"poison" if is_taken else "dead_letter_full": 1}
    assert ("not sticky" in finished.stderr) is not is_taken
    assert (folder / "dead.ndjson").exists() is is_taken


NAMES = ["../up.ndjson", "sub/../dead.ndjson", "spaces and \N{SNOWMAN}.ndjson", "x" * 200, "-rf", "a\nb"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_D16_a_path_is_taken_as_it_stands(run_python, refusing, name):
    """Whoever names the file is trusted; nothing of a record gets into its name."""
    (refusing / "work" / "sub").mkdir(parents=True)
    path = refusing / "work" / name

    finished = run_python(LOGS, "022", str(path))

    assert dropped(finished) == {"poison": 1}
    assert path.resolve().is_file()


#: Names of loggers, services and fields that lead out of a folder, if anybody makes a path of them.
LEADING_OUT = """
import logging, sys
import telesink

names = ["../../../up", "/tmp/telesink-escaped", "..", "CON", "~root/x", "x" * 300]
names += ["a\\0b", "\\u2025/\\uff0e\\uff0e/up"]
telesink.install_logging("sqlite:///app.db", dead_letter="dead.ndjson", resource={"service.name": names[0]})
for name in names:
    logging.getLogger(name).warning(name, extra={name or "x": name})
    telesink.enqueue({"body": name, "logger": name, "event_name": name})
telesink.flush(10)
"""


def test_no_name_in_a_record_becomes_a_path(run_python, tmp_path):
    """FIL1: nothing is made but what the DSN and the settings name."""
    outside = sorted(tmp_path.parent.iterdir())

    run_python(LEADING_OUT)

    assert {path.name for path in tmp_path.iterdir()} <= {"app.db", "app.db-wal", "app.db-shm"}
    assert sorted(tmp_path.parent.iterdir()) == outside
    assert not Path("/tmp/telesink-escaped").exists()
