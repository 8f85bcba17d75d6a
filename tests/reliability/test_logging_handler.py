"""The handler among the standard library's own: formatters, filters, its lock, and the tests of `logging`."""

import logging
import sys
import threading

import pytest
from waiting import DEADLINE_SECONDS, wait_until

import telesink


def test_I5_formatters_and_handlers_beside_it_may_raise_and_log(recorder, capsys):
    class Clumsy(logging.Formatter):
        def format(self, record):
            if record.msg != "from the formatter":
                recorder.handler.handle(logging.makeLogRecord({"msg": "from the formatter"}))
            raise ValueError("clumsy")

    beside = logging.StreamHandler()
    beside.setFormatter(Clumsy())
    recorder.logger.addHandler(beside)
    recorder.handler.setFormatter(Clumsy())

    recorder.logger.info("paid")

    assert [record["body"] for record in recorder.records()] == ["paid", "from the formatter"]
    assert "ValueError: clumsy" in capsys.readouterr().err


@pytest.mark.parametrize("raises", [True, False])
def test_I18_a_filter_that_raises_stops_its_record_and_is_told_as_the_standard_library_does(
    recorder, capsys, monkeypatch, raises
):
    monkeypatch.setattr(logging, "raiseExceptions", raises)

    def clumsy(record):
        if record.msg == "bad":
            raise ValueError("clumsy")
        return True

    recorder.handler.addFilter(clumsy)

    recorder.logger.info("good")
    recorder.logger.info("bad")
    recorder.logger.info("good")

    assert [record["body"] for record in recorder.records()] == ["good", "good"]
    assert ("ValueError: clumsy" in capsys.readouterr().err) == raises


def test_I18_a_filter_may_log(recorder):
    def talkative(record):
        if record.msg == "paid":
            recorder.logger.info("from the filter")
        return True

    recorder.handler.addFilter(talkative)

    recorder.logger.info("paid")

    assert [record["body"] for record in recorder.records()] == ["from the filter", "paid"]


def test_I18_a_filter_may_answer_another_record_where_python_lets_it(recorder):
    recorder.handler.addFilter(lambda record: logging.makeLogRecord({**vars(record), "msg": "replaced"}))

    recorder.logger.info("paid")

    assert recorder.only()["body"] == ("replaced" if sys.version_info >= (3, 12) else "paid")


STDLIB = """
import logging, types, unittest
import test.test_logging as stdlib
import telesink

class Stored(telesink.LogHandler):
    def __init__(self, level=0):
        super().__init__("memory://", level)

    def lines(self):
        assert self.pipeline.flush().complete
        found = self.pipeline.recent(1_000)
        return [f"{one['logger']} -> {logging.getLevelName(one['levelno'])}: {one['body']}" for one in found]

class OnTelesink:
    # The standard library's tests, with a telesink handler in the place of the one that writes to a stream.
    def setUp(self):
        super().setUp()
        self.root_logger.removeHandler(self.root_hdlr)
        self.stored = Stored()
        self.root_logger.addHandler(self.stored)
        # Handlers that the tests make themselves are telesink's as well.
        stdlib.logging = types.SimpleNamespace(**{**vars(logging), "Handler": Stored})
        self.addCleanup(setattr, stdlib, "logging", logging)

    def assert_log_lines(self, expected_values, stream=None, pat=None):
        lines = self.stored.lines()
        self.assertEqual(len(lines), len(expected_values))
        for line, expected in zip(lines, expected_values):
            self.assertEqual(stdlib.re.search(pat or self.expected_log_pat, line).groups(), tuple(expected))

suite = unittest.TestSuite()
for case in (stdlib.BuiltinLevelsTest, stdlib.BasicFilterTest, stdlib.CustomLevelsAndFiltersTest):
    adapted = type(case.__name__, (OnTelesink, case), {})
    suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(adapted))
adapted = type("HandlerTest", (OnTelesink, stdlib.HandlerTest), {})
suite.addTests([adapted("test_post_fork_child_no_deadlock")])
result = unittest.TextTestRunner().run(suite)
print(result.testsRun, len(result.failures), len(result.errors))
"""


def test_I18_the_standard_librarys_own_tests_of_handlers_pass(run_python):
    finished = run_python(STDLIB)

    run, failures, errors = map(int, finished.stdout.split())
    assert (failures, errors) == (0, 0), finished.stderr
    assert run >= 14


def test_I18_the_lock_of_the_handler_is_there_for_whoever_takes_it_and_holds_nobody_up(recorder):
    logged = threading.Event()

    def log():
        recorder.logger.info("paid")
        logged.set()

    with recorder.handler.lock:
        thread = threading.Thread(target=log)
        thread.start()
        assert logged.wait(DEADLINE_SECONDS)
    recorder.handler.acquire()
    recorder.handler.release()
    recorder.handler._at_fork_reinit()
    recorder.handler.createLock()
    recorder.handler.handle(logging.makeLogRecord({"msg": "still there"}))

    assert [record["body"] for record in recorder.records()] == ["paid", "still there"]
    thread.join()


def test_I6_words_about_a_failing_sink_never_pass_through_logging():
    telesink.install_logging("memory://", level="DEBUG")
    # Nobody listens on the port of discarded things.
    telesink.install_logging("postgresql://shop@127.0.0.1:9/shop", level="DEBUG", add=True)
    logging.getLogger().setLevel(logging.DEBUG)
    log = logging.getLogger("shop")

    for number in range(50):
        log.error("%d", number)
    wait_until(lambda: telesink.stats()["postgresql"].retries >= 3, "three attempts")

    found = telesink.recent(1_000)
    assert [(record["logger"], record["body"]) for record in found] == [("shop", str(n)) for n in range(50)]
