"""The examples of the README do what it says, each in a fresh interpreter."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"

# A block of Python, and the block of text that says what it prints, where there is one.
_EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n(?:It prints:\n\n)?```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)

EXAMPLES = [(match["code"], match["printed"] or "") for match in _EXAMPLE.finditer(README.read_text("utf-8"))]


def test_the_readme_begins_with_the_line_that_installs_it_and_five_lines_of_code():
    text = README.read_text("utf-8")
    code, printed = EXAMPLES[0]

    assert text.index("pip install telesink") < text.index(code)
    assert len(code.split("\n\n")) == 2
    assert len([line for line in code.splitlines() if line]) <= 5
    assert printed == "True 1\n"


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_the_readme_says(run_python, code, printed):
    finished = run_python(code)

    assert finished.stdout == printed
    assert finished.stderr == ""


def test_the_file_of_the_first_example_holds_the_line_that_the_readme_shows(run_python, tmp_path):
    pytest.importorskip("typer")
    shown = re.search(r"^\d{4}-\S+Z (?P<line>WARN .*)$", README.read_text("utf-8"), re.MULTILINE)
    assert shown is not None
    run_python(EXAMPLES[0][0])

    finished = run_python(
        "import sys; from telesink.__main__ import main; sys.exit(main())",
        "tail",
        str(tmp_path / "app.db"),
        "--no-follow",
    )

    _time, line = finished.stdout.rstrip("\n").split(" ", 1)
    assert line == shown["line"]


def test_every_file_that_the_readme_links_to_exists():
    linked = re.findall(r"\]\(([^)#:]+)\)", README.read_text("utf-8"))

    assert linked
    assert [name for name in linked if not (README.parent / name).exists()] == []
