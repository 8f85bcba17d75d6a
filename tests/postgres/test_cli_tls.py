"""What the commands say of encryption and passwords, on a server that asks for both."""

import contextlib

import pytest
import trustme
from command_line import telesink
from doctoring import CANARY, doctor
from postgres.servers import newest_with_tls

#: What the certificate is for; `hostaddr` says where it really is.
HOST = "db.example.com"


@pytest.fixture(scope="module")
def secure_server(workshops):
    """A server that asks for a password, and encrypts with a certificate of its own authority."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    server = workshops(newest_with_tls()).cluster().start()
    with contextlib.closing(server):
        server.add_file("server.crt", b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        server.add_file("server.key", certificate.private_key_pem.bytes())
        server.change(ssl_cert_file="server.crt", ssl_key_file="server.key", ssl="on")
        server.sql(f"CREATE ROLE app LOGIN SUPERUSER PASSWORD '{CANARY}'")
        server.set_access("host all all 127.0.0.1/32 scram-sha-256")
        yield server, authority


def secure_dsn(server, password=CANARY, **options):
    return server.dsn(user=f"app:{password}", host=HOST, hostaddr="127.0.0.1", **options)


@pytest.mark.parametrize(
    ("mode", "protocol", "expected"),
    [
        ("require", "TLSv1.3", "the server is not verified (sslmode=require); nothing leaves this machine"),
        ("verify-full", "TLSv1.3", "the server's certificate is verified (sslmode=verify-full)"),
        ("disable", None, "not encrypted (sslmode=disable); nothing leaves this machine"),
    ],
)
def test_how_the_line_is_encrypted_is_told(secure_server, tmp_path, mode, protocol, expected):
    server, authority = secure_server
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(root)
    more = {"sslrootcert": str(root)} if mode == "verify-full" else {}

    _, found = doctor(secure_dsn(server, sslmode=mode, **more), "--no-write")

    assert found["tls"]["status"] == "ok"
    assert expected in found["tls"]["text"]
    assert found["tls"]["facts"]["tls_protocol"] == protocol


def test_a_server_that_cannot_be_verified_is_no_connection(secure_server):
    server, _ = secure_server

    code, found = doctor(secure_dsn(server, sslmode="verify-full"))

    assert (code, found["connection"]["status"]) == (1, "failed")
    assert "sslrootcert=" in found["connection"]["next_step"]
    assert found["write"]["status"] == "skipped"


@pytest.mark.parametrize("command", [("doctor",), ("check",), ("doctor", "--json"), ("check", "--json")])
def test_a_wrong_password_is_told_and_never_shown(secure_server, command):
    server, _ = secure_server
    dsn = secure_dsn(server, password="wrong-canary", sslmode="require")

    result = telesink(*command, dsn)

    assert result.returncode == 1
    assert "password" in result.stdout + result.stderr
    assert "wrong-canary" not in result.stdout + result.stderr


def test_no_output_of_a_good_run_shows_the_password(secure_server, tmp_path):
    server, _ = secure_server
    dsn = secure_dsn(server, sslmode="require")

    for more in ((), ("--json",)):
        for command in (("doctor", dsn), ("check", dsn), ("doctor",)):
            result = telesink(*command, *more, TELESINK_DSN=dsn, PGPASSWORD=CANARY, folder=tmp_path)

            assert result.returncode == 0
            assert CANARY not in result.stdout + result.stderr
