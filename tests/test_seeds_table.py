"""The table of docs/seeds.md is complete, and every test that it names exists."""

import re

import pytest
from named_tests import PROJECT, exists, named_in

TABLE = (PROJECT / "docs" / "seeds.md").read_text("utf-8")

IDS = [
    *(f"S0-{number}" for number in range(1, 45)),
    *(f"S1-{number}" for number in (*range(1, 22), 24)),
    *(f"S2-{number}" for number in (*range(1, 17), *range(20, 30))),
    *(f"S3-{number}" for number in (*range(1, 16), *range(20, 28), 33, 34, 35, 36, *range(40, 47))),
    *(f"S4-{number}" for number in range(1, 28)),
]

ROWS = re.findall(r"^\| (S\d-\d+) \|[^|]+\|(.+)\|$", TABLE, re.MULTILINE)
NAMED = named_in(TABLE)


def test_every_behaviour_has_one_row():
    assert [name for name, _ in ROWS] == IDS


@pytest.mark.parametrize(("name", "cell"), ROWS)
def test_a_row_names_a_test_or_says_why_there_is_none(name, cell):
    assert "::" in cell or "Not in this version" in cell


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_test_that_the_table_names_exists(path, test):
    assert exists(path, test)


def test_every_behaviour_that_the_new_tests_name_has_a_row():
    named = set(re.findall(r"S[01234]-\d+", (PROJECT / "tests/test_seeds.py").read_text("utf-8")))

    assert named <= set(IDS)
