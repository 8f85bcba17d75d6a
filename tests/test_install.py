"""Installing: all or nothing, once, and true to what was asked for."""

import logging
import multiprocessing
import sqlite3
import threading
from contextlib import closing

import pytest

import telesink
from telesink import _lifecycle


def bodies():
    assert telesink.flush().complete
    return [record["body"] for record in telesink.recent(1_000)]


# --- all or nothing --------------------------------------------------------------------------------------


def test_a_failed_install_keeps_what_waits_for_the_first_sink(tmp_path):
    telesink.enqueue({"body": "early"})
    with pytest.raises(telesink.ConfigError, match="unknown scheme"):
        telesink.install_logging([f"sqlite:///{tmp_path}/app.db", "nul://"])

    telesink.install_logging("memory://")

    assert bodies() == ["early"]
    assert not (tmp_path / "app.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"dsn": "nul://", "redact": False},
        {"dsn": "memory://", "redact": False, "records_maxx": 7},
        {"dsn": "memory://", "redact": False, "loggers": "shop"},
        {"dsn": "memory://", "redact": False, "loggers": [5]},
        {"dsn": "memory://", "redact": False, "logger": 5},
        {"dsn": "memory://", "redact": False, "settings": {}},
        {"dsn": 5, "redact": False},
        {"dsn": [], "redact": False},
        {"dsn": [b"memory://"], "redact": False},
    ],
)
def test_a_failed_install_leaves_nothing_behind(arguments):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with pytest.raises(telesink.ConfigError):
        telesink.install_logging(**arguments)
    assert (root.level, list(root.handlers)) == before

    telesink.install_logging("memory://")
    logging.getLogger("shop").warning("password=hunter2")

    assert bodies() == ["password=[REDACTED]"]


def test_the_same_dsn_twice_is_installed_once():
    handler = telesink.install_logging(["memory://", "memory://"])

    assert handler.pipeline.sinks == ["memory"]


def test_threads_that_install_at_once_install_one_handler():
    together = threading.Barrier(8)

    def install():
        together.wait(30)
        telesink.install_logging("memory://")

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [one for one in logging.getLogger().handlers if isinstance(one, telesink.LogHandler)]
    assert len(found) == 1
    assert found[0].pipeline.sinks == ["memory"]


# --- once more -------------------------------------------------------------------------------------------


def test_installing_again_applies_the_level():
    handler = telesink.install_logging("memory://")

    assert telesink.install_logging("memory://", level="DEBUG") is handler
    logging.getLogger("shop").debug("fine")

    assert bodies() == ["fine"]
    assert handler.level == handler.pipeline.level == logging.DEBUG


def test_a_level_in_the_dsn_stays_when_it_is_installed_again():
    handler = telesink.install_logging("memory://?level=ERROR")

    telesink.install_logging("memory://?level=ERROR", level="DEBUG")

    assert handler.pipeline.level == logging.ERROR


@pytest.mark.parametrize(
    "options",
    [
        {"linger_seconds": 2},
        {"records_max": 8},
        {"redact": False},
        {"resource": {"a": "b"}},
        {"settings": telesink.Settings(linger_seconds=2)},
    ],
)
def test_other_options_for_what_is_installed_are_refused(options):
    telesink.install_logging("memory://", linger_seconds=1, records_max=7)

    with pytest.raises(telesink.ConfigError, match="installed already, with another") as caught:
        telesink.install_logging("memory://", **options)

    assert "shutdown" in caught.value.hint


def test_a_refused_install_shows_no_password_of_the_keyword_form():
    dsn = "host=127.0.0.1 user=app password=hunter2"
    telesink.install_logging(dsn, linger_seconds=1)

    for other, options in ((dsn, {"linger_seconds": 2}), ("user=app password=hunter2:3", {})):
        with pytest.raises(telesink.ConfigError, match="postgresql://") as caught:
            telesink.install_logging(other, **options)
        assert "hunter2" not in str(caught.value)


def test_the_same_options_for_what_is_installed_are_taken():
    handler = telesink.install_logging("memory://", linger_seconds=1, records_max=7)

    assert telesink.install_logging("memory://", linger_seconds="1 s", records_max=7) is handler
    assert telesink.install_logging("memory://") is handler


def test_wrong_options_are_refused_also_for_what_is_installed():
    telesink.install_logging("memory://")

    with pytest.raises(telesink.ConfigError, match="records_maxx"):
        telesink.install_logging("memory://", records_maxx=7)


@pytest.mark.parametrize("name", ["record_bytes_max", "urgent_level", "redact", "resource"])
def test_settings_of_the_whole_pipeline_are_refused_for_one_sink(name):
    value = {"record_bytes_max": 100, "urgent_level": "INFO", "redact": False, "resource": {"a": "b"}}[name]
    telesink.install_logging("memory://")

    with pytest.raises(telesink.ConfigError, match=f"`{name}` holds for all sinks of a pipeline"):
        telesink.install_logging("null://", add=True, **{name: value})
    with pytest.raises(telesink.ConfigError, match=f"`{name}` holds for all sinks of a pipeline"):
        telesink.Pipeline("null://").add_sink("memory://", **{name: value})


def test_settings_of_the_whole_pipeline_are_refused_in_a_dsn():
    with pytest.raises(
        telesink.ConfigError, match=r"`record_bytes_max` .* holds for all sinks of a pipeline"
    ):
        telesink.Pipeline("memory://?record_bytes_max=100")


def test_a_sink_that_was_removed_can_be_installed_again():
    handler = telesink.install_logging("memory://")
    handler.pipeline.remove_sink("memory")

    assert telesink.install_logging("memory://") is handler
    logging.getLogger("shop").warning("back")

    assert bodies() == ["back"]


def test_installing_after_the_pipeline_was_closed_replaces_the_handler():
    closed = telesink.install_logging("memory://")
    closed.pipeline.close()

    handler = telesink.install_logging("memory://")
    logging.getLogger("shop").warning("paid")

    assert closed not in logging.getLogger().handlers
    assert handler in logging.getLogger().handlers
    assert bodies() == ["paid"]


@pytest.mark.parametrize("form", ["option", "settings"])
def test_the_resource_of_an_install_is_stored(tmp_path, form):
    resource = {"cloud.region": "eu"}
    options = (
        {"resource": resource} if form == "option" else {"settings": telesink.Settings(resource=resource)}
    )
    telesink.enqueue({"body": "early"})

    telesink.install_logging(f"sqlite:///{tmp_path}/app.db", **options)
    logging.getLogger("shop").warning("paid")
    assert telesink.shutdown(timeout_seconds=30).complete

    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        [[stored]] = connection.execute("SELECT attributes ->> '$.\"cloud.region\"' FROM telesink_resources")
    assert stored == "eu"


def test_the_variable_takes_several_dsns(monkeypatch):
    monkeypatch.setenv("TELESINK_DSN", "memory://?exclude=a,b , null://")

    assert telesink.install_logging().pipeline.sinks == ["memory", "null"]


def test_a_receipt_of_shutdown_tells_what_became_of_all_pipelines():
    pipelines = [telesink.Pipeline("null://", linger_seconds=60) for _ in range(4)]
    for pipeline in pipelines:
        pipeline.enqueue({"body": "paid"})

    receipt = telesink.shutdown(timeout_seconds=30)

    assert (receipt.delivered, receipt.pending) == (4, 0)


def test_waiting_for_ever_waits_and_waiting_for_nothing_does_not():
    pipeline = telesink.Pipeline("null://")
    pipeline.enqueue({"body": "paid"})

    assert pipeline.flush(float("inf")).complete
    assert pipeline.flush(float("nan")).complete
    assert pipeline.flush(-1.0).complete
    assert telesink.flush(float("inf")).complete


# --- filters and overrides -------------------------------------------------------------------------------


def stored_by(handler):
    logger = logging.Logger("shop", level=1)
    logger.addHandler(handler)
    logger.warning("secret")
    assert handler.pipeline.flush().complete
    return [record["body"] for record in handler.pipeline.recent()]


def refuse(_record):
    return False


class Refusing(telesink.LogHandler):
    """A handler with a filter of its own."""

    def filter(self, _record):
        """Let nothing pass."""
        return False


CHANGES = {
    "addFilter": lambda handler: handler.addFilter(refuse),
    "append": lambda handler: handler.filters.append(refuse),
    "extend": lambda handler: handler.filters.extend([refuse]),
    "insert": lambda handler: handler.filters.insert(0, refuse),
    "assignment": lambda handler: setattr(handler, "filters", [refuse]),
    "slice": lambda handler: handler.filters.__setitem__(slice(None), [refuse]),
    "addition": lambda handler: handler.filters.__iadd__([refuse]),
    "filter": lambda handler: setattr(handler, "filter", refuse),
    "emit": lambda handler: setattr(handler, "emit", refuse),
    "handle": lambda handler: setattr(handler, "handle", refuse),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_way_to_filter_is_heard(change):
    handler = telesink.LogHandler("memory://")

    change(handler)

    assert stored_by(handler) == []


def test_a_filter_method_of_a_subclass_is_heard():
    assert stored_by(Refusing("memory://")) == []


@pytest.mark.parametrize("undo", ["removeFilter", "clear", "delete"])
def test_without_filters_a_call_reaches_native_code_directly(undo):
    handler = telesink.LogHandler("memory://")
    native = handler.handle
    if undo == "delete":
        handler.emit = refuse
        del handler.emit
    else:
        handler.addFilter(refuse)
        assert handler.handle != native
        handler.removeFilter(refuse) if undo == "removeFilter" else handler.filters.clear()

    assert handler.handle == native
    assert handler.handle(logging.makeLogRecord({"msg": "paid"})) is True


# --- removed sinks and rejections ------------------------------------------------------------------------


def test_what_a_removed_sink_lost_stays_counted_and_is_told(run_python):
    finished = run_python(
        """
import telesink
pipeline = telesink.Pipeline(["null://", "sqlite:////proc/app.db"])
for _ in range(5):
    pipeline.enqueue({"body": "paid"})
pipeline.remove_sink("sqlite", timeout_seconds=0)
pipeline.flush()
stats = pipeline.stats()
print(stats.routed, stats.delivered, sum(stats.dropped.values()), stats.pending, list(stats.sinks))
"""
    )

    assert finished.stdout == "10 5 5 0 ['null']\n"
    assert "removed sinks: 5 " in finished.stderr


def test_records_offered_to_a_closed_pipeline_are_told_at_the_end(run_python):
    finished = run_python(
        """
import telesink
pipeline = telesink.Pipeline("null://")
pipeline.close()
pipeline.enqueue({"body": "late"})
"""
    )

    assert "records were not delivered (pipeline: 1 closed)" in finished.stderr


# --- processes -------------------------------------------------------------------------------------------

CHILD = """
import logging, multiprocessing, sys, telesink

def work():
    telesink.install_logging(sys.argv[1])
    logging.getLogger("shop").warning("from the child")

if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[2]).Process(target=work)
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_that_ends_at_once_delivers_what_it_logged(run_python, tmp_path, method):
    (tmp_path / "program.py").write_text(CHILD)
    path = tmp_path / "app.db"

    run_python(
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, 'program.py', *sys.argv[1:]]))",
        f"sqlite:///{path.as_posix()}",
        method,
    )

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT body FROM telesink_logs").fetchall() == [("from the child",)]


def test_the_process_wide_pipeline_is_the_one_that_is_installed():
    handler = telesink.install_logging("memory://")

    assert handler.pipeline is _lifecycle.shared_pipeline()
