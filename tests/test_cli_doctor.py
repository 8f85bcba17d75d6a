"""`telesink doctor`: what it finds and advises; it leaves nothing behind and shows no secret."""

import json
import os
import sqlite3
from contextlib import closing

import pytest
from command_line import in_terminal, telesink
from doctoring import CANARY, doctor, status
from refusing import execute, write

import telesink as library

#: What is looked at without a destination, in the order of the report.
PROGRAM = ["versions", "handlers", "forks", "settings", "environment"]

FILE = ["connection", "rights", "tables", "clock", "write", "dead_letter"]


@pytest.fixture
def path(tmp_path):
    """A database that a program has made."""
    path = tmp_path / "app.db"
    write(f"sqlite:///{path}", ["0", "1"])
    return path


def private(path):
    """A file that only its owner may read."""
    path.touch(mode=0o600)
    return path


def tables(path):
    """Everything that is in a database."""
    return [execute(path, f"SELECT * FROM telesink_{name} ORDER BY 1") for name in ("logs", "ledger", "meta")]


# --- a good destination -----------------------------------------------------------------------------------


def test_a_good_file_passes_every_check(path):
    code, found = doctor(path)

    assert code == 0
    assert list(found) == PROGRAM + FILE
    assert {one["status"] for one in found.values()} == {"ok", "skipped"}
    assert "journal mode wal" in found["connection"]["text"]
    assert found["tables"]["text"] == "version 2, about 2 rows"


def test_one_record_is_written_read_back_and_deleted_again(path):
    before = tables(path)

    _, found = doctor(path)

    assert found["write"]["facts"]["is_read_back"] is True
    assert found["write"]["facts"]["is_deleted"] is True
    assert tables(path) == before
    assert telesink("check", path).returncode == 0


def test_nothing_is_written_if_that_is_not_wanted(path):
    before = path.read_bytes()

    _, found = doctor(path, "--no-write")

    assert status(found, "write")[0] == "skipped"
    assert path.read_bytes() == before


def test_a_report_for_people_has_marks_and_sums_up(path):
    result = telesink("doctor", path)

    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"✓ versions      telesink {library.__version__} (abi3)")
    assert f"sqlite:///{path}" in lines
    assert lines[-1] == "10 ok, 1 skipped"


def test_a_terminal_shows_the_same(path):
    code, screen = in_terminal("doctor", path)

    assert code == 0
    assert "read back and deleted" in screen


@pytest.mark.parametrize("dsn", ["memory://", "null://", "console://", "console://stderr?format=json"])
def test_destinations_without_tables_are_tried_too(dsn, tmp_path):
    code, found = doctor(dsn, folder=tmp_path)

    assert code == 0
    assert status(found, "write")[0] == "ok"
    assert found["write"]["facts"]["is_read_back"] is (True if dsn == "memory://" else None)


def test_a_report_for_programs_is_not_mixed_with_the_record(tmp_path):
    code, found = doctor("console://stdout", folder=tmp_path)

    assert (code, status(found, "write")[0]) == (0, "skipped")


def test_a_sink_that_leaves_the_record_out_is_no_failure(path):
    _, found = doctor(f"sqlite:///{path}?include=shop&level=ERROR")

    assert status(found, "write")[0] == "skipped"
    assert "include or exclude" in found["write"]["text"]


# --- which destination ------------------------------------------------------------------------------------


def test_without_a_dsn_the_variable_counts_and_then_the_default(path, tmp_path):
    _, named = doctor("--no-write", TELESINK_DSN=f"sqlite:///{path}", folder=tmp_path)
    _, default = doctor("--no-write", folder=tmp_path)

    assert named["connection"]["target"] == f"sqlite:///{path}"
    assert default["connection"]["target"] == f"sqlite:///{tmp_path}/telesink.db"
    assert not (tmp_path / "telesink.db").exists()


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("sqlit:///app.db", "did you mean `sqlite`?"),
        (f"sqlite:///app.db?password={CANARY}", "unknown option"),
        (f"clickhouse://pk:{CANARY}@host", "does not have `clickhouse://` yet"),
        ("missing.db", "there is no file missing.db"),
        (".", ". is a directory"),
    ],
)
def test_a_dsn_that_is_none_ends_with_2_and_two_lines(tmp_path, dsn, expected):
    result = telesink("doctor", dsn, "--json", folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert CANARY not in result.stderr


def test_a_wrong_variable_is_a_finding(tmp_path):
    code, found = doctor(TELESINK_DSN=f"sqlit://u:{CANARY}@x", folder=tmp_path)

    assert (code, status(found, "connection")[0]) == (1, "failed")
    assert CANARY not in json.dumps(found)


# --- what is wrong ----------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_made_as_by_the_first_record(tmp_path):
    code, found = doctor("sqlite:///new.db", folder=tmp_path)

    assert code == 0
    assert "is not there yet" in found["connection"]["text"]
    assert "the tables were made for it, and stay" in found["write"]["text"]
    assert execute(tmp_path / "new.db", "SELECT count(*) FROM telesink_logs") == [(0,)]
    assert execute(tmp_path / "new.db", "SELECT count(*) FROM telesink_ledger") == [(0,)]


def test_a_folder_that_is_not_there_is_named_with_the_command(tmp_path):
    code, found = doctor("sqlite:///no/such/app.db", folder=tmp_path)

    assert code == 1
    assert status(found, "connection")[0] == "failed"
    assert "mkdir -p" in found["connection"]["next_step"]
    assert status(found, "write")[0] == "failed"


def test_a_file_that_is_no_database_is_said_so(tmp_path):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)

    code, found = doctor("text.db", folder=tmp_path)

    assert code == 1
    assert "file is not a database" in found["connection"]["text"]
    assert status(found, "write")[0] == "skipped"


@pytest.mark.slow
def test_a_file_that_somebody_has_locked_is_told_by_the_record(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        code, found = doctor(path)

    assert code == 1
    assert status(found, "connection")[0] == "ok"
    assert "locked" in found["write"]["text"]
    assert "another process holds the lock" in found["write"]["next_step"]


def test_newer_tables_ask_for_a_newer_telesink(path):
    execute(path, "UPDATE telesink_meta SET value = '99'")

    code, found = doctor(path)

    assert code == 1
    assert status(found, "tables") == (
        "failed",
        "the tables have version 99, this telesink knows 2",
        "upgrade telesink",
    )


def test_tables_that_nobody_makes_are_missed(tmp_path):
    code, found = doctor("sqlite:///new.db?create_schema=false", folder=tmp_path)

    assert code == 1
    assert status(found, "tables")[0] == "failed"
    assert "telesink schema --dialect sqlite" in found["tables"]["next_step"]


def test_a_table_that_refuses_the_record_fails_with_the_reason(path):
    execute(
        path,
        "CREATE TRIGGER planted BEFORE INSERT ON telesink_logs WHEN new.logger = 'telesink.doctor' "
        "BEGIN SELECT RAISE(ABORT, 'planted reason'); END",
    )

    code, found = doctor(path, TELESINK_DEAD_LETTER=path.with_name("dead.ndjson"))

    assert (code, status(found, "write")[0]) == (1, "failed")
    assert "planted reason" in found["write"]["text"]
    assert not path.with_name("dead.ndjson").exists()


def test_a_file_that_others_may_read_is_worth_a_warning(path):
    path.chmod(0o644)

    code, found = doctor(path)
    strict, _ = doctor(path, "--strict")

    assert status(found, "rights") == (
        "warning",
        "others on this machine may read the records (mode 0644)",
        f"chmod 600 {path}",
    )
    assert (code, strict) == (0, 1)


@pytest.mark.parametrize(
    ("encryption", "mode", "is_local", "outcome", "expected"),
    [
        ("verified", "verify-full", False, "ok", "the server's certificate is verified"),
        ("unverified", "require", False, "warning", "the server is not verified (sslmode=require)"),
        ("none", "disable", False, "warning", "not encrypted (sslmode=disable)"),
        ("unverified", "prefer", True, "ok", "nothing leaves this machine"),
        ("none", "prefer", True, "ok", "nothing leaves this machine"),
    ],
)
def test_a_line_that_others_can_read_is_worth_a_warning(encryption, mode, is_local, outcome, expected):
    from telesink.cli.doctor_sink import encryption_of

    facts = {"encryption": encryption, "sslmode": mode, "is_local": is_local, "tls_protocol": "TLSv1.3"}

    finding = encryption_of("postgresql://db/app", facts)

    assert finding.status.value == outcome
    assert expected in finding.text
    assert ("sslmode=verify-full" in finding.next_step) is (outcome == "warning")


# --- settings, environment, dead letters ------------------------------------------------------------------


def test_settings_are_told_with_their_origin(path, tmp_path):
    (tmp_path / "settings.toml").write_text('[telesink]\nwhen_full = "block"\n')

    _, found = doctor(
        f"sqlite:///{path}?linger_seconds=0.5",
        TELESINK_SETTINGS_FILE=tmp_path / "settings.toml",
        TELESINK_BATCH_RECORDS_MAX="77",
    )

    facts = found["settings"]["facts"]
    assert facts["when_full"] == {
        "value": "block",
        "origin": f"`when_full` in the settings file {tmp_path}/settings.toml",
        "is_default": False,
    }
    assert facts["batch_records_max"]["origin"] == "the environment variable TELESINK_BATCH_RECORDS_MAX"
    assert facts["queue_records_max"] == {"value": 65_536, "origin": "the default", "is_default": True}
    assert found["sink_settings"]["facts"] == {"linger_seconds": "0.5"}


def test_a_wrong_setting_is_a_finding_that_says_where_it_came_from(path):
    code, found = doctor(path, TELESINK_WHEN_FULL="explode")

    assert (code, status(found, "settings")[0]) == (1, "failed")
    assert "TELESINK_WHEN_FULL" in found["settings"]["text"]


def test_variables_that_count_are_shown_without_secrets(tmp_path):
    secrets = {
        "TELESINK_DSN": f"postgresql://app:{CANARY}@127.0.0.1:1/app",
        "PGPASSWORD": CANARY,
        "TELESINK_RESOURCE": f"cloud.region=eu,api_key={CANARY}",
        "OTEL_RESOURCE_ATTRIBUTES": f"auth.token={CANARY}",
        "PGOPTIONS": f"-c my.secret={CANARY}",
    }
    for more in (("--json",), ()):
        result = telesink("doctor", *more, folder=tmp_path, **secrets, PGSSLMODE="require")

        assert result.returncode == 1
        for told in ("PGPASSWORD", "TELESINK_DSN", "cloud.region=eu", "PGSSLMODE"):
            assert told in result.stdout
        assert CANARY not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("make", "expected", "outcome"),
    [
        (lambda dead: None, "is not there yet, and can be made", "ok"),
        (private, "is writable", "ok"),
        (lambda dead: (dead.write_text("x"), dead.chmod(0o600)), "holds refused records: 1 bytes", "warning"),
        (lambda dead: (dead.write_text("x"), dead.chmod(0o644)), "open to others", "warning"),
        (lambda dead: (dead.write_text("x" * 2000), dead.chmod(0o600)), "is full: 2,000 of 1,024", "failed"),
        (lambda dead: dead.mkdir(), "no regular file", "failed"),
        (lambda dead: dead.symlink_to("elsewhere"), "a symbolic link, which is not followed", "failed"),
        (os.mkfifo, "no regular file", "failed"),
        (lambda dead: (dead.touch(), dead.with_name("x").hardlink_to(dead)), "has other names", "failed"),
        (lambda dead: dead.parent.chmod(0o777), "everybody may write to", "failed"),
        (lambda dead: (private(dead), dead.parent.chmod(0o777)), "everybody may write to", "failed"),
        (lambda dead: dead.parent.chmod(0o1777), "is not there yet, and can be made", "ok"),
    ],
)
def test_the_dead_letter_file_is_looked_at(path, tmp_path, make, expected, outcome):
    dead = tmp_path / "dead.ndjson"
    make(dead)

    _, found = doctor(path, TELESINK_DEAD_LETTER=dead, TELESINK_DEAD_LETTER_BYTES_MAX="1024")

    assert status(found, "dead_letter")[0] == outcome
    assert expected in found["dead_letter"]["text"]
    assert (found["dead_letter"]["next_step"] != "") is (outcome != "ok")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes the right to give away")
def test_a_dead_letter_file_of_another_user_fails(path, tmp_path):
    dead = private(tmp_path / "dead.ndjson")
    os.chown(dead, 65_534, -1)

    _, found = doctor(path, TELESINK_DEAD_LETTER=dead)

    assert status(found, "dead_letter")[0] == "failed"
    assert "belongs to another user (number 65534)" in found["dead_letter"]["text"]


def test_a_dead_letter_file_without_a_folder_fails(path, tmp_path):
    code, found = doctor(f"sqlite:///{path}?dead_letter=no/such/file", folder=tmp_path)

    assert (code, status(found, "dead_letter")[0]) == (1, "failed")
