"""What the public API hands out and takes: frozen, copyable, and refused when it cannot be meant."""

import asyncio
import contextvars
import copy
import functools
import logging
import pickle
from pathlib import Path
from typing import NamedTuple

import pytest

import telesink
from telesink.testing import capture


@pytest.fixture
def pipeline():
    with telesink.Pipeline("memory://") as pipeline:
        yield pipeline


def only(pipeline):
    assert pipeline.flush().complete
    [record] = pipeline.recent()
    return record


# --- frozen, copied, sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("send", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_counters_receipts_and_settings_survive_every_copy(pipeline, send):
    pipeline.enqueue({"body": "paid"})
    settings = telesink.Settings(resource={"a": "b"}, linger_seconds=1)

    for one in (pipeline.flush(), pipeline.stats(), settings):
        assert send(one) == one
        assert hash(send(one)) == hash(one)
    assert send(settings).origin("linger_seconds") == "the argument `linger_seconds`"


def test_a_redaction_set_with_secrets_can_be_copied_and_not_pickled():
    redaction = telesink.Redaction(secrets=["hunter2"])

    assert copy.copy(redaction) == copy.deepcopy(redaction) == redaction
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(redaction)


@pytest.mark.parametrize("name", ["dropped", "rejected", "sinks"])
def test_mappings_inside_counters_are_frozen(pipeline, name):
    with pytest.raises(TypeError):
        getattr(pipeline.stats(), name)["more"] = 1


def test_the_resource_inside_settings_is_frozen():
    with pytest.raises(TypeError):
        telesink.Settings(resource={"a": "b"}).resource["c"] = "d"
    with pytest.raises(AttributeError):
        del telesink.Settings().when_full


def test_replacing_one_setting_keeps_the_values_and_origins_of_the_others(monkeypatch):
    monkeypatch.setenv("TELESINK_LINGER_SECONDS", "3")
    settings = telesink.Settings(retry_max_seconds=60)
    monkeypatch.setenv("TELESINK_LINGER_SECONDS", "4")

    replaced = settings.replace(when_full="block")

    assert (replaced.linger_seconds, replaced.retry_max_seconds, replaced.when_full) == (3.0, 60.0, "block")
    assert replaced.origin("linger_seconds") == "the environment variable TELESINK_LINGER_SECONDS"
    assert replaced.origin("retry_max_seconds") == "the argument `retry_max_seconds`"
    assert replaced.origin("redact") == "the default"
    with pytest.raises(telesink.ConfigError, match="retry_initial_seconds"):
        settings.replace(retry_initial_seconds=61)


# --- context ---------------------------------------------------------------------------------------------


def test_bound_values_are_those_of_the_moment(pipeline):
    items = {"sku": ["A7"]}
    with telesink.context(items=items):
        items["sku"].append("B8")
        telesink.current_context()["items"]["sku"].append("C9")
        pipeline.enqueue({"body": "paid"})

        assert telesink.current_context() == {"items": {"sku": ["A7"]}}
    assert only(pipeline)["attributes"]["items"] == {"sku": ["A7"]}


def test_unbinding_leaves_the_other_fields(pipeline):
    with telesink.context(one=1, two=[2]):
        telesink.unbind("one", "three")
        pipeline.enqueue({"body": "paid"})
    assert only(pipeline)["attributes"] == {"two": [2]}


def test_a_context_left_in_another_one_is_left_quietly():
    block = telesink.context(user="u-7")
    telesink.bind(plan="gold")
    contextvars.copy_context().run(block.__enter__)

    block.__exit__(None, None, None)

    assert telesink.current_context() == {"plan": "gold"}


def test_a_partial_coroutine_function_runs_inside_the_context():
    async def seen(_number):
        await asyncio.sleep(0)
        return telesink.current_context()

    decorated = telesink.context(job="import")(functools.partial(seen, 1))

    assert asyncio.run(decorated()) == {"job": "import"}


def test_a_class_is_not_decorated():
    with pytest.raises(TypeError, match="cannot decorate the class"):
        telesink.context(job="import")(dict)


# --- refused ---------------------------------------------------------------------------------------------

REFUSED = {
    "dsn_path": lambda: telesink.Pipeline(Path("app.db")),
    "dsn_bytes": lambda: telesink.Pipeline(b"memory://"),
    "dsn_none": lambda: telesink.Pipeline(None),
    "dsn_number_in_list": lambda: telesink.Pipeline(["memory://", 5]),
    "handler_without_dsn": lambda: telesink.LogHandler([]),
    "settings": lambda: telesink.Pipeline("memory://", settings={}),
    "include": lambda: telesink.Pipeline().add_sink("memory://", include="shop"),
    "exclude": lambda: telesink.Pipeline().add_sink("memory://", exclude="shop"),
    "names": lambda: telesink.Redaction(names="iban"),
    "secrets": lambda: telesink.Redaction(secrets="hunter2"),
    "redaction_none": lambda: telesink.Pipeline().set_redaction(None),
    "redaction_word": lambda: telesink.Pipeline().set_redaction("off"),
    "sink_name_empty": lambda: telesink.Pipeline().add_sink("memory://", name=" "),
    "sink_name_control": lambda: telesink.Pipeline().add_sink("memory://", name="a\nb"),
    "sink_name_number": lambda: telesink.Pipeline().add_sink("memory://", name=5),
    "dead_letter_number": lambda: telesink.Settings(dead_letter=5),
    "dead_letter_bytes": lambda: telesink.Settings(dead_letter=b"refused.ndjson"),
    "origin": lambda: telesink.Settings().origin("bogus"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_without_showing_secrets(call):
    with pytest.raises(telesink.ConfigError) as caught:
        call()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["time", "level"])
def test_a_boolean_is_neither_a_time_nor_a_level(pipeline, key):
    with pytest.raises(ValueError, match=f"`{key}`"):
        pipeline.enqueue({"body": "paid", key: True})


# --- kept ------------------------------------------------------------------------------------------------


class Account(NamedTuple):
    """A value whose fields have names."""

    owner: str
    password: str


def test_a_named_tuple_is_read_by_name_and_hidden_by_name(pipeline):
    pipeline.enqueue({"body": "paid", "account": Account("ann", "hunter2")})

    assert only(pipeline)["attributes"]["account"] == {"owner": "ann", "password": "[REDACTED]"}


def test_odd_fields_of_a_log_record_are_kept(pipeline):
    record = logging.makeLogRecord({"msg": "paid", "created": 7, "exc_info": (ValueError, None, None)})
    record.__dict__[5] = "five"

    telesink.LogHandler(_pipeline=pipeline).handle(record)

    stored = only(pipeline)
    assert stored["time_unix_nano"] == 7_000_000_000
    assert stored["attributes"]["5"] == "five"
    assert stored["attributes"]["exception.type"] == "ValueError"


def test_a_capture_takes_a_logger_and_answers_slices():
    logger = logging.getLogger("shop")
    with capture(logger=logger) as captured:
        for number in range(3):
            logger.info("%d", number)

    assert [record["body"] for record in captured[1:]] == ["1", "2"]


def test_the_testing_module_is_there_when_it_is_asked_for(run_python):
    finished = run_python(
        "import sys, telesink; before = 'telesink.testing' in sys.modules\n"
        "print(before, telesink.testing.capture.__name__, hasattr(telesink, 'bogus'))"
    )

    assert finished.stdout == "False capture False\n"
