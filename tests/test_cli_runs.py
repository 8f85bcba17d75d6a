"""`telesink runs`."""

import json

import pytest
from command_line import telesink

from telesink import Pipeline, events


@pytest.fixture
def database(tmp_path):
    """A database with two runs, and the id of the first."""
    path = tmp_path / "runs.db"
    with Pipeline(f"sqlite:///{path}?preset=chronicle") as pipeline:
        with (
            events.run("support chat", to=pipeline) as run,
            events.step("look up", type="tool"),
            events.step("in\x1b[31mner", type="tool"),
            events.llm_call(provider="acme", model="m-1") as call,
        ):
            call.usage(input_tokens=1200, output_tokens=34, cost_usd=0.0125)
        with pytest.raises(ValueError, match="no"), events.run("broken", to=pipeline):
            raise ValueError("no")
    return path, run.id


def test_runs_are_listed_newest_first_with_their_status(database):
    path, id_ = database
    result = telesink("runs", "list", path)

    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[2:4] for row in rows] == [["broken", "error"], ["support chat", "finished"]]
    assert rows[1][1] == id_
    some = telesink(
        "runs", "list", f"sqlite:///{path}?preset=chronicle", "--status", "error", "--since", "1 h", "--json"
    )
    assert [json.loads(line)["name"] for line in some.stdout.splitlines()] == ["broken"]


def test_a_run_is_shown_as_a_tree_with_tokens_and_costs(database):
    path, id_ = database
    result = telesink("runs", "show", path, id_[:8])

    assert (result.returncode, result.stderr) == (0, "")
    head, outer, inner, call = result.stdout.splitlines()
    assert head.startswith("support chat  finished  ")
    assert head.endswith("1,200 in, 34 out, $0.0125")
    assert outer.startswith("└─ tool  look up  finished")
    assert inner.startswith("   └─ tool  in\\u{001b}[31mner  finished")
    assert call.startswith("      └─ llm:call  acme m-1  ")
    assert json.loads(telesink("runs", "show", path, id_, "--json").stdout)["steps"][0]["name"] == "look up"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "{path}", "00000000"), 1, "there is no run 00000000"),
        (("list", "{path}", "--since", "soon"), 2, "neither a length of time nor a moment"),
        (("list", "none.db"), 2, "there is no file"),
        (("list", "sqlite:///{path}?preset=systemprompt"), 2, "keep one of the two"),
    ],
)
def test_what_cannot_be_shown_is_told_with_what_to_do(database, arguments, code, said):
    path, _ = database
    result = telesink("runs", *(argument.format(path=path) for argument in arguments))

    assert (result.returncode, said in result.stderr) == (code, True), result.stderr
