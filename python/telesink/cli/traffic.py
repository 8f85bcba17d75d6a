"""The phases of the demonstration, and the threads that play them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Self

from telesink.cli.shop import Shop

#: Threads that serve requests.
WORKERS = 4

#: Records of the burst in seconds of calm traffic, and at most: below the default bound of the queue
#: (65,536), so that nothing is lost even if nothing at all is stored meanwhile.
BURST_SECONDS = 2
BURST_RECORDS_MAX = 50_000

#: Time between two looks at the threads.
LOOK_SECONDS = 0.1

#: A phase that cannot keep up ends after so many times its length.
OVERTIME = 2.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the traffic; without `seconds` it is as fast as it can be."""

    name: str
    records: int
    seconds: float | None
    trouble: float


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What a phase came to."""

    phase: Phase
    records: int
    seconds: float
    samples: list[int]


def phases_of(seconds: float, rate: int) -> tuple[Phase, ...]:
    """Return calm, burst, slow and calm again; the burst takes hardly any of the time."""

    def paced(name: str, share: float, factor: float, trouble: float) -> Phase:
        return Phase(name, max(WORKERS, round(seconds * share * rate * factor)), seconds * share, trouble)

    burst = min(max(WORKERS, rate * BURST_SECONDS), BURST_RECORDS_MAX)
    return (
        paced("calm", 0.45, 1.0, 0.01),
        Phase("burst", burst, None, 0.01),
        paced("slow", 0.3, 0.2, 0.75),
        paced("calm again", 0.25, 1.0, 0.01),
    )


class Crew:
    """The threads that serve requests. A context manager: leaving it stops them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stop = Event()
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="shop")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._executor.shutdown(wait=True)

    def play(self, phase: Phase, look: Callable[[], None]) -> PhaseResult:
        """Play one phase to its end, calling `look` now and then."""
        started = time.perf_counter()
        futures = [self._executor.submit(self._serve, phase, worker) for worker in range(WORKERS)]
        while wait(futures, timeout=LOOK_SECONDS).not_done:
            look()
        shops = [future.result() for future in futures]
        look()
        samples = [sample for shop in shops for sample in shop.samples]
        return PhaseResult(phase, sum(shop.records for shop in shops), time.perf_counter() - started, samples)

    def _serve(self, phase: Phase, worker: int) -> Shop:
        shop = Shop(f"{self._seed}/{phase.name}/{worker}", phase.trouble)
        wanted = phase.records // WORKERS
        started = time.monotonic()
        while shop.records < wanted and not self._stop.is_set():
            shop.serve()
            if phase.seconds is None:
                continue
            elapsed = time.monotonic() - started
            if elapsed > phase.seconds * OVERTIME:
                break
            # By the clock, not by the last request: a thread that was held up makes up for it.
            self._stop.wait(max(0.0, phase.seconds * shop.records / wanted - elapsed))
        return shop
