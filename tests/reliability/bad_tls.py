"""Servers that do not deserve trust: they say yes to TLS as Postgres does, and then something is wrong."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
import warnings

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

#: What the certificates are for, or should be.
HOST = "db.example.com"

#: What a client sends to ask for TLS, and nothing else before the handshake (`SSLRequest`).
REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"

#: How old the expired certificate is.
DAY = dt.timedelta(days=1)


def _expired(authority):
    now = dt.datetime.now(dt.UTC)
    return authority.issue_cert(HOST, not_before=now - 3 * DAY, not_after=now - DAY)


def _self_signed(_authority):
    """Not even signed by somebody unknown; trustme makes no such thing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    words = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return trustme.LeafCert(words, certificate.public_bytes(Encoding.PEM), [])


def _right(authority):
    return authority.issue_cert(HOST)


#: What is wrong, and how its certificate is made.
KINDS = {
    "expired": _expired,
    "wrong host": lambda authority: authority.issue_cert("other.example.com"),
    "unknown authority": lambda _authority: trustme.CA().issue_cert(HOST),
    "self-signed": _self_signed,
    "TLS 1.1": _right,
    "stall": _right,
}


class BadServer:
    """Listens on a port of its own, and keeps what it hears; gone when its with-block ends."""

    def __init__(self, kind, authority):
        self._kind = kind
        self._context = _context(kind, KINDS[kind](authority))
        self.connections = self.handshakes = 0
        #: What came before the handshake, and what came after it: deciphered.
        self.before, self.application = [], b""
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self):
        # Ends when the listener is closed.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client):
        # A client that turns away ends the handshake with an error; that is what the tests want to see.
        with contextlib.suppress(OSError, ssl.SSLError):
            self.before.append(client.recv(len(REQUEST)))
            client.sendall(b"S")
            if self._kind == "stall":
                # The client's first words in TLS, and no answer to them.
                self.handshakes += bool(client.recv(65_536))
                client.recv(65_536)
                return
            with self._context.wrap_socket(client, server_side=True) as encrypted:
                self.handshakes += 1
                self._sockets.append(encrypted)
                while data := encrypted.recv(65_536):
                    self.application += data


def _context(kind, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if kind == "TLS 1.1":
        # Both are long out of use, and a modern OpenSSL has to be talked into it.
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context
