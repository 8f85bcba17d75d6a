"""`telesink query --trace`: the spans of a trace as a tree, with the log records that were made in them."""

import pytest
from command_line import TEN_O_CLOCK, Database, telesink

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
MILLISECOND = 1_000_000


class Trace(Database):
    """A database with one trace."""

    def span(self, span_id, name, *, parent=None, at=0, milliseconds=1.0, status=0, message=None):
        ts = TEN_O_CLOCK + at * MILLISECOND
        values = {
            "ts": ts,
            "end_ts": ts + int(milliseconds * MILLISECOND),
            "duration_ns": int(milliseconds * MILLISECOND),
            "trace_id": TRACE_ID,
            "span_id": span_id,
            "parent_span_id": parent,
            "name": name,
            "kind": 1,
            "status": status,
            "status_message": message,
            "service": "shop",
            "resource_id": 1,
            "instance": "i",
            "seq": 1,
        }
        with self.connection() as connection:
            marks = ", ".join("?" for _ in values)
            statement = f"INSERT INTO telesink_spans ({', '.join(values)}) VALUES ({marks})"
            connection.execute(statement, list(values.values()))

    def log(self, body, span_id, at):
        self.add(body, ts=TEN_O_CLOCK + at * MILLISECOND, trace_id=TRACE_ID, span_id=span_id)


@pytest.fixture
def trace(tmp_path):
    return Trace(tmp_path / "app.db")


def drawn(trace, *arguments):
    result = telesink("query", str(trace.path), "--trace", TRACE_ID, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_spans_are_a_tree_with_their_log_records_in_the_order_of_time(trace):
    trace.span("b" * 16, "SELECT", parent="a" * 16, at=3, milliseconds=2, status=2, message="no such row")
    trace.span("a" * 16, "GET /cart", milliseconds=12.5, status=1)
    trace.span("c" * 16, "render", parent="a" * 16, at=9)
    trace.log("begins", "a" * 16, 1)
    trace.log("slow", "b" * 16, 4)

    assert drawn(trace) == [
        "GET /cart  12.5 ms  OK  [shop]",
        "├─ 2026-11-22T10:00:00.001Z INFO  shop begins",
        "├─ SELECT  2 ms  ERROR  no such row  [shop]",
        "│  └─ 2026-11-22T10:00:00.004Z INFO  shop slow",
        "└─ render  1 ms  [shop]",
    ]


def test_a_span_whose_parent_is_elsewhere_is_a_root_and_other_records_come_last(trace):
    trace.span("b" * 16, "worker", parent="a" * 16)
    trace.log("from another process", "d" * 16, 1)

    assert drawn(trace) == [
        "worker  1 ms  [shop]",
        "outside of these spans:",
        "2026-11-22T10:00:00.001Z INFO  shop from another process",
    ]


def test_spans_that_are_each_others_parents_are_shown_once(trace):
    trace.span("a" * 16, "hen", parent="b" * 16)
    trace.span("b" * 16, "egg", parent="a" * 16)

    assert sorted(drawn(trace)) == ["egg  1 ms  [shop]", "hen  1 ms  [shop]"]


def test_a_trace_is_found_by_the_form_that_postgres_writes(trace):
    trace.span("a" * 16, "GET /cart")
    form = "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736"

    result = telesink("query", str(trace.path), "--trace", form)

    assert result.stdout == "GET /cart  1 ms  [shop]\n"


def test_a_file_of_a_version_without_spans_shows_the_log_records(trace):
    trace.log("alone", "a" * 16, 1)
    with trace.connection() as connection:
        connection.executescript("DROP VIEW telesink_span_lines; DROP TABLE telesink_spans;")

    assert drawn(trace) == ["2026-11-22T10:00:00.001Z INFO  shop alone"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--trace", "xyz"], "a trace id is 32 hex digits"),
        (["--trace", TRACE_ID], f"nothing of trace {TRACE_ID} is stored"),
        (["select 1", "--trace", TRACE_ID], "a query takes a statement, or --trace"),
        ([], "a query takes a statement, or --trace"),
        (["--trace", TRACE_ID, "--json"], "--trace is shown as a tree only"),
    ],
)
def test_what_cannot_be_shown_is_said(trace, arguments, told):
    result = telesink("query", str(trace.path), *arguments)

    assert result.returncode != 0
    assert told in result.stderr
