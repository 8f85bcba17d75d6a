"""The command line as a whole, and `telesink query`."""

import csv
import io
import json
import signal
import subprocess
import sys

import pytest
from command_line import (
    DEADLINE_SECONDS,
    Database,
    environment,
    in_terminal,
    read_one_line,
    running,
    telesink,
)

EVERYTHING = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "app.db")


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def without(package):
    return (
        f"import sys; sys.modules[{package!r}] = None\nfrom telesink.__main__ import main\nsys.exit(main())"
    )


@pytest.mark.parametrize("package", ["typer", "rich"])
@pytest.mark.parametrize("arguments", [(), ("tail", "app.db"), ("--help",)])
def test_without_the_extra_every_command_names_the_line_that_installs_it(package, arguments):
    result = run_python(without(package), *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert "pip install 'telesink[cli]'" in result.stderr


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_version_is_told_without_the_extra(package):
    result = run_python(without(package), "--version")

    assert result.returncode == 0
    assert result.stdout == telesink("--version").stdout
    assert result.stdout.startswith("telesink 0.")


def test_importing_telesink_imports_nothing_of_the_extra():
    result = run_python("import sys, telesink; print({'typer', 'rich', 'telesink.cli'} & set(sys.modules))")

    assert result.stdout == "set()\n"


def test_every_command_and_every_option_says_what_it_is_for():
    import typer

    from telesink.cli.app import app

    commands = typer.main.get_command(app).commands

    assert set(commands) == {
        "check", "demo", "doctor", "files", "logs", "prune", "query", "replay", "runs", "schema", "tail",
    }  # fmt: skip
    groups = {name: commands[name].commands for name in ("files", "logs", "runs")}
    assert set(groups["files"]) == {"status", "tail", "wipe"}
    assert set(groups["logs"]) == {"delete", "export", "follow", "search", "show", "summary", "view"}
    assert set(groups["runs"]) == {"list", "show"}
    in_groups = [command for group in groups.values() for command in group.values()]
    for command in (*commands.values(), *in_groups):
        assert command.help
        assert [parameter.name for parameter in command.params if not parameter.help] == []


def test_the_help_shows_examples():
    result = telesink("--help")

    assert result.returncode == 0
    assert "telesink tail sqlite:///app.db --level warning" in result.stdout


def test_an_unknown_command_ends_with_2():
    assert telesink("tial").returncode == 2


# --- which database ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("tail", "-F"), ("query",)])
@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://me:hunter2@db/app", "`postgresql://` cannot be read"),
        ("otlps://hunter2@collector", "`otlps://` cannot be read"),
        ("memory://", "`memory://` cannot be read"),
        ("host=db password=hunter2", "neither a DSN nor the path"),
        ("sqlite://app.db", "a path begins with a third slash"),
        ("sqlite:///:memory:", "names no file"),
        ("other.db", "there is no file other.db"),
        ("sqlite:///other.db", "there is no file other.db"),
        ("sqlite:///text.db", "text.db is no SQLite database"),
        ("sqlite:///folder", "folder is a directory"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_can_and_without_secrets(tmp_path, command, dsn, expected):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)
    (tmp_path / "folder").mkdir()
    statement = ["select 1"] if command == ("query",) else []

    result = telesink(*command, dsn, *statement, folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert "hunter2" not in result.stderr


def test_a_database_without_the_tables_is_named(tmp_path):
    (tmp_path / "empty.db").touch()

    result = telesink("tail", "-F", "empty.db", folder=tmp_path)

    assert result.returncode == 1
    assert "empty.db has no table telesink_logs" in result.stderr


@pytest.mark.parametrize(
    "name", ["app.db", "sqlite:///app.db", "sqlite:///./app.db?synchronous=full", "SQLite:///app%2Edb"]
)
def test_a_database_is_named_by_dsn_or_by_path(database, name):
    database.add("paid")

    result = telesink("query", name, "select body from telesink_logs", folder=database.path.parent)

    assert result.stdout == "body\npaid\n"


def test_the_path_may_hold_anything_that_urls_treat_specially(tmp_path):
    database = Database(tmp_path / "a b#c%41?é.db")
    database.add("paid")

    assert telesink("query", database.path, "select body from telesink_logs").stdout == "body\npaid\n"


# --- query ------------------------------------------------------------------------------------------------


def test_rows_are_tab_separated_where_there_is_no_terminal(database):
    database.add("one\ttwo\nthree \x1b[31m", "plain")

    result = telesink("query", database.path, "select row_id, body, trace_id from telesink_logs")

    assert result.stdout == "row_id\tbody\ttrace_id\n1\tone\\ttwo\\nthree \\u{001b}[31m\t\n2\tplain\t\n"


def test_json_has_one_object_a_line_and_no_raw_control_characters(database):
    statement = (
        "select 1 as n, 1 as n, x'00ff' as b, null as missing, 9e999 as big, char(27, 155, 8238) as text"
    )

    result = telesink("query", database.path, statement, "--json")

    row = json.loads(result.stdout)
    assert row == {
        "n": 1,
        "n_2": 1,
        "b": "x'00ff'",
        "missing": None,
        "big": "Infinity",
        "text": "\x1b\x9b\u202e",
    }
    assert result.stdout.isascii()


def test_csv_can_be_read_back(database):
    database.add('say "hi", twice\nand again')

    result = telesink("query", database.path, "select body, row_id from telesink_logs", "--csv")

    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert rows == [["body", "row_id"], ['say "hi", twice\nand again', "1"]]


def test_two_formats_at_once_are_refused(database):
    assert telesink("query", database.path, "select 1", "--csv", "--json").returncode == 2


def test_a_limit_that_cuts_is_said(database):
    database.add("a", "b", "c")
    statement = "select body from telesink_logs"

    cut = telesink("query", database.path, statement, "--limit", 2)
    exact = telesink("query", database.path, statement, "--limit", 3)
    unlimited = telesink("query", database.path, statement, "--limit", 0)

    assert (cut.stdout, cut.stderr) == (
        "body\na\nb\n",
        "telesink: only the first 2 rows are shown; --limit 0 shows all\n",
    )
    assert (exact.stdout, exact.stderr) == (unlimited.stdout, unlimited.stderr) == ("body\na\nb\nc\n", "")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select * from logs", "no such table: logs; did you mean telesink_logs?"),
        ("select bodi from telesink_logs", "no such column: bodi; did you mean body?"),
        ("fetch 1", 'near "fetch": syntax error'),
    ],
)
def test_a_wrong_statement_is_answered_with_the_tables_and_columns(database, statement, expected):
    result = telesink("query", database.path, statement)

    assert result.returncode == 1
    assert result.stderr.startswith(f"telesink: {expected}\n")
    assert "telesink_logs(row_id, ts, observed_ts, id, severity," in result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "delete from telesink_logs",
        "insert into telesink_meta values ('a', 'b')",
        "drop table telesink_logs",
        "create temp table mine (a)",
        "pragma journal_mode = delete",
        "pragma query_only = off",
        "attach 'other.db' as other",
        "vacuum into 'other.db'",
        "vacuum",
        "begin immediate",
    ],
)
def test_no_statement_can_change_anything(database, statement):
    database.add("kept")

    result = telesink("query", database.path, statement, folder=database.path.parent)

    assert result.returncode == 2
    assert "a query only reads" in result.stderr
    assert database.count() == 1
    assert not (database.path.parent / "other.db").exists()


def test_a_query_is_one_statement(database):
    result = telesink("query", database.path, "select 1; select 2")

    assert result.returncode == 2
    assert "more than one" in result.stderr


def test_a_query_does_not_wait_for_a_writer(database):
    database.add("stored")
    with database.connection() as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE telesink_logs SET body = 'not yet'")

        result = telesink("query", database.path, "select body from telesink_logs")

        writer.execute("ROLLBACK")
    assert result.stdout == "body\nstored\n"


def test_ctrl_c_interrupts_a_query(database):
    statement = f"select 'begun' union all select * from ({EVERYTHING})"
    with running("query", database.path, statement) as query:
        query.wait_for("begun", query.out)

        code = query.interrupt(signal.SIGINT)

    assert code == 130
    assert query.err == ["telesink: the query was interrupted"]


def test_a_reader_that_has_seen_enough_is_no_error(database):
    database.add(*(f"record {number}" for number in range(20)))
    statement = "select a.body from telesink_logs a, telesink_logs b, telesink_logs c, telesink_logs d"

    assert read_one_line("query", database.path, statement, "--limit", 0) == ("body\n", 0, "")


def test_a_terminal_gets_a_table_without_the_escapes_that_were_stored(database):
    database.add("plain", "[bold]\x1b[31mred")

    code, screen = in_terminal("query", database.path, "select row_id, body from telesink_logs", NO_COLOR="1")

    assert code == 0
    assert "      1   plain" in screen
    assert r"[bold]\u{001b}[31mred" in screen
    assert "2 rows" in screen


def test_a_terminal_too_narrow_for_all_columns_gets_them_below_each_other(database):
    database.add("plain")

    _, screen = in_terminal("query", database.path, "select * from telesink_logs", TERM="dumb")

    assert [line.split() for line in screen.splitlines() if line.startswith(("body", "trace_id"))] == [
        ["body", "plain"],
        ["trace_id", "null"],
    ]
