"""Where files lie and what they are called; the writer's names are those of the native module."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from telesink import _native
from telesink.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The signals that have files, in the order in which they are listed.
SIGNALS = ("logs", "traces", "metrics")

#: What stands between the signal's name and its ending in a rotated file.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})\.jsonl(\.gz)?", re.ASCII)


def check_signal(signal: str | None) -> None:
    """Refuse what is no signal.

    Raises:
        ConfigError: it is none of `SIGNALS`.
    """
    if signal is not None and signal not in SIGNALS:
        message = f"no signal is called {signal!r}"
        raise ConfigError(message, f"use one of {', '.join(SIGNALS)}")


def check_folder(folder: str | os.PathLike[str]) -> str:
    """Return the path of the folder.

    Raises:
        ConfigError: it is empty.
    """
    path = os.fspath(folder)
    if not path:
        message = "the folder is required"
        raise ConfigError(message, "name the folder that a file: DSN names")
    return path


def folder_of(folder: str, service: str) -> str:
    """Return the folder of a service."""
    return os.path.join(folder, _native.folder_name(service))


def service_of(folder_name: str) -> str:
    """Return the service whose folder this is; of a long name, as much as the folder's name tells."""
    return unquote_to_bytes(folder_name).decode("utf-8", "replace")


def service_folders(folder: str, service: str | None) -> Iterator[tuple[str, str]]:
    """Give the name and the folder of each service that has one, sorted by name; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    wanted = None if service is None else _native.folder_name(service)
    found = [(service_of(name), name) for name in names if wanted in (None, name)]
    for shown, name in sorted(found):
        yield service if service is not None else shown, os.path.join(folder, name)


def rotated_at(signal: str, name: str) -> datetime | None:
    """Return when a file of this signal was rotated; None for every other file."""
    found = _STAMP.fullmatch(name.removeprefix(f"{signal}-")) if name.startswith(f"{signal}-") else None
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y-%m-%dT%H-%M-%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def files_of(folder: str, signal: str) -> list[os.DirEntry[str]]:
    """Return the files of a signal, oldest first and the active one last.

    Of a file that is there plain and compressed, only the compressed one counts: it is complete, and the
    other is about to be deleted.
    """
    try:
        with os.scandir(folder) as entries:
            regular = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    rotated = [entry for entry in regular if rotated_at(signal, entry.name) is not None]
    compressed = {entry.name for entry in rotated if entry.name.endswith(".gz")}
    kept = [entry for entry in rotated if f"{entry.name}.gz" not in compressed]
    active = [entry for entry in regular if entry.name == f"{signal}.jsonl"]
    return sorted(kept, key=lambda entry: entry.name) + active
