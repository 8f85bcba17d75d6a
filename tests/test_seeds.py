"""What telesink took over from the systems it learned from and no other test shows; see docs/seeds.md."""

import json
import logging
import threading

import pytest

import telesink


def bodies(pipeline):
    assert pipeline.flush(timeout_seconds=30).complete
    return [record["body"] for record in pipeline.recent(1_000)]


@pytest.fixture
def full(tmp_path):
    """A pipeline whose only sink cannot write, and whose queue has no room left."""
    dsn = f"sqlite:///{tmp_path}/missing/app.db"
    with telesink.Pipeline(dsn, queue_records_max=2, exit_timeout_seconds=0.5) as pipeline:
        assert pipeline.enqueue_many({"body": str(number), "level": "ERROR"} for number in range(2)) == 2
        yield pipeline


def test_an_error_that_finds_the_queue_full_is_one_loss(full):
    """S0-4: what was asked for beside the record (write at once) is no second one."""
    accepted = full.enqueue({"body": "one too many", "level": "ERROR"})

    stats = full.stats()
    assert (accepted, stats.offered, stats.rejected) == (False, 3, {"queue_full": 1})


def test_the_counters_can_be_read_as_values_as_text_and_as_a_dict(full):
    """S0-5"""
    full.enqueue({"body": "one too many"})

    stats = full.stats()
    assert stats.rejected["queue_full"] == 1
    assert "1 queue_full" in str(stats)
    assert json.loads(json.dumps(stats.as_dict()))["sinks"]["sqlite"]["rejected"] == {"queue_full": 1}


def test_records_enqueued_without_a_handle_wait_for_the_first_sink():
    """S1-7, S0-6, S0-26: nothing is lost within the bound, and what is beyond it is counted."""
    for number in range(1_100):
        telesink.enqueue({"body": str(number)})

    handler = telesink.install_logging("memory://?records_max=2000")
    assert telesink.flush().complete

    assert [record["body"] for record in telesink.recent(2_000)] == [str(number) for number in range(1_000)]
    assert handler.stats().rejected == {"queue_full": 100}


def test_installing_the_same_twice_is_harmless_and_another_has_to_be_added_on_purpose(tmp_path):
    """S0-7, S0-27: the second of two different DSNs is neither ignored nor takes over silently."""
    handler = telesink.install_logging("memory://")
    second = telesink.install_logging("memory://")
    with pytest.raises(telesink.ConfigError, match="add=True"):
        telesink.install_logging(f"sqlite:///{tmp_path}/app.db")
    telesink.install_logging(f"sqlite:///{tmp_path}/app.db", add=True)

    logging.getLogger("shop").warning("once")

    assert telesink.flush().complete
    assert second is handler
    assert {name: stats.delivered for name, stats in handler.stats().sinks.items()} == {
        "memory": 1,
        "sqlite": 1,
    }


def test_a_record_without_fields_has_an_empty_object(tmp_path, run_python):
    """S0-22: an object, not NULL, so that every query on attributes works on every row."""
    with telesink.Pipeline(f"sqlite:///{tmp_path}/app.db") as pipeline:
        pipeline.enqueue({"body": "paid"})

    finished = run_python(
        "import sqlite3\n"
        "print(sqlite3.connect('app.db').execute('SELECT attributes FROM telesink_logs').fetchall())"
    )

    assert finished.stdout == "[('{}',)]\n"


def test_the_console_may_be_quieter_than_the_database_and_changed_while_it_runs():
    """S0-33, S0-28: a start-up that shows only what is wrong is a level that is lowered later."""
    with telesink.Pipeline("memory://") as pipeline:
        pipeline.add_sink("null://", name="console", level="WARNING")
        pipeline.enqueue({"body": "starting", "level": "INFO"})
        pipeline.set_level("console", "INFO")
        pipeline.enqueue({"body": "started", "level": "INFO"})

        assert bodies(pipeline) == ["starting", "started"]
        assert pipeline.stats().sinks["console"].delivered == 1


@pytest.mark.parametrize("level", ["err", "", "loud"])
def test_an_unknown_level_is_refused_by_its_name(level):
    """S0-29"""
    with pytest.raises(telesink.ConfigError, match=repr(level)):
        telesink.Pipeline("null://").add_sink("memory://", level=level)


def test_attributes_keep_the_order_in_which_they_were_given():
    """S3-6"""
    with telesink.Pipeline("memory://") as pipeline:
        pipeline.enqueue({"body": "paid", "zebra": 1, "apple": 2, "mango": 3})

        assert pipeline.flush().complete
        assert list(pipeline.recent()[0]["attributes"]) == ["zebra", "apple", "mango"]


def test_the_level_of_a_pipeline_is_that_of_its_most_talkative_sink_also_of_later_ones():
    """S3-15: below it a call costs almost nothing, because nothing is captured."""
    with telesink.Pipeline("memory://?level=ERROR") as pipeline:
        quiet = pipeline.level
        pipeline.add_sink("null://", level="DEBUG")
        talkative = pipeline.level
        pipeline.remove_sink("null")

        assert (quiet, talkative, pipeline.level) == (40, 10, 40)


def test_an_exception_is_stored_at_every_level():
    """S3-42: with its type, text and frames, not for errors alone."""
    handler = telesink.LogHandler("memory://")
    logger = logging.Logger("shop", level=1)
    logger.addHandler(handler)

    try:
        int("many")
    except ValueError:
        logger.debug("not a number", exc_info=True)

    assert handler.pipeline.flush().complete
    attributes = handler.pipeline.recent()[0]["attributes"]
    assert attributes["exception.type"] == "ValueError"
    assert "many" in attributes["exception.message"]
    assert attributes["exception.stacktrace"].startswith("Traceback (most recent call last):")


def test_logging_works_at_import_time_on_every_thread_and_without_a_context(run_python, tmp_path):
    """S3-43"""
    (tmp_path / "early.py").write_text("import logging; logging.getLogger('early').warning('imported')")

    finished = run_python(
        "import logging, sys, threading, telesink\n"
        "telesink.install_logging('memory://')\n"
        "sys.path.insert(0, '.')\n"
        "import early\n"
        "thread = threading.Thread(target=lambda: logging.warning('on a thread'))\n"
        "thread.start(); thread.join()\n"
        "telesink.flush()\n"
        "print([record['body'] for record in telesink.recent()])"
    )

    assert finished.stdout == "['imported', 'on a thread']\n"


def test_a_notebook_flushes_after_every_cell(run_python):
    """S3-46: `flush` is a callback as it stands; it waits at most five seconds and does not raise."""
    pytest.importorskip("IPython")

    finished = run_python(
        "import logging, telesink\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "telesink.install_logging('sqlite:///cells.db', linger_seconds=3600)\n"
        "shell = InteractiveShell()\n"
        "shell.events.register('post_execute', telesink.flush)\n"
        "shell.run_cell('import logging; logging.getLogger(\"cell\").warning(1)')\n"
        "print(telesink.stats()['sqlite'].delivered)",
        IPYTHONDIR=".",
    )

    assert finished.stdout == "1\n"


def test_recent_records_are_kept_in_a_ring_and_reading_takes_nothing_away():
    """S3-33, S4-27: also across the turn of the ring, and filtered."""
    with telesink.Pipeline("memory://?records_max=10") as pipeline:
        for number in range(25):
            level = "ERROR" if number % 2 else "INFO"
            pipeline.enqueue({"body": str(number), "level": level, "logger": f"shop.{number % 3}"})

        assert bodies(pipeline) == [str(number) for number in range(15, 25)]
        assert [record["body"] for record in pipeline.recent(3)] == ["22", "23", "24"]
        assert [record["body"] for record in pipeline.recent(2, level="ERROR")] == ["21", "23"]
        assert [record["body"] for record in pipeline.recent(logger="shop.1")] == ["16", "19", "22"]
        assert [record["seq"] for record in pipeline.recent(2)] == [24, 25]
        assert pipeline.recent(0) == []


def test_a_ring_holds_the_last_thousand_unless_told_otherwise():
    """S4-27"""
    with telesink.Pipeline("memory://") as pipeline:
        for number in range(1_200):
            pipeline.enqueue({"body": str(number)})

        assert bodies(pipeline) == [str(number) for number in range(200, 1_200)]


def test_threads_that_enqueue_together_each_keep_their_order():
    """S3-1, S3-11: many producers, one queue; everything offered before the end is delivered."""
    with telesink.Pipeline("memory://?records_max=10000", when_full="block") as pipeline:

        def offer(name):
            for number in range(1_000):
                pipeline.enqueue({"body": f"{name} {number}"})

        threads = [threading.Thread(target=offer, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert pipeline.flush().complete
        stored = [record["body"].split() for record in pipeline.recent(10_000)]
    for name in "abcd":
        assert [int(number) for one, number in stored if one == name] == list(range(1_000))
