"""What is wrong with the configuration is said in one line, and costs no record."""

import socket
import time

import pytest
from postgres.database import Database
from postgres.observing import lines, make_tables, numbers, records, sink, wait_for_state
from postgres.servers import free_port
from waiting import wait_until

import telesink

#: Appears in no message.
PASSWORD = "correct-horse-battery"
COUNT = 100


def start(dsn, capfd, *words, state="held", **options):
    """A pipeline that cannot deliver: it says so in one line with these words, and keeps its records."""
    pipeline = telesink.Pipeline(dsn, **options)
    assert pipeline.enqueue_many(records(COUNT)) == COUNT
    stats = wait_for_state(pipeline, state)
    (line,) = wait_until(lambda: lines(capfd), "a line on standard error")
    for word in (*words, "records are kept"):
        assert word in line
    assert PASSWORD not in line
    assert PASSWORD not in stats["last_error"]
    assert (stats["dropped"], stats["pending"]) == ({}, COUNT)
    return pipeline


def finish(pipeline, database, capfd):
    """What was wrong is mended: everything arrives, once and in order, and nothing more is said."""
    assert pipeline.flush(30).complete
    assert sink(pipeline)["state"] in {"running", "idle"}
    assert database.bodies() == numbers(COUNT)
    assert pipeline.close(30).complete
    assert lines(capfd) == []


def masked(database, user="postgres", name=None):
    """The target as messages show it."""
    return f"postgresql://{user}@127.0.0.1:{database.server.port}/{name or database.name}"


@pytest.fixture
def guarded(make_server):
    """A database whose server asks everybody for a password."""
    server = make_server(log_connections="on")
    server.sql(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
    server.set_access("host all all 127.0.0.1/32 scram-sha-256")
    database = Database(server, server.create_database("OWNER app"))
    database.sql("ALTER SCHEMA public OWNER TO app")
    return database


def dsn_of(database, password=PASSWORD, **options):
    return database.dsn(user=f"app:{password}", **options)


def test_P7_a_wrong_password_holds_records_until_it_is_the_right_one(guarded, capfd):
    """P7, Bad input: 28P01. Tried again at leisure, not in a tight loop."""
    words = (masked(guarded, "app"), "28P01", "password=", "PGPASSWORD")
    guarded.server.sql("ALTER ROLE app PASSWORD 'another'")
    pipeline = start(dsn_of(guarded), capfd, *words)
    before = guarded.server.log().count("connection received: host=127.0.0.1")
    time.sleep(1)
    tries = guarded.server.log().count("connection received: host=127.0.0.1") - before
    # Delays double from 0.1 s on, with full jitter: about four in the first two seconds.
    assert tries <= 12

    guarded.server.sql(f"ALTER ROLE app PASSWORD '{PASSWORD}'")
    finish(pipeline, guarded, capfd)


def test_a_password_that_is_missing_is_asked_for_and_can_be_put_into_the_password_file(
    guarded, capfd, tmp_path, monkeypatch
):
    """P7, Bad input: the file is read at each connection."""
    path = tmp_path / "passwords"
    monkeypatch.setenv("PGPASSFILE", str(path))
    words = (masked(guarded, "app"), "password", "PGPASSWORD")
    pipeline = start(guarded.dsn(user="app"), capfd, *words)

    path.touch(mode=0o600)
    path.write_text(f"127.0.0.1:{guarded.server.port}:*:app:{PASSWORD}\n")
    finish(pipeline, guarded, capfd)


def test_a_client_that_no_rule_lets_in_is_told_to_look_at_pg_hba(guarded, capfd):
    """P7, Bad input: 28000."""
    guarded.server.set_access("host all all 127.0.0.1/32 reject")
    pipeline = start(dsn_of(guarded), capfd, masked(guarded, "app"), "28000", "pg_hba.conf")

    guarded.server.set_access("host all all 127.0.0.1/32 scram-sha-256")
    finish(pipeline, guarded, capfd)


def test_a_missing_role_is_told(guarded, capfd):
    """P7, Bad input."""
    guarded.server.set_access("host all all 127.0.0.1/32 trust")
    dsn = guarded.dsn(user=f"nobody:{PASSWORD}")
    pipeline = start(dsn, capfd, masked(guarded, "nobody"), "28000", "createuser")

    guarded.server.sql("CREATE ROLE nobody LOGIN SUPERUSER")
    finish(pipeline, guarded, capfd)


def test_P7_a_missing_database_is_waited_for(server, capfd):
    """P7, P31, Bad input: 3D000."""
    name = f"later{time.monotonic_ns()}"
    words = (f"/{name}:", "3D000", "createdb")
    pipeline = start(server.dsn(name), capfd, *words)

    server.sql(f"CREATE DATABASE {name}")
    finish(pipeline, Database(server, name), capfd)


def test_a_database_that_is_dropped_under_the_connection_is_waited_for(direct_database, capfd):
    """P31: DROP DATABASE … WITH (FORCE)."""
    pipeline = telesink.Pipeline(direct_database.dsn())
    pipeline.enqueue({"body": "before"})
    assert pipeline.flush(30).complete
    direct_database.server.sql(f"DROP DATABASE {direct_database.name} WITH (FORCE)")
    pipeline.enqueue_many(records(COUNT))
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, COUNT)
    (line,) = lines(capfd)
    assert "createdb" in line

    direct_database.server.sql(f"CREATE DATABASE {direct_database.name}")
    assert pipeline.flush(30).complete
    assert direct_database.bodies() == numbers(COUNT)
    assert sink(pipeline)["server_rolled_back"] == 1
    (line,) = lines(capfd)
    assert "went back in time" in line


def test_P13_the_missing_right_to_make_tables_names_the_grant(writer, capfd):
    """P7, P13, Bad input: 42501."""
    database, role = writer
    words = (masked(database, role), "42501", "GRANT USAGE, CREATE ON SCHEMA public", "telesink schema")
    pipeline = start(database.dsn(user=role), capfd, *words)

    database.sql(f"GRANT CREATE ON SCHEMA public TO {role}")
    finish(pipeline, database, capfd)


@pytest.mark.parametrize(
    ("table", "rights"),
    [("telesink_logs", "INSERT"), ("telesink_ledger", "SELECT, INSERT, UPDATE"), ("telesink_meta", "SELECT")],
)
def test_P7_the_missing_right_on_a_table_names_the_grant(writer, capfd, table, rights):
    """P7, P13, Bad input: 42501, GRANT with the very rights and table."""
    database, role = writer
    make_tables(database)
    database.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    database.sql(f"REVOKE ALL ON {table} FROM {role}")
    words = (masked(database, role), "42501", f"GRANT {rights} ON {table}")
    pipeline = start(database.dsn(user=role, create_schema="false"), capfd, *words)

    database.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")
    finish(pipeline, database, capfd)


def test_P7_a_right_that_is_revoked_while_it_runs_holds_the_records(writer, capfd):
    """P7: revoke, grant."""
    database, role = writer
    make_tables(database)
    database.sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    pipeline = telesink.Pipeline(database.dsn(user=role, create_schema="false"))
    pipeline.enqueue({"body": "before"})
    assert pipeline.flush(30).complete
    database.sql("DELETE FROM telesink_logs")
    database.sql(f"REVOKE INSERT ON telesink_logs FROM {role}")
    pipeline.enqueue_many(records(COUNT))
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, COUNT)
    (line,) = lines(capfd)
    assert "GRANT INSERT ON telesink_logs" in line

    database.sql(f"GRANT INSERT ON telesink_logs TO {role}")
    finish(pipeline, database, capfd)


def test_an_unknown_host_is_told_within_two_seconds_of_the_resolver(capfd):
    """Bad input: the name of a host that cannot exist (RFC 6761)."""
    started = time.monotonic()
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("db.invalid", 5432)
    resolver_seconds = time.monotonic() - started
    pipeline = telesink.Pipeline(f"postgresql://app:{PASSWORD}@db.invalid/app", exit_timeout_seconds=0.1)
    started = time.monotonic()
    pipeline.enqueue_many(records(COUNT))
    (line,) = wait_until(lambda: lines(capfd), "a line on standard error")
    # A resolver that is down for the moment is asked a second time before it is worth a line.
    assert time.monotonic() - started < 2 * resolver_seconds + 2
    assert "postgresql://app@db.invalid:5432/app" in line
    assert "host" in line
    assert PASSWORD not in line
    assert sink(pipeline)["pending"] == COUNT
    pipeline.close(0.1)


def test_P2_a_server_that_is_not_there_yet_is_waited_for(make_server, capfd):
    """P2, Bad input: connection refused, then a start."""
    server = make_server()
    database = Database(server, server.create_database())
    server.stop()
    words = (masked(database), "refused", "is the server running there?")
    pipeline = start(database.dsn(), capfd, *words, state="retrying")

    server.start()
    finish(pipeline, database, capfd)


def test_P8_too_many_connections_are_waited_for_at_leisure(make_server, capfd):
    """P8, Bad input: 53300."""
    server = make_server(max_connections="6", superuser_reserved_connections="4", log_connections="on")
    database = Database(server, server.create_database())
    server.sql("CREATE ROLE app LOGIN")
    database.sql("GRANT ALL ON SCHEMA public TO app")
    others = [server.connect(), server.connect()]
    words = (masked(database, "app"), "53300", "max_connections", "PgBouncer")
    pipeline = start(database.dsn(user="app"), capfd, *words, state="retrying")
    before = server.log().count("connection received: host=127.0.0.1")
    time.sleep(1)
    assert server.log().count("connection received: host=127.0.0.1") - before <= 12

    for other in others:
        other.close()
    finish(pipeline, database, capfd)


def test_P10_a_read_only_server_is_waited_for(make_server, capfd):
    """P10, P32, Bad input: 25006, on a new connection each time."""
    server = make_server(log_connections="on")
    database = Database(server, server.create_database())
    make_tables(database)
    server.change(default_transaction_read_only="on")
    words = (masked(database), "25006", "read-only", "primary")
    pipeline = start(database.dsn(), capfd, *words, state="retrying")
    before = server.log().count("connection received: host=127.0.0.1")
    time.sleep(1)
    assert server.log().count("connection received: host=127.0.0.1") - before <= 12

    with server.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = off")
    server.reload()
    finish(pipeline, database, capfd)


def test_P19_something_else_than_postgres_is_told_as_such(capfd):
    """P19, Bad input: a server that speaks another protocol is told no password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        dsn = f"postgresql://app:{PASSWORD}@127.0.0.1:{listener.getsockname()[1]}/app?sslmode=disable"
        pipeline = telesink.Pipeline(dsn, exit_timeout_seconds=0.1)
        pipeline.enqueue_many(records(COUNT))
        said, heard = [], b""
        while not said:
            client, _ = listener.accept()
            with client:
                client.settimeout(30)
                heard += client.recv(4_096)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            # The line follows the second failure.
            time.sleep(0.05)
            said = lines(capfd)
        assert PASSWORD.encode() not in heard
        assert "does not speak the protocol of Postgres" in said[0]
        assert PASSWORD not in said[0]
        pipeline.close(0.1)


def test_the_first_host_that_is_dead_does_not_stop_the_second(database):
    """P22, P29: several hosts."""
    dsn = (
        f"postgresql://postgres@127.0.0.1:{free_port()},127.0.0.1:{database.server.port}/{database.name}"
        "?target_session_attrs=read-write"
    )
    pipeline = telesink.Pipeline(dsn)
    pipeline.enqueue_many(records(COUNT))
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(COUNT)
