"""A server that falls silent in any phase: packets vanish, or its processes are stopped; nobody says so.

Every wait of telesink has its limit, and when the silence is over each record is there once.
"""

import contextlib
import dataclasses
import sys
import time

import pytest
from postgres.database import Database
from postgres.observing import numbers, records, sink
from reliability.fault_proxy import COMMIT, COMMITTED, ROWS, TO_CLIENT, TO_SERVER, Fault, FaultProxy
from reliability.netns import Network, can_make_networks
from waiting import wait_until

import telesink

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and /proc are Linux")

COUNT = 50

#: Each wait for the server; a batch has several.
LIMIT_SECONDS = 0.4

#: How long an attempt may take: the log-in and what one batch asks, each with its limit; and a machine that
#: is busy with starting processes takes several times as long. Without limits it would have no end.
ATTEMPT_SECONDS_MAX = 15.0

#: Where a connection falls silent. An earlier one has made the tables: the first COMMIT is that of the batch.
PHASES = {
    "log-in": Fault("", TO_SERVER, 0),
    "answer to the log-in": Fault("", TO_CLIENT, 0),
    "guard": Fault("", TO_SERVER, b"INSERT INTO telesink_ledger"),
    "rows": Fault("", TO_SERVER, ROWS),
    "COMMIT": Fault("", TO_SERVER, COMMIT),
    "answer to COMMIT": Fault("", TO_CLIENT, COMMITTED),
}

#: Without root there is no second network, and stopped processes have to do.
SILENCES = ["network", "processes"] if can_make_networks() else ["processes"]

#: A stopped server has already sent its answer, so only a network can lose that.
CASES = [
    (silence, phase)
    for silence in SILENCES
    for phase, fault in PHASES.items()
    if silence == "network" or fault.direction == TO_SERVER
]


class Silence:
    """A server, the way to it, and how both fall silent."""

    def __init__(self, server, host, listener, fall_silent, end):
        self.database = Database(server, server.create_database())
        self.host, self._listener, self.fall_silent, self.end = host, listener, fall_silent, end
        with telesink.Pipeline(self.database.dsn(sslmode="disable")) as pipeline:
            pipeline.enqueue({"body": "first"})
            assert pipeline.flush(30).complete
        self.database.sql("TRUNCATE telesink_logs")

    def proxy(self, *faults):
        """A way to the server that falls silent where the faults strike."""
        faults = [dataclasses.replace(fault, kind=self.fall_silent) for fault in faults]
        return FaultProxy(self.database.port, faults, listener=self._listener)

    def pipeline(self, proxy, *, sslmode="disable"):
        dsn = self.database.dsn(host=self.host, port=proxy.port, sslmode=sslmode)
        limits = {"connect_timeout_seconds": LIMIT_SECONDS, "write_timeout_seconds": LIMIT_SECONDS}
        pauses = {"retry_initial_seconds": 0.05, "retry_max_seconds": 0.1, "linger_seconds": 0.01}
        return telesink.Pipeline(dsn, **limits, **pauses)


@pytest.fixture(params=SILENCES)
def make_silence(request):
    """Makes a `Silence` over a server."""
    with contextlib.ExitStack() as stack:

        def make(server):
            if request.param == "processes":
                stack.callback(server.thaw)
                return Silence(server, "127.0.0.1", None, server.freeze, server.thaw)
            network = stack.enter_context(Network())
            return Silence(server, network.address, network.listen(), network.drop, network.heal)

        yield make


def check_bounded_and_once(silence, pipeline, begun, is_silent):
    """Attempts come to their end while nothing answers; afterwards each record is there once."""
    wait_until(is_silent, "the phase that is meant")
    wait_until(lambda: sink(pipeline)["retries"] >= 1, "the end of the first attempt", ATTEMPT_SECONDS_MAX)
    wait_until(lambda: sink(pipeline)["retries"] >= 3, "more attempts in vain", 3 * ATTEMPT_SECONDS_MAX)
    assert sink(pipeline)["dropped"] == {}
    silence.end()

    assert pipeline.flush(30).complete
    print(f"over after {time.monotonic() - begun:.1f} s")
    assert pipeline.close(30).complete
    assert silence.database.bodies() == numbers(COUNT)
    assert silence.database.count() == (COUNT, COUNT)


@pytest.mark.parametrize(("make_silence", "phase"), CASES, indirect=["make_silence"])
def test_P5_silence_in_any_phase_is_left_in_time_and_each_record_is_stored_once(server, make_silence, phase):
    silence = make_silence(server)
    with silence.proxy(PHASES[phase]) as proxy:
        pipeline = silence.pipeline(proxy)
        begun = time.monotonic()
        pipeline.enqueue_many(records(COUNT))

        check_bounded_and_once(silence, pipeline, begun, lambda: proxy.struck > 0)


def test_P5_silence_in_the_handshake_is_left_in_time(encrypting, make_silence):
    silence = make_silence(encrypting)
    # One byte says that the server does TLS; its half of the handshake is lost.
    with silence.proxy(Fault("", TO_CLIENT, 1)) as proxy:
        pipeline = silence.pipeline(proxy, sslmode="require")
        begun = time.monotonic()
        pipeline.enqueue_many(records(COUNT))

        check_bounded_and_once(silence, pipeline, begun, lambda: proxy.struck > 0)


def test_P5_a_server_that_was_silent_from_the_beginning_gets_everything_in_the_end(server, make_silence):
    silence = make_silence(server)
    with silence.proxy() as proxy:
        silence.fall_silent()
        pipeline = silence.pipeline(proxy)
        begun = time.monotonic()
        pipeline.enqueue_many(records(COUNT))

        check_bounded_and_once(silence, pipeline, begun, lambda: True)


def test_P5_an_idle_connection_that_fell_silent_costs_its_limits_and_no_record(server, make_silence):
    silence = make_silence(server)
    with silence.proxy() as proxy:
        pipeline = silence.pipeline(proxy)
        pipeline.enqueue_many(records(COUNT // 2))
        assert pipeline.flush(30).complete
        silence.fall_silent()
        begun = time.monotonic()
        pipeline.enqueue_many(records(COUNT - COUNT // 2, start=COUNT // 2))

        check_bounded_and_once(silence, pipeline, begun, lambda: True)
