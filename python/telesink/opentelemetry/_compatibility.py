"""The names of OpenTelemetry that telesink uses: the one place that knows where which version keeps them.

Works with the SDK from 1.39 on, in which the log classes got their present names. The log signal is still
called `_logs` there, and may move.
"""

from __future__ import annotations

import os

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.metrics import (
    CallbackOptions,
    Observation,
    get_meter_provider,
    set_meter_provider,
)
from opentelemetry.metrics import (
    MeterProvider as MeterProviderApi,
)
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import get_tracer_provider, set_tracer_provider

__all__ = [
    "Aggregation",
    "AggregationTemporality",
    "CallbackOptions",
    "LogRecordExportResult",
    "LogRecordExporter",
    "LogRecordProcessor",
    "LoggerProvider",
    "MeterProvider",
    "MeterProviderApi",
    "MetricExportResult",
    "MetricExporter",
    "MetricsData",
    "Observation",
    "PeriodicExportingMetricReader",
    "ReadWriteLogRecord",
    "ReadableLogRecord",
    "ReadableSpan",
    "Resource",
    "Sampler",
    "SpanExportResult",
    "SpanExporter",
    "SpanProcessor",
    "TracerProvider",
    "get_logger_provider",
    "get_meter_provider",
    "get_tracer_provider",
    "metrics",
    "preferred_aggregation",
    "preferred_temporality",
    "providers_in_place",
    "set_logger_provider",
    "set_meter_provider",
    "set_tracer_provider",
    "trace",
]

_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_HISTOGRAM = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"

#: Instruments whose points are deltas under each preference; the others are cumulative.
_DELTA: dict[str, tuple[type, ...]] = {
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}


def preferred_temporality() -> dict[type, AggregationTemporality]:
    """The temporality of each instrument that the OTLP exporter's variable asks for.

    Programs that come from there have set ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``.
    """
    delta = _DELTA.get(os.environ.get(_TEMPORALITY, "").strip().lower(), ())
    instruments: tuple[type, ...] = (
        Counter,
        UpDownCounter,
        Histogram,
        ObservableCounter,
        ObservableUpDownCounter,
        ObservableGauge,
    )
    return {
        kind: AggregationTemporality.DELTA if kind in delta else AggregationTemporality.CUMULATIVE
        for kind in instruments
    }


def preferred_aggregation() -> dict[type, Aggregation]:
    """The aggregation of histograms that the OTLP exporter's variable asks for."""
    if os.environ.get(_HISTOGRAM, "").strip().lower() == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    return {}


def providers_in_place() -> list[str]:
    """The global providers that somebody has set, by name."""
    found = {
        "tracer": get_tracer_provider(),
        "logger": get_logger_provider(),
        "meter": get_meter_provider(),
    }
    # Until one is set there is a proxy, whose class is public for the first signal only.
    return [name for name, provider in found.items() if "Proxy" not in type(provider).__name__]
