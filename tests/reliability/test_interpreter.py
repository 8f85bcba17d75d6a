"""Records from inside the interpreter's own machinery."""

import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
import weakref

import pytest
from delivery.programs import INSTALL as PRELUDE
from waiting import DEADLINE_SECONDS

import telesink

#: How long threads hammer; `TELESINK_TEST_SECONDS` makes it longer.
SECONDS = float(os.environ.get("TELESINK_TEST_SECONDS", "5"))

#: Log calls of the main thread beside a signal every millisecond.
CALLS = int(os.environ.get("TELESINK_TEST_CALLS", "100000"))


def run_threads(works):
    """Run each work in a thread of its own; raise what one of them raised, and fail if one does not end."""
    errors = []

    def guarded(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + DEADLINE_SECONDS)
        assert not thread.is_alive(), "a thread hangs"
    for error in errors:
        raise error


@pytest.fixture
def eager_collector():
    """The garbage collector runs at every chance."""
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*threshold)
    gc.collect()


@pytest.mark.slow
def test_I4_eight_threads_that_log_one_that_flushes_and_finalizers_that_log_never_wait_for_one_another(
    recorder, eager_collector
):
    end = time.monotonic() + SECONDS

    class Finalized:
        def __init__(self):
            self.me = self

        def __del__(self):
            recorder.logger.info("finalized")

    def log(number):
        count = 0
        while time.monotonic() < end and count < SECONDS * 400:
            Finalized()
            recorder.logger.info("%d %d", number, count, extra={"values": [{"n": {}}]})
            count += 1
        counts[number] = count

    def flush():
        while time.monotonic() < end:
            recorder.pipeline.flush(timeout_seconds=1)
            recorder.pipeline.stats()

    counts = {}
    run_threads([*(lambda number=number: log(number) for number in range(8)), flush])
    gc.collect()

    bodies = [record["body"] for record in recorder.records()]
    for number, count in counts.items():
        own = [body for body in bodies if body.startswith(f"{number} ")]
        assert own == [f"{number} {index}" for index in range(count)]


def test_I5_weak_references_and_finalizers_may_log_while_the_collector_runs(recorder, eager_collector):
    called = []

    class Value:
        def __init__(self):
            self.me = self

        def __str__(self):
            weakref.finalize(Value(), lambda: (called.append(1), recorder.logger.info("gone")))
            return "value"

    for _ in range(200):
        recorder.logger.info("%s %s", Value(), [Value()], extra={"value": {"deep": [{}]}})
    gc.collect()

    stats = recorder.stats()
    assert stats.offered == 200 + len(called)
    assert len(called) >= 200
    assert len(recorder.records()) == stats.accepted


@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile])
def test_I5_functions_that_trace_may_log_whatever_is_called(recorder, install):
    traced = 0

    class Value:
        def __str__(self):
            return "value"

    def trace(frame, event, _argument):
        nonlocal traced
        if event == "call" and frame.f_code.co_name == "__str__":
            traced += 1
            recorder.logger.info("traced")

    before = sys.gettrace() if install is sys.settrace else sys.getprofile()
    install(trace)
    try:
        for _ in range(100):
            recorder.logger.info("%s", Value())
    finally:
        install(before)

    bodies = [record["body"] for record in recorder.records()]
    assert traced >= 100
    assert bodies.count("traced") == traced
    assert bodies.count("value") == 100


def test_I5_warnings_and_the_hooks_for_exceptions_may_log_inside_a_value(recorder):
    logging.getLogger("py.warnings").addHandler(recorder.handler)

    class Value:
        def __str__(self):
            warnings.warn("old way", UserWarning, stacklevel=1)
            sys.excepthook(ValueError, ValueError("unhandled"), None)
            sys.unraisablehook(None)
            return "value"

    before = sys.excepthook, sys.unraisablehook
    sys.excepthook = lambda *triple: recorder.logger.critical("unhandled", exc_info=triple)
    sys.unraisablehook = lambda _what: recorder.logger.critical("unraisable")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            recorder.logger.info("%s", Value())
    finally:
        sys.excepthook, sys.unraisablehook = before
        logging.captureWarnings(capture=False)

    bodies = [record["body"].split(":")[-1] for record in recorder.records()]
    assert bodies[1:] == ["unhandled", "unraisable", "value"]
    assert "old way" in recorder.records()[0]["body"]


def hammer(pipeline, handler, redaction, name):
    """Every public method, once; none of them may fail because another thread is in it."""
    record = logging.makeLogRecord({"msg": "paid %s", "args": (name,), "name": name})
    return [
        lambda: pipeline.enqueue({"body": name}),
        lambda: pipeline.enqueue_many([{"body": name}] * 3),
        lambda: pipeline.remove_sink(pipeline.add_sink("null://", name=name), timeout_seconds=1),
        lambda: pipeline.set_level("memory", "DEBUG"),
        lambda: pipeline.set_redaction(redaction),
        lambda: (pipeline.sinks, pipeline.level, pipeline.recent(3), repr(pipeline)),
        lambda: pipeline.flush(timeout_seconds=0.01).as_dict(),
        lambda: pipeline.stats().as_dict(),
        lambda: handler.handle(record),
        lambda: handler.emit(record),
        lambda: (handler.flush(), handler.stats(), handler.filter(record), repr(handler)),
        lambda: (handler.addFilter(redaction_filter), handler.removeFilter(redaction_filter)),
        lambda: handler.setLevel(1),
        lambda: (telesink.bind(**{name: [name]}), telesink.current_context(), telesink.unbind(name)),
        lambda: (
            telesink.enqueue({"body": name}),
            telesink.flush(0.01),
            telesink.stats(),
            telesink.recent(3),
        ),
        lambda: telesink.Pipeline("null://").close(0.1),
        lambda: repr((redaction, telesink.Settings())),
    ]


def redaction_filter(_record):
    return True


@pytest.mark.slow
def test_I19_sixteen_threads_may_call_every_method_of_every_object_at_once():
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    telesink.install_logging("memory://", level="DEBUG")
    redaction = telesink.Redaction(names=["iban"], patterns=[r"card \d+"])
    pipeline = telesink.Pipeline(["memory://", "null://"])
    handler = telesink.LogHandler("memory://")
    end = time.monotonic() + SECONDS
    calls = [0] * 16

    def work(number):
        chosen = random.Random(seed + number)
        methods = hammer(pipeline, handler, redaction, f"sink-{number}")
        while time.monotonic() < end:
            chosen.choice(methods)()
            calls[number] += 1

    run_threads([lambda number=number: work(number) for number in range(16)])

    assert min(calls) > len(hammer(pipeline, handler, redaction, "any"))
    for stats in (pipeline.stats(), handler.stats()):
        assert stats.offered == stats.accepted + sum(stats.rejected.values())
        assert stats.rejected == {}
    assert pipeline.close().complete
    assert handler.pipeline.close().complete


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timer")
def test_I14_a_signal_handler_that_logs_every_millisecond_doubles_and_loses_nothing():
    handled = 0

    def handle(_number, _frame):
        nonlocal handled
        handled += 1
        logger.info("signal", extra={"values": [handled]})

    logger = logging.Logger("shop", level=1)
    handler = telesink.LogHandler(
        "memory://?records_max=1000000", when_full="block", block_timeout_seconds=60
    )
    logger.addHandler(handler)
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(CALLS):
            logger.info("%d %s", number, [number])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert handler.pipeline.flush(60).complete
    bodies = [record["body"] for record in handler.pipeline.recent(1_000_000)]
    stats = handler.stats()
    assert handled > CALLS // 10_000
    assert stats.offered == CALLS + handled
    # A signal inside the handler of a signal inside a record may be one too many: that is counted.
    assert stats.accepted == len(bodies)
    assert stats.rejected.keys() <= {"reentrant"}
    assert [body for body in bodies if body != "signal"] == [
        f"{number} [{number}]" for number in range(CALLS)
    ]


WITHOUT_THREADS = f"""{PRELUDE}
import ctypes, resource

if os.geteuid() == 0:
    # The limit does not hold for root, and counts the threads of a user: one whom nobody else is. Files are
    # opened as before.
    os.setresuid(54321, 54321, 0)
    ctypes.CDLL(None).setfsuid(0)
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
telesink.install_logging(DSN)
resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
for number in range(100):
    log.info("%d 0 %d", os.getpid(), number)
    took(0, number)
tell([threading.active_count(), telesink.stats()["sqlite"].pending])
hear()
resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
number = 100
while telesink.stats()["sqlite"].pending and number < 10_000:
    log.info("%d 0 %d", os.getpid(), number)
    took(0, number)
    number += 1
    time.sleep(0.01)
tell(telesink.flush(30).complete)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts threads on Linux alone")
def test_I24_records_wait_while_the_system_refuses_a_thread_and_arrive_once_it_does_not(subjects):
    subject = subjects.start(WITHOUT_THREADS)

    assert subject.hear() == [1, 100]
    subject.say()
    assert subject.hear() is True
    assert subject.ends() == 0

    assert any("could not start the thread of sink sqlite" in line for line in subject.own_lines)
    subjects.rows().check_exactly(subjects.keys())
