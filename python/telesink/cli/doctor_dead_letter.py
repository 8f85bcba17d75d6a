"""The part of `telesink doctor` that looks at the dead-letter file of a sink. Nothing is written to it."""

import os
import stat
import time
from pathlib import Path
from typing import Any

from telesink.cli.findings import Finding, Status

SECONDS_PER_HOUR = 3_600

#: Status, text and next step.
Answer = tuple[Status, str, str]


def dead_letter_file(plan: dict[str, Any]) -> Finding:
    """Whether refused records could be set aside."""
    file, bytes_max = plan["dead_letter"], plan["dead_letter_bytes_max"]
    facts: dict[str, Any] = {"path": None if file is None else str(file), "bytes_max": bytes_max}
    if file is None:
        text = "none: records that the destination refuses are counted and told, and gone"
        return Finding("dead_letter", Status.OK, text, target=plan["target"], facts=facts)
    path = Path(file)
    try:
        known = path.lstat()
    except FileNotFoundError:
        status, text, step = _not_there(path)
    except OSError as error:
        status, text, step = Status.FAILED, f"{path}: {error.strerror}", "choose another path"
    else:
        facts["bytes"] = known.st_size
        status, text, step = _unusable(path, known, bytes_max) or _usable(path, known)
    return Finding("dead_letter", status, text, step, target=plan["target"], facts=facts)


def _not_there(path: Path) -> Answer:
    folder = path.parent
    if not folder.is_dir():
        return Status.FAILED, f"there is no folder {folder}", f"mkdir -p {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return Status.FAILED, f"{folder} is not writable", "change its owner or mode"
    return Status.OK, f"{path} is not there yet, and can be made", ""


def _unusable(path: Path, known: os.stat_result, bytes_max: int) -> Answer | None:
    if not stat.S_ISREG(known.st_mode):
        kind = "a symbolic link, which is not followed" if stat.S_ISLNK(known.st_mode) else "no regular file"
        return Status.FAILED, f"{path} is {kind}", "name a regular file, or one that is not there"
    if known.st_nlink > 1:
        return Status.FAILED, f"{path} has other names, too, so it is not written", "name a file of its own"
    if not os.access(path, os.W_OK):
        return Status.FAILED, f"{path} is not writable", "change its owner or mode"
    if known.st_size >= bytes_max:
        step = "replay it (telesink replay) and move it away, or raise dead_letter_bytes_max"
        return Status.FAILED, f"{path} is full: {known.st_size:,} of {bytes_max:,} bytes", step
    return None


def _usable(path: Path, known: os.stat_result) -> Answer:
    if os.name == "posix" and known.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Status.WARNING, f"{path} is open to others on this machine", f"chmod 600 {path}"
    if known.st_size:
        hours = max(0.0, time.time() - known.st_mtime) / SECONDS_PER_HOUR
        text = f"{path} holds refused records: {known.st_size:,} bytes, the last {hours:,.0f} h ago"
        return Status.WARNING, text, f"when the reason is mended: telesink replay {path} --to DSN"
    return Status.OK, f"{path} is writable", ""
