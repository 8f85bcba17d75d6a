"""The one line that puts a whole OpenTelemetry program onto native threads."""

from __future__ import annotations

from telesink.exceptions import ConfigError
from telesink.opentelemetry import _compatibility as otel
from telesink.opentelemetry._exporters import MetricExporter
from telesink.opentelemetry._processors import LogRecordProcessor, SpanProcessor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    from telesink._settings import Settings


class Installation:
    """What :func:`install` has set: three providers, and the way to end them."""

    def __init__(
        self,
        tracer_provider: otel.TracerProvider,
        logger_provider: otel.LoggerProvider,
        meter_provider: otel.MeterProvider,
    ) -> None:
        self.tracer_provider = tracer_provider
        self.logger_provider = logger_provider
        self.meter_provider = meter_provider
        self._is_shut = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Collect metrics and wait until everything is settled."""
        flushed = [
            self.meter_provider.force_flush(timeout_millis),
            self.tracer_provider.force_flush(timeout_millis),
            self.logger_provider.force_flush(timeout_millis),
        ]
        return all(flushed)

    def shutdown(self) -> None:
        """Deliver everything and end the providers. A second call does nothing.

        OpenTelemetry keeps the providers: it lets them be set once in a process.
        """
        if self._is_shut:
            return
        self._is_shut = True
        # Its last collection may still belong to spans.
        self.meter_provider.shutdown()
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()


def install(
    dsn: str | Sequence[str] | None = None,
    *,
    resource: otel.Resource | Mapping[str, Any] | None = None,
    sampler: otel.Sampler | None = None,
    metric_interval_seconds: float | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> Installation:
    """Set the global tracer, logger and meter provider, all of which send to one destination.

    Spans and log records are captured directly; metrics are collected by the SDK's periodic reader. For
    records of ``logging`` call :func:`telesink.install_logging` with the same DSN: they then carry the
    ids of the spans.

    :param dsn: see :class:`SpanProcessor`.
    :param resource: what the program is; by default as the SDK finds out (``OTEL_SERVICE_NAME``).
    :param sampler: which traces to keep; by default ``OTEL_TRACES_SAMPLER``.
    :param metric_interval_seconds: between two collections; by default ``OTEL_METRIC_EXPORT_INTERVAL``, 60.
    :param settings: how; by default read from the environment.
    :param options: settings by name, or options of the sink.
    :raises ConfigError: the DSN or an option is wrong, or a provider is set already: OpenTelemetry allows it
        once. Nothing has changed then.
    """
    taken = otel.providers_in_place()
    if taken:
        raise ConfigError(
            f"the global {taken[0]} provider is set already, and OpenTelemetry lets it be set only once",
            "add telesink.opentelemetry.SpanProcessor() and its like to the providers that are there",
        )
    if resource is not None and not isinstance(resource, otel.Resource):
        resource = otel.Resource.create(dict(resource))
    elif resource is None:
        resource = otel.Resource.create()
    span_processor = SpanProcessor(dsn, settings=settings, **options)
    log_processor = LogRecordProcessor(dsn, settings=settings, **options)
    reader = otel.PeriodicExportingMetricReader(
        MetricExporter(dsn, settings=settings, **options),
        export_interval_millis=None if metric_interval_seconds is None else metric_interval_seconds * 1000,
    )
    installation = Installation(
        otel.TracerProvider(sampler=sampler, resource=resource),
        otel.LoggerProvider(resource=resource),
        otel.MeterProvider(metric_readers=[reader], resource=resource),
    )
    installation.tracer_provider.add_span_processor(span_processor)
    installation.logger_provider.add_log_record_processor(log_processor)
    otel.set_tracer_provider(installation.tracer_provider)
    otel.set_logger_provider(installation.logger_provider)
    otel.set_meter_provider(installation.meter_provider)
    return installation
