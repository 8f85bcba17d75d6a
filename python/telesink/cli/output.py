"""Where a command writes: standard output, also one that is closed, full, or that nobody reads any more.

A reader that leaves changes neither what a command does nor its exit code: the rest is thrown away. Commands
that do nothing but show, `tail` and `query`, end then.
"""

import contextlib
import io
import os
import sys
from typing import TextIO, cast

_STANDARD = (0, 1, 2)


class _Descriptor(io.FileIO):
    """A descriptor that is written to until that fails; what comes afterwards is thrown away."""

    #: Why it could not be written.
    failure: OSError | None = None
    #: Whether the command has to know: what it says on standard error is no result.
    is_result = True
    #: Whether the command ends when nobody reads any more.
    ends_with_reader = False
    _is_gone = False

    def write(self, content: bytes, /) -> int:  # type: ignore[override] # any buffer, as the base class takes
        """Write, or throw away.

        Raises:
            BrokenPipeError: nobody reads any more, and the command shall end with that.
            OSError: it cannot be written, for example because the disk is full.
        """
        if self._is_gone:
            return memoryview(content).nbytes
        try:
            return super().write(content)
        except BrokenPipeError:
            self._is_gone = True
            if self.ends_with_reader:
                raise
            return memoryview(content).nbytes
        except OSError as error:
            # What is still buffered must not fail again when Python ends.
            self._is_gone = True
            self.failure = error
            if self.is_result:
                raise
            return memoryview(content).nbytes


class _Taken:
    """What was made of the standard output of this process."""

    raw: _Descriptor | None = None
    stream: TextIO | None = None
    standard: tuple[TextIO, TextIO] | None = None
    #: Which descriptor standard output was before a program was loaded.
    number = 1


def take() -> None:
    """Take over the standard streams, and open those that are closed."""
    _fill_descriptors()
    sys.stdout = _Taken.stream = _told(sys.stdout, 1)
    sys.stderr = _told(sys.stderr, 2)
    _Taken.standard = (sys.stdout, sys.stderr)


def end_with_reader() -> None:
    """Raise BrokenPipeError from now on when nobody reads any more."""
    if _Taken.raw is not None:
        _Taken.raw.ends_with_reader = True


def failure() -> OSError | None:
    """Why standard output could not be written."""
    return None if _Taken.raw is None else _Taken.raw.failure


def flush() -> None:
    """Write what is buffered.

    Raises:
        OSError: it cannot be written.
    """
    # The stream of the command, not `sys.stdout`: a program that `doctor` loads may have put another there.
    if _Taken.stream is not None and not _Taken.stream.closed:
        _Taken.stream.flush()


def set_aside() -> TextIO:
    """Keep standard output for the caller; for everybody else it is standard error from now on.

    For good: threads and exit hooks of a program write when they like.
    """
    flush()
    _Taken.number = os.dup(1)
    os.dup2(2, 1)
    _Taken.stream = _stream(_Taken.number, sys.stdout)
    return _Taken.stream


def put_back() -> None:
    """Write what a program has printed, and take away what it has put in the place of the streams."""
    for stream in (sys.stdout, sys.stderr):
        # It may be anything.
        with contextlib.suppress(Exception):
            stream.flush()
    sys.stdout, sys.stderr = _Taken.standard or (sys.stdout, sys.stderr)


def stdout_descriptor() -> int:
    """The descriptor that leads to what this process was given as standard output."""
    return _Taken.number


def say(text: str) -> None:
    """Write a line to standard error; where that cannot be done nothing else can."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


def _fill_descriptors() -> None:
    """Open what is closed: the first file of the command would get its number, and the output of others."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _told(stream: TextIO | None, number: int) -> TextIO:
    if stream is None or (isinstance(stream, io.TextIOWrapper) and _is_file(stream)):
        return _stream(number, stream)
    if isinstance(stream, io.TextIOWrapper):
        # A console of Windows, which takes text.
        stream.reconfigure(errors="backslashreplace")
    return stream


def _is_file(stream: io.TextIOWrapper) -> bool:
    buffer = stream.buffer
    return type(getattr(buffer, "raw", buffer)) is io.FileIO


def _stream(number: int, like: TextIO | None) -> TextIO:
    """Make a text stream for a descriptor, with the encoding of another."""
    raw = _Descriptor(number, "wb", closefd=False)
    raw.is_result = number != _STANDARD[2]
    if raw.is_result:
        _Taken.raw = raw
    is_unbuffered = bool(getattr(like, "write_through", False))
    return io.TextIOWrapper(
        cast("io.BufferedWriter", raw) if is_unbuffered else io.BufferedWriter(cast("io.RawIOBase", raw)),
        encoding=getattr(like, "encoding", None) or "utf-8",
        # What was stored may hold characters that the terminal's encoding lacks; nothing may fail for that.
        errors="backslashreplace",
        line_buffering=number == _STANDARD[2] or raw.isatty(),
        write_through=is_unbuffered,
    )
