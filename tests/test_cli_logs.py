"""`telesink logs`."""

import csv
import io
import json
import random
import signal
from datetime import UTC, datetime, timedelta

import pytest
from command_line import running, telesink

from telesink import Pipeline

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
#: What a message may hold that a file of values has to quote.
HARD = 'a "quoted", text\nof two lines; \x1b[31mred'


def fill(path, count, preset=""):
    """Store records of two loggers, a minute apart."""
    with Pipeline(f"sqlite:///{path}{preset}", when_full="block") as pipeline:
        for number in range(count):
            pipeline.enqueue(
                {
                    "body": HARD if number == 3 else f"line {number}",
                    "logger": "shop" if number % 2 else "shop.orders",
                    "level": "ERROR" if number == 5 else "INFO",
                    "time": NOON + timedelta(minutes=number),
                    "trace_id": TRACE if number in (1, 2) else None,
                    "n": number,
                }
            )
        assert pipeline.flush(30).complete
    return path


@pytest.fixture
def database(tmp_path):
    """A database of ten records."""
    return fill(tmp_path / "app.db", 10)


def lines(*arguments):
    """What a command has written."""
    result = telesink("logs", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_seed_S0_32_a_page_is_shown_with_the_newest_last(database):
    """S0-32, S0-42: one line a record, padded level, attributes as JSON; nothing reaches the terminal raw."""
    found = lines("view", database, "--per-page", "4")

    assert found[-1] == '2026-01-31T12:09:00.000000Z [INFO ] shop: line 9 {"n": 9}'
    assert len(found) == 4
    second = lines("view", database, "--per-page", "4", "--page", "2")
    assert (
        second[1] == '2026-01-31T12:03:00.000000Z [INFO ] shop: a "quoted", text\\nof two lines; red {"n": 3}'
    )
    assert "page 2 of 3, 10 records" in telesink("logs", "view", database, "-n", "4", "--page", "2").stderr


def test_seed_S0_42_records_are_searched_shown_and_counted(database):
    """S0-42."""
    assert lines("search", database, "QUOTED")[0].startswith("2026-01-31T12:03")
    assert len(lines("view", database, "--logger", "shop.orders", "--since", "2026-01-31T12:04:00Z")) == 3
    (error,) = (json.loads(line) for line in lines("view", database, "--level", "error", "--json"))
    assert (error["body"], error["attributes"]) == ("line 5", {"n": 5})
    assert lines("show", database, error["id"]) == lines("view", database, "--level", "ERROR")
    assert [line.split(": ")[1] for line in lines("show", database, TRACE)] == ['line 1 {"n"', 'line 2 {"n"']
    assert lines("summary", database) == [
        "10 records, 2026-01-31 12:00 to 2026-01-31 12:09 UTC",
        "level\tINFO\t9",
        "level\tERROR\t1",
        "logger\tshop\t5",
        "logger\tshop.orders\t5",
    ]
    assert json.loads("\n".join(lines("summary", database, "--json")))["levels"] == {"INFO": 9, "ERROR": 1}


@pytest.mark.parametrize("preset", ["", "?preset=systemprompt"])
@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_seed_S0_42_an_export_is_complete_and_correctly_quoted(tmp_path, form, preset):
    """S0-42: all columns, the oldest first."""
    path = fill(tmp_path / "app.db", 2_500, preset)
    result = telesink("logs", "export", f"sqlite:///{path}{preset}", "--format", form)

    assert result.returncode == 0, result.stderr
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
        numbers = [json.loads(row["attributes"])["n"] for row in rows]
    else:
        rows = (
            json.loads(result.stdout) if form == "json" else list(map(json.loads, result.stdout.splitlines()))
        )
        numbers = [row["attributes"]["n"] for row in rows]
    assert numbers == list(range(2_500))
    assert rows[3]["body"] == 'a "quoted", text\nof two lines; red'
    assert rows[0]["time"] == "2026-01-31T12:00:00.000000Z"
    assert "2,500 records exported" in result.stderr


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_that_was_cut_short_anywhere_goes_on_without_a_gap(tmp_path, form):
    path, out = fill(tmp_path / "app.db", 40), tmp_path / "out"
    command = ("logs", "export", path, "--format", form, "--output", out)
    assert telesink(*command).returncode == 0
    whole = out.read_bytes()
    chance = random.Random(7)
    for place in (0, 1, len(whole), *(chance.randrange(len(whole)) for _ in range(6))):
        out.write_bytes(whole[:place])
        result = telesink(*command, "--resume")
        assert (result.returncode, out.read_bytes() == whole) == (0, True), (place, result.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "{path}", "7"), 1, "neither a record nor a trace 7"),
        (("view", "none.db"), 2, "there is no file"),
        (("view", "sqlite:///{path}?preset=chronicle"), 2, "hold no log records"),
        (("export", "{path}", "--resume"), 2, "goes on with a file of lines"),
        (("export", "{path}", "--output", "{path}", "--resume"), 1, "no export that could be gone on with"),
        (("view", "console://"), 2, "stores nothing that could be read"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(database, arguments, code, said):
    result = telesink("logs", *(argument.format(path=database) for argument in arguments))

    assert (result.returncode, said in result.stderr) == (code, True), result.stderr


def test_an_export_is_gone_on_with_whatever_its_last_record_holds(tmp_path):
    csv.field_size_limit(1_000_000)
    bodies = ["first", "x" * 200_000, "a\rb", "sep\u2028x\x85y", "\n" * 3_000, 'quote " and, comma']
    path = tmp_path / "app.db"
    for form in ("csv", "jsonl"):
        for count in range(1, len(bodies) + 1):
            path.unlink(missing_ok=True)
            out = tmp_path / f"out.{form}"
            with Pipeline(f"sqlite:///{path}") as pipeline:
                pipeline.enqueue_many([{"body": body} for body in bodies[:count]])
            command = ("logs", "export", path, "--format", form, "--output", out)
            assert telesink(*command).returncode == 0
            before = out.read_bytes()
            with Pipeline(f"sqlite:///{path}") as pipeline:
                pipeline.enqueue({"body": "last"})
            assert telesink(*command, "--resume").returncode == 0
            after = out.read_bytes()
            assert (after.startswith(before), after.count(b"last")) == (True, 1), (form, count)
        if form == "csv":
            found = [row["body"] for row in csv.DictReader(io.StringIO(after.decode(), newline=""))]
        else:
            found = [json.loads(line)["body"] for line in after.decode().split("\n")[:-1]]
        assert found == [*bodies, "last"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("text", ["note", "a,b\n1,2\n", '{"x": 1}\n', "\n"], ids=range(4))
def test_a_file_that_is_no_export_is_left_as_it_is(database, tmp_path, form, text):
    out = tmp_path / "note.txt"
    out.write_text(text, encoding="utf-8")

    result = telesink("logs", "export", database, "--format", form, "--output", out, "--resume")

    assert (result.returncode, out.read_text(encoding="utf-8")) == (1, text), result.stderr
    assert "no export that could be gone on with" in result.stderr


def test_a_file_whose_last_record_is_gone_is_left_as_it_is(database, tmp_path):
    out = tmp_path / "out.csv"
    command = ("logs", "export", database, "--format", "csv", "--output", out)
    assert telesink(*command).returncode == 0
    before = out.read_bytes()
    fill(tmp_path / "other.db", 3)

    result = telesink("logs", "export", tmp_path / "other.db", "-f", "csv", "-o", out, "--resume")

    assert (result.returncode, out.read_bytes() == before) == (1, True)
    assert "is not there any more" in result.stderr


def test_seed_S0_42_a_record_is_shown_by_the_beginning_of_its_id(database):
    """S0-42."""
    ids = sorted(json.loads(line)["id"] for line in lines("view", database, "--json"))
    unique = next(end for end in range(4, 37) if sum(one.startswith(ids[3][:end]) for one in ids) == 1)
    assert json.loads(lines("show", database, ids[3][:unique].upper(), "--json")[0])["id"] == ids[3]
    several = telesink("logs", "show", database, ids[0][:4])
    assert (several.returncode, "more than one record" in several.stderr) == (2, True)


def test_seed_S0_42_records_are_deleted_by_their_ids(database):
    """S0-42."""
    ids = [json.loads(line)["id"] for line in lines("view", database, "--json")]

    unsure = telesink("logs", "delete", database, *ids[:2])
    assert (unsure.returncode, "add -y" in unsure.stderr) == (2, True)
    assert lines("delete", database, *ids[:2], "-y") == ["deleted 2 records"]
    again = telesink("logs", "delete", database, *ids[1:3], "-y")
    assert (again.returncode, again.stdout) == (1, "deleted 1 record\n")
    assert "1 of them were not there" in again.stderr
    assert len(lines("view", database)) == 7


def test_records_are_followed_until_ctrl_c(database):
    with running("logs", "follow", database, "--level", "ERROR", "--since", "2026-01-01") as following:
        following.wait_for("line 5", following.out)
        with Pipeline(f"sqlite:///{database}") as pipeline:
            pipeline.enqueue({"body": "not this"})
            pipeline.enqueue({"body": "and this", "level": "ERROR"})
        following.wait_for("and this", following.out)
        assert following.interrupt(signal.SIGINT) in (0, 130)
    assert not any("not this" in line for line in following.out)
