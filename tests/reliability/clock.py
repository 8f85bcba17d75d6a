"""A wall clock that jumps when a test says so; see `jumping_clock.c`."""

import struct

from reliability.preload import compiled


class JumpingClock:
    """What a subject starts with, and how far its clock is wrong."""

    def __init__(self, folder):
        self._file = (folder / "jump").open("w+b", buffering=0)
        self.set(0)
        #: For the environment of a subject.
        self.environment = {"LD_PRELOAD": compiled("jumping_clock", folder), "JUMPING_CLOCK": self._file.name}

    def set(self, seconds):
        """From now on the clock is wrong by so much."""
        self._file.seek(0)
        self._file.write(struct.pack("=q", seconds))

    def close(self):
        """Subjects keep what they have mapped."""
        self._file.close()
