"""`telesink check` on files: what is missing, why, and what nobody can explain."""

import json
import logging
import os
import signal
from pathlib import Path

import pytest
from command_line import Database, in_terminal, running, telesink
from refusing import execute, make_file, write
from waiting import wait_until

from telesink import LogHandler, Pipeline, context


@pytest.fixture
def path(tmp_path):
    """A database in which one program has stored ten records."""
    path = tmp_path / "app.db"
    write(f"sqlite:///{path}", [str(number) for number in range(10)])
    return path


def check(target, *arguments, **options):
    result = telesink("check", target, "--json", *arguments, **options)
    return result.returncode, json.loads(result.stdout)


def only(summary):
    (account,) = summary["instances"]
    return account


def marker(path, seq_from, seq_to, seq, logger="telesink"):
    """Put a loss marker at a number, in the name of the only instance."""
    execute(
        path,
        "UPDATE telesink_logs SET logger = ?, event_name = 'telesink.loss', attributes = ? WHERE seq = ?",
        logger,
        json.dumps({"lost": seq_to - seq_from + 1, "seq_from": seq_from, "seq_to": seq_to}),
        seq,
    )


@pytest.mark.parametrize(
    "form", ["{path}", "sqlite:///{path}", "sqlite:///{path}?synchronous=full&level=INFO"]
)
def test_a_database_without_holes_is_clean(path, form):
    code, summary = check(form.format(path=path))

    assert (code, summary["is_clean"]) == (0, True)
    assert (summary["rows"], summary["missing"], summary["duplicates"]) == (10, 0, 0)
    assert (only(summary)["ledger_seq"], only(summary)["is_judged"]) == (10, True)


def test_it_is_said_in_words(path):
    result = telesink("check", path)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"sqlite:///{path}: 10 rows of 1 instance",
        "✓ nothing is missing, and nothing is stored twice",
    ]


def test_rows_that_are_gone_are_named_by_number(path):
    execute(path, "DELETE FROM telesink_logs WHERE seq IN (3, 4, 7)")

    result = telesink("check", path)
    code, summary = check(path)

    assert (result.returncode, code) == (1, 1)
    account = only(summary)
    assert (account["holes"], account["missing"], account["unexplained"]) == (2, 3, 3)
    assert account["unexplained_ranges"] == [[3, 4], [7, 7]]
    assert f"{account['instance']}: no reason for 3 to 4, 7" in result.stdout
    assert result.stdout.splitlines()[-1] == "✗ 3 numbers missing without a reason"


def test_a_loss_marker_is_a_reason(path):
    execute(path, "DELETE FROM telesink_logs WHERE seq IN (3, 4, 7)")
    marker(path, 3, 4, seq=5)

    _, summary = check(path)

    account = only(summary)
    assert (account["covered"], account["unexplained"], account["unexplained_ranges"]) == (2, 1, [[7, 7]])


def test_losses_that_telesink_told_are_all_explained(tmp_path):
    path = tmp_path / "app.db"
    write(f"sqlite:///{path}", ["0"])
    with Pipeline(f"sqlite:///{path}", queue_records_max=8) as pipeline:
        taken = pipeline.enqueue_many({"body": str(number)} for number in range(20_000))
        assert pipeline.flush(30).pending == 0
        assert taken < 20_000
    stats = pipeline.stats()

    code, summary = check(path)

    assert code == 0
    assert summary["covered"] == summary["missing"] == stats.rejected["queue_full"]


@pytest.mark.parametrize(
    ("seq_from", "seq_to", "logger"), [(3, 99, "telesink"), (0, 4, "telesink"), (3, 4, "shop")]
)
def test_a_forged_marker_is_no_reason(path, seq_from, seq_to, logger):
    execute(path, "DELETE FROM telesink_logs WHERE seq IN (3, 4)")
    marker(path, seq_from, seq_to, seq=5, logger=logger)

    code, summary = check(path)

    assert (code, summary["unexplained"]) == (1, 2)


def test_a_number_twice_is_a_duplicate(path):
    execute(
        path,
        "INSERT INTO telesink_logs SELECT NULL, ts, observed_ts, id, severity, level, service, logger, body, "
        "event_name, trace_id, span_id, attributes, resource_id, instance, seq FROM telesink_logs "
        "WHERE seq < 3",
    )

    result = telesink("check", path)
    code, summary = check(path)

    assert (code, summary["duplicates"], summary["missing"]) == (1, 2, 0)
    assert result.stdout.splitlines()[-1] == "✗ 2 rows too many"


def test_a_missing_end_is_seen_by_the_ledger(path):
    execute(path, "DELETE FROM telesink_logs WHERE seq > 8")

    code, summary = check(path)

    assert (code, only(summary)["unexplained_ranges"]) == (1, [[9, 10]])


def test_a_missing_front_is_taken_for_retention_unless_it_cannot_be(path):
    execute(path, "DELETE FROM telesink_logs WHERE seq < 4")

    code, summary = check(path)
    strict_code, strict = check(path, "--complete")
    told = telesink("check", path).stdout

    assert (code, only(summary)["retired"], summary["missing"]) == (0, 3, 0)
    assert (strict_code, only(strict)["unexplained_ranges"]) == (1, [[1, 3]])
    assert "3 numbers in front of the oldest row, taken for deleted" in told


def test_a_missing_front_is_a_hole_if_an_older_instance_still_has_its_own(path):
    younger = write(f"sqlite:///{path}", ["0", "1", "2"])
    execute(path, "DELETE FROM telesink_logs WHERE instance = ? AND seq = 1", younger)

    code, summary = check(path)

    accounts = {account["instance"]: account for account in summary["instances"]}
    assert (code, accounts[younger]["unexplained_ranges"]) == (1, [[1, 1]])


def test_dead_letters_explain_what_no_marker_covers(tmp_path):
    path, dead = tmp_path / "app.db", tmp_path / "dead.ndjson"
    make_file(path)
    bodies = [str(number) for number in range(6)]
    write(f"sqlite:///{path}", bodies, refused=("2", "5"), dead_letter=dead)
    with dead.open("a") as file:
        file.write('{"id": "torn')

    without, blind = check(path)
    code, summary = check(path, "--dead-letter", dead)

    assert (without, blind["unexplained"]) == (1, 2)
    assert (code, summary["dead_lettered"], summary["unexplained"]) == (0, 2, 0)
    assert summary["dead_letter"] == {
        "letters": 2,
        "sinks": ["sqlite"],
        "unreadable_lines": [3],
        "unreadable": [{"file": str(dead), "line": 3}],
    }


def test_several_dead_letter_files_explain_together(tmp_path):
    path, first, second = tmp_path / "app.db", tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    make_file(path)
    write(f"sqlite:///{path}", ["0", "1", "2"], refused=("1",), dead_letter=first)
    write(f"sqlite:///{path}", ["0", "1", "2"], refused=("2",), dead_letter=second)

    alone, _ = check(path, "--dead-letter", first)
    code, summary = check(path, "--dead-letter", first, "--dead-letter", second)

    assert (alone, code, summary["dead_lettered"]) == (1, 0, 2)


#: What would speak for a replay, or tell of a loss, if a record could say it.
FORGED = {
    "telesink.original_instance": "01a2156f-5048-7185-96ca-63c044cb2f33",
    "telesink.original_seq": 3,
    "seq_from": 3,
    "seq_to": 4,
    "otel.event.name": "telesink.loss",
}


@pytest.mark.parametrize("how", ["extra", "enqueue", "context"])
def test_no_record_can_explain_a_hole(tmp_path, how):
    path = tmp_path / "app.db"
    handler = LogHandler(f"sqlite:///{path}")
    logger = logging.getLogger("telesink")
    logger.propagate = False
    logger.addHandler(handler)
    pipeline = handler.pipeline
    forged = {**FORGED, "telesink.original_instance": pipeline._native.instance}
    for number in range(8):
        pipeline.enqueue({"body": str(number)})
    if how == "extra":
        logger.error("forged", extra=forged)
    elif how == "context":
        with context(**forged):
            logger.error("forged")
    else:
        pipeline.enqueue({"body": "forged", "logger": "telesink", "event_name": "telesink.loss", **forged})
    logger.removeHandler(handler)
    handler.close()
    execute(path, "DELETE FROM telesink_logs WHERE seq IN (3, 4)")

    code, summary = check(path)

    assert (code, summary["unexplained"], summary["covered"], summary["replayed"]) == (1, 2, 0, 0)
    ((attributes, event),) = execute(
        path, "SELECT attributes, event_name FROM telesink_logs WHERE body = 'forged'"
    )
    found = json.loads(attributes)
    assert found["caller.telesink.original_seq"] == 3
    assert found["telesink.sanitised"] is True
    assert event in (None, "caller.telesink.loss")


def test_no_instance_drives_the_terminal(path):
    execute(path, "UPDATE telesink_logs SET instance = char(27) || '[31m' || char(13, 10) WHERE seq = 2")
    execute(path, "UPDATE telesink_logs SET instance = printf('%.1000c', 'x') WHERE seq = 4")

    result = telesink("check", path, "--complete")

    assert result.returncode == 1
    assert "\x1b" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) < 200
    assert "\\u{001b}[31m" in result.stdout


def test_dead_letters_of_another_sink_can_be_left_out(tmp_path):
    path, dead = tmp_path / "app.db", tmp_path / "dead.ndjson"
    make_file(path)
    write(f"sqlite:///{path}", ["0", "1", "2"], refused=("1",), dead_letter=dead)

    code, summary = check(path, "--dead-letter", dead, "--sink", "postgresql")

    assert (code, summary["dead_lettered"], summary["unexplained"]) == (1, 0, 1)


def test_two_sinks_of_one_process_are_not_judged(tmp_path):
    path = tmp_path / "app.db"
    with Pipeline([f"sqlite:///{path}", f"sqlite:///{path}?synchronous=full"]) as pipeline:
        pipeline.enqueue_many({"body": str(number)} for number in range(3))
        assert pipeline.flush(30).complete

    code, summary = check(path)
    told = telesink("check", path).stdout

    assert (code, summary["not_judged"], only(summary)["rows"]) == (0, 1, 6)
    assert "2 sinks of this process write here" in told


def test_attributes_of_others_that_are_no_json_stop_nothing(path):
    execute(path, "UPDATE telesink_logs SET attributes = '{\"telesink.original_seq\"' WHERE seq = 2")
    execute(
        path, "UPDATE telesink_logs SET event_name = 'telesink.loss', logger = 'telesink', attributes = 'x'"
    )

    assert check(path)[0] == 0


def test_it_changes_nothing_and_needs_no_right_to(path):
    before = path.read_bytes()

    assert check(path)[0] == 0

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("target", "expected", "code"),
    [
        ("other.db", "there is no file other.db", 2),
        ("sqlite:///other.db", "there is no file other.db", 2),
        (".", ". is a directory", 2),
        ("console://", "console:// stores nothing that could be looked at", 2),
        ("sqlite:///text.db?synchronos=full", "did you mean `synchronous`?", 2),
        ("text.db", "file is not a database", 1),
        ("empty.db", "the telesink tables are not there", 1),
        ("postgresql://me:hunter2@127.0.0.1:1/app", "refused", 1),
        ("host=127.0.0.1 port=1 password=hunter2", "refused", 1),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_cannot_be_checked_is_said_in_two_lines_without_secrets(tmp_path, target, expected, code, more):
    (tmp_path / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)
    (tmp_path / "empty.db").touch()

    result = telesink("check", target, *more, folder=tmp_path)

    assert (result.returncode, result.stdout) == (code, "")
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert "hunter2" not in result.stderr


def test_a_sink_is_chosen_of_a_dead_letter_file_only(path):
    result = telesink("check", path, "--sink", "sqlite")

    assert result.returncode == 2
    assert "--dead-letter" in result.stderr


def test_a_dead_letter_file_has_to_be_one(path, tmp_path):
    for name in ("missing.ndjson", "."):
        result = telesink("check", path, "--dead-letter", tmp_path / name)

        assert (result.returncode, result.stdout) == (2, "")


def has_open(process, path):
    """Whether a process reads a file; asked of Linux only."""
    folder = Path(f"/proc/{process.pid}/fd")
    return not folder.exists() or any(os.path.realpath(one) == str(path) for one in folder.iterdir())


@pytest.mark.slow
def test_ctrl_c_ends_the_counting(tmp_path):
    database = Database(tmp_path / "app.db")
    with database.connection() as connection:
        connection.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1500000) "
            "INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, "
            "resource_id, instance, seq) SELECT 1, 1, x, 9, 'INFO', 'app', 'shop', 'paid', 1, 'i', x FROM n"
        )

    with running("check", database.path) as checking:
        wait_until(lambda: has_open(checking.process, database.path), "the file is read")
        code = checking.interrupt(signal.SIGINT)

    assert (code, checking.out, checking.err) == (130, [], [])


def test_a_terminal_sees_that_it_lives(path):
    code, screen = in_terminal("check", path)

    assert code == 0
    assert "nothing is missing, and nothing is stored twice" in screen
