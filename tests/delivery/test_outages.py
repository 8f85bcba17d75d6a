"""The database cannot be written for a while: records wait, somebody is told why, nothing is lost."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from delivery.harness import Rows, check_integrity
from reliability.small_fs import can_mount, on_small_disk

HOLD_AND_DELIVER = """
    import logging, os, sys
    from delivery.subject_side import FOLDER, become_ordinary, hear, log_many, tell
    become_ordinary()
    import telesink

    telesink.install_logging(f"sqlite:///{FOLDER}/{sys.argv[1]}")
    log = logging.getLogger("shop")
    counter = 0
    while (word := hear()) != "end":
        if word == "log":
            log_many(log, 0, 500, counter)
            counter += 500
        if word == "flush":
            tell(bool(telesink.flush(30)))
        else:
            telesink.flush(0.3)
            tell(telesink.stats()["sqlite"].as_dict())
"""


class Fault:
    """A fault of the database's place: what is broken, how it is mended, and what telesink says meanwhile."""

    path = "app.db"

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / self.path

    def mend(self):
        raise NotImplementedError


class MissingFolder(Fault):
    """The folder is made later."""

    path = "later/app.db"
    says = ("unable to open database file", "create the folder ")

    def break_it(self):
        shutil.rmtree(self.file.parent, ignore_errors=True)

    def mend(self):
        self.file.parent.mkdir()


class UnwritableFolder(Fault):
    """The folder belongs to somebody else until its mode is changed."""

    path = "theirs/app.db"
    says = ("unable to open database file", "writable for this user")

    def break_it(self):
        self.file.parent.mkdir()
        self.file.parent.chmod(0o500)

    def mend(self):
        self.file.parent.chmod(0o700)


class ReadOnlyFile(Fault):
    """The file exists and only its mode is wrong."""

    says = ("readonly database", "not writable for this user; change its owner or mode")

    def break_it(self):
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("VACUUM")
        self.file.chmod(0o400)

    def mend(self):
        self.file.chmod(0o600)


class NoDatabase(Fault):
    """The file is something else, and is moved away later."""

    says = ("file is not a database", "move it away or choose another path")

    def break_it(self):
        self.file.write_text("a shopping list, which must not be overwritten\n" * 100)

    def mend(self):
        self.file.rename(self.folder / "list.txt")
        assert (self.folder / "list.txt").read_text().startswith("a shopping list")


class PathIsFolder(Fault):
    """The path names a folder."""

    says = ("unable to open database file", "the path is a folder; name a file")

    def break_it(self):
        self.file.mkdir()

    def mend(self):
        self.file.rmdir()


class NewerTables(Fault):
    """The tables are those of a later version, until somebody puts the old ones back."""

    says = ("the tables have version 99", "upgrade telesink, or choose another file")

    def break_it(self):
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(
                "CREATE TABLE telesink_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
                "INSERT INTO telesink_meta VALUES ('version', '99')"
            )

    def mend(self):
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("DROP TABLE telesink_meta")


@pytest.mark.parametrize(
    "kind", [MissingFolder, UnwritableFolder, ReadOnlyFile, NoDatabase, PathIsFolder, NewerTables]
)
def test_S4_records_wait_for_a_place_that_cannot_be_used_and_arrive_once_it_is_mended(subjects, kind):
    fault = kind(subjects.folder)
    subjects.database = fault.file
    fault.break_it()
    subject = subjects.start(HOLD_AND_DELIVER, fault.path)

    for count in (500, 1_000):
        subject.say("log")
        stats = subject.hear()
        assert (stats["state"], stats["pending"], stats["dropped"]) == ("held", count, {})
    fault.mend()
    subject.say("flush")

    assert subject.hear() is True
    subject.say("end")
    assert subject.ends() == 0
    rows = subjects.rows()
    rows.check_exactly(subjects.keys(subject.pid))
    rows.check_dense()
    (line,) = subject.errors
    assert line.startswith("telesink: sqlite: ")
    assert "records are kept and written once this is mended" in line
    for part in fault.says:
        assert part in line


def test_each_of_several_sinks_tells_its_own_fault(subjects):
    subject = subjects.run(
        """
        import logging
        import delivery.subject_side
        import telesink

        telesink.install_logging(["sqlite:///one/app.db", "sqlite:///two/app.db"])
        logging.getLogger("shop").info("0 0 0")
        telesink.flush(0.5)
        telesink.shutdown(0.5)
        """
    )

    lines = [line for line in subject.own_lines if "create the folder" in line]
    assert sorted(line.split(":")[1].strip() for line in lines) == ["sqlite", "sqlite-2"]


FILL_AND_FREE = """
    import logging, os, resource, shutil, sys
    from delivery.subject_side import DATABASE, hear, log_many, tell
    import telesink

    folder, how = sys.argv[1:]
    ballast = os.path.join(folder, "ballast")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        if how == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, unlimited[1]))
            return
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def free():
        if how == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        else:
            os.remove(ballast)

    handler = telesink.install_logging(f"sqlite:///{folder}/app.db")
    log = logging.getLogger("shop")
    counter = 0
    while (word := hear()) != "end":
        if word == "log":
            log_many(log, 0, 3_000, counter)
            counter += 3_000
        else:
            {"fill": fill, "free": free, "look": bool}[word]()
        is_complete = bool(telesink.flush(30 if word == "free" else 1.0))
        tell({"complete": is_complete, **telesink.stats()["sqlite"].as_dict()})
    telesink.shutdown()
    shutil.copy(os.path.join(folder, "app.db"), DATABASE)
"""

#: A limit on the size of files ends writes in the same place, by another error, and works for every user.
FULL = ["limit", "disk"] if can_mount() else ["limit"]


@pytest.mark.parametrize("how", FULL)
@pytest.mark.parametrize("is_full_at_first", [False, True])
def test_S4_records_wait_while_there_is_no_space_and_arrive_once_there_is(subjects, how, is_full_at_first):
    folder = subjects.folder / "disk"
    folder.mkdir()
    subject = subjects.start(
        FILL_AND_FREE, folder, how, prefix=on_small_disk(folder) if how == "disk" else ()
    )

    def after(word):
        subject.say(word)
        return subject.hear()

    if not is_full_at_first:
        assert after("log")["complete"]
    after("fill")
    stats = after("log")
    assert (stats["state"], stats["pending"], stats["dropped"]) == ("retrying", 3_000, {})
    assert after("log")["pending"] == 6_000
    assert after("free")["complete"]
    subject.say("end")

    assert subject.ends() == 0, subject.stderr
    rows = subjects.rows()
    rows.check_exactly(subjects.keys(subject.pid))
    rows.check_dense()
    check_integrity(subjects.database)
    (line,) = subject.errors
    assert line.startswith("telesink: sqlite: ")
    assert ("free some space" if how == "disk" else "check the disk") in line


def test_records_logged_after_the_file_was_moved_away_go_into_a_new_one(subjects):
    subject = subjects.start(HOLD_AND_DELIVER, "app.db")
    subject.say("log")
    assert subject.hear()["pending"] == 0

    for path in sorted(subjects.folder.glob("app.db*")):
        path.rename(path.with_name(path.name.replace("app", "old")))
    subject.say("log")
    assert subject.hear()["pending"] == 0
    subject.say("end")

    assert subject.ends() == 0
    old, new = Rows(subjects.folder / "old.db"), subjects.rows()
    keys = subjects.keys(subject.pid)
    assert (old.keys, new.keys) == (keys[:500], keys[500:])
