"""Following a file across rotation."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import time
import zlib
from typing import TYPE_CHECKING

from telesink.files._names import check_folder, check_signal, files_of, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_PIECE_BYTES = 1 << 20

#: At the end of a compressed file: how long it was, modulo 2^32.
_GZIP_SIZE_BYTES = 4

#: So much of two files is compared.
_BEGIN_BYTES = 64 * 1024


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
    """One reader: the file it is in, up to where it has read, and which rotated ones are behind it."""

    def __init__(self, folder: str, signal: str, *, from_start: bool) -> None:
        self._folder = folder
        self._signal = signal
        self._active = os.path.join(folder, f"{signal}.jsonl")
        self._file: io.FileIO | None = None
        #: Behind the last line that was given; what has no end yet is read again.
        self._offset = 0
        #: Rotated files up to this name are read, or were there before.
        self._seen = ""
        while not from_start:
            file = self._open()
            self._seen = max((name for name, _path in self._rotated()), default="")
            if file is not None:
                if not _is_same(os.fstat(file.fileno()), self._active):
                    # Rotated in this very moment: it may be among those that are taken for read.
                    self._close()
                    continue
                self._offset = _end_of_lines(file)
            return

    def __del__(self) -> None:
        # Of one whose lines nobody has asked for.
        self._close()

    def lines(self, *, follow: bool, poll_seconds: float, stop: Event | None) -> Iterator[str]:
        """Give the lines, see `tail`."""
        try:
            while True:
                # Asked first: nothing is appended to a file that was moved away.
                is_moved = self._file is None or not _is_same(os.fstat(self._file.fileno()), self._active)
                yield from self._rest()
                if is_moved:
                    yield from self._next()
                    if self._file is not None:
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
        own, self._file = self._file, None
        self._offset = 0
        try:
            yield from self._behind(own)
        finally:
            if own is not None:
                own.close()

    def _behind(self, own: io.FileIO | None) -> Iterator[str]:
        while True:
            for name, path in self._rotated():
                if name <= self._seen:
                    continue
                self._seen = name
                if own is not None and _is_rotated_form(own, path):
                    own = None
                    continue
                yield from _whole_lines(path)
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

    def _open(self) -> io.FileIO | None:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with contextlib.suppress(FileNotFoundError):
            self._file = io.FileIO(os.open(self._active, flags))
        return self._file

    def _rest(self) -> Iterator[str]:
        """Give the whole lines up to the present end."""
        if self._file is None:
            return
        number = self._file.fileno()
        if self._offset > os.fstat(number).st_size:
            # Cut off by somebody else.
            self._offset = 0
        size = _PIECE_BYTES
        while piece := os.pread(number, size, self._offset):
            end = piece.rfind(b"\n")
            if end < 0 and len(piece) < size:
                return
            if end < 0:
                size *= 2
                continue
            for line in piece[:end].split(b"\n"):
                # Counted first: whoever stops here has had it.
                self._offset += len(line) + 1
                yield line.decode("utf-8", "replace")
            # Read again from there: the begin of the next line may have been taken away meanwhile.
            size = _PIECE_BYTES

    def _close(self) -> None:
        self._offset = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def _end_of_lines(file: io.FileIO) -> int:
    """Return where the last whole line ends."""
    end = os.fstat(file.fileno()).st_size
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        at = os.pread(file.fileno(), end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _is_same(known: os.stat_result, path: str) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (known.st_dev, known.st_ino) == (found.st_dev, found.st_ino)


def _is_rotated_form(known: io.FileIO, path: str) -> bool:
    """Whether a rotated file is the one that was open: the same one, or what it was compressed into."""
    if _is_same(os.fstat(known.fileno()), path):
        return True
    compressed = path if path.endswith(".gz") else f"{path}.gz"
    try:
        with open(compressed, "rb") as file:
            file.seek(-_GZIP_SIZE_BYTES, os.SEEK_END)
            size = int.from_bytes(file.read(_GZIP_SIZE_BYTES), "little")
            file.seek(0)
            begin = gzip.GzipFile(fileobj=file).read(_BEGIN_BYTES)
    except (OSError, EOFError, zlib.error):
        return False
    # Of one length are many; the first lines hold their moments.
    own = os.fstat(known.fileno()).st_size
    return size == own % 2**32 and begin == os.pread(known.fileno(), _BEGIN_BYTES, 0)


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
        try:
            for line in lines:
                if line.endswith(b"\n"):
                    yield line[:-1].decode("utf-8", "replace")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            # Damaged: what stands before is what there is.
            return
