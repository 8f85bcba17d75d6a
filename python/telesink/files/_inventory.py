"""What files there are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from telesink.files._names import SIGNALS, files_of, service_folders

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one signal of one service: the active one, and those that were rotated.

    Attributes:
        service: whose files they are.
        signal: ``logs``, ``traces`` or ``metrics``.
        path: the path of the active file, whether it is there or not.
        size_bytes: the size of all of them, compressed ones as they lie on the disk.
        oldest_time: when the one that was not written for longest was written last.
        newest_time: when any of them was written last.
        file_count: how many there are.
    """

    service: str
    signal: str
    path: str
    size_bytes: int
    oldest_time: datetime
    newest_time: datetime
    file_count: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by the names that JSON has for them, times as RFC 3339."""
        return {
            "server": self.service,
            "signal": self.signal,
            "path": self.path,
            "sizeBytes": self.size_bytes,
            "oldestTime": self.oldest_time.isoformat().replace("+00:00", "Z"),
            "newestTime": self.newest_time.isoformat().replace("+00:00", "Z"),
            "fileCount": self.file_count,
        }


def inventory(folder: str | os.PathLike[str], service: str | None = None) -> list[FileSet]:
    """List what files there are, by service and in the order logs, traces, metrics.

    Only files with the exact names of the writer count; others in the same folders are not looked at. A
    folder that is missing has none.

    Args:
        folder: the folder that a ``file:`` DSN names.
        service: only of this one; None or an empty text for all.

    Raises:
        OSError: a folder is there and cannot be read.
    """
    path = os.fspath(folder)
    if not path:
        return []
    found = []
    for name, inside in service_folders(path, service or None):
        for signal in SIGNALS:
            states = _states(files_of(inside, signal))
            if states:
                found.append(_file_set(name, signal, inside, states))
    return found


def _states(entries: Sequence[os.DirEntry[str]]) -> list[os.stat_result]:
    states = []
    for entry in entries:
        try:
            states.append(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            # Compressed or deleted meanwhile.
            continue
    return states


def _file_set(service: str, signal: str, folder: str, states: Sequence[os.stat_result]) -> FileSet:
    times = [datetime.fromtimestamp(state.st_mtime, UTC) for state in states]
    return FileSet(
        service=service,
        signal=signal,
        path=os.path.join(folder, f"{signal}.jsonl"),
        size_bytes=sum(state.st_size for state in states),
        oldest_time=min(times),
        newest_time=max(times),
        file_count=len(states),
    )
