"""The end of a program from inside: who flushes when, what raises, and what ends the process how."""

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from delivery.harness import CREATED, locked
from delivery.interrupting import interrupt_flushes
from delivery.programs import INSTALL
from postgres.database import Database
from postgres.observing import PostgresRows
from reliability.resolver import HOST
from waiting import wait_until

import telesink

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the subjects need named pipes and signals")


def test_I7_the_very_first_record_may_come_from_an_exit_handler(subjects):
    subject = subjects.run(
        f"""{INSTALL}
telesink.install_logging(DSN)
atexit.register(log_many, log, 0, 50)
"""
    )

    keys = subjects.keys()
    assert len(keys) == 50
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


@pytest.mark.parametrize("is_first", [True, False])
def test_I7_a_record_of_a_destructor_after_all_exit_handlers_arrives(subjects, is_first):
    subject = subjects.run(
        f"""{INSTALL}
class Late:
    def __del__(self, say=log.warning, took=took, pid=os.getpid()):
        say("%d 1 0", pid)
        took(1, 0)

late = Late()
# A sink that takes its time, so that nothing arrives by luck.
telesink.install_logging(DSN, linger_seconds=30, urgent_level="CRITICAL")
log_many(log, 0, {0 if is_first else 50})
"""
    )

    keys = subjects.keys()
    assert keys[-1] == (subject.pid, 1, 0)
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


SHUTDOWN_WITH_FAULTS = f"""{INSTALL}
class Spy(logging.Handler):
    def __init__(self, name):
        super().__init__()
        self.set_name(name)
    def emit(self, record):
        pass
    def flush(self):
        told.append(self.name)

told = []
first = Spy("first")
handler = telesink.install_logging(DSN)
last = Spy("last")
log_many(log, 0, 1)

def broken(*_, **__):
    raise RuntimeError("the native half is broken")

works, telesink._lifecycle.flush_at_exit = telesink._lifecycle.flush_at_exit, broken
logging.shutdown()
tell(told)
handler.close()
telesink._lifecycle.flush_at_exit = works
log_many(log, 0, 10, 1)
"""


def test_I8_a_flush_that_fails_costs_no_other_handler_its_own(subjects):
    subject = subjects.run(SHUTDOWN_WITH_FAULTS)

    assert set(subject.hear()) == {"first", "last"}
    assert "could not flush" in subject.own_lines[0]
    assert all("could not flush" in line for line in subject.errors)
    subjects.rows().check_exactly(subjects.keys())


def test_I8_a_record_after_the_pipeline_was_closed_is_counted_and_raises_nothing(subjects):
    subject = subjects.run(
        f"""{INSTALL}
handler = telesink.install_logging(DSN)
log_many(log, 0, 10)
pipeline = handler.pipeline
pipeline.close()
handler.handle(logging.makeLogRecord({{"msg": "late", "levelno": 40}}))
handler.flush()
handler.close()
tell([pipeline.stats().delivered, pipeline.stats().rejected])
"""
    )

    assert subject.hear() == [10, {"closed": 1}]
    subjects.rows().check_exactly(subjects.keys())


INTERRUPTS = 50


@pytest.mark.slow
def test_I12_a_flush_interrupted_at_50_random_moments_ends_at_once_and_a_later_one_is_right(subjects):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)

    subject, delays = interrupt_flushes(subjects, [moments.uniform(0.0, 0.2) for _ in range(INTERRUPTS)])

    delays.sort()
    print(f"delays: half within {delays[INTERRUPTS // 2]:.3f} s, all within {delays[-1]:.3f} s")
    # A few may have met a busy machine; none has waited for the flush.
    assert delays[INTERRUPTS * 9 // 10] <= 0.15
    assert delays[-1] <= 1.0
    assert subject.hear() == [True, 100, {}, 0]
    assert subject.ends() == 0
    subjects.rows().check_exactly([*subjects.keys(), *CREATED])


#: Waits that take as long as the database is locked.
WAITS = {
    "shutdown": "telesink.shutdown(30)",
    "close": "handler.pipeline.close(30)",
    "remove_sink": "handler.pipeline.remove_sink('sqlite', timeout_seconds=30)",
}


@pytest.mark.parametrize("wait", WAITS)
def test_I12_an_interrupted_close_ends_at_once_and_loses_nothing(subjects, wait):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(
            f"""{INSTALL}
handler = telesink.install_logging(DSN)
log_many(log, 0, 100)
try:
    tell("waiting")
    {WAITS[wait]}
except KeyboardInterrupt:
    tell(time.monotonic())
hear()
receipt = handler.pipeline.close(30)
stats = handler.pipeline.stats()
tell([receipt.complete, stats.delivered, stats.dropped, stats.pending])
"""
        )
        assert subject.hear() == "waiting"
        time.sleep(0.3)
        sent_at = time.monotonic()
        subject.interrupt()
        delay = subject.hear() - sent_at
    subject.say()

    assert delay < 1.0
    assert subject.hear() == [True, 100, {}, 0]
    assert subject.ends() == 0
    subjects.rows().check_exactly([*subjects.keys(), *CREATED])


#: How a program may end, and whether its exit hooks run then.
ENDINGS = {
    "os._exit": ("os._exit(4)", False),
    "sys.exit in a thread": ("run(lambda: sys.exit(5))", True),
    "an exception in a thread": ("run(lambda: 1 / 0)", True),
    "SystemExit in threading.excepthook": (
        "threading.excepthook = lambda _: sys.exit(6)\nrun(lambda: 1 / 0)",
        True,
    ),
    "SystemExit in sys.excepthook": ("sys.excepthook = lambda *_: sys.exit(6)\n1 / 0", True),
    "an exception": ("1 / 0", True),
    "an exception in an exit handler": ("atexit.register(lambda: 1 / 0)", True),
    "sys.exit in an exit handler": ("atexit.register(sys.exit, 7)", True),
    "abort": ("import faulthandler\nfaulthandler.enable()\nos.abort()", False),
    "a segmentation fault": (
        "import faulthandler\nfaulthandler.enable()\nfaulthandler._sigsegv()",
        False,
    ),
}

END = """
import atexit, os, sys, threading

def run(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_I15_the_exit_code_is_that_of_the_program_without_telesink(subjects, ending):
    last_words, runs_hooks = ENDINGS[ending]
    without = subprocess.run(
        [sys.executable, "-c", END + last_words], capture_output=True, check=False, cwd=subjects.folder
    )

    subject = subjects.start(
        f"""{INSTALL}{END}
telesink.install_logging(DSN, linger_seconds=30, urgent_level="CRITICAL")
log_many(log, 0, 500)
assert telesink.flush()
log_many(log, 0, 500, 500)
{last_words}
"""
    )
    code = subject.ends()

    assert code == without.returncode
    assert subject.own_lines == []
    rows, keys = subjects.rows(), subjects.keys()
    if runs_hooks:
        rows.check_exactly(keys)
    else:
        # What was flushed is there; what was in memory is gone with it.
        rows.check_exactly(keys[:500])


@pytest.mark.slow
def test_I11_a_resolver_that_never_answers_holds_up_neither_a_shutdown_nor_the_end(
    subjects, database, resolver
):
    subject = subjects.start(
        f"""{INSTALL}
telesink.install_logging(sys.argv[1])
log_many(log, 0, 100)
tell("logged")
hear()
begun = time.monotonic()
receipt = telesink.shutdown(1.0)
tell([time.monotonic() - begun, receipt.complete, sum(telesink.stats()["postgresql"].dropped.values())])
tell(time.monotonic())
""",
        database.dsn(host=HOST),
        environment=resolver.environment,
    )
    assert subject.hear() == "logged"
    wait_until(resolver.is_asked, "a question to the resolver")
    subject.say()

    seconds, is_complete, dropped = subject.hear()
    told_at = subject.hear()
    assert subject.ends() == 0
    ended = time.monotonic() - told_at
    print(f"shutdown took {seconds:.2f} s, the end {ended:.2f} s")
    assert 0.9 <= seconds <= 1.5
    assert (is_complete, dropped) == (True, 100)
    # The shutdown had its time; the end has no second one to take.
    assert ended <= 1.0


#: Libraries that belong to every process.
SYSTEM = (
    "linux-vdso",
    "linux-gate",
    "libc.",
    "libm.",
    "libgcc_s.",
    "libpthread.",
    "libdl.",
    "librt.",
    "ld-linux",
)


@pytest.mark.skipif(sys.platform != "linux", reason="ldd is Linux")
def test_I16_no_library_with_exit_handlers_of_its_own_is_loaded():
    shown = subprocess.run(["ldd", telesink._native.__file__], capture_output=True, text=True, check=True)

    names = [Path(line.split()[0]).name for line in shown.stdout.splitlines()]
    assert [name for name in names if not name.startswith(SYSTEM)] == []


END_WHILE_WRITING = f"""{INSTALL}
telesink.install_logging(sys.argv[1], linger_seconds=0.001)
log_many(log, 0, 20)

def go_on():
    for counter in range(0, 10_000_000, 50):
        log_many(log, 1, 50, counter)
        time.sleep(0.005)

threading.Thread(target=go_on, daemon=True).start()
assert telesink.flush(30)
"""


@pytest.mark.slow
def test_I16_50_programs_end_in_the_middle_of_encrypted_writes_without_a_crash(subjects, encrypting):
    database = Database(encrypting, encrypting.create_database())
    dsn = database.dsn(sslmode="require")

    def end_one(_):
        subject = subjects.start(END_WHILE_WRITING, dsn, environment={"SUBJECT_IS_LOUD": "1"})
        return subject, subject.ends(30)

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(end_one, range(50)))

    assert {code for _, code in ended} == {0}
    assert [subject.stderr for subject, _ in ended if subject.errors] == []
    rows = PostgresRows(database)
    rows.check_once()
    rows.check_order()
    keys = subjects.keys()
    early = {key for key in keys if key[1] == 0}
    assert len(early) == 1_000
    assert early.difference(rows.keys) == set()
