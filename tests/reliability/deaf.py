"""A port that takes no connection and refuses none: its queue is full, and the kernel drops what comes."""

import contextlib
import errno
import select
import socket
from pathlib import Path

#: How long a connection takes at most where there is room.
ROOM_SECONDS = 0.2


@contextlib.contextmanager
def deaf_port():
    """A port of this machine where SYN after SYN is dropped."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(16):
            one = opened.enter_context(socket.socket())
            one.setblocking(False)
            assert one.connect_ex(listener.getsockname()) in {0, errno.EINPROGRESS}
            if not select.select([], [one], [], ROOM_SECONDS)[1]:
                yield listener.getsockname()[1]
                return
        raise AssertionError("the kernel takes ever more connections")


def is_asked(port):
    """Whether somebody tries to connect there: SYN sent, and no answer. Only Linux shows it."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii")
    lines = [line.split() for line in table.splitlines()[1:]]
    return sum(line[2] == f"0100007F:{port:04X}" and line[3] == "02" for line in lines) > 1
