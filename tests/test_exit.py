"""The end of a program, and the waits before it: everything is settled in time, and what was not is told."""

import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from delivery.harness import Subjects, locked
from delivery.programs import INSTALL

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the subjects need named pipes and signals")


@pytest.fixture
def subjects(tmp_path):
    with Subjects(tmp_path) as started:
        yield started


ENDINGS = {
    "falling off the end": ("", 0),
    "sys.exit()": ("sys.exit()", 0),
    "sys.exit(3)": ("sys.exit(3)", 3),
    "sys.exit('a reason')": ("sys.exit('a reason')", 1),
    "an exception": ("raise ValueError('boom')", 1),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", -signal.SIGINT),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_I15_every_way_to_end_delivers_everything_and_keeps_its_exit_code(subjects, ending):
    last_words, expected = ENDINGS[ending]

    subject = subjects.start(
        f"""{INSTALL}
telesink.install_logging(DSN)
in_threads(lambda number: log_many(log, number, 2_000))
{last_words}
"""
    )
    code = subject.ends()

    assert code == expected
    assert subject.own_lines == []
    rows = subjects.rows()
    rows.check_exactly(subjects.keys())
    rows.check_dense()


@pytest.mark.parametrize("ending", ENDINGS)
def test_I15_what_could_not_be_delivered_does_not_change_the_exit_code(subjects, ending):
    last_words, expected = ENDINGS[ending]

    subject = subjects.start(
        f"{INSTALL}telesink.install_logging('sqlite:///missing/app.db')\nlog.info('0 0 0')\n{last_words}"
    )

    assert subject.ends() == expected
    assert len([line for line in subject.own_lines if "not delivered" in line]) == 1


def seconds_to_end(subject):
    """How long the process takes from the moment it tells the time to its end."""
    told_at = subject.hear()
    subject.process.wait(60)
    seconds = time.monotonic() - told_at
    subject.ends()
    return seconds


LOG_AND_TELL_THE_TIME = f"""{INSTALL}
telesink.install_logging(sys.argv[1], exit_timeout_seconds=float(sys.argv[2]))
log_many(log, 0, 300)
tell(time.monotonic())
"""


@pytest.mark.parametrize("timeout_seconds", [0.2, 1.0])
def test_a_locked_database_delays_the_end_by_the_exit_timeout_and_no_more(subjects, timeout_seconds):
    subjects.create_database()
    with locked(subjects.database):
        subject = subjects.start(LOG_AND_TELL_THE_TIME, "sqlite:///app.db", timeout_seconds)

        seconds = seconds_to_end(subject)

    assert timeout_seconds <= seconds <= timeout_seconds + 0.5
    assert subject.process.returncode == 0
    (line,) = [line for line in subject.own_lines if "not delivered" in line]
    counts = [int(count) for count in re.findall(r"(\d+) exit_", line)]
    assert "(sqlite: " in line
    assert sum(counts) == 300


def test_a_held_sink_tries_once_more_at_the_end_and_then_gives_up_at_once(subjects):
    subject = subjects.start(LOG_AND_TELL_THE_TIME, "sqlite:///missing/app.db", 5.0)

    assert seconds_to_end(subject) <= 1.0
    assert [line for line in subject.own_lines if "not delivered" in line] == [
        "telesink: records were not delivered (sqlite: 300 exit_deadline); telesink.stats() has the counters"
    ]


def test_a_fault_mended_just_before_the_end_costs_nothing(subjects):
    subject = subjects.start(
        f"""{INSTALL}
telesink.install_logging("sqlite:///later/app.db")
log_many(log, 0, 300)
tell(bool(telesink.flush(0.3)))
hear()
"""
    )
    assert subject.hear() is False
    (subjects.folder / "later").mkdir()
    subject.say()

    assert subject.ends() == 0
    subjects.database = subjects.folder / "later/app.db"
    subjects.rows().check_exactly(subjects.keys())
    assert [line for line in subject.own_lines if "not delivered" in line] == []


def test_a_sink_that_cannot_deliver_does_not_cost_the_others_their_records(subjects):
    subject = subjects.run(
        f"""{INSTALL}
telesink.install_logging([DSN, "sqlite:///missing/app.db"])
log_many(log, 0, 1_000)
"""
    )

    subjects.rows().check_exactly(subjects.keys())
    (line,) = [line for line in subject.own_lines if "not delivered" in line]
    assert "(sqlite-2: 1000 exit_deadline)" in line


ATEXIT_HANDLERS = f"""
import atexit, logging

def last_words(thread):
    log_many(logging.getLogger("exit"), thread, 50)

atexit.register(last_words, 1)
{INSTALL}
atexit.register(last_words, 2)
telesink.install_logging(DSN)
atexit.register(last_words, 3)
log_many(log, 0, 50)
"""


def test_I9_records_of_exit_handlers_registered_before_and_after_the_import_arrive(subjects):
    subject = subjects.run(ATEXIT_HANDLERS)

    keys = subjects.keys()
    assert [key[1] for key in keys[::50]] == [0, 3, 2, 1]
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


def test_I9_records_of_exit_handlers_registered_before_logging_was_imported_arrive(subjects):
    subject = subjects.run(
        f"""
import atexit
assert "logging" not in __import__("sys").modules

def last_words():
    log_many(log, 1, 50)

atexit.register(last_words)
{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 50)
"""
    )

    keys = subjects.keys()
    assert len(keys) == 100
    subjects.rows().check_exactly(keys)
    assert subject.errors == []


def test_logging_shutdown_in_the_middle_of_a_program_only_flushes(subjects):
    subject = subjects.run(
        f"""{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 100)
logging.shutdown()
stats = telesink.stats()["sqlite"]
assert (stats.delivered, stats.pending) == (100, 0), stats
log_many(log, 0, 100, 100)
"""
    )

    subjects.rows().check_exactly(subjects.keys())
    assert subject.errors == []


def test_threads_that_still_run_when_the_main_program_ends_are_waited_for(subjects):
    subject = subjects.run(
        f"""{INSTALL}
telesink.install_logging(DSN)

def work():
    for counter in range(300):
        log_many(log, 0, 1, counter)
        time.sleep(0.001)

threading.Thread(target=work).start()
"""
    )

    assert len(subjects.keys()) == 300
    subjects.rows().check_exactly(subjects.keys())
    assert subject.errors == []


DAEMONS = f"""{INSTALL}
telesink.install_logging(DSN, when_full="block", queue_records_max=int(sys.argv[1]))
running = threading.Barrier(5)

def work(number):
    log_many(log, number, 20)
    running.wait()
    log_many(log, number, 10_000_000, 20)

for number in range(4):
    threading.Thread(target=work, args=(number,), daemon=True).start()
running.wait()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_I1_500_programs_end_while_daemon_threads_log_without_crash_hang_or_false_alarm(subjects):
    def end_one(number):
        # Every second one with a queue so short that the threads are found waiting for room.
        records_max = 65_536 if number % 2 else 64
        subject = subjects.start(DAEMONS, records_max, environment={"SUBJECT_IS_LOUD": "1"})
        return subject, subject.ends(20)

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(end_one, range(500)))

    assert {code for _, code in ended} == {0}
    assert [subject.stderr for subject, _ in ended if subject.errors] == []
    rows = subjects.rows()
    rows.check_once()
    rows.check_order()
    # What was logged before the end began is all there.
    stored = set(rows.keys)
    keys = subjects.keys()
    early = [key for key in keys if key[2] < 20]
    assert len(early) == 500 * 80
    assert [key for key in early if key not in stored] == []


def test_I15_os_exit_after_a_flush_loses_nothing(subjects):
    subjects.run(
        f"""{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 500)
telesink.flush()
os._exit(0)
"""
    )

    subjects.rows().check_exactly(subjects.keys())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_I13_a_signal_that_ends_the_process_costs_at_most_what_was_logged_just_before(subjects, number):
    subject = subjects.start(
        f"""{INSTALL}
telesink.install_logging(DSN)
log_many(log, 0, 500)
# The linger of SQLite is 20 ms; nothing is asked, only time passes.
time.sleep(0.5)
tell("ready")
log_many(log, 0, 10_000_000, 500)
"""
    )
    subject.hear()
    subject.interrupt(number)

    assert subject.ends() == -number
    rows = subjects.rows()
    rows.check_once()
    rows.check_order()
    assert [key[2] for key in rows.keys[:500]] == list(range(500))
    assert subject.errors == []


def test_a_pipeline_that_a_function_made_and_forgot_delivers_its_records(subjects):
    subject = subjects.run(
        f"""{INSTALL}
def work():
    pipeline = telesink.Pipeline(DSN)
    for counter in range(1_000):
        if pipeline.enqueue({{"body": f"{{os.getpid()}} 0 {{counter}}"}}):
            took(0, counter)

work()
"""
    )

    assert len(subjects.keys()) == 1_000
    subjects.rows().check_exactly(subjects.keys())
    assert subject.errors == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_forgotten_pipeline_could_not_deliver_is_told(subjects, when):
    # Whether its sink has given up before or after the pipeline is let go.
    subject = subjects.run(
        f"""{INSTALL}
def work():
    pipeline = telesink.Pipeline("sqlite:///missing/app.db")
    pipeline.enqueue({{"body": "forgotten"}})
    if sys.argv[1] == "before":
        pipeline._native.close(5.0, True)

work()
time.sleep(0.5)
""",
        when,
    )

    assert [line for line in subject.own_lines if "not delivered" in line] == [
        "telesink: records were not delivered (sqlite: 1 exit_deadline); telesink.stats() has the counters"
    ]


def test_records_that_never_found_a_sink_are_told(subjects):
    subject = subjects.run("import telesink\nfor _ in range(1_005): telesink.enqueue({'body': 'waiting'})")

    (line,) = subject.own_lines
    assert "records were not delivered (no sink: 1000 pending, 5 queue_full)" in line


def test_slow_exit_handlers_do_not_use_up_the_time_to_deliver_what_they_log(subjects):
    subject = subjects.run(
        f"""
import atexit
atexit.register(lambda: (time.sleep(0.5), log_many(log, 1, 50)))
{INSTALL}
telesink.install_logging(DSN, exit_timeout_seconds=0.2)
log_many(log, 0, 50)
"""
    )

    subjects.rows().check_exactly(subjects.keys())
    assert subject.errors == []


def test_closed_standard_streams_do_not_hurt_the_end(subjects):
    subjects.run(
        f"""{INSTALL}
os.close(2)
telesink.install_logging([DSN, "sqlite:///missing/app.db"])
log_many(log, 0, 50)
"""
    )

    subjects.rows().check_exactly(subjects.keys())
