"""The stored stack trace is the one that CPython's own `traceback` shows, without the lines of carets."""

import re
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raising import CASES, Shop, ping, plain, raised

# A line that only points at parts of the line above it; inside groups it has a margin.
CARETS = re.compile(r"^[ |]*[~^]+$")


def without_carets(text):
    return "\n".join(line for line in text.removesuffix("\n").split("\n") if not CARETS.match(line))


def as_cpython_shows(error):
    return without_carets("".join(traceback.format_exception(error)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_R11_the_stack_trace_is_the_one_that_cpython_shows(recorder, case):
    """R11"""
    error = raised(case)

    recorder.logger.error("failed", exc_info=error)

    assert recorder.attributes()["exception.stacktrace"] == as_cpython_shows(error)


# Neither carets, which are left out of the comparison, nor what is replaced or escaped.
MESSAGES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="~^", exclude_categories=["Cc"])
    | st.just("\n"),
    max_size=20,
)
KINDS = [ValueError, KeyError, OSError, RuntimeError, Shop.OrderError, StopIteration, KeyboardInterrupt]
#: An exception as plain data: its kind, message and notes, how another one is linked to it, and its members.
TREES = st.recursive(
    st.tuples(st.sampled_from(range(len(KINDS))), MESSAGES, st.lists(MESSAGES, max_size=2)),
    lambda inner: st.tuples(
        st.sampled_from(range(len(KINDS))),
        MESSAGES,
        st.lists(MESSAGES, max_size=2),
        st.sampled_from(["cause", "context", "suppressed", "none"]),
        inner,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


def grown(kind, message, notes, how="none", linked=None, members=()):
    """
    The exception of a tree, and of all below it, with tracebacks.
    """
    if members:
        error = BaseExceptionGroup(message, [grown(*member) for member in members])
    else:
        error = KINDS[kind](message)
    for note in notes:
        error.add_note(note)
    if how == "cause":
        error.__cause__ = grown(*linked)
    elif how != "none":
        error.__context__ = grown(*linked)
        error.__suppress_context__ = how == "suppressed"

    def throw():
        raise error

    return raised(throw) if kind % 2 else error


@pytest.mark.slow
def test_R11_200_drawn_trees_of_exceptions_are_shown_as_cpython_shows_them(recorder):
    shown = []

    @settings(max_examples=200, deadline=None, print_blob=True, database=None)
    @given(tree=TREES)
    def check(tree):
        error = grown(*tree)
        recorder.logger.error("failed", exc_info=error)
        shown.append(as_cpython_shows(error))

    check()

    records = recorder.records()
    assert len(records) >= 200
    for record, expected in zip(records, shown, strict=True):
        assert record["attributes"]["exception.stacktrace"] == expected


def test_frames_in_turn_are_shown_as_cpython_shows_them(recorder):
    """R11"""
    error = raised(ping, 100)

    recorder.logger.error("failed", exc_info=error)

    assert recorder.attributes()["exception.stacktrace"] == as_cpython_shows(error)


def test_an_exception_that_two_members_of_a_group_share_is_told_once(recorder):
    """R11: CPython shows it with the last member, telesink with the first."""
    shared = raised(plain)
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = second.__cause__ = shared

    recorder.logger.error("failed", exc_info=ExceptionGroup("both", [first, second]))

    stacktrace = recorder.attributes()["exception.stacktrace"]
    assert stacktrace.count("no such order") == as_cpython_shows(shared).count("no such order")
