"""`telesink demo`: real records through the whole of telesink."""

import re
import shlex
import signal
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from command_line import in_terminal, running, telesink

SHORT = ("--seconds", "0.5", "--rate", "400")


def rows(path, statement):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def count(path):
    return rows(path, "select count(*) from telesink_logs")[0][0]


def test_every_record_is_delivered_counted_and_found(tmp_path):
    result = telesink("demo", *SHORT, folder=tmp_path)

    stored = count(tmp_path / "telesink-demo.db")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"offered {stored:,} = accepted {stored:,} + rejected 0" in result.stdout
    assert f"routed {stored:,} = delivered {stored:,} + dropped 0 + pending 0" in result.stdout
    assert f"rows at the destination {stored:,} = delivered {stored:,}" in result.stdout
    assert re.search(r"burst    [\d,]+ records made and stored in [\d.]+ s: [\d,]+ records/s", result.stdout)
    assert re.search(r"call     [\d,]+ ns in the median", result.stdout)
    assert "telesink tail sqlite:///telesink-demo.db" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.slow
def test_the_traffic_has_all_levels_model_calls_contexts_and_chained_exceptions(tmp_path):
    path = tmp_path / "telesink-demo.db"
    telesink("demo", "--seconds", 1, "--rate", 10_000, folder=tmp_path)

    levels = {level for (level,) in rows(path, "select distinct level from telesink_logs")}
    loggers = {logger for (logger,) in rows(path, "select distinct logger from telesink_logs")}
    (model_calls,) = rows(
        path,
        "select count(*) from telesink_logs where event_name = 'gen_ai.client.inference.operation.details' "
        "and json_extract(attributes, '$.\"gen_ai.usage.input_tokens\"') > 0 and trace_id is not null",
    )[0]
    (outside,) = rows(
        path,
        "select count(*) from telesink_logs where logger != 'shop' and (attributes ->> 'request_id' is null "
        "or attributes ->> 'session_id' is null or attributes ->> 'user_id' is null)",
    )[0]
    holding = "select count(*) from telesink_logs where instr(attributes, '{}')"
    (chained,) = rows(path, holding.format("direct cause of the following exception"))[0]
    (secrets,) = rows(path, holding.format("sk-not-for-the-log"))[0]
    assert levels == {"DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
    assert loggers == {"shop", *(f"shop.{name}" for name in ("web", "cart", "payment", "stock", "assistant"))}
    assert model_calls > 10
    assert chained > 10
    assert outside == 0
    assert secrets == 0


@pytest.mark.slow
def test_the_same_seed_makes_the_same_records(tmp_path):
    made = []
    for name, seed in (("a.db", 5), ("b.db", 5), ("c.db", 6)):
        telesink("demo", "--dsn", f"sqlite:///{name}", *SHORT, "--seed", seed, folder=tmp_path)
        made.append(
            Counter(
                rows(tmp_path / name, "select logger, level, body from telesink_logs where logger != 'shop'")
            )
        )

    assert made[0] == made[1]
    assert made[0] != made[2]


@pytest.mark.slow
def test_another_run_adds_to_the_database_and_counts_its_own_records(tmp_path):
    path = tmp_path / "telesink-demo.db"
    telesink("demo", *SHORT, folder=tmp_path)
    before = count(path)

    result = telesink("demo", *SHORT, folder=tmp_path)

    own = count(path) - before
    assert result.returncode == 0
    assert f"rows at the destination {own:,} = delivered {own:,}" in result.stdout


@pytest.mark.slow
def test_the_commands_that_it_suggests_work(tmp_path):
    shown = telesink("demo", *SHORT, folder=tmp_path).stdout

    suggested = re.findall(r"^(?:try)? +telesink (.*)$", shown, re.MULTILINE)
    assert [line.split()[0] for line in suggested] == ["tail", "tail", "query"]
    for line in suggested:
        arguments = shlex.split(line) + (["--no-follow"] if line.startswith("tail") else [])
        result = telesink(*arguments, folder=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert "shop" in result.stdout


def test_a_loss_is_told_and_ends_with_1(tmp_path):
    # A queue so short that the burst cannot pass.
    result = telesink("demo", "--dsn", "sqlite:///small.db?queue_records_max=16", *SHORT, folder=tmp_path)

    assert result.returncode == 1
    assert "queue_full" in result.stdout
    assert "✗ nothing rejected, dropped or pending" in result.stdout


def test_any_sink_can_be_the_target(tmp_path):
    result = telesink("demo", "--dsn", "null://", *SHORT, folder=tmp_path)

    assert result.returncode == 0
    assert "delivered" in result.stdout
    assert "rows at the destination" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dsn_that_cannot_be_used_is_one_line_with_a_hint_and_ends_with_2(tmp_path):
    result = telesink("demo", "--dsn", "sqlit:///app.db", folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert "did you mean `sqlite`" in result.stderr.splitlines()[0]
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.slow
def test_a_destination_that_takes_nothing_is_said_at_once_and_ends_with_1(tmp_path):
    result = telesink("demo", "--dsn", "sqlite:///missing/app.db", "--seconds", 600, folder=tmp_path)

    assert result.returncode == 1
    assert "could not store the first record" in result.stderr
    assert "create the folder" in result.stderr


@pytest.mark.parametrize("option", [("--seconds", "0"), ("--rate", "0"), ("--seconds", "soon")])
def test_numbers_out_of_range_are_refused(tmp_path, option):
    assert telesink("demo", *option, folder=tmp_path).returncode == 2


def test_ctrl_c_stores_what_was_logged_and_says_how_much(tmp_path):
    with running("demo", "--seconds", 600, "--rate", 500, folder=tmp_path) as demo:
        demo.wait_for(" made ", demo.out)

        code = demo.interrupt(signal.SIGINT)

    stored = count(tmp_path / "telesink-demo.db")
    assert code == 130
    assert demo.err == []
    assert "interrupted: storing what was logged so far" in demo.out
    assert any(f"rows at the destination {stored:,} = delivered {stored:,}" in line for line in demo.out)


def test_a_terminal_sees_a_bar_and_coloured_levels(tmp_path):
    code, screen = in_terminal("demo", *SHORT, folder=tmp_path)

    assert code == 0
    assert "stored  0 lost" in screen
    assert "\x1b[36m█" in screen
