"""telesink's own counters as OpenTelemetry metrics."""

from __future__ import annotations

from telesink import _lifecycle
from telesink.opentelemetry import _compatibility as otel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telesink._stats import Stats


def observe(meter_provider: otel.MeterProviderApi | None = None) -> None:
    """Publish the counters of every sink, in the names that the SDK has for its own.

    They are read when metrics are collected, and cost nothing in between. A sink is an
    ``otel.component.name``. The names are those of log records, ``otel.sdk.processor.log.queue.size``,
    ``.queue.capacity``, ``.processed`` and ``otel.sdk.exporter.log.inflight``, ``.exported``: a sink counts
    records of all signals together. What was not stored has its cause as ``error.type``.

    :param meter_provider: where to; by default the global one, also one that is set later.

    >>> import telesink.opentelemetry
    >>> telesink.opentelemetry.observe()
    """
    provider = otel.get_meter_provider() if meter_provider is None else meter_provider
    meter = provider.get_meter("telesink", _version())
    meter.create_observable_up_down_counter(
        "otel.sdk.processor.log.queue.size",
        [_callback(_waiting)],
        "{log_record}",
        "records that a sink has not settled",
    )
    meter.create_observable_up_down_counter(
        "otel.sdk.processor.log.queue.capacity",
        [_observe_capacity],
        "{log_record}",
        "most records that a sink's queue holds",
    )
    meter.create_observable_counter(
        "otel.sdk.processor.log.processed",
        [_callback(_processed)],
        "{log_record}",
        "records that a sink was offered, with the cause where it did not take them",
    )
    meter.create_observable_up_down_counter(
        "otel.sdk.exporter.log.inflight",
        [_callback(_waiting)],
        "{log_record}",
        "records on their way to the destination",
    )
    meter.create_observable_counter(
        "otel.sdk.exporter.log.exported",
        [_callback(_exported)],
        "{log_record}",
        "records that are settled, with the cause where they were not delivered",
    )


def _version() -> str:
    from telesink import __version__

    return __version__


def _callback(
    read: Callable[[Stats], Iterable[tuple[int, str | None]]],
) -> Callable[[otel.CallbackOptions], Iterable[otel.Observation]]:
    def observe_all(_options: otel.CallbackOptions) -> Iterable[otel.Observation]:
        return [
            otel.Observation(count, _attributes(name, cause))
            for name, stats in _lifecycle.stats().items()
            for count, cause in read(stats)
        ]

    return observe_all


def _observe_capacity(_options: otel.CallbackOptions) -> Iterable[otel.Observation]:
    return [
        otel.Observation(capacity, _attributes(name, None))
        for name, capacity in _lifecycle.queue_capacities().items()
    ]


def _attributes(name: str, cause: str | None) -> dict[str, str]:
    attributes = {"otel.component.type": "telesink_sink", "otel.component.name": name}
    if cause is not None:
        attributes["error.type"] = cause
    return attributes


def _waiting(stats: Stats) -> Iterable[tuple[int, str | None]]:
    yield stats.pending, None


def _processed(stats: Stats) -> Iterable[tuple[int, str | None]]:
    yield stats.routed, None
    yield from ((count, cause) for cause, count in stats.rejected.items())


def _exported(stats: Stats) -> Iterable[tuple[int, str | None]]:
    yield stats.delivered, None
    yield from ((count, cause) for cause, count in stats.dropped.items())
