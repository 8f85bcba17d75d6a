"""A wire between telesink and a server: knows nothing of what it carries, and breaks where a test says."""

import contextlib
import dataclasses
import itertools
import select
import socket
import struct
import threading

CHUNK_BYTES = 65_536
TO_SERVER, TO_CLIENT = "to the server", "to the client"


@dataclasses.dataclass(frozen=True)
class Fault:
    """
    What happens to one connection.

    Args:
        kind: `reset` (RST to both sides), `end` (FIN), `silence` (nothing passes, nothing is closed),
            `garble` (other bytes come instead), `hold` (the rest arrives at `release`).
        direction: Whose bytes are meant.
        after: So many bytes pass before; or words: what came before them passes.
    """

    kind: str
    direction: str
    after: int | bytes


class Wire:
    """
    Listens on a port of its own; gone when its with-block ends. DSNs that count bytes say `sslmode=disable`.

    Args:
        port: Of the server.
        faults: For each new connection the next one; None is a good one, and so are all after the last.
        piece_bytes: Most bytes that are sent on at once.
    """

    def __init__(self, port, faults=(), piece_bytes=CHUNK_BYTES):
        self._server_port = port
        self._faults = itertools.chain(faults, itertools.repeat(None))
        self._piece_bytes = piece_bytes
        self._released = threading.Event()
        self._sockets = []
        self.connections = self.struck = 0
        #: Bytes carried, by direction.
        self.carried = {TO_SERVER: 0, TO_CLIENT: 0}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        for one in [self._listener, *self._sockets]:
            _close(one)

    def release(self):
        """Let go of what is held."""
        self._released.set()

    def _accept(self):
        # Ends when the listener is closed.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client):
        self._sockets.append(client)
        self.connections += 1
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            _close(client)
            return
        self._sockets.append(server)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(self, client, server, next(self._faults))
        threading.Thread(target=line.carry, daemon=True).start()


class _Line:
    """One connection, both ways on one thread: a socket is closed at once only if nobody waits for it."""

    def __init__(self, wire, client, server, fault):
        self._wire, self._fault = wire, fault
        self._ways = {client: (TO_SERVER, server), server: (TO_CLIENT, client)}
        self._passed = {TO_SERVER: 0, TO_CLIENT: 0}
        self._is_silent = False

    def carry(self):
        # Broken or closed from outside: the same as an end.
        with contextlib.suppress(OSError, ValueError):
            while not self._is_silent and self._carry_once():
                pass
        if not self._is_silent:
            self._close()

    def _carry_once(self):
        """Whether there may be more."""
        ready, _, _ = select.select(list(self._ways), [], [])
        for source in ready:
            data = source.recv(CHUNK_BYTES)
            if not data:
                return False
            direction, target = self._ways[source]
            place = self._place(direction, data)
            if place is None:
                self._send(direction, target, data)
                continue
            self._send(direction, target, data[:place])
            kind, self._fault = self._fault.kind, None
            self._wire.struck += 1
            if kind == "silence":
                self._is_silent = True
                return False
            if kind in {"reset", "end"}:
                self._close(is_reset=kind == "reset")
                return False
            if kind == "hold":
                self._wire._released.wait(60)
            self._send(direction, target, b"\xff" * len(data[place:]) if kind == "garble" else data[place:])
        return True

    def _place(self, direction, data):
        """Where in these bytes the fault lies, if it does."""
        if self._fault is None or self._fault.direction != direction:
            return None
        after = self._fault.after
        if isinstance(after, bytes):
            place = data.find(after)
            return place if place >= 0 else None
        passed = self._passed[direction]
        return after - passed if after < passed + len(data) else None

    def _send(self, direction, target, data):
        size = self._wire._piece_bytes
        for start in range(0, len(data), size):
            target.sendall(data[start : start + size])
        self._passed[direction] += len(data)
        self._wire.carried[direction] += len(data)

    def _close(self, *, is_reset=False):
        for one in self._ways:
            _close(one, is_reset=is_reset)


def _close(one, *, is_reset=False):
    with contextlib.suppress(OSError):
        if is_reset:
            # With no time to wait for what was sent, close() sends RST instead of FIN.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            one.shutdown(socket.SHUT_RDWR)
    one.close()
