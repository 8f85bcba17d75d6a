"""Reads the files of a service without any code of telesink."""

import gzip
import json
import re

_ROTATED = re.compile(r"\w+-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.jsonl(\.gz)?")


def files_in(folder, signal="logs"):
    """The paths of a signal's files, oldest first; one that is there plain and compressed counts once."""
    names = [path.name for path in folder.iterdir()]
    rotated = [name for name in names if name.startswith(f"{signal}-") and _ROTATED.fullmatch(name)]
    kept = sorted(name for name in rotated if f"{name}.gz" not in rotated)
    active = [f"{signal}.jsonl"] if f"{signal}.jsonl" in names else []
    return [folder / name for name in kept + active]


def raw_lines(path):
    """The lines of a file, and what stands behind the last of them."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        # Compressed since it was listed.
        path = path.with_name(f"{path.name}.gz")
        content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
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
    return oct(path.lstat().st_mode & 0o7777)
