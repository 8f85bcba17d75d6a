"""A secret that telesink is given stays with it: it is looked for in everything that comes out."""

import base64
import contextlib
import json
import socket
import sqlite3
import threading
import traceback

import pytest

import telesink

#: Stands where a password stands.
CANARY = "c4naryPassw0rd"

MALFORMED = [
    "postgresql://app:c4naryPassw0rd@db:port/logs",
    "postgresql://app:c4naryPassw0rd@db:99999/logs",
    "postgresql://app:c4naryPassw0rd@@db/logs",
    "postgresql://app:a@c4naryPassw0rd@db@x/logs",
    "postgresql://app:c4naryPassw0rd",
    "postgresql://app:c4naryPassw0rd/logs",
    "postgresql://app:c4naryPassw0rd%40db/logs",
    "postgresql://app:c4naryPassw0rd%zz@db",
    "postgresql://app:c4naryPassw0rd%00@db",
    "postgresql://app:a/c4naryPassw0rd@db",
    "postgresql://app:a c4naryPassw0rd@db",
    "postgresql://[app:c4naryPassw0rd",
    "postgresql://app:c4naryPassw0rd@[::1/logs",
    "postgresql://[::1]:c4naryPassw0rd/logs",
    "postgresql:app:c4naryPassw0rd@db",
    "postgresql:/app:c4naryPassw0rd@db",
    "postgresql//app:c4naryPassw0rd@db",
    "postgresql://db/logs?pasword=c4naryPassw0rd",
    "postgresql://db/logs?sslpassword=c4naryPassw0rd",
    "postgresql://db/logs?password=c4naryPassw0rd&password=c4naryPassw0rd",
    "postgresql://db/logs?password=c4naryPassw0rd%",
    "postgresql://app:c4naryPassw0rd@db/logs?sslmode=full",
    "postgresql://app:c4naryPassw0rd@db/logs?connect_timeout=soon",
    "postgresql://app:c4naryPassw0rd@db/logs?linger_seconds=soon",
    "postgresql://app:c4naryPassw0rd@db/logs?service=missing",
    "postgre://app:c4naryPassw0rd@db/logs",
    "postgresql+asyncpg://app:c4naryPassw0rd@db:port/logs",
    "host=db password=c4naryPassw0rd sslmode=full",
    "host=db password='c4naryPassw0rd",
    "host=db password=a c4naryPassw0rd",
    "host=db passwrd=c4naryPassw0rd",
    "password=c4naryPassw0rd port=x",
    "clickhouse://app:c4naryPassw0rd@db:8443",
    "langfuse://pk-lf-1:c4naryPassw0rd@host",
    "otlps://c4naryPassw0rd@collector:port",
    "sqlite://app:c4naryPassw0rd@host/app.db",
    "sqlite:///app.db?password=c4naryPassw0rd",
    "memory://?token=c4naryPassw0rd",
    "console://app:c4naryPassw0rd@stderr",
    "app:c4naryPassw0rd@db/logs",
    "c4naryPassw0rd",
]


def message(kind, content):
    """
    A message of Postgres' protocol.
    """
    return kind + (len(content) + 4).to_bytes(4) + content


class Saying:
    """
    A server that says the same to everybody and hangs up.
    """

    def __init__(self, said):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=[said], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, said):
        # Ends when the listener is closed.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with contextlib.closing(client), contextlib.suppress(OSError):
                    client.recv(4_096)
                    client.sendall(said)


def private(path):
    """
    A file that only its owner may read.
    """
    path.touch(mode=0o600)
    return path


def refuse_logger(database):
    """
    From now on the table takes no records of the logger `refused`.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TRIGGER planted BEFORE INSERT ON telesink_logs WHEN NEW.logger = 'refused' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )


OPENERS = {
    "Pipeline": telesink.Pipeline,
    "LogHandler": telesink.LogHandler,
    "install_logging": telesink.install_logging,
    "add_sink": lambda dsn, **options: telesink.Pipeline().add_sink(dsn, **options),
}


def everything_of(error):
    """
    All that is shown of an exception by those who report it: its own words, and what our frames hold.
    """
    told = [str(error), repr(error), repr(error.args), repr(vars(error)), error.hint]
    chain = traceback.TracebackException.from_exception(error, capture_locals=True)
    while chain is not None:
        told += [
            line
            for frame in chain.stack
            if "/telesink/" in frame.filename
            for line in map(str, frame.locals.items())
        ]
        chain = chain.__cause__ or chain.__context__
    return "\n".join(told)


def refused(opener, *dsn, **options):
    """
    The error with which it is refused.
    """
    with pytest.raises(telesink.ConfigError) as caught:
        OPENERS[opener](*dsn, **options)
    return caught.value


@pytest.mark.parametrize("opener", OPENERS)
def test_P21_40_malformed_dsns_are_refused_without_showing_their_password(opener):
    errors = {dsn: everything_of(refused(opener, dsn)) for dsn in MALFORMED}

    assert len(errors) > 40
    assert [dsn for dsn, told in errors.items() if CANARY in told] == []


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (str.encode, "a DSN is a bytes"),
        (lambda dsn: {dsn: 1}, "a DSN is a dict"),
        (lambda dsn: f"{dsn}\udcff", "a DSN is a text with a lone surrogate"),
    ],
)
def test_P21_what_is_no_text_is_not_shown_either(opener, change, expected):
    told = everything_of(refused(opener, change(f"postgresql://app:{CANARY}@db/logs")))

    assert expected in told
    assert CANARY not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEAD_LETTER", f"postgresql://app:{CANARY}@db/logs"),
        ("SETTINGS_FILE", f"postgresql://app:{CANARY}@db/logs"),
        ("RESOURCE", f'{{"password":"{CANARY}"}}'),
        ("REDACT", CANARY),
    ],
)
def test_P21_a_password_in_the_place_of_a_setting_is_not_shown(monkeypatch, name, value):
    monkeypatch.setenv(f"TELESINK_{name}", value)

    told = everything_of(refused("Pipeline", "memory://"))

    assert f"TELESINK_{name}" in told
    assert CANARY not in told


@pytest.mark.parametrize("opener", OPENERS)
def test_P21_a_password_beside_the_dsn_is_not_shown_either(opener):
    told = everything_of(refused(opener, "postgresql://app@db:port/logs", password=CANARY))

    assert CANARY not in told


@pytest.mark.parametrize(
    "call",
    [
        lambda pipeline, dsn: pipeline.remove_sink(dsn),
        lambda pipeline, dsn: pipeline.set_level("memory", dsn),
        lambda _, dsn: telesink.LogHandler("memory://", level=dsn),
    ],
    ids=["remove_sink", "set_level", "LogHandler"],
)
def test_P21_a_dsn_in_the_place_of_a_name_or_a_level_is_not_shown(call):
    with telesink.Pipeline("memory://") as pipeline, pytest.raises(telesink.ConfigError) as caught:
        call(pipeline, f"postgresql://app:{CANARY}@db/logs")

    assert "postgresql://***" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_P21_a_password_beside_several_dsns_is_not_shown_either():
    told = everything_of(refused("Pipeline", ["memory://", "postgresql://app@db/logs"], password=CANARY))

    assert CANARY not in told


def test_P21_a_password_of_the_environment_is_not_shown(monkeypatch):
    monkeypatch.setenv("TELESINK_DSN", f"postgresql://app:{CANARY}@db:port/logs")
    monkeypatch.setenv("PGPASSWORD", CANARY)

    with pytest.raises(telesink.ConfigError) as caught:
        telesink.LogHandler()

    assert CANARY not in everything_of(caught.value)


#: What a program gives away of a password that it has given to telesink.
GIVES_AWAY = """
import copy, json, logging, os, pathlib, pickle, sys, threading, traceback
import telesink

dsn, options = json.loads(pathlib.Path("given.json").read_text())
handler = telesink.LogHandler(dsn, exit_timeout_seconds=0.1, **options)
pipeline = handler.pipeline
logger = logging.getLogger("shop")
logger.addHandler(handler)
logger.error("hello")
receipt = pipeline.flush(0.3)
told = [repr(handler), str(handler), repr(pipeline), repr(pipeline.settings), str(pipeline.stats())]
told += [str(pipeline.stats().as_dict()), repr(receipt), str(receipt.as_dict()), str(pipeline.sinks)]
told += [repr(vars(pipeline)), repr(vars(handler)), repr(pickle.dumps(pipeline.settings))]
for look in (pickle.dumps, copy.copy, copy.deepcopy):
    for one in (handler, pipeline):
        try:
            told.append(repr(look(one)))
        except Exception as error:
            told.append(traceback.format_exc() + repr(error))
told += [thread.name for thread in threading.enumerate()]
told += [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
told += [path.read_text() for path in pathlib.Path("/proc/self").glob("cmdline")]
handler.close()
print("\\n".join(told))
"""

#: Each way to give a password, as DSN, options and environment. `{at}` and `{apart}` name the server.
WAYS = {
    "uri": ("postgresql://app:c4naryPassw0rd@{at}", {}, {}),
    "query": ("postgresql://app@{at}&password=c4naryPassw0rd", {}, {}),
    "keywords": ("{apart} password=c4naryPassw0rd", {}, {}),
    "keyword beside it": ("{apart}", {"password": CANARY}, {}),
    "PGPASSWORD": ("{apart}", {}, {"PGPASSWORD": CANARY}),
    "password file": ("{apart} passfile=passwords", {}, {}),
    "PGPASSFILE": ("{apart}", {}, {"PGPASSFILE": "passwords"}),
    "service": ("service=app dbname=app", {}, {"PGSERVICEFILE": "services"}),
}

#: What a server may say instead of letting anybody in.
ANSWERS = {
    "nothing": b"",
    "asks in clear text": message(b"R", (3).to_bytes(4)),
    "refuses": message(
        b"E", b"SFATAL\0VFATAL\0C28P01\0Mno \x1b[31mapp\ntelesink: forged\0Dwhat it knows\0\0"
    ),
}


CASES = [*((way, "nothing") for way in WAYS), ("uri", "asks in clear text"), ("keywords", "refuses")]


@pytest.mark.parametrize(("way", "answer"), CASES)
def test_no_output_of_a_program_holds_a_password_however_it_was_given(run_python, tmp_path, way, answer):
    dsn, options, environment = WAYS[way]
    with Saying(ANSWERS[answer]) as server:
        at = f"127.0.0.1:{server.port}/app?sslmode=disable"
        apart = f"host=127.0.0.1 port={server.port} user=app dbname=app sslmode=disable"
        given = [dsn.format(at=at, apart=apart), options]
        private(tmp_path / "passwords").write_text(f"*:*:*:*:{CANARY}\n")
        private(tmp_path / "services").write_text(
            f"[app]\nhost=127.0.0.1\nport={server.port}\nuser=app\npassword={CANARY}\nsslmode=disable\n"
        )
        private(tmp_path / "given.json").write_text(json.dumps(given))

        finished = run_python(GIVES_AWAY, **environment)

    assert "telesink.LogHandler" in finished.stdout
    assert CANARY not in finished.stdout
    assert CANARY not in finished.stderr
    lines = finished.stderr.splitlines()
    assert lines
    assert all(line.startswith("telesink: ") and line.isascii() and line.isprintable() for line in lines)
    assert "what it knows" not in finished.stderr + finished.stdout


#: Secrets in every part of a record, into every sink there is, and into the dead-letter file.
LOGS_SECRETS = """
import logging, pathlib, sys
import telesink

secret = pathlib.Path("secret").read_text()
sinks = ["sqlite:///app.db", "memory://", "console://stdout?format=plain"]
telesink.install_logging(sinks, level="DEBUG", dead_letter="dead.ndjson")
with telesink.context(session_token=secret, user="ada"):
    for name in ("shop", "refused"):
        logger = logging.getLogger(name)
        logger.info("login with password=%s and Bearer %s", secret, secret)
        logger.info("an address: https://app:%s@host/path", secret, extra={"api_key": secret, "sku": "A7"})
        headers = {"Authorization": secret, "Cookie": [secret]}
        logger.info("nested", extra={"headers": headers, "a": {"b": {"secret": secret}}})
        try:
            raise ValueError(f"the token={secret} is wrong")
        except ValueError as error:
            error.add_note(f"credentials: {secret}")
            logger.exception("failed: %s", error)
        telesink.enqueue({"body": f'{{"password": "{secret}"}}', "logger": name, "private_key": secret})
assert telesink.flush(30)
stats = telesink.stats()
print(telesink.recent(), stats, stats["sqlite"].as_dict())
"""


def test_no_sink_and_no_dead_letter_holds_a_secret_of_a_record(run_python, tmp_path):
    private(tmp_path / "secret").write_text(CANARY)
    run_python(
        "import telesink; telesink.install_logging('sqlite:///app.db'); import logging; logging.error('x')"
    )
    refuse_logger(tmp_path / "app.db")

    finished = run_python(LOGS_SECRETS)

    (tmp_path / "secret").unlink()
    assert CANARY not in finished.stdout
    assert CANARY not in finished.stderr
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {"app.db", "dead.ndjson"} <= set(files)
    assert [name for name, content in files.items() if CANARY.encode() in content] == []
    # The records are there, with all that is no secret.
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        rows = connection.execute(
            "SELECT body, attributes FROM telesink_logs WHERE logger = 'shop'"
        ).fetchall()
    assert len(rows) == 5
    assert any("A7" in attributes for _, attributes in rows)
    letters = [json.loads(line) for line in files["dead.ndjson"].splitlines()]
    assert len(letters) == 5
    # The exact bytes are in there a second time, in base64.
    assert [letter for letter in letters if CANARY.encode() in base64.b64decode(letter["otlp"])] == []
