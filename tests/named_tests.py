"""Tests that documents name, as `path::test`: whether they exist."""

import re
from pathlib import Path

PROJECT = Path(__file__).parent.parent

# How the documents shorten the paths of Rust tests.
_FOLDERS = {
    "delivery/": PROJECT / "rust/telesink-core/tests/delivery",
    "src/": PROJECT / "rust/telesink-core/src",
}


def named_in(text):
    """
    Path and name of each test that a document names, sorted.
    """
    return sorted(set(re.findall(r"`([\w/.-]+\.\w+)::(\w+)`", text)))


def file_of(path):
    """
    The file that is meant.
    """
    for short, folder in _FOLDERS.items():
        if path.startswith(short):
            return folder / path.removeprefix(short)
    return PROJECT / path


def exists(path, test):
    """
    Whether the file holds the test.
    """
    source = file_of(path).read_text("utf-8")
    return re.search(rf"^\s*(async )?(def|fn) {test}\(", source, re.MULTILINE) is not None
