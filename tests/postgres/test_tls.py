"""Encryption and log-in: every sslmode means what libpq's documentation says, on a real server."""

import contextlib

import pytest
import trustme
from postgres.database import Database
from postgres.observing import lines, numbers, records, sink, wait_for_state
from postgres.servers import newest_with_tls
from waiting import wait_until

import telesink

PASSWORD = "correct-horse-battery"
COUNT = 100
#: What the certificate is for; `hostaddr` says where it really is.
HOST = "db.example.com"


@pytest.fixture(scope="module")
def authority():
    """Who has signed the server's certificate."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_server(workshops, authority):
    """A server with TLS, which asks for a password by SCRAM, or from some roles for a certificate."""
    server = workshops(newest_with_tls()).cluster().start()
    with contextlib.closing(server):
        server.encrypt(authority, HOST)
        for role in ("app", "certified"):
            server.sql(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        server.set_access(
            "hostssl all certified 127.0.0.1/32 cert",
            "host all certified 127.0.0.1/32 reject",
            "host all all 127.0.0.1/32 scram-sha-256",
        )
        yield server


@pytest.fixture
def secure(secure_server):
    """A fresh database on it."""
    return Database(secure_server, secure_server.create_database())


@pytest.fixture
def root(authority, tmp_path):
    """The file of the authority."""
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def stranger(tmp_path):
    """The file of an authority that has signed nothing."""
    path = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def dsn_of(database, *, user=f"app:{PASSWORD}", host=HOST, **options):
    return database.dsn(user=user, host=host, hostaddr="127.0.0.1", **options)


def is_encrypted(database):
    """Whether the pipeline's connection is, in the eyes of the server."""
    ((found,),) = database.sql(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE application_name = 'telesink' AND datname = current_database()"
    )
    return found


def check_delivers(dsn, database):
    """Records arrive; answers whether they were encrypted."""
    pipeline = telesink.Pipeline(dsn)
    pipeline.enqueue_many(records(COUNT))
    assert pipeline.flush(30).complete
    found = is_encrypted(database)
    assert pipeline.close(30).complete
    assert database.bodies() == numbers(COUNT)
    return found


def start_held(dsn, capfd, *words):
    """A pipeline that does not deliver, and says why in one line without the password."""
    pipeline = telesink.Pipeline(dsn, exit_timeout_seconds=0.1)
    pipeline.enqueue_many(records(COUNT))
    stats = wait_for_state(pipeline, "held")
    assert (stats["dropped"], stats["pending"]) == ({}, COUNT)
    (line,) = wait_until(lambda: lines(capfd), "a line on standard error")
    for word in (*words, "records are kept"):
        assert word in line
    assert PASSWORD not in line
    return pipeline


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full", None])
@pytest.mark.parametrize("case", ["right", "wrong host", "unknown authority", "no file"])
def test_P18_every_mode_connects_exactly_where_libpq_says(secure, root, stranger, capfd, mode, case):
    """P18, P19: libpq's table; without a mode, the address of this machine means `prefer`."""
    options = {"sslmode": mode} if mode else {}
    host = "other.example.com" if case == "wrong host" else HOST
    if case != "no file":
        options["sslrootcert"] = stranger if case == "unknown authority" else root
    dsn = dsn_of(secure, host=host, **options)

    # A file that is named is looked at from `require` on.
    looks_at_chain = {"verify-ca", "verify-full"} | ({"require"} if case != "no file" else set())
    is_refused = (case == "wrong host" and mode == "verify-full") or (
        case in {"unknown authority", "no file"} and mode in looks_at_chain
    )
    if is_refused:
        words = ["certificate", f"postgresql://app@{host}:{secure.server.port}/{secure.name}"]
        pipeline = start_held(dsn, capfd, *words, "sslrootcert=")
        assert secure.server.writers() == []
        pipeline.close(0.1)
    elif mode in {"disable", "allow"}:
        assert not check_delivers(dsn, secure)
    else:
        check_delivers(dsn, secure)


def test_P18_a_certificate_that_is_not_trusted_is_trusted_once_the_file_holds_its_authority(
    secure, authority, stranger, capfd
):
    """P18, Bad input: the file is read at each connection, so this needs no restart."""
    pipeline = start_held(
        dsn_of(secure, sslmode="verify-full", sslrootcert=stranger),
        capfd,
        "sslrootcert=FILE",
        "sslmode=require",
    )

    authority.cert_pem.write_to_path(stranger)
    assert pipeline.flush(30).complete
    assert secure.bodies() == numbers(COUNT)
    assert is_encrypted(secure)


def test_P19_a_server_without_tls_is_told_so_and_delivered_to_once_it_has_it(make_server, authority, capfd):
    """P18, P19, Bad input: TLS is required and the server has none."""
    server = make_server(newest_with_tls())
    database = Database(server, server.create_database())
    dsn = database.dsn(sslmode="require")
    pipeline = start_held(dsn, capfd, "does not do TLS", "ssl = on", "sslmode=prefer")

    server.encrypt(authority, "127.0.0.1")
    assert pipeline.flush(30).complete
    assert database.bodies() == numbers(COUNT)
    assert is_encrypted(database)


def test_a_server_that_insists_on_tls_is_named_as_such(make_server, capfd):
    """Bad input: 28000 for a connection in plain text."""
    server = make_server(newest_with_tls())
    database = Database(server, server.create_database())
    server.set_access("hostssl all all 127.0.0.1/32 trust")
    pipeline = start_held(database.dsn(sslmode="disable"), capfd, "28000", "sslmode=require")

    server.set_access("host all all 127.0.0.1/32 trust")
    assert pipeline.flush(30).complete
    assert database.bodies() == numbers(COUNT)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_scram_with_channel_binding_logs_in(secure, root, mode, binding):
    """P20: SCRAM-SHA-256-PLUS where it is wanted."""
    dsn = dsn_of(secure, sslmode=mode, sslrootcert=root, channel_binding=binding)
    assert check_delivers(dsn, secure)


def test_channel_binding_cannot_be_had_without_tls(secure, capfd):
    """P20: required is required."""
    pipeline = start_held(
        dsn_of(secure, sslmode="disable", channel_binding="require"), capfd, "channel binding"
    )
    pipeline.close(0.1)


def test_P18_a_client_certificate_logs_in_without_a_password(secure, authority, root, tmp_path):
    """P18, P22: sslcert and sslkey."""
    identity = authority.issue_cert(common_name="certified")
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"
    certificate.write_bytes(b"".join(pem.bytes() for pem in identity.cert_chain_pems))
    key.touch(mode=0o600)
    key.write_bytes(identity.private_key_pem.bytes())
    dsn = dsn_of(secure, user="certified", sslrootcert=root, sslcert=certificate, sslkey=key)
    assert check_delivers(dsn, secure)


def test_P18_the_missing_client_certificate_is_asked_for(secure, root, capfd):
    """P18, Bad input."""
    dsn = dsn_of(secure, user="certified", sslrootcert=root)
    pipeline = start_held(dsn, capfd, "certificate", "sslcert=", "sslkey=")
    pipeline.close(0.1)


def test_a_certificate_file_that_is_missing_is_named(secure, root, tmp_path, capfd):
    """Bad input: the path, and records that wait."""
    missing = tmp_path / "later.pem"
    pipeline = start_held(dsn_of(secure, sslmode="verify-ca", sslrootcert=missing), capfd, str(missing))

    missing.write_bytes(root.read_bytes())
    assert pipeline.flush(30).complete
    assert secure.bodies() == numbers(COUNT)
    assert sink(pipeline)["dropped"] == {}
