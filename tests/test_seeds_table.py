"""The table of docs/seeds.md is complete, and every test that it names exists."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
TABLE = (PROJECT / "docs" / "seeds.md").read_text("utf-8")

IDS = [
    *(f"S0-{number}" for number in (*range(1, 19), 20, *range(21, 30), 44)),
    *(f"S3-{number}" for number in (*range(1, 16), 33, 36, *range(40, 47))),
    "S4-27",
]

# How the table shortens the paths of Rust tests.
_FOLDERS = {
    "delivery/": PROJECT / "rust/telesink-core/tests/delivery",
    "src/": PROJECT / "rust/telesink-core/src",
}

ROWS = re.findall(r"^\| (S\d-\d+) \|[^|]+\|(.+)\|$", TABLE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`([\w/.-]+)::(\w+)`", TABLE)))


def file_of(path):
    for short, folder in _FOLDERS.items():
        if path.startswith(short):
            return folder / path.removeprefix(short)
    return PROJECT / path


def test_every_behaviour_has_one_row():
    assert [name for name, _ in ROWS] == IDS


@pytest.mark.parametrize(("name", "cell"), ROWS)
def test_a_row_names_a_test_or_says_why_there_is_none(name, cell):
    assert "::" in cell or "Not in this version" in cell


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_the_table_names_exists(path, test):
    source = file_of(path).read_text("utf-8")

    assert re.search(rf"^\s*(async )?(def|fn) {test}\(", source, re.MULTILINE)


def test_every_behaviour_that_the_new_tests_name_has_a_row():
    named = set(re.findall(r"S[034]-\d+", (PROJECT / "tests/test_seeds.py").read_text("utf-8")))

    assert named <= set(IDS)
