"""Reads the files of a service without any code of telesink."""

import gzip
import json
import os
import re

_ROTATED = re.compile(r"\w+-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.jsonl(\.gz)?")


def files_in(folder, signal="logs"):
    """The paths of a signal's files, oldest first; a plain one whose compressed form is there is no file more."""
    names = [path.name for path in folder.iterdir()]
    rotated = [name for name in names if name.startswith(f"{signal}-") and _ROTATED.fullmatch(name)]
    kept = sorted(name for name in rotated if f"{name}.gz" not in rotated)
    active = [f"{signal}.jsonl"] if f"{signal}.jsonl" in names else []
    return [folder / name for name in kept + active]


def raw_lines(path):
    """The lines of a file, and what stands behind the last of them."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    *lines, rest = content.split(b"\n")
    return lines, rest


def lines_in(folder, signal="logs"):
    """All lines of a signal as objects, oldest first. Only the last line of a file may be torn."""
    found = []
    for path in files_in(folder, signal):
        lines, _torn = raw_lines(path)
        found += [json.loads(line) for line in lines]
    return found


def mode_of(path):
    """The permissions, as people write them."""
    return oct(os.stat(path, follow_symlinks=False).st_mode & 0o7777)
