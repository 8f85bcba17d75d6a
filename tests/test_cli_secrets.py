"""No command shows a password that stands in a wrong place: in a variable, for a file, or without quotes."""

import pytest
from command_line import telesink
from doctoring import CANARY
from refusing import make_file

DSN = f"postgresql://app:{CANARY}@127.0.0.1:1/app"

#: A password with what separates pairs.
COMMA = f"postgresql://app:ab,{CANARY}@127.0.0.1:1/app"


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, CANARY) for name in ("PGPASSWORD", "PGPASS", "PG_PASS", "PGPWD", "PGSECRET", "PGTOKEN")),
        ("PG_URL", DSN),
        ("PG_URL", COMMA),
        ("PGDATABASE", COMMA),
        ("PGDATABASE", f"host=db password={CANARY}"),
        ("PGOPTIONS", f"-c my.secret={CANARY}"),
        ("OTEL_RESOURCE_ATTRIBUTES", f"db.url={COMMA},a=b"),
        ("OTEL_RESOURCE_ATTRIBUTES", f"password=ab,{CANARY}"),
        ("TELESINK_RESOURCE", f"db={COMMA}"),
        ("TELESINK_RESOURCE", f'{{"password":"{CANARY}"}}'),
        ("TELESINK_RESOURCE", CANARY),
        ("TELESINK_DEAD_LETTER", DSN),
        ("TELESINK_DEAD_LETTER", f"app:{CANARY}@127.0.0.1/app"),
        ("TELESINK_DEAD_LETTER", f"host=db password={CANARY}"),
        ("TELESINK_SETTINGS_FILE", DSN),
        ("TELESINK_REDACT", CANARY),
    ],
)
def test_doctor_shows_no_variable_that_may_hold_a_secret(tmp_path, form, name, value):
    result = telesink("doctor", "memory://", *form, folder=tmp_path, **{name: value})

    assert name in result.stdout
    assert CANARY not in result.stdout + result.stderr


def test_doctor_shows_the_variables_that_hold_none(tmp_path):
    shown = {"PGHOST": "db", "PGSSLMODE": "verify-full", "PGPASSFILE": "/home/app/.pgpass"}

    result = telesink("doctor", "memory://", folder=tmp_path, **shown, PGHOSTNAME="db2")

    assert all(f"{name}={value}" in result.stdout for name, value in shown.items())
    assert "PGHOSTNAME=*** (set, not shown)" in result.stdout


def test_a_dsn_in_the_place_of_the_dead_letter_file_is_no_folder_to_be_made(tmp_path):
    result = telesink("doctor", f"sqlite:///app.db?dead_letter={DSN}", folder=tmp_path)

    assert (result.returncode, CANARY in result.stdout + result.stderr) == (1, False)
    assert "there is no folder" in result.stdout
    assert "a DSN is no path: name a file" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", "host=db", f"password={CANARY}"), "a DSN with spaces stands in quotes"),
        (("doctor", "host=db", "user=app", f"password={CANARY}"), "a DSN with spaces stands in quotes"),
        ((DSN,), "No such command"),
        ((COMMA, "check"), "No such command"),
    ],
)
def test_an_error_of_the_command_line_does_not_repeat_it(arguments, expected):
    result = telesink(*arguments, COLUMNS="200")

    assert (result.returncode, result.stdout) == (2, "")
    assert expected in result.stderr
    assert CANARY not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", DSN, "--to", "app.db"),
        ("replay", COMMA, "--to", "sqlite:///app.db"),
        ("check", "app.db", "--dead-letter", DSN),
        ("check", "app.db", "--dead-letter", f"host=db password={CANARY}"),
        ("replay", f"app:{CANARY}@db/app", "--to", "app.db"),
    ],
)
def test_a_dsn_in_the_place_of_a_file_is_not_repeated(tmp_path, arguments):
    make_file(tmp_path / "app.db")

    result = telesink(*arguments, folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert "could not read " in result.stderr
    assert "***" in result.stderr
    assert CANARY not in result.stderr


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/refused.ndjson", "/var/log/refused.ndjson"),
        ("C:/logs/refused.ndjson", "C:/logs/refused.ndjson"),
        ("refused-10:22.ndjson", "refused-10:22.ndjson"),
        (b"refused.ndjson", "refused.ndjson"),
        (DSN, "postgresql://***"),
        (DSN.replace("//", "/"), "postgresql://***"),
        (f"/srv/{DSN.replace('//', '/')}", "/srv/postgresql://***"),
        (f"host=db password={CANARY}", "host=db password=***"),
        (f"app:a/{CANARY}@db/app", "***@db/app"),
    ],
)
def test_a_path_is_shown_as_it_is_unless_it_is_a_dsn(path, expected):
    from telesink._secret import shown_path

    assert shown_path(path) == expected
