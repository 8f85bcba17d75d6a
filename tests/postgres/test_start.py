"""Programs meet a database that is empty, or whose tables somebody else has made."""

import os
import subprocess
import sys
import threading

import pytest
from postgres.database import Database
from postgres.observing import lines, make_tables, numbers, records, wait_for_state
from postgres.servers import newest

import telesink

PROCESSES = 32
#: The issue asks for 50; each takes less than half a second.
ROUNDS = int(os.environ.get("TELESINK_TEST_ROUNDS", "50"))

#: Starts a pipeline whenever it is told a DSN, so that a round need not wait for interpreters.
STARTER = """
import os, sys
import telesink

print("ready", flush=True)
for line in sys.stdin:
    pipeline = telesink.Pipeline(line.strip())
    pipeline.enqueue_many({"body": f"{os.getpid()} {number}"} for number in range(10))
    print(pipeline.close(60).complete, flush=True)
"""


class Starter:
    """One process that starts pipelines; keeps what it writes to standard error."""

    def __init__(self):
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen([sys.executable, "-c", STARTER], text=True, **streams)
        self.errors = []
        self._reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr))
        self._reader.start()

    def say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._reader.join(30)
            self.process.stdout.close()
            self.process.stderr.close()


@pytest.fixture
def starters():
    """32 processes."""
    started = [Starter() for _ in range(PROCESSES)]
    yield started
    codes = [starter.end() for starter in started]
    assert codes == [0] * PROCESSES


def relations(database):
    """All that telesink has made, but for the partitions of days, which hang on the date."""
    return database.sql(
        "SELECT nspname, relname, relkind FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname !~ '^(pg_|information_schema)' AND relname !~ 'logs_p?2' ORDER BY 1, 2"
    )


@pytest.mark.slow
def test_P12_32_processes_start_at_once_on_an_empty_database(running, starters):
    """P12, S0-44: one schema, every record, and not a word on any standard error; round after round."""
    server = running(newest())
    one = Database(server, server.create_database())
    make_tables(one)
    expected = relations(one)
    assert [starter.hear() for starter in starters] == ["ready"] * PROCESSES
    for _ in range(ROUNDS):
        database = Database(server, server.create_database())
        for starter in starters:
            starter.say(database.dsn())
        assert [starter.hear() for starter in starters] == ["True"] * PROCESSES
        assert database.count() == (PROCESSES * 10, PROCESSES * 10)
        assert relations(database) == expected
        assert database.sql("SELECT key, value FROM telesink_meta") == [("version", "2")]
        assert database.sql("SELECT count(*) FROM telesink_ledger WHERE last_seq = 10") == [(PROCESSES,)]
        server.sql(f"DROP DATABASE {database.name} WITH (FORCE)")
    assert [line for starter in starters for line in starter.errors] == []


def check_delivers(dsn, database, table="telesink_logs"):
    pipeline = telesink.Pipeline(dsn)
    pipeline.enqueue_many(records(100))
    assert pipeline.close(30).complete
    assert [body for (body,) in database.sql(f"SELECT body FROM {table} ORDER BY seq")] == numbers(100)


#: What docs/sinks.md says that a role needs which may only write.
GRANTS = """
GRANT INSERT ON telesink_logs TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON telesink_ledger TO {role};
GRANT SELECT, INSERT ON telesink_resources TO {role};
GRANT SELECT ON telesink_meta TO {role};
"""


def test_P13_a_role_that_may_only_write_works_with_tables_of_somebody_else(writer, capfd):
    """P13: the rights that the documentation names are enough, and nothing is complained about."""
    database, role = writer
    make_tables(database)
    database.sql(GRANTS.format(role=role))
    check_delivers(database.dsn(user=role, create_schema="false"), database)
    assert lines(capfd) == []


def test_P13_a_role_that_may_only_write_works_without_being_told_so(writer, capfd):
    """P13: with create_schema left on, the partitions it may not make are told, and the records arrive."""
    database, role = writer
    make_tables(database)
    database.sql(GRANTS.format(role=role))
    check_delivers(database.dsn(user=role), database)
    said = lines(capfd)
    assert len(said) <= 1
    for line in said:
        assert "partitions" in line
        assert "create_schema=false" in line


def test_P13_missing_tables_that_may_not_be_made_are_waited_for_with_the_command(database, capfd):
    """P13, S0-44: create_schema=false holds the records and says how to make the tables."""
    pipeline = telesink.Pipeline(database.dsn(create_schema="false"))
    pipeline.enqueue_many(records(100))
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, 100)
    (line,) = lines(capfd)
    assert database.dsn() in line
    assert "`telesink schema --dialect postgres | psql`" in line
    assert "telesink_logs" in line

    make_tables(database)
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(100)


@pytest.mark.parametrize("schema", ["telemetry", 'Odd "name"', "x'y;--"])
def test_the_tables_lie_in_the_schema_that_is_asked_for(database, schema):
    """P28: whatever its name."""
    pipeline = telesink.Pipeline(database.dsn(), schema=schema)
    pipeline.enqueue_many(records(100))
    assert pipeline.close(30).complete
    quoted = '"' + schema.replace('"', '""') + '"'
    found = database.sql(f"SELECT body FROM {quoted}.telesink_logs ORDER BY seq")
    assert [body for (body,) in found] == numbers(100)
    assert {namespace for namespace, _, _ in relations(database)} == {schema}


def test_the_schema_is_declared_and_has_a_version(database, capfd):
    """S1-20, S0-44: tables of a later telesink are left alone, and the way out is said."""
    make_tables(database)
    assert database.sql("SELECT key, value FROM telesink_meta") == [("version", "2")]
    # What is declared can be declared again.
    make_tables(database)
    database.sql("UPDATE telesink_meta SET value = '3'")
    pipeline = telesink.Pipeline(database.dsn())
    pipeline.enqueue_many(records(100))
    wait_for_state(pipeline, "held")
    (line,) = lines(capfd)
    assert "version 3" in line
    assert "upgrade telesink" in line

    database.sql("UPDATE telesink_meta SET value = '2'")
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(100)
