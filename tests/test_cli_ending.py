"""How commands end: one line and an exit code, whatever becomes of the output, the names and the folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import DEADLINE_SECONDS, command, environment, telesink
from refusing import execute, letters, make_file, write

#: Commands that succeed on a good file.
GOOD = [
    ("check", "{file}"),
    ("check", "{file}", "--json"),
    ("doctor", "{file}"),
    ("doctor", "{file}", "--json"),
    ("query", "{file}", "SELECT body FROM telesink_logs"),
    ("tail", "{file}", "--no-follow"),
    ("schema", "--dialect", "sqlite"),
    ("demo", "--dsn", "memory://", "--seconds", "0.1"),
    ("--help",),
]


@pytest.fixture
def path(tmp_path):
    """A database that a program has made."""
    path = tmp_path / "app.db"
    write(f"sqlite:///{path}", ["0", "1"])
    return path


def run(*arguments, stdout, shell=None, **options):
    """Run a command with this as standard output; answer its exit code and what it says on standard error."""
    line = command(*arguments)
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *line] if shell else line,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=DEADLINE_SECONDS * 2,
        check=False,
        **options,
    )
    return done.returncode, done.stderr


def unread(*arguments, **options):
    """Run a command whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return run(*arguments, stdout=writer, **options)
    finally:
        os.close(writer)


def closed(*arguments):
    """Run a command without standard output."""
    return run(*arguments, stdout=subprocess.DEVNULL, shell='exec "$@" >&-')


def filled(arguments, path):
    return [part.format(file=path) for part in arguments]


# --- standard output --------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", GOOD)
def test_a_full_disk_is_one_line_and_a_failure(path, arguments):
    with Path("/dev/full").open("w") as full:
        code, said = run(*filled(arguments, path), stdout=full)

    assert (code, said) == (1, "telesink: could not write the output: No space left on device\n")


@pytest.mark.parametrize("arguments", GOOD)
def test_without_standard_output_a_command_does_its_work(path, arguments):
    assert closed(*filled(arguments, path)) == (0, "")


@pytest.mark.parametrize("arguments", GOOD)
def test_a_reader_who_leaves_does_not_make_a_failure_of_a_success(path, arguments):
    assert unread(*filled(arguments, path)) == (0, "")


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    "arguments", [("check", "{file}", "--complete"), ("doctor", "postgresql://app@127.0.0.1:1/app")]
)
def test_a_reader_who_leaves_does_not_make_a_success_of_a_failure(path, arguments, form):
    execute(path, "DELETE FROM telesink_logs WHERE seq = 1")

    assert unread(*filled(arguments, path), *form) == (1, "")


@pytest.mark.parametrize("ending", [unread, closed])
def test_records_are_replayed_whoever_reads_the_report(tmp_path, ending):
    path, dead = tmp_path / "app.db", tmp_path / "dead.ndjson"
    make_file(path)
    write(f"sqlite:///{path}", ["1", "2"], refused=("1", "2"), dead_letter=dead)
    refused = ending("replay", dead, "--to", path)
    execute(path, "DROP TRIGGER planted")

    stored = ending("replay", dead, "--to", path)

    assert (refused[0], stored) == (1, (0, ""))
    ids = {letter["id"] for letter in letters(dead)}
    assert ids <= {name for (name,) in execute(path, "SELECT id FROM telesink_logs")}


def test_what_is_closed_is_not_taken_by_the_database(tmp_path):
    code, _ = closed("doctor", f"sqlite:///{tmp_path}/new.db")

    assert code == 0
    assert telesink("check", tmp_path / "new.db").returncode == 0


@pytest.mark.parametrize("shell", ['exec "$@" 2>&-', 'exec "$@" 2>/dev/full'])
def test_without_standard_error_the_exit_code_is_what_it_is(tmp_path, shell):
    code, _ = run("check", tmp_path / "missing.db", stdout=subprocess.PIPE, shell=shell)

    assert code == 2


# --- names and folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "."])
def test_a_dead_letter_file_without_a_name_is_a_wrong_command_line(tmp_path, name):
    result = telesink("replay", name, "--to", "app.db", folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "telesink: FILE is empty, or the working directory\n  name a dead-letter file\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
@pytest.mark.parametrize("is_dsn", [False, True])
def test_what_is_no_utf8_is_a_wrong_command_line(tmp_path, is_dsn):
    file = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.db")
    Path(file).touch()

    for arguments in (["check", "{}"], ["doctor", "{}"], ["prune", "{}", "--older-than", "1 day"]):
        named = "postgresql://\udcff@127.0.0.1:1/app" if is_dsn else file
        result = telesink(*(part.format(named) for part in arguments))

        assert (result.returncode, result.stdout) == (2, "")
        assert "UTF-8" in result.stderr
        assert len(result.stderr.splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="variables are text there")
def test_a_variable_that_is_no_utf8_is_a_finding(tmp_path):
    result = telesink("doctor", "--json", folder=tmp_path, TELESINK_DSN="postgresql://\udcff@db")

    [told] = [one for one in json.loads(result.stdout)["checks"] if one["check"] == "connection"]
    assert (result.returncode, told["status"]) == (1, "failed")
    assert "a lone surrogate" in told["text"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a folder in use cannot be deleted")
@pytest.mark.parametrize("name", ["check", "doctor"])
def test_a_working_directory_that_is_gone_is_one_line(path, tmp_path, name):
    gone = tmp_path / "gone"
    gone.mkdir()

    code, said = run(
        name,
        f"sqlite:///{path}",
        stdout=subprocess.DEVNULL,
        shell='rmdir "$PWD" && exec "$@"',
        cwd=gone,
    )

    assert code == 2
    assert said.startswith("telesink: the working directory does not exist any more\n")


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (MemoryError(), "there is not enough memory for this", 1),
        (PermissionError(13, "Permission denied", "postgresql://u:c4nary@h"), "postgresql://***: Perm", 1),
        (OSError(5, "Input/output error"), "the system refused: Input/output error", 1),
    ],
)
def test_errors_of_the_system_are_one_line(capsys, error, expected, code):
    from telesink.cli.ending import code_of

    def fail():
        raise error

    assert code_of(fail) == code
    said = capsys.readouterr().err
    assert said.startswith(f"telesink: {expected}")
    assert "c4nary" not in said
