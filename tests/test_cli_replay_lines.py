"""`telesink replay` and `check` on lines that are torn, foreign or forged: named, and nothing is stopped."""

import base64
import json
import random

import pytest
from command_line import telesink
from refusing import execute, make_file
from replaying import bodies, dead_letters, mend, refusing_database, replay

from telesink import Pipeline


@pytest.fixture
def path(tmp_path):
    return refusing_database(tmp_path)


@pytest.fixture
def dead(path):
    return dead_letters(path)


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


@pytest.mark.parametrize("signal", ["span", "metric"])
def test_letters_of_spans_and_metrics_are_named_and_nothing_of_them_is_stored(path, dead, signal):
    mend(path)
    lines = dead.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "signal": signal})
    dead.write_text("\n".join(lines) + "\n")

    result = replay(dead, path)

    assert result.returncode == 1
    assert f"unreadable  1: line 1 (a {signal}, and only log records are replayed)" in result.stdout
    assert f"  replayed    {len(lines) - 1} to sqlite:///{path}" in result.stdout


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
