"""The script that finds hazards without a test finds them."""

import pytest
from reliability import hazards

ROWS = """
| id | what goes wrong | what telesink does |
|---|---|---|
| F1 | a | b |
| Q2 | a | b |
"""


@pytest.fixture
def project(tmp_path):
    """A project with two rows and no test."""
    for folder in ("docs", "tests/deep", "rust/core"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs" / "hazards.md").write_text(ROWS)
    return tmp_path


def test_a_row_without_a_test_is_named(project, capsys):
    (project / "tests" / "test_forks.py").write_text("def test_F1_a_child_starts_anew():\n    pass\n")

    assert hazards.main([], project) == 1
    assert capsys.readouterr().err == "no test shows Q2 of docs/hazards.md\n"


def test_tests_of_both_languages_are_found_wherever_they_lie(project, capsys):
    (project / "tests" / "deep" / "test_forks.py").write_text(
        "class Tests:\n    async def test_F1_a_child_starts_anew(self):\n        pass\n"
    )
    (project / "rust" / "core" / "books.rs").write_text(
        "#[test]\n#[cfg(unix)]\nfn q2_totals_only_grow() {}\n\nfn q2_is_no_test() {}\n"
    )

    assert hazards.main(["--list"], project) == 0
    assert capsys.readouterr().out.splitlines() == [
        "F1",
        "    tests/deep/test_forks.py::test_F1_a_child_starts_anew",
        "Q2",
        "    rust/core/books.rs::q2_totals_only_grow",
    ]


def test_a_test_of_a_row_that_does_not_exist_is_named(project, capsys):
    names = ["test_F1_a", "test_Q2_a", "test_Q22_a"]
    code = "".join(f"def {name}():\n    pass\n" for name in names)
    (project / "tests" / "test_all.py").write_text(code)

    assert hazards.main([], project) == 1
    assert capsys.readouterr().err == "docs/hazards.md has no such row: tests/test_all.py::test_Q22_a\n"


def test_a_row_that_stands_twice_is_named(project):
    (project / "docs" / "hazards.md").write_text(ROWS + "| F1 | a | b |\n")

    with pytest.raises(SystemExit, match="two rows F1"):
        hazards.main([], project)
