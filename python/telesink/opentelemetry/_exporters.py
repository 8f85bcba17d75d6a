"""Exporters, for set-ups in which the SDK's own batch processors stand in front."""

from __future__ import annotations

from telesink.opentelemetry import _compatibility as otel
from telesink.opentelemetry._shared import Sharing, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from telesink._settings import Settings


class SpanExporter(Sharing, otel.SpanExporter):
    """Exports spans; ``OTEL_TRACES_EXPORTER=telesink`` makes one without arguments.

    ``export`` hands spans over and does not wait for their delivery; ``force_flush`` does. The arguments are
    those of :class:`SpanProcessor`, which needs no queue of the SDK.

    >>> from opentelemetry.sdk.trace.export import BatchSpanProcessor
    >>> import telesink.opentelemetry
    >>> processor = BatchSpanProcessor(telesink.opentelemetry.SpanExporter("null://"))
    >>> processor.shutdown()
    """

    def __init__(
        self, dsn: str | Sequence[str] | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._user = User(dsn, settings, options)

    def export(self, spans: Sequence[otel.ReadableSpan]) -> otel.SpanExportResult:
        """Take the spans. A failure means that not all were accepted; ``stats()`` says why."""
        signals = self._user.shared.signals
        if self._user.is_shut:
            signals.reject_closed(len(spans))
            return otel.SpanExportResult.FAILURE
        is_taken = signals.export_spans(spans)
        return otel.SpanExportResult.SUCCESS if is_taken else otel.SpanExportResult.FAILURE


class LogRecordExporter(Sharing, otel.LogRecordExporter):
    """Exports log records; ``OTEL_LOGS_EXPORTER=telesink`` makes one without arguments.

    The arguments are those of :class:`SpanProcessor`. :class:`LogRecordProcessor` needs no queue of the SDK.
    """

    def __init__(
        self, dsn: str | Sequence[str] | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        self._user = User(dsn, settings, options)

    def export(self, batch: Sequence[otel.ReadableLogRecord]) -> otel.LogRecordExportResult:
        """Take the records. A failure means that not all were accepted; ``stats()`` says why."""
        signals = self._user.shared.signals
        if self._user.is_shut:
            signals.reject_closed(len(batch))
            return otel.LogRecordExportResult.FAILURE
        is_taken = signals.export_logs(batch)
        return otel.LogRecordExportResult.SUCCESS if is_taken else otel.LogRecordExportResult.FAILURE


class MetricExporter(Sharing, otel.MetricExporter):
    """Exports metrics; ``OTEL_METRICS_EXPORTER=telesink`` makes one without arguments.

    Temporality and aggregation are, unless given, what the variables of the OTLP exporter ask for:
    ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`` (``cumulative``, ``delta`` or ``lowmemory``) and
    ``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION``. The other arguments are those of
    :class:`SpanProcessor`.

    >>> from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    >>> import telesink.opentelemetry
    >>> reader = PeriodicExportingMetricReader(telesink.opentelemetry.MetricExporter("null://"))
    >>> reader.shutdown()
    """

    def __init__(
        self,
        dsn: str | Sequence[str] | None = None,
        *,
        preferred_temporality: dict[type, otel.AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, otel.Aggregation] | None = None,
        settings: Settings | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            preferred_temporality={**otel.preferred_temporality(), **(preferred_temporality or {})},
            preferred_aggregation={**otel.preferred_aggregation(), **(preferred_aggregation or {})},
        )
        self._user = User(dsn, settings, options)

    def export(
        self,
        metrics_data: otel.MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - nothing is waited for
        **kwargs: Any,  # noqa: ARG002 - of the SDK's interface
    ) -> otel.MetricExportResult:
        """Take the metrics. A failure means that not all were accepted; ``stats()`` says why."""
        signals = self._user.shared.signals
        if self._user.is_shut:
            signals.reject_closed(1)
            return otel.MetricExportResult.FAILURE
        is_taken = signals.export_metrics(metrics_data)
        return otel.MetricExportResult.SUCCESS if is_taken else otel.MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float | None = 10_000) -> bool:
        """Wait until all metrics taken so far are settled, no longer than ``timeout_millis``."""
        return self._user.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ARG002 - of the interface
        """Deliver what is there, within the exit time-out, and take nothing more. May be called again."""
        self._user.shutdown()
