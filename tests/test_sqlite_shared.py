"""One file, two copies of SQLite in one process: the program's own `sqlite3` beside telesink."""

import contextlib
import sqlite3
import subprocess
import sys
import threading

import telesink

ROUNDS = 300


def integrity(path):
    """What a fresh process finds, which shares no lock with this one."""
    code = (
        "import sqlite3, sys\n"
        "print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_S1_log_flush_and_read_again_and_again_keeps_every_row(tmp_path):
    """S1: the other copy must not take its connection for the last one and delete the write-ahead log."""
    path = str(tmp_path / "app.db")
    with telesink.Pipeline(f"sqlite:///{path}") as pipeline:
        for number in range(1, ROUNDS + 1):
            pipeline.enqueue({"body": str(number)})
            assert pipeline.flush()
            with contextlib.closing(sqlite3.connect(path)) as connection:
                stored = connection.execute("SELECT count(*) FROM telesink_logs").fetchone()[0]

            assert stored == number

    assert integrity(path) == "ok"


def test_S1_a_table_of_the_programs_own_in_the_same_file_stays_whole(tmp_path):
    """S1: two writers of one process wait for each other as writers of two processes do."""
    path = str(tmp_path / "app.db")
    with telesink.Pipeline(f"sqlite:///{path}", when_full="block") as pipeline:
        pipeline.enqueue({"body": "first"})
        assert pipeline.flush()
        own = 0
        flood = threading.Thread(
            target=pipeline.enqueue_many, args=([{"body": "flood"} for _ in range(60_000)],)
        )
        flood.start()
        with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
            while flood.is_alive() or own < 200:
                connection.execute("INSERT INTO orders (number) VALUES (?)", (own,))
                own += 1
        flood.join()
        assert pipeline.flush(timeout_seconds=30)
        stats = pipeline.stats()

    with contextlib.closing(sqlite3.connect(path)) as connection:
        orders = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
        logs = connection.execute("SELECT count(*) FROM telesink_logs").fetchone()[0]
    assert (orders, logs) == (own, stats.delivered)
    assert integrity(path) == "ok"


def test_S1_readers_of_the_same_process_see_one_state_while_records_flow(tmp_path):
    """S1: a read transaction does not change under its reader."""
    path = str(tmp_path / "app.db")
    torn = []
    with telesink.Pipeline(f"sqlite:///{path}", when_full="block") as pipeline:
        pipeline.enqueue({"body": "first"})
        assert pipeline.flush()
        flood = threading.Thread(
            target=pipeline.enqueue_many, args=([{"body": "flood"} for _ in range(60_000)],)
        )
        flood.start()
        while flood.is_alive():
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("BEGIN")
                counts = [
                    connection.execute("SELECT count(*) FROM telesink_logs").fetchone()[0] for _ in range(3)
                ]
                connection.execute("COMMIT")
                if len(set(counts)) > 1:
                    torn.append(counts)
        flood.join()

    assert torn == []
    assert integrity(path) == "ok"
