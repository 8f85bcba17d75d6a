"""Where replayed records stood first, and which program they came from."""

import json

import pytest
from command_line import telesink
from refusing import execute, letters
from replaying import dead_letters, mend, refusing_database, replay


@pytest.fixture
def path(tmp_path):
    return refusing_database(tmp_path)


@pytest.fixture
def dead(path):
    return dead_letters(path)


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
