"""A dead server at the end of a program, in each phase of a connection: it costs the exit time-out."""

import contextlib
import dataclasses
import itertools
import re
import sys
import time
from collections.abc import Callable

import pytest
import trustme
from delivery.programs import INSTALL
from postgres.servers import free_port
from reliability import deaf
from reliability.bad_tls import BadServer
from reliability.fault_proxy import COMMITTED, ROWS, TO_CLIENT, TO_SERVER, Fault, FaultProxy
from reliability.resolver import HOST
from waiting import wait_until

import telesink

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the phases are made with what only Linux has"
)

#: What the end may take beyond the time-out, the interpreter's own end included.
BEYOND_SECONDS = 0.5

#: Programs that are run until one ends in time: the others may have met a machine that had no time for them.
TRIES = 3

#: No call may take so long, whatever the network does.
CALL_SECONDS_MAX = 0.05

#: What another busy process takes of a call, without any network: one turn of the processor.
TURN_SECONDS = 0.005

ROUNDS, CALLS = 3, 3_000

#: One record gets the worker into the phase; the rest is logged, and measured, while it hangs there.
LOG_AND_END = f"""{INSTALL}
dsn, exit_seconds, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
telesink.install_logging(dsn, exit_timeout_seconds=exit_seconds)
healthy = logging.getLogger("healthy")
healthy.propagate = False
healthy.setLevel(logging.INFO)
healthy.addHandler(telesink.LogHandler("null://", exit_timeout_seconds=exit_seconds))
log.info("0 0 0")
tell("logged")
hear()

def measure(logger):
    times = []
    for number in range({CALLS}):
        begun = time.perf_counter_ns()
        logger.info("%d 0 %d", os.getpid(), number)
        times.append(time.perf_counter_ns() - begun)
        if number % 50 == 0:
            time.sleep(0.001)
    times.sort()
    return [times[len(times) * 999 // 1000] / 1e9, times[-1] / 1e9]

tell([[measure(healthy), measure(log)] for _ in range({ROUNDS})])
tell(time.monotonic())
sys.exit(code)
"""

LOST = 1 + ROUNDS * CALLS


@dataclasses.dataclass(frozen=True)
class Place:
    """A DSN that hangs in one phase, how to tell that it does, and the environment that it needs."""

    dsn: str
    is_reached: Callable[[], bool]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def in_dns(database, resolver):
    resolver.forget()
    return contextlib.nullcontext(Place(database.dsn(host=HOST), resolver.is_asked, resolver.environment))


@contextlib.contextmanager
def in_connect(database, _resolver):
    with deaf.deaf_port() as port:
        yield Place(database.dsn(port=port), lambda: deaf.is_asked(port))


@contextlib.contextmanager
def in_handshake(database, _resolver):
    with BadServer("stall", trustme.CA()) as server:
        yield Place(database.dsn(port=server.port, sslmode="require"), lambda: server.handshakes > 0)


@contextlib.contextmanager
def silent(database, direction, after):
    """The real server, behind a proxy that falls silent at one place of every connection."""
    # What a first connection does once is done.
    with telesink.Pipeline(database.dsn()) as pipeline:
        pipeline.enqueue({"body": "first"})
        assert pipeline.flush(30).complete
    database.sql("TRUNCATE telesink_logs")
    with FaultProxy(database.port, itertools.repeat(Fault("silence", direction, after))) as proxy:
        yield Place(database.dsn(port=proxy.port, sslmode="disable"), lambda: proxy.struck > 0)


def in_auth(database, _resolver):
    return silent(database, TO_CLIENT, 0)


def in_copy(database, _resolver):
    return silent(database, TO_SERVER, ROWS)


def in_commit(database, _resolver):
    return silent(database, TO_CLIENT, COMMITTED)


def in_backoff(database, _resolver):
    # Nobody listens there, and an attempt fails at once.
    return contextlib.nullcontext(Place(database.dsn(port=free_port()), lambda: True))


#: The phases, and how many records are stored all the same.
PHASES = {
    "DNS": (in_dns, 0),
    "TCP connect": (in_connect, 0),
    "TLS handshake": (in_handshake, 0),
    "auth": (in_auth, 0),
    "COPY": (in_copy, 0),
    "COMMIT": (in_commit, 1),
    "between two attempts": (in_backoff, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("exit_seconds", "code"), [(1, 3), (5, 0)])
@pytest.mark.parametrize("phase", PHASES)
def test_I10_a_dead_server_costs_the_exit_timeout_and_nothing_else(
    subjects, database, resolver, phase, exit_seconds, code
):
    hanging, stored = PHASES[phase]
    for _ in range(TRIES):
        with hanging(database, resolver) as place:
            subject, rounds, seconds = end(subjects, place, exit_seconds, code)
        check_told(subject)
        assert rows(database) == stored
        if seconds <= exit_seconds + BEYOND_SECONDS:
            break

    healthy, dead = best(rounds, 0), best(rounds, 1)
    print(
        f"{phase}, {exit_seconds} s: ended after {seconds:.2f} s; "
        f"p99.9 and longest call {dead}, healthy {healthy}"
    )
    assert exit_seconds - 0.1 <= seconds <= exit_seconds + BEYOND_SECONDS
    assert dead[0] <= 5 * healthy[0] + TURN_SECONDS
    assert dead[1] <= CALL_SECONDS_MAX


def end(subjects, place, exit_seconds, code):
    """Run the program to its end; answers it, what its calls took, and what its end took."""
    subject = subjects.start(LOG_AND_END, place.dsn, exit_seconds, code, environment=place.environment)
    assert subject.hear() == "logged"
    wait_until(place.is_reached, "a connection that hangs")
    subject.say()
    rounds = subject.hear()
    told_at = subject.hear()
    subject.process.wait(60)
    seconds = time.monotonic() - told_at
    assert subject.ends() == code
    return subject, rounds, seconds


def check_told(subject):
    """One line counts what was lost, by sink."""
    (line,) = [line for line in subject.own_lines if "not delivered" in line]
    told = re.search(r"\(postgresql: ([^;)]*)\)", line)
    assert sum(int(count) for count in re.findall(r"(\d+) exit_", told[1])) == LOST


def best(rounds, which):
    """The best figures of all rounds: the machine may be busy with other things."""
    return tuple(min(one[which][figure] for one in rounds) for figure in (0, 1))


def rows(database):
    if database.sql("SELECT to_regclass('telesink_logs') IS NULL") == [(True,)]:
        return 0
    return database.count()[0]
