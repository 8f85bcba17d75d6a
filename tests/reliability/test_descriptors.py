"""A program closes descriptors that are not its own, and the numbers become its files."""

import random
import sys

import pytest
from delivery.programs import INSTALL
from otlp.receiver import receiving
from reliability.hosts import keys_in
from waiting import is_alive, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looked after on Linux alone")

ROUNDS = 20

#: Files, sockets, event loops and counters that take all numbers in reach, and what is found in them later.
VICTIMS = """
import random, select, socket
from delivery import subject_side

class Victims:
    def __init__(self, seed):
        os.closerange(3, 1024)
        chosen = random.Random(seed)
        self.files = {}
        for number in range(40):
            content = chosen.randbytes(chosen.randrange(20_000))
            path = f"victim{number}"
            open(path, "wb").write(content)
            self.files[os.open(path, os.O_RDWR)] = (path, content)
            if number % 8 == 0:
                # Of the kinds that an event loop of telesink's own has.
                self.others = getattr(self, "others", [])
                self.others.append((socket.socketpair(), select.epoll(), os.eventfd(0, os.EFD_NONBLOCK)))
        # Only now: the pipe must not take a number that telesink had.
        subject_side._keys = os.open(os.environ["SUBJECT_KEYS"], os.O_WRONLY | os.O_CLOEXEC)

    def check(self):
        for descriptor, (path, content) in self.files.items():
            there = os.fstat(descriptor)
            assert (there.st_dev, there.st_ino) == (os.stat(path).st_dev, os.stat(path).st_ino), path
            assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0, path
            assert open(path, "rb").read() == content, path
            os.close(descriptor)
        for (left, right), loop, counter in self.others:
            for end in (left, right):
                end.setblocking(False)
                try:
                    raise AssertionError(f"the socket got {end.recv(100)!r}")
                except BlockingIOError:
                    pass
            left.close()
            right.close()
            assert "tfd" not in open(f"/proc/self/fdinfo/{loop.fileno()}").read()
            loop.close()
            try:
                raise AssertionError(f"the counter stands at {os.eventfd_read(counter)}")
            except BlockingIOError:
                os.close(counter)
"""

CLOSED = f"""{INSTALL}{VICTIMS}
dsn, seed, rounds, has_paused = sys.argv[1] or DSN, *map(int, sys.argv[2:])
telesink.install_logging(dsn, linger_seconds=0.001)
chosen = random.Random(seed)
for turn in range(rounds):
    in_threads(lambda number: log_many(log, number, 200, 400 * turn))
    if has_paused:
        assert telesink.flush(30)
    else:
        # Anywhere between the first and the last write of what was logged.
        time.sleep(chosen.uniform(0.0, 0.02))
    victims = Victims(seed + turn)
    in_threads(lambda number: log_many(log, number, 200, 400 * turn + 200))
    assert telesink.flush(30), telesink.stats()
    victims.check()
tell("ok")
"""


def test_F11_sqlite_goes_on_and_touches_no_file_of_the_program_when_its_own_were_closed_any_time(
    subjects,
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    subject = subjects.start(CLOSED, "", seed, ROUNDS, 0)

    assert subject.hear() == "ok"
    assert subject.ends() == 0, subject.stderr
    rows, keys = subjects.rows(), subjects.keys()
    assert len(keys) == ROUNDS * 4 * 400
    rows.check_exactly(keys)
    rows.check_dense()
    assert subject.own_lines == []


def test_F11_postgres_goes_on_and_touches_no_file_of_the_program_when_its_own_were_closed_between_batches(
    subjects, database
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    subject = subjects.start(CLOSED, database.dsn(), seed, ROUNDS, 1)

    assert subject.hear(120) == "ok"
    assert subject.ends() == 0, subject.stderr
    found, keys = keys_in(database), subjects.keys()
    assert len(keys) == ROUNDS * 4 * 400
    assert sorted(found) == sorted(keys)


def test_F11_otlp_goes_on_and_touches_no_file_of_the_program_when_its_own_were_closed_between_batches(
    subjects,
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    with receiving() as receiver:
        dsn = f"otlp://127.0.0.1:{receiver.port}"
        subject = subjects.start(CLOSED, dsn, seed, ROUNDS, 1)
        assert subject.hear(120) == "ok"
        assert subject.ends() == 0, subject.stderr
        bodies = [one.body.string_value for request in receiver.requests for one in request.records()]

    keys = subjects.keys()
    assert len(keys) == ROUNDS * 4 * 400
    # A lost answer would double them; here none is lost.
    assert sorted(tuple(map(int, body.split())) for body in bodies) == sorted(keys)


CONSOLE_CLOSED = f"""{INSTALL}{VICTIMS}
telesink.install_logging("console://stderr")
log_many(log, 0, 100)
victims = Victims(1)
log_many(log, 0, 100, 100)
assert telesink.flush(30)
victims.check()
tell("ok")
"""


def test_F11_the_console_is_not_affected(subjects):
    subject = subjects.start(CONSOLE_CLOSED)

    assert subject.hear() == "ok"
    assert subject.ends() == 0, subject.stderr
    assert sum(" 0 " in line for line in subject.errors) == 200


DEAD_LETTERS_CLOSED = f"""{INSTALL}{VICTIMS}
import sqlite3
telesink.install_logging(DSN, dead_letter="refused.ndjson")
log_many(log, 0, 1)
assert telesink.flush(30)
connection = sqlite3.connect("app.db")
connection.execute(
    "CREATE TRIGGER refuse BEFORE INSERT ON telesink_logs WHEN new.logger = 'refused' "
    "BEGIN SELECT RAISE(ABORT, 'no'); END"
)
connection.close()
logging.getLogger("refused").info("first")
assert telesink.flush(30)
victims = Victims(1)
logging.getLogger("refused").info("second")
log_many(log, 0, 1, 1)
assert telesink.flush(30)
victims.check()
tell(len(open("refused.ndjson").readlines()))
"""


def test_F11_refused_records_do_not_land_in_a_file_that_has_the_number_of_their_own(subjects):
    subject = subjects.start(DEAD_LETTERS_CLOSED)

    assert subject.hear() == 2
    assert subject.ends() == 0, subject.stderr
    subjects.rows().check_exactly(subjects.keys())


DAEMON = f"""{INSTALL}
from delivery import subject_side

dsn = sys.argv[1] or DSN
telesink.install_logging(dsn)
log_many(log, 0, 50)
# It leaves by `os._exit`, as daemons do, so nothing else delivers.
assert telesink.flush(30)
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
# Its own connection is open, and closed with all else that a daemon finds.
log_many(log, 0, 50)
assert telesink.flush(30)
log_many(log, 0, 1, 50)
os.closerange(3, 1024)
for descriptor in (0, 2):
    os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
subject_side._keys = os.open(os.environ["SUBJECT_KEYS"], os.O_WRONLY | os.O_CLOEXEC)
in_threads(lambda number: log_many(log, number, 1000, 51))
tell(os.getpid())
"""


@pytest.mark.parametrize("sink", ["sqlite", "postgres"])
def test_F10_a_daemon_that_has_closed_all_descriptors_delivers_everything(subjects, request, sink):
    database = request.getfixturevalue("database") if sink == "postgres" else None

    subject = subjects.start(DAEMON, database.dsn() if database else "")

    pid = subject.hear()
    wait_until(lambda: not is_alive(pid), "the end of the daemon")
    keys = subjects.keys()
    assert len(keys) == 50 + 51 + 4 * 1000
    if database:
        assert sorted(keys_in(database)) == sorted(keys)
    else:
        subjects.rows().check_exactly(keys)


#: No descriptor is left when the first record comes, and later there are some again.
OUT_OF_DESCRIPTORS = f"""{INSTALL}
import resource
pipeline = telesink.Pipeline(DSN, retry_initial_seconds=0.05)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
assert pipeline.enqueue({{"body": f"{{os.getpid()}} 0 0"}})
took(0, 0)
receipt = pipeline.flush(1.0)
error = pipeline.stats().last_error
for descriptor in taken:
    os.close(descriptor)
tell([receipt.complete, error, pipeline.flush(30).complete])
"""


def test_a_program_without_descriptors_is_told_so_and_its_records_are_written_later(subjects):
    subject = subjects.run(OUT_OF_DESCRIPTORS)

    was_complete, error, is_complete = subject.hear()
    assert (was_complete, is_complete) == (False, True)
    assert error.endswith("no file descriptor is left; close some, or raise the limit (ulimit -n)"), error
    subjects.rows().check_exactly(subjects.keys())
