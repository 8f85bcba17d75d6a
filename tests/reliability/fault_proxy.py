"""A proxy between telesink and a server: knows nothing of what it carries, and does harm where told to."""

import contextlib
import dataclasses
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

CHUNK_BYTES = 65_536
TO_SERVER, TO_CLIENT = "to the server", "to the client"

#: Postgres' messages around a commit: the client asks for it, and the server has done it.
COMMIT, COMMITTED = b"Q\0\0\0\x0bCOMMIT\0", b"C\0\0\0\x0bCOMMIT\0"
#: With which the rows of a binary COPY begin.
ROWS = b"PGCOPY"

#: How soon a line notices what is asked of all lines.
LOOK_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class Fault:
    """
    What happens to one connection.

    Args:
        kind: `reset` (RST to both sides), `end` (FIN), `silence` (nothing passes, nothing is closed),
            `garble` (other bytes come instead), `hold` (the rest arrives at `release`), or something to call
            before the rest passes.
        direction: Whose bytes are meant.
        after: So many bytes pass before; or words, which must come in one piece, and what was before them.
        times: Words strike when they come for the so-manieth time. With `reset` or `end`, and the words of an
            answer, this swallows every so-manieth answer.
    """

    kind: str | Callable[[], object]
    direction: str
    after: int | bytes
    times: int = 1


#: Every third answer to a COMMIT is lost: done, and nobody is told.
LOST_COMMITS = itertools.repeat(Fault("end", TO_CLIENT, COMMITTED, times=3))


class FaultProxy:
    """
    Listens on a port of its own; gone when its with-block ends. DSNs that count bytes say `sslmode=disable`.

    Args:
        port: Of the server.
        faults: For each new connection the next one; None is a good one, and so are all after the last.
        piece_bytes: Most bytes that are sent on at once.
        bytes_per_second: What the line carries; 0 for as much as there is.
        delay_seconds: Which each piece takes longer.
        listener: To listen on, in place of one of its own.
    """

    def __init__(
        self, port, faults=(), *, piece_bytes=CHUNK_BYTES, bytes_per_second=0, delay_seconds=0, listener=None
    ):
        self._server_port = port
        self._faults = itertools.chain(faults, itertools.repeat(None))
        self._piece_bytes = piece_bytes
        self._bytes_per_second, self._delay_seconds = bytes_per_second, delay_seconds
        self._released, self._healed = threading.Event(), threading.Event()
        self._healed.set()
        self._lines = []
        self._sockets = []
        self.connections = self.struck = 0
        #: Bytes carried, by direction.
        self.carried = {TO_SERVER: 0, TO_CLIENT: 0}
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        self.heal()
        for one in [self._listener, *self._sockets]:
            _close(one)

    def release(self):
        """Let go of what is held."""
        self._released.set()

    def blackhole(self):
        """Carry nothing and close nothing from now on, for old and new connections."""
        self._healed.clear()

    def heal(self):
        """Carry again; what lay in the black hole arrives, as TCP sees to it."""
        self._healed.set()

    def cut(self, *, is_reset=True):
        """End every connection that there is, with RST or with FIN."""
        for line in self._lines:
            line.order = "reset" if is_reset else "end"

    def forget(self):
        """Carry nothing more on the connections that there are, and close none of them; new ones are good."""
        for line in self._lines:
            line.order = "silence"

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
        self._lines.append(line)
        threading.Thread(target=line.carry, daemon=True).start()


class _Line:
    """One connection, both ways on one thread: a socket is closed at once only if nobody waits for it."""

    def __init__(self, proxy, client, server, fault):
        self._proxy, self._fault = proxy, fault
        self._ways = {client: (TO_SERVER, server), server: (TO_CLIENT, client)}
        self._passed = {TO_SERVER: 0, TO_CLIENT: 0}
        self._times = 0
        self._is_silent = False
        #: `reset`, `end` or `silence`, once the proxy wants that.
        self.order = None

    def carry(self):
        # Broken or closed from outside: the same as an end.
        with contextlib.suppress(OSError, ValueError):
            while not self._is_silent and self._carry_once():
                pass
        if not self._is_silent:
            self._close(is_reset=self.order == "reset")
            self._proxy._lines.remove(self)

    def _carry_once(self):
        """Whether there may be more."""
        ready, _, _ = select.select(list(self._ways), [], [], LOOK_SECONDS)
        if self.order is not None:
            self._is_silent = self.order == "silence"
            return False
        if not self._proxy._healed.is_set():
            self._proxy._healed.wait(LOOK_SECONDS)
            return True
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
            if not self._strike(direction, target, data[place:]):
                return False
        return True

    def _strike(self, direction, target, rest):
        """Whether the line lives on."""
        kind, self._fault = self._fault.kind, None
        self._proxy.struck += 1
        if kind == "silence":
            self._is_silent = True
            return False
        if kind in {"reset", "end"}:
            self._close(is_reset=kind == "reset")
            return False
        if kind == "hold":
            self._proxy._released.wait(60)
        elif callable(kind):
            kind()
        self._send(direction, target, b"\xff" * len(rest) if kind == "garble" else rest)
        return True

    def _place(self, direction, data):
        """Where in these bytes the fault lies, if it does."""
        if self._fault is None or self._fault.direction != direction:
            return None
        after = self._fault.after
        if isinstance(after, int):
            passed = self._passed[direction]
            return after - passed if after < passed + len(data) else None
        place = data.find(after)
        while place >= 0:
            self._times += 1
            if self._times == self._fault.times:
                return place
            place = data.find(after, place + 1)
        return None

    def _send(self, direction, target, data):
        proxy = self._proxy
        for start in range(0, len(data), proxy._piece_bytes):
            piece = data[start : start + proxy._piece_bytes]
            pause = proxy._delay_seconds
            if proxy._bytes_per_second:
                pause += len(piece) / proxy._bytes_per_second
            if pause:
                time.sleep(pause)
            target.sendall(piece)
        self._passed[direction] += len(data)
        proxy.carried[direction] += len(data)

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
