"""`telesink tail`."""

import json
import signal
import sqlite3

import pytest
from command_line import TEN_O_CLOCK, Database, in_terminal, read_one_line, running, telesink

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/shop/pay.py", line 3, in pay\n'
    "    send(order)\n"
    '  File "/venv/lib/python3.14/site-packages/http/client.py", line 9, in send\n'
    "    raise OSError\n"
    "OSError: no \x1b[31mroute\n"
)


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "app.db")


def tail(database, *arguments, **variables):
    result = telesink("tail", database.path, "--no-follow", *arguments, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def bodies(database, *arguments):
    return [json.loads(line)["msg"] for line in tail(database, "--json", *arguments).splitlines()]


# --- which records ----------------------------------------------------------------------------------------


def test_the_last_ten_records_are_shown_oldest_first(database):
    database.add(*(f"record {number}" for number in range(12)))

    assert bodies(database) == [f"record {number}" for number in range(2, 12)]


@pytest.mark.parametrize(("lines", "expected"), [(0, []), (2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_lines_says_how_many(database, lines, expected):
    database.add("a", "b", "c")

    assert bodies(database, "--lines", lines) == expected


def test_lines_counts_what_passes_the_filters(database):
    database.add("wanted 1", "wanted 2", attributes='{"order": 7}')
    database.add(*(f"other {number}" for number in range(30)))

    assert bodies(database, "--lines", 2, "order=7") == ["wanted 1", "wanted 2"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "note", "warn", "error", "fatal"]),
        ("INFO", ["info", "note", "warn", "error", "fatal"]),
        ("25", ["note", "warn", "error", "fatal"]),
        ("warning", ["warn", "error", "fatal"]),
        ("warn", ["warn", "error", "fatal"]),
        ("40", ["error", "fatal"]),
        ("critical", ["fatal"]),
        ("1000", []),
    ],
)
def test_a_level_stands_for_those_above_it(database, level, expected):
    # Severity 12 is that of Python's level 25.
    for severity, name in (
        (1, "trace"),
        (5, "debug"),
        (9, "info"),
        (12, "note"),
        (13, "warn"),
        (17, "error"),
    ):
        database.add(name, severity=severity, level=name.upper())
    database.add("fatal", severity=21, level="FATAL")

    assert bodies(database, "--level", level) == expected


def test_an_unknown_level_is_answered_with_the_nearest(database):
    result = telesink("tail", database.path, "--level", "eror")

    assert result.returncode == 2
    assert "unknown level `eror`; did you mean error?" in result.stderr


def test_a_logger_stands_for_those_below_it(database):
    for logger in ("shop", "shop.cart", "shop.cart.items", "shop.cartoons", "SHOP.cart", "shop%"):
        database.add(logger, logger=logger)

    assert bodies(database, "--logger", "shop.cart") == ["shop.cart", "shop.cart.items"]


@pytest.mark.parametrize(
    "wanted",
    [
        "sku=A7",
        "left=2",
        "is_sold=true",
        "nothing=null",
        'tags=["a","b"]',
        "http.status=200",
        "order.id=9",
        "order.item.name=tea",
        "größe=ü=1",
        "empty=",
        "level=warning",
        "level=WARN",
        "logger=shop.cart",
        "service=app",
        "event_name=low",
        "trace_id=00AB",
    ],
)
def test_a_filter_compares_an_attribute_or_a_column(database, wanted):
    attributes = {
        "sku": "A7",
        "left": 2,
        "is_sold": True,
        "nothing": None,
        "tags": ["a", "b"],
        "http.status": 200,
        "order": {"id": 9, "item.name": "tea"},
        "größe": "ü=1",
        "empty": "",
    }
    columns = {"event_name": "low", "trace_id": "00ab", "service": "app"}
    database.add(
        "wanted",
        severity=13,
        level="WARN",
        logger="shop.cart",
        attributes=json.dumps(attributes, ensure_ascii=False),
        **columns,
    )
    database.add("other", attributes='{"sku": "A", "left": "two", "text": "sku left"}', service="other")

    assert bodies(database, wanted) == ["wanted"]


def test_all_filters_have_to_match(database):
    database.add("wanted", attributes='{"a": 1, "b": 2}')
    database.add("half", attributes='{"a": 1, "b": 3}')

    assert bodies(database, "a=1", "b=2", "service=app") == ["wanted"]


def test_a_filter_without_a_value_is_refused(database):
    result = telesink("tail", database.path, "order")

    assert result.returncode == 2
    assert "the filter `order` is not key=value" in result.stderr


# --- how they are shown -----------------------------------------------------------------------------------


def test_a_file_gets_the_date_in_utc_and_everything_uncut(database):
    long = "x" * 300
    database.add(
        "paid", logger="shop.cart", attributes=json.dumps({"note": long, "two words": "a b", "left": 2})
    )

    line = f'2026-11-22T10:00:00.000Z INFO  shop.cart paid note={long} "two words"="a b" left=2\n'
    assert tail(database, TZ="America/New_York") == line


def test_a_forced_colour_gives_the_layout_of_terminals(database):
    database.add("low", severity=13, level="WARN", logger="shop.stock", attributes='{"left": 2}')

    shown = tail(database, FORCE_COLOR="1", TZ="EST5")

    time, level, logger = "\x1b[2m05:00:00.000\x1b[0m", "\x1b[33m▲ WARN \x1b[0m", "\x1b[2mshop.stock\x1b[0m"
    assert shown == f"{time} {level} {logger} low \x1b[2mleft=2\x1b[0m\n"


def test_a_terminal_gets_colours_unless_they_are_unwanted(database):
    database.add("bad", severity=17, level="ERROR")

    _, colored = in_terminal("tail", database.path, "-F")
    _, plain = in_terminal("tail", database.path, "-F", NO_COLOR="1")
    _, dumb = in_terminal("tail", database.path, "-F", TERM="dumb")

    assert colored == "\x1b[2m10:00:00.000\x1b[0m \x1b[31m✖ ERROR\x1b[0m \x1b[2mshop\x1b[0m bad\n"
    assert plain == dumb == "10:00:00.000 ✖ ERROR shop bad\n"


def test_long_values_are_cut_in_a_terminal(database):
    database.add("a", attributes=json.dumps({"note": "x" * 300}))

    _, shown = in_terminal("tail", database.path, "-F", NO_COLOR="1")

    assert shown.replace("\n", "") == f"10:00:00.000 • INFO  shop a note={'x' * 200}…"


def test_what_says_where_a_record_came_from_is_shown_in_json_only(database):
    attributes = {"code.line.number": 3, "thread.name": "shop_0", "left": 2}
    database.add("paid", attributes=json.dumps(attributes))

    assert tail(database).endswith(" shop paid left=2\n")
    assert json.loads(tail(database, "--json"))["attributes"] == attributes


def test_an_exception_is_moved_in_with_its_own_frames_bright_and_those_of_libraries_dim(database):
    database.add("failed", severity=17, level="ERROR", attributes=json.dumps({"exception.stacktrace": TRACE}))

    shown = tail(database, FORCE_COLOR="1").splitlines()

    assert shown[1:] == [
        "    Traceback (most recent call last):",
        '    \x1b[1m  File "/srv/shop/pay.py", line 3, in pay\x1b[0m',
        "    \x1b[1m    send(order)\x1b[0m",
        '    \x1b[2m  File "/venv/lib/python3.14/site-packages/http/client.py", line 9, in send\x1b[0m',
        "    \x1b[2m    raise OSError\x1b[0m",
        r"    OSError: no \u{001b}[31mroute",
    ]


def test_an_exception_without_a_trace_is_its_type_and_text(database):
    database.add("failed", attributes='{"exception.type": "OSError", "exception.message": "no route"}')

    assert tail(database).splitlines()[1] == "    OSError: no route"


@pytest.mark.parametrize("layout", [(), ("--json",)])
def test_no_stored_character_drives_the_terminal_or_breaks_the_line(database, layout):
    evil = "a\x1b]0;owned\x07\n\r\x9b31m\u202e\u2028b"
    attributes = json.dumps({evil: evil, "surrogate": "\ud800", "list": [evil]})
    database.add(evil, logger=evil, level=evil, event_name=evil, attributes=attributes)

    shown = tail(database, *layout, FORCE_COLOR="" if layout else "1")

    assert shown.count("\n") == 1
    assert "\x1b[36" not in shown.replace("\x1b[36m", "")
    assert not set("\x07\r\x9b\u202e\u2028\ud800") & set(shown)
    assert "\x1b]" not in shown


def test_json_says_all_that_is_stored(database):
    ts = TEN_O_CLOCK + 123_456_789
    database.add("paid", attributes='{"level": 3}', event_name="e", trace_id="ab", span_id="cd", ts=ts)

    assert json.loads(tail(database, "--json")) == {
        "row_id": 1,
        "ts": "2026-11-22T10:00:00.123456789Z",
        "level": "INFO",
        "service": "app",
        "logger": "shop",
        "msg": "paid",
        "event_name": "e",
        "trace_id": "ab",
        "span_id": "cd",
        "attributes": {"level": 3},
    }


def test_rows_of_other_writers_are_shown_as_far_as_they_can_be(database):
    database.add("no object", attributes="[1]")
    database.add("no json", attributes="{")
    database.add("no time", ts=-(2**63))
    with database.connection() as connection:
        connection.execute("UPDATE telesink_logs SET body = CAST(x'61ff62' AS TEXT) WHERE row_id = 1")

    assert [json.loads(line)["attributes"] for line in tail(database, "--json").splitlines()] == [
        {"attributes": [1]},
        {"attributes": "{"},
        {},
    ]
    assert bodies(database)[0] == "a\ufffdb"


def test_a_stream_that_lacks_a_character_gets_its_escape(database):
    database.add("größe")

    result = telesink("tail", database.path, "-F", PYTHONIOENCODING="ascii")

    assert result.stdout.endswith("gr\\xf6\\xdfe\n")


# --- following --------------------------------------------------------------------------------------------


def test_new_records_are_shown_as_they_are_stored(database):
    database.add("old")
    with running("tail", database.path) as following:
        following.wait_for("old", following.out)

        database.add("new 1", "new 2")
        following.wait_for("new 2", following.out)

        assert following.interrupt(signal.SIGINT) == 0
    assert [line.split()[-1] for line in following.out] == ["old", "1", "2"]
    assert following.err == []


def test_more_new_records_than_are_read_at_once_arrive_in_order(database):
    database.add("old")
    with running("tail", database.path, "--json") as following:
        following.wait_for("old", following.out)
        with database.connection() as connection:
            connection.execute(
                "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2500) "
                "INSERT INTO telesink_logs "
                "SELECT x + 1, x, x, x, 9, 'INFO', 'app', 'shop', x, NULL, NULL, NULL, '{}', 1, 'i', x FROM n"
            )
        following.wait_for('"row_id":2501,', following.out)

    assert [json.loads(line)["row_id"] for line in following.out] == list(range(1, 2502))


def test_records_that_do_not_pass_the_filters_are_not_shown(database):
    database.add("old", attributes='{"a": 1}')
    with running("tail", database.path, "a=1") as following:
        following.wait_for("old", following.out)
        database.add("other 1", "other 2")
        database.add("wanted", attributes='{"a": 1}')
        following.wait_for("wanted", following.out)

    assert len(following.out) == 2


def test_a_file_that_does_not_exist_yet_is_waited_for_and_shown_from_its_first_record(tmp_path):
    path = tmp_path / "later.db"
    with running("tail", f"sqlite:///{path}", "--lines", 0) as following:
        following.wait_for(f"waiting for {path}, which does not exist yet", following.err)

        sqlite3.connect(path).close()
        following.wait_for("waiting for the table telesink_logs", following.err)
        Database(path).add("first")
        following.wait_for("first", following.out)

    assert len(following.err) == 2


def test_a_file_that_is_replaced_is_followed(tmp_path):
    Database(tmp_path / "app.db", journal="delete").add("old 1", "old 2", "old 3")
    Database(tmp_path / "next.db", journal="delete").add("new 1")
    with running("tail", tmp_path / "app.db") as following:
        following.wait_for("old 3", following.out)

        (tmp_path / "next.db").replace(tmp_path / "app.db")
        following.wait_for("new 1", following.out)
        (tmp_path / "app.db").unlink()
        following.wait_for("does not exist yet", following.err)

    assert "was replaced" in following.err[0]
    assert len(following.out) == 4


def test_a_table_that_was_emptied_is_followed_though_its_numbers_begin_anew(database):
    database.add("old 1", "old 2", "old 3")
    with running("tail", database.path) as following:
        following.wait_for("old 3", following.out)

        with database.connection() as connection:
            connection.execute("DELETE FROM telesink_logs")
        database.add("new 1", seconds=1)
        following.wait_for("new 1", following.out)

    assert len(following.out) == 4


def test_a_locked_file_is_waited_for(tmp_path):
    database = Database(tmp_path / "app.db", journal="delete")
    database.add("before")
    with database.connection() as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with running("tail", database.path) as following:
            following.wait_for("which is locked by another program", following.err)

            writer.execute("ROLLBACK")
            following.wait_for("before", following.out)

            assert following.interrupt(signal.SIGINT) == 0
    assert len(following.err) == 1


def test_a_reader_that_leaves_ends_it_even_if_nothing_more_is_stored(database):
    database.add("old")

    line, code, errors = read_one_line("tail", database.path)

    assert line.endswith(" old\n")
    assert (code, errors) == (0, "")


def test_a_reader_that_has_seen_enough_is_no_error(database):
    database.add(*(f"record {number}" for number in range(3_000)))

    line, code, errors = read_one_line("tail", database.path, "--no-follow", "--lines", 3_000)

    assert line.endswith(" record 0\n")
    assert (code, errors) == (0, "")
