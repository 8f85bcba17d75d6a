"""Servers whose certificate or TLS is not good: they are told nothing, not even the name of the user."""

import pytest
import trustme
from postgres.observing import sink
from reliability.bad_tls import HOST, REQUEST, BadServer
from waiting import wait_until

import telesink

#: What is said of it.
SAYS = {
    "expired": "its certificate has expired",
    "wrong host": "its certificate is valid for other.example.com, not for db.example.com",
    "unknown authority": "its certificate is signed by an authority that is not",
    "self-signed": "its certificate is signed by an authority that is not",
    "TLS 1.1": "while setting up TLS",
    "stall": "while setting up TLS",
}

#: `verify-ca` does not look at names; that is what it is for.
CASES = [
    (kind, mode)
    for kind in SAYS
    for mode in ("verify-full", "verify-ca")
    if (kind, mode) != ("wrong host", "verify-ca")
]


@pytest.fixture(scope="module")
def authority():
    """Who the client trusts."""
    return trustme.CA()


@pytest.fixture
def root(authority, tmp_path):
    """Its file."""
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(path)
    return path


def start(server, **options):
    """A pipeline that has tried twice."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    dsn = f"postgresql://app:secret@{HOST}:{server.port}/db?hostaddr=127.0.0.1&{query}"
    limits = {"connect_timeout_seconds": 0.5, "retry_initial_seconds": 0.05, "retry_max_seconds": 0.1}
    pipeline = telesink.Pipeline(dsn, exit_timeout_seconds=0.1, **limits)
    pipeline.enqueue({"body": "for nobody else"})
    wait_until(lambda: sink(pipeline)["retries"] >= 2, "two attempts")
    return pipeline


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_P18_a_server_that_is_not_trusted_is_told_nothing(authority, root, capfd, kind, mode):
    with BadServer(kind, authority) as server:
        pipeline = start(server, sslmode=mode, sslrootcert=root)
        found = sink(pipeline)
        pipeline.close(0.1)

    assert (found["delivered"], found["dropped"], found["pending"]) == (0, {}, 1)
    assert server.connections >= 2
    assert server.application == b""
    assert set(server.before) == {REQUEST}
    assert SAYS[kind] in found["last_error"]
    assert "secret" not in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["TLS 1.1", "stall"])
def test_P18_without_a_handshake_nothing_is_told_in_any_mode_that_requires_tls(authority, kind):
    with BadServer(kind, authority) as server:
        start(server, sslmode="require").close(0.1)

    assert server.application == b""
    assert set(server.before) == {REQUEST}


def test_P18_the_rig_hears_what_a_client_says_that_trusts_everybody(authority):
    with BadServer("expired", authority) as server:
        pipeline = start(server, sslmode="require")
        wait_until(lambda: b"app" in server.application, "the name of the user")
        pipeline.close(0.1)
