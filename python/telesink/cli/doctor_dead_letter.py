"""The part of `telesink doctor` that looks at the dead-letter file of a sink. Nothing is written to it."""

import os
import shlex
import stat
import time
from pathlib import Path
from typing import Any

from telesink._secret import shown_path
from telesink.cli.findings import Finding, Status

SECONDS_PER_HOUR = 3_600

#: Status, text and next step.
Answer = tuple[Status, str, str]


def dead_letter_file(plan: dict[str, Any]) -> Finding:
    """Whether refused records could be set aside."""
    file, bytes_max = plan["dead_letter"], plan["dead_letter_bytes_max"]
    facts: dict[str, Any] = {"path": None if file is None else shown_path(file), "bytes_max": bytes_max}
    if file is None:
        text = "none: records that the destination refuses are counted and told, and gone"
        return Finding("dead_letter", Status.OK, text, target=plan["target"], facts=facts)
    path = Path(file)
    try:
        known = path.lstat()
    except FileNotFoundError:
        status, text, step = _not_there(path)
    except OSError as error:
        status, text, step = Status.FAILED, f"{shown_path(path)}: {error.strerror}", "choose another path"
    else:
        facts["bytes"] = known.st_size
        status, text, step = (
            _open_to_all(path.parent) or _unusable(path, known, bytes_max) or _usable(path, known)
        )
    return Finding("dead_letter", status, text, step, target=plan["target"], facts=facts)


def _not_there(path: Path) -> Answer:
    folder, shown = path.parent, shown_path(path.parent)
    if not folder.is_dir():
        is_path = shown == str(folder)
        step = f"mkdir -p {_argument(folder)}" if is_path else "a DSN is no path: name a file"
        return Status.FAILED, f"there is no folder {shown}", step
    if not os.access(folder, os.W_OK | os.X_OK):
        return Status.FAILED, f"{shown} is not writable", "change its owner or mode"
    return _open_to_all(folder) or (Status.OK, f"{shown_path(path)} is not there yet, and can be made", "")


def _open_to_all(folder: Path) -> Answer | None:
    """The writer refuses a folder in which everybody may exchange the file for another."""
    mode = folder.stat().st_mode
    if os.name != "posix" or not mode & stat.S_IWOTH or mode & stat.S_ISVTX:
        return None
    text = f"everybody may write to {shown_path(folder)}, and it is not sticky, so nothing is written there"
    return Status.FAILED, text, f"chmod o-w {_argument(folder)}"


def _unusable(path: Path, known: os.stat_result, bytes_max: int) -> Answer | None:
    shown = shown_path(path)
    if not stat.S_ISREG(known.st_mode):
        kind = "a symbolic link, which is not followed" if stat.S_ISLNK(known.st_mode) else "no regular file"
        return Status.FAILED, f"{shown} is {kind}", "name a regular file, or one that is not there"
    if os.name == "posix" and known.st_uid not in (0, os.geteuid()):
        text = f"{shown} belongs to another user (number {known.st_uid}), so it is not written"
        return Status.FAILED, text, "name a file of its own, or run the program as that user"
    if known.st_nlink > 1:
        return Status.FAILED, f"{shown} has other names, too, so it is not written", "name a file of its own"
    if not os.access(path, os.W_OK):
        return Status.FAILED, f"{shown} is not writable", "change its owner or mode"
    if known.st_size >= bytes_max:
        step = "replay it (telesink replay) and move it away, or raise dead_letter_bytes_max"
        return Status.FAILED, f"{shown} is full: {known.st_size:,} of {bytes_max:,} bytes", step
    return None


def _usable(path: Path, known: os.stat_result) -> Answer:
    shown = shown_path(path)
    if os.name == "posix" and known.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Status.WARNING, f"{shown} is open to others on this machine", f"chmod 600 {_argument(path)}"
    if known.st_size:
        hours = max(0.0, time.time() - known.st_mtime) / SECONDS_PER_HOUR
        text = f"{shown} holds refused records: {known.st_size:,} bytes, the last {hours:,.0f} h ago"
        step = f"when the reason is mended: telesink replay {_argument(path)} --to DSN"
        return Status.WARNING, text, step
    return Status.OK, f"{shown} is writable", ""


def _argument(path: Path) -> str:
    """A path as a shell takes it, without what may be a password."""
    return shlex.quote(shown_path(path))
