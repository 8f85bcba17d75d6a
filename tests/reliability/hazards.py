"""Which tests show which hazard: compares the rows of docs/hazards.md with the names of the tests.

Run by `make lint`; `--list` shows the tests of every row. Needs nothing but Python.
"""

import argparse
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]

_ROW = re.compile(r"^\| ([A-Z]\d+) \|", re.MULTILINE)
_PYTHON = re.compile(r"^\s*(?:async )?def (test_([A-Z]\d+)_\w+)\(", re.MULTILINE)
# Attributes may stand between the one that makes it a test and the function itself.
_RUST = re.compile(r"#\[test\]\s+(?:#\[.*\]\s+)*fn (([a-z]\d+)_\w+)\(")


def rows_of(project):
    """The ids of all rows, in their order."""
    rows = _ROW.findall((project / "docs" / "hazards.md").read_text("utf-8"))
    twice = sorted({row for row in rows if rows.count(row) > 1})
    if twice:
        raise SystemExit(f"docs/hazards.md has two rows {', '.join(twice)}")
    return rows


def tests_of(project):
    """All tests that carry an id, as `path::name`, by their id."""
    found = {}
    for folder, pattern, name in (("tests", _PYTHON, "test_*.py"), ("rust", _RUST, "*.rs")):
        for path in sorted((project / folder).rglob(name)):
            for test, row in pattern.findall(path.read_text("utf-8")):
                where = f"{path.relative_to(project).as_posix()}::{test}"
                found.setdefault(row.upper(), []).append(where)
    return found


def main(arguments=None, project=PROJECT):
    """Print what was asked for and what is wrong; answer the exit code."""
    parser = argparse.ArgumentParser(description="Compare the rows of docs/hazards.md with the tests.")
    parser.add_argument("--list", action="store_true", help="show the tests of every row")
    asked = parser.parse_args(arguments)

    rows, tests = rows_of(project), tests_of(project)
    if asked.list:
        for row in rows:
            print(row)
            print("".join(f"    {test}\n" for test in tests.get(row, [])), end="")
    bare = [row for row in rows if row not in tests]
    strays = [test for row in sorted(tests.keys() - set(rows)) for test in tests[row]]
    if bare:
        print(f"no test shows {', '.join(bare)} of docs/hazards.md", file=sys.stderr)
    for test in strays:
        print(f"docs/hazards.md has no such row: {test}", file=sys.stderr)
    return 1 if bare or strays else 0


if __name__ == "__main__":
    sys.exit(main())
