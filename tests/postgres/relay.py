"""A relay between telesink and a server that understands as much of the protocol as it needs to do harm."""

import contextlib
import socket
import struct
import threading
import time

CHUNK_BYTES = 65_536


class Relay:
    """
    Listens on a port of its own. Without TLS, so DSNs say `sslmode=disable`.

    Args:
        port: Of the server.
        commits_swallowed: Every so many COMMITs the server's answer is lost and the connection closed.
        hold_commits: How many COMMITs are held back, with all that follows them, until `release`.
        bytes_per_second: What the line carries towards the server.
    """

    def __init__(self, port, *, commits_swallowed=0, hold_commits=0, bytes_per_second=0):
        self._server_port = port
        self._swallowed_every = commits_swallowed
        self._holds_left = hold_commits
        self._bytes_per_second = bytes_per_second
        self._released = threading.Event()
        self._lock = threading.Lock()
        self.connections = self.commits = self.swallowed = self.held = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        self._listener.close()
        for one in self._sockets:
            _close(one)

    def release(self):
        """Lets go of what is held back."""
        self._released.set()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                with contextlib.suppress(OSError, UnboundLocalError):
                    _close(client)
                if self._listener.fileno() < 0:
                    return
                continue
            for one in (client, server):
                # Small messages go on one by one; each would wait for the answer to the last.
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._sockets += [client, server]
            line = _Line(client, server)
            threading.Thread(target=self._to_server, args=(line,), daemon=True).start()
            threading.Thread(target=self._to_client, args=(line,), daemon=True).start()

    def _to_server(self, line):
        with contextlib.suppress(OSError):
            for frame in _frames(line.client, is_client=True):
                if frame[:1] == b"Q" and frame[5:].rstrip(b"\0") == b"COMMIT":
                    self._note_commit(line)
                if self._bytes_per_second:
                    time.sleep(len(frame) / self._bytes_per_second)
                line.server.sendall(frame)
        if line.is_held:
            # What was on its way arrives, whatever became of the sender.
            return
        line.close()

    def _note_commit(self, line):
        with self._lock:
            self.commits += 1
            line.is_swallowed = bool(self._swallowed_every) and self.commits % self._swallowed_every == 0
            if self._holds_left > 0:
                self._holds_left -= 1
                self.held += 1
                line.is_held = True
        if line.is_held:
            self._released.wait(60)

    def _to_client(self, line):
        with contextlib.suppress(OSError):
            for frame in _frames(line.server):
                if line.is_swallowed and frame[:1] == b"C" and frame[5:].startswith(b"COMMIT"):
                    self.swallowed += 1
                    break
                line.client.sendall(frame)
        line.close()


class _Line:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.is_swallowed = self.is_held = False

    def close(self):
        _close(self.client)
        _close(self.server)


def _close(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _frames(source, *, is_client=False):
    """Whole messages: a type, except in the first of a client, and a length that counts itself."""
    buffer = b""
    start = 0 if is_client else 1
    while True:
        while len(buffer) >= start + 4:
            (length,) = struct.unpack_from("!I", buffer, start)
            if len(buffer) < start + length:
                break
            yield buffer[: start + length]
            buffer = buffer[start + length :]
            start = 1
        received = source.recv(CHUNK_BYTES)
        if not received:
            return
        buffer += received
