"""Following a file across rotation."""

from __future__ import annotations

import gzip
import os
import time
from typing import TYPE_CHECKING

from telesink.files._names import check_folder, check_signal, files_of, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_PIECE_BYTES = 1 << 20


def tail(
    folder: str | os.PathLike[str],
    service: str,
    signal: str,
    *,
    from_start: bool = False,
    follow: bool = True,
    poll_seconds: float = 0.2,
    stop: Event | None = None,
) -> Iterator[str]:
    """Give the lines of a signal as they are written, without their ends.

    It begins with what is written from now on, goes on in the next file when the writer begins one, also if
    it was rotated several times meanwhile, and waits for a file that is not there yet. A line is given once
    it is whole: what was torn by a crash is never seen.

    Args:
        folder: the folder that a ``file:`` DSN names.
        service: the service.
        signal: ``logs``, ``traces`` or ``metrics``.
        from_start: begin with the oldest rotated file that is still there.
        follow: wait for more; without it, the end of the active file is the end.
        poll_seconds: how long to wait between two looks.
        stop: ends it when it is set.

    Raises:
        ConfigError: the folder is empty, or the signal is none.
        OSError: a file is there and cannot be read.
    """
    path = check_folder(folder)
    check_signal(signal)
    inside = folder_of(path, service)
    return _Follower(inside, signal, from_start=from_start).lines(
        follow=follow, poll_seconds=poll_seconds, stop=stop
    )


class _Follower:
    """One reader: the file it is in, and which rotated ones are behind it."""

    def __init__(self, folder: str, signal: str, *, from_start: bool) -> None:
        self._folder = folder
        self._signal = signal
        self._active = os.path.join(folder, f"{signal}.jsonl")
        self._descriptor = -1
        self._begun = b""
        #: Rotated files up to this name are read, or were there before.
        self._seen = ""
        while not from_start:
            is_open = self._open()
            self._seen = max((name for name, _path in self._rotated()), default="")
            if is_open:
                os.lseek(self._descriptor, 0, os.SEEK_END)
                if self._is_moved():
                    # Rotated in this very moment: it may be among those that are taken for read.
                    self._close()
                    continue
            return

    def lines(self, *, follow: bool, poll_seconds: float, stop: Event | None) -> Iterator[str]:
        """Give the lines, see `tail`."""
        try:
            while True:
                # Asked first: nothing is appended to a file that was moved away.
                is_moved = self._descriptor < 0 or self._is_moved()
                yield from self._rest()
                if is_moved:
                    yield from self._next()
                    if self._descriptor >= 0:
                        continue
                if not follow or (stop is not None and stop.is_set()):
                    return
                if stop is None:
                    time.sleep(poll_seconds)
                else:
                    stop.wait(poll_seconds)
        finally:
            self._close()

    def _next(self) -> Iterator[str]:
        """Read what was rotated behind the file that was open, and open the active one."""
        own = os.fstat(self._descriptor) if self._descriptor >= 0 else None
        self._close()
        while True:
            for name, path in self._rotated():
                if name <= self._seen:
                    continue
                self._seen = name
                # Its name leads to the same file, or it was compressed and deleted since.
                if own is not None and (_is_same(own, path) or path.endswith(".gz")):
                    own = None
                    continue
                yield from _whole_lines(path)
            own = None
            self._open()
            if all(name <= self._seen for name, _path in self._rotated()):
                return
            self._close()

    def _rotated(self) -> list[tuple[str, str]]:
        """Return names without the ending of compressed ones, and paths, oldest first."""
        entries = files_of(self._folder, self._signal)
        return [
            (entry.name.removesuffix(".gz"), entry.path)
            for entry in entries
            if entry.name != f"{self._signal}.jsonl"
        ]

    def _open(self) -> bool:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._descriptor = os.open(self._active, flags)
        except FileNotFoundError:
            return False
        return True

    def _is_moved(self) -> bool:
        return not _is_same(os.fstat(self._descriptor), self._active)

    def _rest(self) -> Iterator[str]:
        """Give the whole lines up to the present end."""
        if self._descriptor < 0:
            return
        if os.lseek(self._descriptor, 0, os.SEEK_CUR) > os.fstat(self._descriptor).st_size:
            # Cut off by somebody else.
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._begun = b""
        while piece := os.read(self._descriptor, _PIECE_BYTES):
            *whole, self._begun = (self._begun + piece).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")

    def _close(self) -> None:
        # What has no end is nobody's line.
        self._begun = b""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_same(known: os.stat_result, path: str) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (known.st_dev, known.st_ino) == (found.st_dev, found.st_ino)


def _whole_lines(path: str) -> Iterator[str]:
    """Give the lines of a rotated file, also if it is compressed meanwhile; none if it is deleted."""
    try:
        opened = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        if path.endswith(".gz"):
            return
        yield from _whole_lines(f"{path}.gz")
        return
    with opened, gzip.open(opened, "rb") if path.endswith(".gz") else opened as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield line[:-1].decode("utf-8", "replace")
