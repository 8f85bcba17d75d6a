"""A resolver that does not answer until a test says so; see `slow_resolver.c`."""

from pathlib import Path

SOURCE = Path(__file__).with_name("slow_resolver.c")

#: A name that it is slow to resolve.
HOST = "slow.example.com"


class SlowResolver:
    """What a subject starts with, and whether it has asked."""

    def __init__(self, folder, library):
        place = folder / "resolver"
        self._asked, self._go = Path(f"{place}.asked"), Path(f"{place}.go")
        #: For the environment of a subject.
        self.environment = {"LD_PRELOAD": str(library), "SLOW_RESOLVER": str(place)}

    def is_asked(self):
        """Whether somebody waits for an answer, or did."""
        return self._asked.exists()

    def forget(self):
        """As if nobody had asked yet."""
        self._asked.unlink(missing_ok=True)

    def release(self):
        """Answer from now on."""
        self._go.touch()
