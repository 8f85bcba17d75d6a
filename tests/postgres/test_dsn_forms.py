"""Every way in which libpq's users say where the server is really leads there."""

import contextlib
import os

import pytest
from postgres.database import Database
from postgres.observing import make_tables, numbers, records
from postgres.servers import free_port, newest

import telesink

#: Holds what URIs, keyword forms and password files escape.
PASSWORD = "p:a/s?s#w@r%d\\ 'x"
IN_URI = "p%3Aa%2Fs%3Fs%23w%40r%25d%5C%20%27x"
IN_KEYWORDS = r"'p:a/s?s#w@r%d\\ \'x'"
IN_FILE = r"p\:a/s?s#w@r%d\\ 'x"
COUNT = 100


@pytest.fixture(scope="module")
def guarded_server(workshops):
    """A server that asks for a password everywhere, sockets included."""
    with contextlib.closing(workshops(newest()).cluster().start()) as server:
        ((words,),) = server.sql("SELECT quote_literal(%s)", PASSWORD)
        server.sql(f"CREATE ROLE app LOGIN SUPERUSER PASSWORD {words}")
        server.set_access("local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
        yield server


@pytest.fixture
def guarded(guarded_server):
    """A fresh database on it."""
    return Database(guarded_server, guarded_server.create_database())


@pytest.fixture(autouse=True)
def no_libpq(monkeypatch, tmp_path):
    """Nothing of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


FORMS = {
    "URI": "postgresql://app:{in_uri}@127.0.0.1:{port}/{name}",
    "short scheme": "postgres://app:{in_uri}@127.0.0.1:{port}/{name}",
    "driver": "postgresql+psycopg://app:{in_uri}@127.0.0.1:{port}/{name}",
    "another driver": "postgresql+asyncpg://app:{in_uri}@127.0.0.1:{port}/{name}",
    "URI with all in the query": "postgresql:///?host=127.0.0.1&port={port}&user=app&password={in_uri}&dbname={name}",
    "keywords": "host=127.0.0.1 port={port} user=app password={in_keywords} dbname={name}",
    "blanks": "host = 127.0.0.1  port= {port} user =app\t password={in_keywords} dbname='{name}'",
    "address": "postgresql://app:{in_uri}@db.example.com:{port}/{name}?hostaddr=127.0.0.1&sslmode=prefer",
    "name": "postgresql://app:{in_uri}@localhost:{port}/{name}?hostaddr=127.0.0.1",
    "socket in the query": "postgresql://app:{in_uri}@/{name}?host={folder}&port={port}",
    "socket in the host": "postgresql://app:{in_uri}@{folder_in_uri}:{port}/{name}",
    "socket in keywords": "host={folder} port={port} user=app password={in_keywords} dbname={name}",
    "the first of two is dead": "postgresql://app:{in_uri}@127.0.0.1:{dead},127.0.0.1:{port}/{name}",
    "the first of three has no socket": (
        "host=/nonexistent,127.0.0.1,{folder} port={dead},{dead},{port} "
        "user=app password={in_keywords} dbname={name}"
    ),
    "any of two": (
        "postgresql://app:{in_uri}@127.0.0.1:{dead},127.0.0.1:{port}/{name}"
        "?load_balance_hosts=random&target_session_attrs=primary"
    ),
}


def fill(form, database):
    server = database.server
    return form.format(
        in_uri=IN_URI,
        in_keywords=IN_KEYWORDS,
        port=server.port,
        dead=free_port(),
        name=database.name,
        folder=server.folder,
        folder_in_uri=str(server.folder).replace("/", "%2F"),
    )


def check_delivers(dsn, database, **options):
    pipeline = telesink.Pipeline(dsn, **options)
    pipeline.enqueue_many(records(COUNT))
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(COUNT)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_dsn_in_this_form_leads_to_the_server(guarded, form):
    """P22."""
    check_delivers(fill(form, guarded), guarded)


def test_the_variables_of_libpq_fill_what_the_dsn_leaves_out(guarded, monkeypatch):
    """P22: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE."""
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(guarded.server.port))
    monkeypatch.setenv("PGUSER", "app")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGDATABASE", guarded.name)
    check_delivers("postgresql://", guarded)


def test_what_the_dsn_says_counts_more_than_the_variables(guarded, monkeypatch):
    """P22."""
    monkeypatch.setenv("PGHOST", "db.invalid")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGUSER", "nobody")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    monkeypatch.setenv("PGDATABASE", "nothing")
    check_delivers(fill(FORMS["URI"], guarded), guarded)


@pytest.mark.parametrize("way", ["variable", "option", "home"])
def test_the_password_is_found_in_the_password_file(guarded, monkeypatch, tmp_path, way):
    """P22: PGPASSFILE, passfile=, ~/.pgpass; the first line that fits."""
    path = tmp_path / (".pgpass" if way == "home" else "passwords")
    path.touch(mode=0o600)
    port = guarded.server.port
    path.write_text(
        f"# a comment\n127.0.0.1:{port}:other:app:wrong\n127.0.0.1:{port}:*:app:{IN_FILE}\n*:*:*:*:wrong\n"
    )
    if way == "variable":
        monkeypatch.setenv("PGPASSFILE", str(path))
    options = {"passfile": path} if way == "option" else {}
    check_delivers(guarded.dsn(user="app", **options), guarded)


@pytest.mark.parametrize("way", ["variables", "option"])
def test_a_service_is_found_in_the_service_file(guarded, monkeypatch, tmp_path, way):
    """P22: PGSERVICEFILE, PGSERVICE, service=."""
    path = tmp_path / "services"
    lines = [
        "# services",
        "[other]",
        "host=db.invalid",
        "[logs]",
        "host=127.0.0.1",
        f"port={guarded.server.port}",
        "user=app",
        f"password={PASSWORD}",
        f"dbname={guarded.name}",
    ]
    path.write_text("\n".join([*lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    if way == "variables":
        monkeypatch.setenv("PGSERVICE", "logs")
    check_delivers("postgresql://" if way == "variables" else "postgresql://?service=logs", guarded)


def test_options_are_parameters_of_the_session(guarded):
    """P22: options=-c …, and the name by which the server knows the connection."""
    make_triggered(guarded, "current_setting('work_mem')")
    dsn = fill(FORMS["URI"], guarded) + "?options=-c%20work_mem%3D5MB"
    check_delivers(dsn, guarded)
    assert guarded.sql("SELECT DISTINCT event_name FROM telesink_logs") == [("5MB",)]
    assert guarded.sql("SHOW work_mem") != [("5MB",)]


def make_triggered(database, expression):
    """Let each row note what an expression gives inside the transaction that stores it."""
    make_tables(database)
    database.sql(
        f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$"
        f"BEGIN NEW.event_name := {expression}; RETURN NEW; END$$;"
        "CREATE TRIGGER note BEFORE INSERT ON telesink_logs FOR EACH ROW EXECUTE FUNCTION note()"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [("off", "off"), ("local", "local"), ("on", "on"), (None, "on")],
)
def test_synchronous_commit_is_what_the_dsn_says_for_the_transaction_alone(database, given, expected):
    """S0-9: off for the transactions of the sink, if somebody accepts that trade; never by itself."""
    make_triggered(database, "current_setting('synchronous_commit')")
    dsn = database.dsn(**({"synchronous_commit": given} if given else {}))
    check_delivers(dsn, database)
    assert database.sql("SELECT DISTINCT event_name FROM telesink_logs") == [(expected,)]
    # Nobody else is touched by it.
    assert database.sql("SHOW synchronous_commit") == [("on",)]
