"""`telesink replay` on files: refused records arrive once, as they were; what cannot be read is named."""

import base64
import fcntl
import json
import random
import shutil
import signal
import time

import pytest
from command_line import in_terminal, running, telesink
from refusing import execute, letters, make_file, write

from telesink import Pipeline

COLUMNS = "id, ts, observed_ts, severity, level, logger, body, event_name, trace_id, span_id"


@pytest.fixture
def path(tmp_path):
    """A database that refuses records of one logger."""
    path = tmp_path / "app.db"
    make_file(path)
    return path


@pytest.fixture
def dead(path, tmp_path):
    """The dead-letter file of a program three of whose ten records were refused."""
    dead = tmp_path / "dead.ndjson"
    bodies = [str(number) for number in range(10)]
    resource = {"service.name": "shop", "cloud.region": "eu"}
    write(f"sqlite:///{path}", bodies, refused=("2", "5", "9"), dead_letter=dead, resource=resource)
    return dead


def mend(path):
    execute(path, "DROP TRIGGER planted")


def replay(dead, target, *arguments, **options):
    return telesink("replay", dead, "--to", target, *arguments, **options)


def bodies(path):
    return sorted(body for (body,) in execute(path, "SELECT body FROM telesink_logs"))


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


def test_what_is_refused_again_is_set_aside_again(path, dead, tmp_path):
    result = replay(dead, path)

    aside = tmp_path / "dead.ndjson.refused"
    assert result.returncode == 1
    assert f"refused again  3, set aside in {aside}" in result.stdout
    assert [letter["id"] for letter in letters(aside)] == [letter["id"] for letter in letters(dead)]
    assert aside.stat().st_mode & 0o777 == 0o600
    mend(path)
    again = replay(aside, path)
    assert again.returncode == 0
    origins = execute(
        path,
        """SELECT attributes ->> '$."telesink.original_instance"', """
        """attributes ->> '$."telesink.original_seq"' """
        "FROM telesink_logs WHERE logger = 'refused' ORDER BY 2",
    )
    first = [(letter["instance"], letter["seq"]) for letter in letters(dead)]
    assert origins == first == [(letter["instance"], letter["seq"]) for letter in letters(aside)]


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


def test_lines_that_are_torn_or_foreign_are_named_and_stop_nothing(path, dead):
    mend(path)
    lines = dead.read_text().splitlines()
    foreign = ['{"level": "info"}', "not json", "[1]", "", json.dumps({**json.loads(lines[0]), "seq": True})]
    dead.write_text("\n".join([lines[0], *foreign, lines[1], lines[2][:-40]]))

    result = replay(dead, path)

    assert result.returncode == 1
    assert f"  replayed    2 to sqlite:///{path}" in result.stdout
    for told in (
        "unreadable  5:",
        "line 2 (no dead letter: `id` is missing)",
        "line 3 (no JSON)",
        "line 4 (no JSON object)",
        "line 6 (no dead letter: `seq` is not what it should be)",
        "line 8 (cut off in the middle)",
    ):
        assert told in result.stdout


def hidden(name):
    """Lines whose value stands in the record, where it means nothing."""

    def forge(one):
        record = {**one["record"], name: one[name]}
        return {**{key: value for key, value in one.items() if key != name}, "record": record}

    return forge


FOREIGN = {
    "id hidden": hidden("id"),
    "seq hidden": hidden("seq"),
    "instance hidden": hidden("instance"),
    "otlp hidden": hidden("otlp"),
    "seq negative": lambda one: {**one, "seq": -5, "record": {**one["record"], "seq": 1}},
    "seq huge": lambda one: {**one, "seq": 2**70, "record": {**one["record"], "seq": 1}},
    "sink a list": lambda one: {**one, "sink": ["a"], "record": {**one["record"], "sink": "s"}},
    "record a text": lambda one: {**one, "record": "x", "time_unix_nano": 1, "logger": "x"},
    "time in the line": lambda one: {**one, "time_unix_nano": 1, "record": {"logger": "x"}},
    "resource a list": lambda one: {**one, "resource": ["a"]},
    "resource of numbers": lambda one: {**one, "resource": {"a": 1}},
    "logger a surrogate": lambda one: {**one, "record": {**one["record"], "logger": "\ud800"}},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_lines_that_nobody_can_have_written_are_named(path, dead, name):
    mend(path)
    one = json.loads(dead.read_text().splitlines()[0])
    dead.write_text(json.dumps(FOREIGN[name](one)) + "\n" + dead.read_text())

    replayed = replay(dead, path)
    checked = telesink("check", path, "--dead-letter", dead)

    assert (replayed.returncode, checked.returncode) == (1, 0)
    assert "unreadable  1: line 1 (no dead letter: " in replayed.stdout
    assert f"1 line of {dead} could not be read: 1" in checked.stdout
    assert replayed.stderr + checked.stderr == ""
    assert len(bodies(path)) == 11


def test_a_line_with_another_time_than_its_record_stores_it_no_second_time(path, dead):
    mend(path)
    replay(dead, path)
    one = json.loads(dead.read_text().splitlines()[0])
    forged = {**one, "id": one["id"].upper(), "record": {**one["record"], "time_unix_nano": 1}}
    dead.write_text(json.dumps(forged))

    replay(dead, path)

    assert len(bodies(path)) == 11
    forged["id"] = "019aaaaa-0000-7000-8000-000000000000"
    dead.write_text(json.dumps(forged))
    assert "(its line says another time than the record)" in replay(dead, path).stdout
    assert len(bodies(path)) == 11


@pytest.mark.parametrize("name", ["L" * 10_000, "\U0001f600" * 5_000])
def test_a_logger_may_have_a_name_of_any_length(tmp_path, name):
    path, dead = tmp_path / "app.db", tmp_path / "dead.ndjson"
    make_file(path)
    execute(path, "CREATE TRIGGER long BEFORE INSERT ON telesink_logs BEGIN SELECT RAISE(ABORT, 'long'); END")
    with Pipeline(f"sqlite:///{path}", dead_letter=dead) as pipeline:
        pipeline.enqueue({"body": "long", "logger": name})
        assert pipeline.flush(30).complete
    execute(path, "DROP TRIGGER long")

    result = replay(dead, path)

    assert result.returncode == 0, result.stdout
    assert execute(path, "SELECT logger FROM telesink_logs WHERE body = 'long'") == [(name,)]


def test_contents_that_telesink_cannot_have_written_are_named_and_stop_nothing(path, dead):
    mend(path)
    first, second, third = (json.loads(line) for line in dead.read_text().splitlines())
    first["otlp"] = base64.b64encode(b"\x0a\xff\xff").decode()
    second["otlp"] = "no base64!"
    dead.write_text("".join(json.dumps(one) + "\n" for one in (first, second, third)))

    result = replay(dead, path)

    assert (result.returncode, len(bodies(path))) == (1, 9)
    assert "line 1 (" in result.stdout
    assert "line 2 (its record is no base64)" in result.stdout


def test_a_file_with_random_bytes_changed_never_breaks_it(path, dead, tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    mend(path)
    whole = dead.read_bytes()
    changed = bytearray(whole * 20)
    for _ in range(200):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    dead.write_bytes(bytes(changed))

    result = replay(dead, path)

    assert result.returncode in (0, 1)
    assert "Traceback" not in result.stderr
    assert telesink("check", path).returncode in (0, 1)


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


def services(path):
    return execute(
        path,
        "SELECT service, resources.attributes FROM telesink_logs "
        "JOIN telesink_resources AS resources ON resources.id = resource_id "
        "WHERE logger = 'refused' ORDER BY body",
    )


def test_records_are_filed_under_the_program_that_they_came_from(path, dead):
    first = letters(dead)[0]["resource"]
    other = {"service.name": "other", "x": "ä\u0001"}
    one, two, three = dead.read_text().splitlines()
    dead.write_text("\n".join([one, json.dumps({**json.loads(two), "resource": other}), three]))
    mend(path)

    result = replay(dead, path)

    assert result.returncode == 0
    assert (first["service.name"], first["cloud.region"]) == ("shop", "eu")
    found = [(service, json.loads(resource)) for service, resource in services(path)]
    assert found == [("shop", first), ("other", other), ("shop", first)]


@pytest.mark.parametrize(("more", "service"), [((), "unknown_service"), (("--service", "till"), "till")])
def test_letters_of_old_versions_are_filed_under_a_service_that_is_told(path, dead, more, service):
    old = [{key: value for key, value in one.items() if key != "resource"} for one in letters(dead)]
    dead.write_text("".join(json.dumps(one) + "\n" for one in old))
    mend(path)

    result = replay(dead, path, *more)

    assert result.returncode == 0
    assert f"3 letters of an old version without the program's name: filed under the service {service}" in (
        result.stdout
    )
    assert [name for name, _ in services(path)] == [service] * 3


def test_replays_that_failed_leave_nothing_to_be_explained(path, dead):
    replay(dead, path)
    replay(dead, path)
    red = telesink("check", path)
    mend(path)

    result = replay(dead, path)

    assert (red.returncode, result.returncode) == (1, 0)
    assert telesink("check", path).returncode == 0


def test_what_was_refused_again_is_explained_by_where_it_stood_first(path, dead):
    execute(path, "DROP TRIGGER planted")
    execute(
        path,
        "CREATE TRIGGER other BEFORE INSERT ON telesink_logs WHEN new.body = '5' "
        "BEGIN SELECT RAISE(ABORT, 'other'); END",
    )
    aside = dead.with_name("dead.ndjson.refused")
    replay(dead, path)
    between = telesink("check", path, "--dead-letter", aside)
    execute(path, "DROP TRIGGER other")

    result = replay(aside, path)

    assert (between.returncode, result.returncode) == (0, 0)
    assert telesink("check", path).returncode == 0


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


def test_a_second_ctrl_c_does_not_take_the_summary_away(path, dead, tmp_path):
    mend(path)
    (line, *_) = dead.read_text().splitlines()
    names = [f"019aaaaa-0000-7000-8000-{number:012x}" for number in range(20_000)]
    many = tmp_path / "many.ndjson"
    many.write_text("".join(json.dumps({**json.loads(line), "id": name}) + "\n" for name in names))

    with running("replay", many, "--to", path) as replaying:
        while len(bodies(path)) < 500:
            assert replaying.process.poll() is None
        replaying.process.send_signal(signal.SIGINT)
        time.sleep(0.005)  # The first one is being acted upon; two at once are one to the system.
        code = replaying.interrupt(signal.SIGINT)

    assert code == 130
    assert any(line.startswith("  replayed ") for line in replaying.out)
    assert replaying.out[-1].startswith("interrupted: run it again")


def test_a_terminal_shows_how_far_it_is(path, dead, tmp_path):
    mend(path)
    shutil.copy(dead, tmp_path / "copy.ndjson")

    code, screen = in_terminal("replay", tmp_path / "copy.ndjson", "--to", path)

    assert code == 0
    assert "replaying" in screen
    assert "3 of 3" in screen
