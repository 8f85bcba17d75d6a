"""The examples of the documentation do what it says, and its links lead somewhere."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from named_tests import exists, named_in

import telesink

PROJECT = Path(__file__).parent.parent
PAGES = sorted((PROJECT / "docs").glob("*.md"))
PAPERS = [
    *PAGES,
    *(PROJECT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "DESIGN", "SECURITY")),
]

# A block of Python, and the block of text that says what it prints, where there is one.
_EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)

EXAMPLES = [
    pytest.param(match["code"], match["printed"] or "", id=f"{page.stem}-{number}")
    for page in PAGES
    for number, match in enumerate(_EXAMPLE.finditer(page.read_text("utf-8")))
]


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_the_page_says(run_python, code, printed):
    finished = run_python(code, IPYTHONDIR=".")

    assert finished.stdout == printed
    assert "telesink: " not in finished.stderr


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.stem)
def test_every_link_leads_to_a_file(paper):
    linked = re.findall(r"\]\(([^)#:]+)\)", paper.read_text("utf-8"))

    assert [name for name in linked if not (paper.parent / name).exists()] == []


@pytest.mark.parametrize(
    "paper", [PROJECT / "ARCHITECTURE.md", PROJECT / "docs/security.md"], ids=lambda paper: paper.stem
)
def test_every_test_that_is_named_exists(paper):
    missing = [test for path, test in named_in(paper.read_text("utf-8")) if not exists(path, test)]

    assert missing == []


def test_the_map_of_the_architecture_names_files_that_exist():
    text = (PROJECT / "ARCHITECTURE.md").read_text("utf-8")
    for heading, rows in re.findall(r"^### `([\w/-]+)`\n\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL):
        for cell in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE):
            folder = ""
            for name in re.findall(r"`([^`]+)`", cell):
                folder = name.rpartition("/")[0] if "/" in name else folder
                beside = [PROJECT / heading / name, PROJECT / heading / folder / name]
                assert any(one.exists() for one in beside), f"{heading}: {name}"


@pytest.fixture
def sql_for_holes():
    page = (PROJECT / "docs" / "delivery.md").read_text("utf-8")
    return re.search(r"```sql\n(WITH .*?;)\n```", page, re.DOTALL)[1]


def stored_with_losses(path):
    """One instance that lost records to a full queue, and one row of another that somebody deletes."""
    with telesink.Pipeline(f"sqlite:///{path}", queue_records_max=10, linger_seconds=0) as pipeline:
        for number in range(2_000):
            pipeline.enqueue({"body": str(number)})
        assert pipeline.flush().complete
        assert pipeline.stats().rejected["queue_full"] > 0
    with telesink.Pipeline(f"sqlite:///{path}") as pipeline:
        pipeline.enqueue_many({"body": f"later {number}"} for number in range(3))


def test_the_query_for_holes_finds_those_that_no_marker_covers(tmp_path, sql_for_holes):
    path = tmp_path / "app.db"
    stored_with_losses(path)

    with closing(sqlite3.connect(path)) as connection:
        covered = connection.execute(sql_for_holes).fetchall()
        connection.execute("DELETE FROM telesink_logs WHERE body = 'later 1'")
        [(_instance, *hole)] = connection.execute(sql_for_holes).fetchall()

    assert covered == []
    assert hole == [2, 2]
