"""`telesink schema`, and `telesink prune` on files."""

import signal
import sqlite3
import time
from contextlib import closing

import pytest
from command_line import Database, in_terminal, running, table_definitions, telesink

from telesink import Pipeline

DAY_NS = 86_400 * 1_000_000_000

#: A good day in the past for everybody.
LONG_AGO = time.time_ns() - 400 * DAY_NS


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "app.db")


def add(database, rows, age_days, body="paid"):
    """Add rows of an age in one statement."""
    ts = time.time_ns() - age_days * DAY_NS
    with database.connection() as connection:
        connection.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) "
            "INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, "
            "resource_id, instance, seq) SELECT ?, ?, x, 9, 'INFO', 'app', 'shop', ?, 1, 'i', x FROM n",
            (rows, ts, ts, body),
        )


def prune(target, *arguments, older_than="30 days", **variables):
    return telesink("prune", target, "--older-than", older_than, *arguments, **variables)


# --- schema -----------------------------------------------------------------------------------------------


def test_the_schema_of_sqlite_is_what_programs_make(tmp_path):
    result = telesink("schema", "--dialect", "sqlite")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip() == table_definitions()
    with closing(sqlite3.connect(tmp_path / "made.db")) as connection:
        connection.executescript(result.stdout)
    with Pipeline(f"sqlite:///{tmp_path}/made.db", create_schema="false") as pipeline:
        pipeline.enqueue({"body": "paid"})
        assert pipeline.flush(10).complete


def test_the_schema_of_postgres_is_one_transaction_in_the_schema_that_is_named():
    result = telesink("schema", "--dialect", "postgres", "--schema", "My logs")

    assert result.returncode == 0
    assert 'CREATE TABLE IF NOT EXISTS "My logs".telesink_logs (' in result.stdout
    assert [result.stdout.count(word) for word in ("\nBEGIN;\n", "\nCOMMIT;\n")] == [1, 1]
    assert result.stdout.endswith("\nCOMMIT;\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--dialect", "sqlite", "--schema", "x"), "SQLite has no schemas"),
        (("--dialect", "postgres", "--schema", ""), "option `schema` is empty"),
        (("--dialect", "postgres", "--schema", "x" * 64), "64 bytes long"),
        (("--dialect", "oracle"), "oracle"),
        ((), "--dialect"),
    ],
)
def test_what_no_schema_can_be_is_refused(arguments, expected):
    result = telesink("schema", *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert expected in result.stderr


# --- prune ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["{path}", "sqlite:///{path}", "sqlite:///{path}?synchronous=full&level=INFO"]
)
def test_old_rows_are_deleted_and_younger_ones_stay(database, form):
    add(database, 25_000, age_days=31, body="old")
    add(database, 7, age_days=29, body="young")

    result = prune(form.format(path=database.path))

    assert (result.returncode, result.stderr) == (0, "")
    assert "deleted     25,000 rows\n" in result.stdout
    with database.connection() as connection:
        assert connection.execute("SELECT DISTINCT body FROM telesink_logs").fetchall() == [("young",)]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--level", "debug"), ["a.b DEBUG young", "a.b INFO old", "c INFO old"]),
        (("--logger", "a"), ["a.b DEBUG young", "c DEBUG old", "c INFO old"]),
        (
            ("--level", "INFO", "--logger", "c"),
            ["a.b DEBUG old", "a.b DEBUG young", "a.b INFO old", "c DEBUG old"],
        ),
        (
            ("--table", "spans"),
            ["a.b DEBUG old", "a.b DEBUG young", "a.b INFO old", "c DEBUG old", "c INFO old"],
        ),
    ],
)
def test_records_to_delete_are_chosen_by_level_logger_and_table(tmp_path, options, left):
    path = tmp_path / "app.db"
    with Pipeline(f"sqlite:///{path}") as pipeline:
        for logger, level in (("a.b", "DEBUG"), ("a.b", "INFO"), ("c", "DEBUG"), ("c", "INFO")):
            told = {"body": f"{logger} {level} old", "logger": logger, "level": level}
            pipeline.enqueue({**told, "time": LONG_AGO})
        pipeline.enqueue({"body": "a.b DEBUG young", "logger": "a.b", "level": "DEBUG"})
        assert pipeline.flush(30).complete

    dry, result = prune(path, *options, "--dry-run"), prune(path, *options)

    assert (result.returncode, result.stderr) == (0, "")
    with Database(path).connection() as connection:
        found = connection.execute("SELECT body FROM telesink_logs ORDER BY 1").fetchall()
    assert [body for (body,) in found] == left
    count = 5 - len(left)
    assert f"would delete  {count} row" in dry.stdout
    assert f"deleted     {count} row" in result.stdout
    assert f", {options[0][2:]} {options[1]}" in result.stdout


def test_a_table_that_there_is_not_is_told_with_those_that_there_are(database):
    result = prune(database.path, "--table", "orders")

    assert result.returncode == 2
    assert "there is no such table" in result.stderr
    assert "logs, spans, metrics" in result.stderr


def test_tables_of_presets_are_pruned_and_printed(tmp_path):
    path = tmp_path / "app.db"
    made = telesink("schema", "--dialect", "sqlite", "--preset", "chronicle")
    sqlite3.connect(path).executescript(made.stdout)
    with Pipeline(f"sqlite:///{path}?preset=chronicle&create_schema=false") as pipeline:
        pipeline.enqueue({"type": "an_event", "time": LONG_AGO})
        assert pipeline.flush(30).complete

    result = prune(path, "--preset", "chronicle", "--table", "events")

    assert (result.returncode, result.stderr) == (0, "")
    assert "deleted     1 row\n" in result.stdout
    wrong = telesink("schema", "--dialect", "postgres", "--preset", "nonsense")
    assert (wrong.returncode, "use `systemprompt` or `chronicle`" in wrong.stderr) == (2, True)
    own = telesink("schema", "--dialect", "postgres", "--preset", "systemprompt", "--schema", "audit")
    assert 'CREATE TABLE IF NOT EXISTS "audit".logs' in own.stdout


def test_a_path_may_hold_anything_that_urls_treat_specially(tmp_path):
    database = Database(tmp_path / "a b#c%41?é.db")
    add(database, 1, age_days=31)

    assert prune(database.path).returncode == 0
    assert database.count() == 0


def test_rows_that_are_old_but_arrived_late_are_deleted_too(database):
    add(database, 5, age_days=0)
    add(database, 5, age_days=100)

    prune(database.path)

    assert database.count() == 5


def test_a_file_that_a_program_made_gets_smaller(tmp_path):
    path = tmp_path / "app.db"
    with Pipeline(f"sqlite:///{path}") as pipeline:
        for number in range(10_000):
            pipeline.enqueue({"body": f"{number} " + "x" * 200, "time": LONG_AGO})
        assert pipeline.flush(30).complete
    before = path.stat().st_size

    result = prune(path)

    assert "given back" in result.stdout
    assert path.stat().st_size < before / 10


def test_a_file_that_cannot_get_smaller_is_said_to_be_filled_again(database):
    add(database, 1_000, age_days=31)

    result = prune(database.path)

    assert "the file keeps its size and is filled again; VACUUM makes it smaller" in result.stdout
    assert database.count() == 0


def test_a_dry_run_says_what_would_be_deleted_and_changes_nothing(database):
    add(database, 3, age_days=31)
    add(database, 4, age_days=29)

    result = prune(database.path, "--dry-run")

    lines = result.stdout.splitlines()
    assert lines[0].startswith("records before ")
    assert lines[0].endswith(f"UTC in sqlite:///{database.path}")
    assert lines[1:] == ["would delete  3 rows", "nothing was changed: this is a dry run"]
    assert database.count() == 7


def test_nothing_old_is_no_error(database):
    add(database, 3, age_days=1)

    result = prune(database.path)

    assert (result.returncode, result.stdout.splitlines()[1:]) == (0, ["deleted     0 rows"])


def test_a_program_that_writes_meanwhile_loses_nothing(tmp_path):
    path = tmp_path / "app.db"
    with Pipeline(f"sqlite:///{path}") as pipeline:
        for number in range(60_000):
            pipeline.enqueue({"body": str(number), "time": LONG_AGO})
        assert pipeline.flush(30).complete
        with running("prune", path, "--older-than", "30 days") as pruning:
            written = 0
            while pruning.process.poll() is None:
                pipeline.enqueue({"body": f"new {written}"})
                written += 1
                time.sleep(0.001)
        assert pipeline.flush(30).complete
        lane = pipeline.stats().sinks["sqlite"]

    assert pruning.process.returncode == 0
    assert (lane.delivered, sum(lane.dropped.values())) == (60_000 + written, 0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM telesink_logs").fetchone() == (written,)


def test_ctrl_c_ends_it_between_two_steps_and_says_what_is_gone(database):
    add(database, 1_000_000, age_days=31)

    with running("prune", database.path, "--older-than", "30 days") as pruning:
        pruning.wait_for("records before", pruning.out)
        while database.count() == 1_000_000:
            time.sleep(0.001)
        code = pruning.interrupt(signal.SIGINT)

    left = database.count()
    assert code == 130
    assert 0 < left < 1_000_000
    assert pruning.out[1] == f"deleted     {1_000_000 - left:,} rows"
    assert pruning.out[-1] == "interrupted: the rest is still there"


def test_a_terminal_shows_how_far_it_is(database):
    add(database, 50_000, age_days=31)

    code, screen = in_terminal("prune", database.path, "--older-than", "30 days")

    assert code == 0
    assert "of 50,000" in screen
    assert "deleted     50,000 rows" in screen


@pytest.mark.parametrize("age", ["30", "0 days", "-1 days", "a month", "", "30 parsecs", "1e400 days"])
def test_an_age_is_a_length_of_time_with_its_unit(database, age):
    add(database, 1, age_days=31)

    result = prune(database.path, older_than=age)

    assert (result.returncode, result.stdout) == (2, "")
    assert f"--older-than is `{age}`" in result.stderr
    assert '"30 days"' in result.stderr
    assert database.count() == 1


def test_an_age_has_to_be_given(database):
    assert telesink("prune", database.path).returncode == 2


@pytest.mark.parametrize(
    ("target", "expected", "code"),
    [
        ("other.db", "there is no file other.db", 2),
        ("sqlite:///other.db", "there is no file other.db", 2),
        (".", ". is a directory", 2),
        ("sqlite://app.db", "a path begins with a third slash", 2),
        ("hunter2", "neither a DSN nor the path", 2),
        ("console://", "console:// stores nothing that could be deleted", 2),
        ("memory://hunter2", "memory:// stores nothing", 2),
        ("sqlit:///app.db", "did you mean `sqlite`?", 2),
        ("clickhouse://pk:hunter2@host", "does not have `clickhouse://` yet", 2),
        ("sqlite:///text.db?synchronos=full", "did you mean `synchronous`?", 2),
        ("text.db", "file is not a database", 1),
        ("empty.db", "the telesink tables are not there", 1),
        ("postgresql://me:hunter2@127.0.0.1:1/app", "refused", 1),
        ("host=127.0.0.1 port=1 password=hunter2", "refused", 1),
    ],
)
def test_what_cannot_be_pruned_is_said_in_two_lines_without_secrets(tmp_path, target, expected, code):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)
    (tmp_path / "empty.db").touch()

    result = prune(target, folder=tmp_path)

    assert (result.returncode, result.stdout) == (code, "")
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert "hunter2" not in result.stderr


@pytest.mark.slow
def test_a_file_that_somebody_has_locked_is_waited_for_and_then_told(database):
    add(database, 1, age_days=31)
    with database.connection() as other:
        other.execute("BEGIN IMMEDIATE")

        result = prune(database.path)

    assert result.returncode == 1
    assert "another process holds the lock of the file" in result.stderr
    assert database.count() == 1
