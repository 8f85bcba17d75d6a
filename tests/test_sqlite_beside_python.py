"""The program itself reads the database that telesink writes, with the `sqlite3` of the standard library."""

import contextlib
import sqlite3
import subprocess
import sys

import telesink


def bodies(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [body for (body,) in connection.execute("SELECT body FROM telesink_logs ORDER BY row_id")]


def bodies_for_another_process(path):
    code = (
        "import sqlite3, sys\n"
        "for row in sqlite3.connect(sys.argv[1]).execute('SELECT body FROM telesink_logs ORDER BY row_id'):\n"
        "    print(row[0])"
    )
    finished = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return finished.stdout.split()


def test_S1_reading_the_database_loses_no_record_written_afterwards(tmp_path):
    """S1: two SQLite libraries in one process; closing one file drops the other's locks."""
    path = (tmp_path / "app.db").as_posix()
    with telesink.Pipeline(f"sqlite:///{path}") as pipeline:
        pipeline.enqueue({"body": "before"})
        assert pipeline.flush().complete
        assert bodies(path) == ["before"]

        pipeline.enqueue({"body": "after"})

        assert pipeline.flush().complete
        assert bodies_for_another_process(path) == ["before", "after"]
        assert bodies(path) == ["before", "after"]


def test_S1_reading_again_and_again_while_records_are_written_harms_nothing(tmp_path):
    """S1"""
    path = (tmp_path / "app.db").as_posix()
    with telesink.Pipeline(f"sqlite:///{path}") as pipeline:
        for number in range(200):
            pipeline.enqueue({"body": str(number)})
            assert pipeline.flush().complete
            assert len(bodies(path)) == number + 1

    assert bodies(path) == [str(number) for number in range(200)]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
