"""The console sink as a person or a log collector sees it."""

import json
import os
import pty
import re
import select
import time
from contextlib import closing

import pytest

LOG = """
    import logging, sys
    import delivery.subject_side
    import telesink

    telesink.install_logging(sys.argv[1] if len(sys.argv) > 1 else "console://")
    log = logging.getLogger("shop.cart")
    log.info("paid %d", 12, extra={"order": 7})
    log.error("payment failed")
    assert telesink.flush(10)
"""

#: A terminal of a person who has set nothing.
PLAIN_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm-256color"}

ESCAPE = "\x1b["


def environment(**variables):
    return {**PLAIN_ENVIRONMENT, **variables}


@pytest.fixture(autouse=True)
def without_colour_variables(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def in_pipe(subjects, program=LOG, *arguments, **variables):
    """What the program writes to standard error when that is a pipe."""
    return subjects.run(program, *arguments, environment=environment(**variables)).errors


def in_terminal(subjects, program=LOG, *arguments, **variables):
    """What the program writes to standard error when that is a terminal."""
    leader, follower = pty.openpty()
    try:
        subject = subjects.start(program, *arguments, environment=environment(**variables), stderr=follower)
    finally:
        os.close(follower)
    received = bytearray()
    deadline = time.monotonic() + 60
    with closing(os.fdopen(leader, "rb", buffering=0)) as screen:
        while time.monotonic() < deadline:
            if not select.select([screen], [], [], 1.0)[0]:
                continue
            try:
                chunk = screen.read(65_536)
            except OSError:
                break  # Linux says so when the last program has left the terminal.
            if not chunk:
                break
            received += chunk
    assert subject.ends() == 0, received
    return received.decode().replace("\r\n", "\n").splitlines()


def test_a_terminal_shows_coloured_lines_with_everything_in_them(subjects):
    info, error = in_terminal(subjects)

    assert ESCAPE in info
    assert ESCAPE in error
    for part in ("shop.cart", "paid 12", "order", "7", "INFO"):
        assert part in info
    assert "payment failed" in error


def test_a_pipe_gets_plain_lines(subjects):
    info, error = in_pipe(subjects)

    assert "\x1b" not in info + error
    for part in ("shop.cart", "paid 12", "order=7", "INFO"):
        assert part in info
    assert "ERROR" in error


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_terminal_without_colours_gets_none(subjects, variables):
    lines = in_terminal(subjects, **variables)

    assert len(lines) == 2
    assert "\x1b" not in "".join(lines)
    assert "paid 12" in lines[0]


def test_an_empty_no_color_counts_as_unset(subjects):
    assert ESCAPE in "".join(in_terminal(subjects, NO_COLOR=""))


def test_forced_colours_reach_a_pipe(subjects):
    lines = in_pipe(subjects, FORCE_COLOR="1")

    assert all(ESCAPE in line for line in lines)


def test_no_color_wins_over_force_color(subjects):
    assert "\x1b" not in "".join(in_terminal(subjects, NO_COLOR="1", FORCE_COLOR="1"))


def test_the_option_wins_over_the_environment(subjects):
    assert "\x1b" not in "".join(in_terminal(subjects, LOG, "console://?color=never", FORCE_COLOR="1"))
    assert ESCAPE in "".join(in_pipe(subjects, LOG, "console://?color=always", NO_COLOR="1"))


def test_json_lines_are_json_also_on_a_terminal(subjects):
    lines = [json.loads(line) for line in in_terminal(subjects, LOG, "console://?format=json")]

    assert [line["msg"] for line in lines] == ["paid 12", "payment failed"]


def test_standard_output_can_be_chosen(subjects):
    with (subjects.folder / "out").open("wb") as out:
        subject = subjects.run(LOG, "console://stdout", environment=environment(), stdout=out)

    assert subject.errors == []
    assert len((subjects.folder / "out").read_text().splitlines()) == 2


HOSTILE = r"""
    import logging
    import delivery.subject_side
    import telesink

    telesink.install_logging("console://")
    log = logging.getLogger("evil\x1b]0;title\x07")
    hostile = "\x1b[2J\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link \x9b31m \x90q\x9c bell\x07 \x08\r\rover"
    forged = "\nERROR forged line\u2028forged\u202egnol"
    log.info(hostile + forged, extra={"key\x1b[1m": hostile, "list": [hostile]})
    log.info("%s", "\x1b[?1049h" * 3)
    try:
        raise ValueError(hostile)
    except ValueError:
        log.exception("an exception")
    assert telesink.flush(10)
"""

#: What may be between two visible characters: the line's own colours.
OWN_COLOUR = r"\x1b\[[0-9;]*m"


@pytest.mark.parametrize("where", ["terminal", "pipe"])
def test_R14_escapes_in_a_record_never_reach_the_terminal_raw(subjects, where):
    lines = in_terminal(subjects, HOSTILE) if where == "terminal" else in_pipe(subjects, HOSTILE)
    text = "\n".join(lines)

    # The text's own red is not the sink's colour for anything, and no other control character is left.
    assert "\x1b[31mred" not in text
    raw = set(text) - {"\n"} - {"\x1b"}
    assert [character for character in raw if ord(character) < 32 or 127 <= ord(character) < 160] == []
    assert {"\u2028", "\u202e"}.isdisjoint(raw)
    remainder = re.sub(OWN_COLOUR, "", text)
    assert "\x1b" not in remainder
    if where == "pipe":
        assert remainder == text
    assert [line for line in lines if line.startswith("ERROR forged")] == []


def test_a_reader_that_goes_away_does_not_hurt_the_program(subjects):
    reading, writing = os.pipe()
    subject = subjects.start(
        """
        import logging
        from delivery.subject_side import hear, tell
        import telesink

        handler = telesink.install_logging("console://")
        log = logging.getLogger("shop")
        for number in range(100):
            log.info("early %d", number)
        telesink.flush(10)
        tell("ready")
        hear()
        for number in range(100):
            log.info("late %d", number)
        tell(telesink.flush(0.3).as_dict())
        tell(handler.stats().as_dict())
        """,
        environment=environment(),
        stderr=writing,
    )
    os.close(writing)
    assert subject.hear() == "ready"
    early = os.read(reading, 65_536).decode()
    os.close(reading)
    subject.say()

    receipt, stats = subject.hear(), subject.hear()
    assert early.count("early") == 100
    assert (receipt["delivered"], receipt["pending"]) == (0, 100)
    assert (stats["delivered"], stats["pending"], stats["state"]) == (100, 100, "held")
    begun = time.monotonic()
    assert subject.ends() == 0
    assert time.monotonic() - begun < 2.0


def test_a_reader_that_stalls_delays_nobody_and_loses_nothing_when_it_goes_on(subjects):
    reading, writing = os.pipe()
    subject = subjects.start(
        """
        import logging, time
        from delivery.subject_side import hear, tell
        import telesink

        telesink.install_logging("console://")
        log = logging.getLogger("shop")
        longest = 0.0
        for number in range(5_000):
            before = time.perf_counter()
            log.info("number %d of many", number)
            longest = max(longest, time.perf_counter() - before)
        tell(longest)
        tell(bool(telesink.flush(0.2)))
        hear()
        tell(bool(telesink.flush(30)))
        """,
        environment=environment(),
        stderr=writing,
    )
    os.close(writing)
    with closing(os.fdopen(reading, "rb")) as pipe:
        longest = subject.hear()
        assert subject.hear() is False
        subject.say()
        received = pipe.read().decode()

    assert subject.hear() is True
    assert subject.ends() == 0
    assert [int(line.split("number ")[1].split()[0]) for line in received.splitlines()] == list(range(5_000))
    assert longest < 0.5
