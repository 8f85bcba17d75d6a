"""Deleting files beside programs that write them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telesink.exceptions import TelesinkError
from telesink.files._locks import locked
from telesink.files._names import (
    SIGNALS,
    check_folder,
    check_signal,
    files_of,
    service_folders,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Wiped:
    """What was deleted.

    Attributes:
        files: how many files.
        size_bytes: their size on the disk.
    """

    files: int
    size_bytes: int


def wipe(folder: str | os.PathLike[str], service: str | None = None, signal: str | None = None) -> Wiped:
    """Delete the files of a service or of all, of one signal or of all.

    A program that writes them goes on in new ones: an active file is deleted under the lock that its
    writers take, and they look for it before each append. Other files in the same folders stay, and so do
    the folders. A folder that is missing is no error. It goes on past a file that cannot be deleted.

    Args:
        folder: the folder that a ``file:`` DSN names.
        service: only of this one; None or an empty text for all.
        signal: only this one; None or an empty text for all.

    Raises:
        ConfigError: the folder is empty, or the signal is none.
        TelesinkError: some files are still there; it says which and why. Also if another process held a lock
            for 10 seconds.
    """
    path = check_folder(folder)
    check_signal(signal or None)
    signals = (signal,) if signal else SIGNALS
    files = size_bytes = 0
    failures: list[str] = []
    for _service, inside in service_folders(path, service or None):
        # No one compresses or rotates into it meanwhile.
        try:
            with locked(inside, os.O_RDONLY | os.O_DIRECTORY):
                for found in _deleted(inside, signals, failures):
                    files += 1
                    size_bytes += found
        except (OSError, TelesinkError) as error:
            failures.append(str(error))
    if failures:
        message = f"deleted {files} files, but not all: {'; '.join(failures)}"
        raise TelesinkError(message, "mend what is named, and wipe again")
    return Wiped(files, size_bytes)


def _deleted(folder: str, signals: tuple[str, ...], failures: list[str]) -> Iterator[int]:
    """Delete files, and give the size of each that is gone.

    The active file first: whatever its writers rotate before that is among the rotated ones, and what they
    rotate afterwards was written afterwards.
    """
    for signal in signals:
        yield from _tried(os.path.join(folder, f"{signal}.jsonl"), _delete_active, failures)
        for entry in files_of(folder, signal):
            if entry.name == f"{signal}.jsonl":
                continue
            yield from _tried(entry.path, _delete, failures)
            if entry.path.endswith(".gz"):
                # A plain file beside its compressed form is not listed.
                yield from _tried(entry.path.removesuffix(".gz"), _delete, failures)


def _tried(path: str, delete: Callable[[str], int], failures: list[str]) -> Iterator[int]:
    try:
        yield delete(path)
    except FileNotFoundError:
        return
    except (OSError, TelesinkError) as error:
        failures.append(str(error))


def _delete(path: str) -> int:
    size = os.lstat(path).st_size
    os.unlink(path)
    return size


def _delete_active(path: str) -> int:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        # Somebody else's: no writer opens it, and the inventory does not list it.
        raise FileNotFoundError(path)
    while True:
        with locked(path, os.O_RDWR) as descriptor:
            opened, named = os.fstat(descriptor), os.lstat(path)
            if (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino):
                return _delete(path)
        # Rotated between opening and locking it.
