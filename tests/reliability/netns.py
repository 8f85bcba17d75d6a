"""A second network, on a cable that a test can cut without either end noticing. Root, and Linux."""

import ctypes
import functools
import ipaddress
import itertools
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

_CLONE_NEWNET = 0x4000_0000
#: The two ends of a cable, and nobody: frames for that are sent, and whoever gets them throws them away.
_NEAR, _FAR, _NOWHERE = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"

_numbers = itertools.count()


def _ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


@functools.cache
def can_make_networks():
    """Whether this user may; root may, in most containers too."""
    if shutil.which("ip") is None or not hasattr(os, "getuid") or os.getuid() != 0:
        return False
    name = f"tsprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.returncode == 0


class Network:
    """
    A namespace with one address, reached over a cable; gone when its with-block ends.

    `drop` makes frames of both directions go nowhere: no RST, no error, no lost carrier, as with a firewall
    that has forgotten a connection. `heal` undoes it; TCP then sends again what was lost.
    """

    def __init__(self):
        # Several processes may run tests at once.
        number = os.getpid() % 512 * 64 + next(_numbers) % 64
        self._name, self._near, self._far = f"telesink{number}", f"tsa{number}", f"tsb{number}"
        # Four addresses for each, out of a range that is for tests (RFC 2544).
        first = int(ipaddress.ip_address("198.18.0.0")) + number * 4
        self._here, self.address = (str(ipaddress.ip_address(first + step)) for step in (1, 2))

    def __enter__(self):
        _ip("netns", "add", self._name)
        near = (self._near, "address", _NEAR)
        far = ("name", self._far, "address", _FAR, "netns", self._name)
        _ip("link", "add", *near, "type", "veth", "peer", *far)
        for device, address, place in (
            (self._near, self._here, ()),
            (self._far, self.address, ("-n", self._name)),
        ):
            _ip(*place, "addr", "add", f"{address}/30", "dev", device)
            _ip(*place, "link", "set", device, "up")
        self.heal()
        return self

    def __exit__(self, *_):
        # The cable goes with it.
        _ip("netns", "del", self._name)

    def drop(self):
        """From now on nothing arrives."""
        self._point(_NOWHERE, _NOWHERE)

    def heal(self):
        """From now on everything arrives."""
        self._point(_FAR, _NEAR)

    def _point(self, far, near):
        """Set where frames for the far and the near address go."""
        _ip("neigh", "replace", self.address, "lladdr", far, "dev", self._near, "nud", "permanent")
        there = ("-n", self._name)
        _ip(*there, "neigh", "replace", self._here, "lladdr", near, "dev", self._far, "nud", "permanent")

    def listen(self):
        """A listening socket on the far side, for this process to use."""
        made = []
        # A thread of its own may change over to another network, and sockets stay where they were made.
        thread = threading.Thread(target=lambda: made.append(self._listen_there()))
        thread.start()
        thread.join()
        return made[0]

    def _listen_there(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{self._name}").open("rb") as network:
            if libc.setns(network.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "could not enter the network")
        return socket.create_server((self.address, 0))
