"""Forks while a sink talks to a server: nobody waits for the network, and connections stay their owner's."""

import sys

import pytest
from delivery.programs import FORK
from postgres.database import Database
from postgres.observing import PostgresRows
from reliability.fault_proxy import ROWS, TO_SERVER, Fault, FaultProxy
from reliability.resolver import HOST
from waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")

FORKS = 100

#: Children that end as those of a library do, and as programs do: with all that the interpreter cleans up.
FORK_WHILE_STREAMING = f"""{FORK}
telesink.install_logging(sys.argv[1], batch_records_max=2_000, linger_seconds=0.01)
go_on = True

def work(number):
    counter = 0
    while go_on:
        log_many(log, number, 20, counter)
        counter += 20
        time.sleep(0.001)

log_many(log, 9, 1)
assert telesink.flush(30)
threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads:
    thread.start()
codes = []
for number in range({FORKS}):
    time.sleep(0.005)
    pid = os.fork()
    if pid == 0:
        if number % 2:
            os._exit(0)
        gc.collect()
        sys.exit()
    codes += reap([pid])
go_on = False
for thread in threads:
    thread.join()
assert telesink.flush(60)
tell([codes, telesink.stats()["postgresql"].retries])
"""


def test_F5_children_that_end_at_once_do_no_harm_to_the_encrypted_connection_of_their_parent(
    subjects, encrypting
):
    database = Database(encrypting, encrypting.create_database())
    with FaultProxy(encrypting.port) as proxy:
        subject = subjects.start(FORK_WHILE_STREAMING, database.dsn(port=proxy.port, sslmode="require"))
        codes, retries = subject.hear(120)
        assert subject.ends() == 0

        assert proxy.connections == 1
    assert codes == [0] * FORKS
    assert retries == 0
    PostgresRows(database).check_exactly(subjects.keys(subject.pid))
    assert subject.own_lines == []


FORK_IN_SILENCE = f"""{FORK}
telesink.install_logging(sys.argv[1], exit_timeout_seconds=0.5)
log_many(log, 0, 100)
tell("logged")
hear()
seconds = []
for number in range({FORKS}):
    log_many(log, 0, 10, 100 + 10 * number)
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    seconds.append(time.perf_counter() - begun)
    reap([pid])
tell(sorted(seconds))
"""


def test_F4_a_fork_does_not_wait_for_a_server_that_is_silent(subjects, database):
    with FaultProxy(database.port, [Fault("silence", TO_SERVER, ROWS)]) as proxy:
        subject = subjects.start(FORK_IN_SILENCE, database.dsn(port=proxy.port, sslmode="disable"))
        assert subject.hear() == "logged"
        wait_until(lambda: proxy.struck == 1, "a COPY that nobody answers")
        subject.say()
        seconds = subject.hear()
        assert subject.ends() == 0

    print(f"a fork takes {seconds[FORKS // 2] * 1e3:.1f} ms, at most {seconds[-1] * 1e3:.1f} ms")
    assert seconds[-1] < 0.06


FORK_IN_THE_RESOLVER = f"""{FORK}
telesink.install_logging(sys.argv[1])
log_many(log, 0, 100)
tell("logged")
hear()

def child():
    longest = 0.0
    for counter in range(500):
        begun = time.perf_counter()
        log_many(log, 1, 1, counter)
        longest = max(longest, time.perf_counter() - begun)
    tell(longest)
    assert telesink.flush(60)

pid = forked(child)
log_many(log, 0, 100, 100)
assert reap([pid]) == [0]
assert telesink.flush(60)
"""


def test_F23_a_fork_in_the_middle_of_a_question_to_the_resolver_hangs_nobody(subjects, database, resolver):
    dsn = database.dsn(host=HOST, sslmode="disable")
    subject = subjects.start(FORK_IN_THE_RESOLVER, dsn, environment=resolver.environment)
    assert subject.hear() == "logged"
    wait_until(resolver.is_asked, "a question to the resolver")
    subject.say()
    longest = subject.hear()
    resolver.release()

    assert subject.ends() == 0, subject.stderr
    assert longest < 0.05
    keys = subjects.keys()
    assert len(keys) == 700
    PostgresRows(database).check_exactly(keys)
