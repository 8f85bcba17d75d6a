"""`telesink replay` on files: refused records arrive once, as they were; whatever is not stored is told."""

import fcntl
import json
import shutil
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from command_line import in_terminal, running, telesink
from refusing import execute, letters, make_file, write
from replaying import bodies, dead_letters, mend, refusing_database, replay
from waiting import wait_until

COLUMNS = "id, ts, observed_ts, severity, level, logger, body, event_name, trace_id, span_id"


@pytest.fixture
def path(tmp_path):
    return refusing_database(tmp_path)


@pytest.fixture
def dead(path):
    return dead_letters(path)


def test_refused_records_arrive_with_their_ids_times_and_contents(path, dead, tmp_path):
    mend(path)

    result = replay(dead, path)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"{dead}: 3 dead letters", f"  replayed  3 to sqlite:///{path}"]
    rows = execute(
        path, f"SELECT {COLUMNS}, attributes FROM telesink_logs WHERE logger = 'refused' ORDER BY seq"
    )
    assert len(rows) == 3
    for row, letter in zip(rows, letters(dead), strict=True):
        record = letter["record"]
        assert row[:4] == (
            letter["id"],
            record["time_unix_nano"],
            record["observed_unix_nano"],
            record["severity"],
        )
        assert row[4:10] == (record["level"], "refused", record["body"], None, record["trace_id"], None)
        where = {"telesink.original_instance": letter["instance"], "telesink.original_seq": letter["seq"]}
        assert json.loads(row[10]) == {**record["attributes"], **where}


def test_what_was_replayed_is_no_hole_any_more(path, dead):
    mend(path)
    replay(dead, path)

    result = telesink("check", path, "--json")

    summary = json.loads(result.stdout)
    assert (result.returncode, summary["replayed"], summary["unexplained"]) == (0, 3, 0)


def test_running_it_twice_stores_nothing_twice(path, dead):
    mend(path)
    replay(dead, path)

    result = replay(dead, path)

    assert result.returncode == 0
    assert result.stdout.splitlines()[1:] == [
        f"  replayed        0 to sqlite:///{path}",
        "  stored already  3",
    ]
    assert bodies(path) == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "first"]


def test_the_same_record_twice_in_the_file_is_stored_once(path, dead):
    mend(path)
    dead.write_bytes(dead.read_bytes() * 2)

    result = replay(dead, path)

    assert "twice in the file  3" in result.stdout
    assert len(bodies(path)) == 11


def test_a_dry_run_changes_nothing(path, dead):
    mend(path)
    before = path.read_bytes()

    result = replay(dead, path, "--dry-run")

    assert result.returncode == 0
    assert result.stdout.splitlines()[1:] == [
        f"  would be replayed  3 to sqlite:///{path}",
        "nothing was changed: this is a dry run",
    ]
    assert path.read_bytes() == before


def test_the_file_is_left_as_it_is(path, dead):
    before = dead.read_bytes()

    replay(dead, path)

    assert dead.read_bytes() == before


def test_where_they_are_set_aside_can_be_said(path, dead, tmp_path):
    replay(dead, path, "--dead-letter", tmp_path / "again.ndjson")

    assert len(letters(tmp_path / "again.ndjson")) == 3


def test_a_record_refused_again_does_not_stop_its_neighbours(path, dead):
    mend(path)
    execute(
        path,
        "CREATE TRIGGER other BEFORE INSERT ON telesink_logs WHEN new.body = '5' "
        "BEGIN SELECT RAISE(ABORT, 'other'); END",
    )

    result = replay(dead, path)

    assert result.returncode == 1
    assert f"  replayed       2 to sqlite:///{path}" in result.stdout


def test_records_go_to_destinations_that_store_nothing_too(dead, tmp_path):
    result = replay(dead, "console://stdout?format=json")

    shown = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert result.returncode == 0
    assert [one["msg"] for one in shown] == ["2", "5", "9"]


def test_a_file_that_is_not_there_yet_is_made(dead, tmp_path):
    result = replay(dead, f"sqlite:///{tmp_path}/rescue.db")

    assert result.returncode == 0
    assert bodies(tmp_path / "rescue.db") == ["2", "5", "9"]


def test_settings_of_the_environment_lose_no_record(path, dead):
    mend(path)

    result = replay(
        dead,
        path,
        TELESINK_MAX_AGE_SECONDS="0.001",
        TELESINK_QUEUE_RECORDS_MAX="2",
        TELESINK_DEAD_LETTER=dead,
    )

    assert (result.returncode, len(bodies(path))) == (0, 11)


def test_records_that_the_dsn_leaves_out_are_counted(path, dead):
    mend(path)

    result = replay(dead, f"sqlite:///{path}?level=CRITICAL")

    assert result.returncode == 1
    assert "left out by the DSN's level or loggers  3" in result.stdout


@pytest.mark.parametrize(
    "option", ["max_age_seconds=0.0001", "when_full=drop_newest", "block_timeout_seconds=0"]
)
def test_a_dsn_by_which_records_would_be_given_up_is_refused(path, dead, option):
    result = replay(dead, f"sqlite:///{path}?{option}")

    assert (result.returncode, result.stdout) == (2, "")
    assert f"the DSN sets `{option.partition('=')[0]}`" in result.stderr


def test_records_without_room_in_memory_are_told_with_the_cause(tmp_path):
    path, dead = tmp_path / "app.db", tmp_path / "dead.ndjson"
    make_file(path)
    write(f"sqlite:///{path}", ["x" * 500_000, "2"], refused=("x" * 500_000, "2"), dead_letter=dead)
    mend(path)

    result = replay(dead, path, TELESINK_RECORD_BYTES_MAX="1 KiB", TELESINK_QUEUE_BYTES_MAX="64 KiB")

    assert result.returncode == 1
    assert "  not stored  1: 1 queue_full" in result.stdout
    assert "  replayed    1 to " in result.stdout


def test_what_cannot_be_set_aside_is_told_before_anything_is_stored(path, dead, tmp_path):
    result = replay(dead, path, "--dead-letter", tmp_path / "no such folder" / "x")

    assert (result.returncode, result.stdout) == (2, "")
    assert "could not be set aside: there is no folder" in result.stderr


def test_a_file_without_room_for_what_is_refused_again_is_told(path, dead):
    result = replay(dead, path, TELESINK_DEAD_LETTER_BYTES_MAX="1 KiB")

    assert result.returncode == 1
    assert "refused again, and not set aside  3: " in result.stdout
    assert "has no room for it" in result.stdout
    assert telesink("check", path, "--dead-letter", dead).returncode == 0


@pytest.mark.parametrize(
    ("target", "expected", "code"),
    [
        ("other.db", "there is no file other.db", 2),
        (".", ". is a directory", 2),
        ("sqlite:///app.db?dead_letter=x", "the DSN names a dead-letter file", 2),
        ("sqlite:///app.db?synchronos=full", "did you mean `synchronous`?", 2),
        ("sqlite:///text.db", "file is not a database", 1),
        ("postgresql://me:hunter2@127.0.0.1:1/app", "refused", 1),
        ("host=127.0.0.1 port=1 password=hunter2", "refused", 1),
    ],
)
def test_what_cannot_be_replayed_to_is_said_in_two_lines_without_secrets(
    dead, tmp_path, target, expected, code
):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)

    result = replay(dead, target, folder=tmp_path)

    assert (result.returncode, result.stdout) == (code, "")
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert "hunter2" not in result.stderr


def test_a_destination_that_takes_nothing_is_told_and_the_rest_is_still_in_the_file(path, dead):
    mend(path)
    execute(path, "ALTER TABLE telesink_logs RENAME COLUMN span_id TO other")

    result = replay(dead, path)

    assert result.returncode == 1
    assert "span_id" in result.stderr
    assert f"  replayed    0 to sqlite:///{path}" in result.stdout
    assert "  not stored  3: 3 exit_deadline" in result.stdout


def test_the_file_cannot_take_what_is_refused_again(path, dead):
    result = replay(dead, path, "--dead-letter", dead)

    assert result.returncode == 2
    assert "cannot go into the file that is replayed" in result.stderr


def test_two_at_once_do_not_double(path, dead):
    with dead.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        result = replay(dead, path)

    assert result.returncode == 1
    assert "is being replayed by another process" in result.stderr


def test_no_value_of_the_file_drives_the_terminal(path, dead):
    mend(path)
    one = json.loads(dead.read_text().splitlines()[0])
    evil = dead.with_name("e\x1b[2Jvil.ndjson")
    evil.write_text(json.dumps({**one, "logger": "\x1b[2J\n"}))

    _, screen = in_terminal("replay", evil, "--to", path)

    assert "\x1b[2J" not in screen


def test_ctrl_c_ends_it_and_running_it_again_goes_on(path, dead, tmp_path):
    mend(path)
    (line, *_) = dead.read_text().splitlines()
    many = tmp_path / "many.ndjson"
    names = [f"019aaaaa-0000-7000-8000-{number:012x}" for number in range(20_000)]
    letter = json.loads(line)
    many.write_text("".join(json.dumps({**letter, "id": name}) + "\n" for name in names))

    with running("replay", many, "--to", path) as replaying:
        while len(bodies(path)) < 500:
            assert replaying.process.poll() is None
        code = replaying.interrupt(signal.SIGINT)
    between = len(bodies(path))
    result = replay(many, path)

    assert code == 130
    assert between < 20_008
    assert result.returncode == 0
    assert "stored already" in result.stdout
    assert execute(path, "SELECT count(*), count(DISTINCT id) FROM telesink_logs") == [(20_008, 20_008)]


def has_sink_thread(process):
    """Whether a sink is at work; asked of Linux only."""
    tasks = Path(f"/proc/{process.pid}/task")
    found = []
    for one in tasks.glob("*/comm"):
        with suppress(OSError):  # A thread may end while it is looked at.
            found.append(one.read_text().strip())
    return not tasks.exists() or "telesink-sqlite" in found


def test_a_second_ctrl_c_does_not_take_the_summary_away(path, dead):
    mend(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # Nothing can be stored, so that the end takes as long as it may.
        other.execute("BEGIN IMMEDIATE")
        with running("replay", dead, "--to", path) as replaying:
            wait_until(lambda: has_sink_thread(replaying.process), "records are offered")
            replaying.process.send_signal(signal.SIGINT)
            # A wait looks every tenth of a second, and the end takes half of one from then on.
            time.sleep(0.3)
            code = replaying.interrupt(signal.SIGINT)

    assert code == 130
    assert f"  replayed    0 to sqlite:///{path}" in replaying.out
    assert replaying.out[-1].startswith("interrupted: run it again")


def test_a_terminal_shows_how_far_it_is(path, dead, tmp_path):
    mend(path)
    shutil.copy(dead, tmp_path / "copy.ndjson")

    code, screen = in_terminal("replay", tmp_path / "copy.ndjson", "--to", path)

    assert code == 0
    assert "replaying" in screen
    assert "3 of 3" in screen
