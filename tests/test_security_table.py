"""Every promise in docs/security.md names the test that shows it; that these exist, `test_docs.py` checks."""

import re

import pytest
from named_tests import PROJECT

PAGE = (PROJECT / "docs/security.md").read_text("utf-8")
ROWS = [row for row in re.findall(r"^\| (.+) \|$", PAGE, re.MULTILINE) if not row.startswith("what |")]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_promise_names_the_test_that_shows_it(row):
    promise, test = row.rsplit(" | ", 1)

    assert promise.endswith(".")
    assert re.fullmatch(r"`[\w/.-]+::\w+`", test)


def test_no_fuzz_target_is_left_out():
    targets = len(
        re.findall(r"^\[\[bin\]\]$", (PROJECT / "fuzz/Cargo.toml").read_text("utf-8"), re.MULTILINE)
    )
    sources = list((PROJECT / "fuzz/fuzz_targets").glob("*.rs"))
    seeded = [path for path in (PROJECT / "fuzz/corpus").iterdir() if any(path.iterdir())]

    assert "\nTen fuzz targets" in PAGE
    assert targets == len(sources) == len(seeded) == 10
