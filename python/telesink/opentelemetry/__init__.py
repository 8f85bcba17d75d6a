"""OpenTelemetry programs on native threads: processors, exporters, and the one line that installs them.

Needs the SDK: ``pip install 'telesink[otel]'``.

>>> import telesink.opentelemetry
>>> from opentelemetry.sdk.trace import TracerProvider
>>> processor = telesink.opentelemetry.SpanProcessor("memory://")
>>> provider = TracerProvider()
>>> provider.add_span_processor(processor)
>>> with provider.get_tracer("shop").start_as_current_span("pay"):
...     pass
>>> provider.force_flush()
True
>>> [span["body"] for span in processor.pipeline.recent()]
['pay']
>>> provider.shutdown()

Global providers are touched by :func:`install` alone.
"""

try:
    import opentelemetry.sdk as _sdk  # noqa: F401 - only whether it is there
except ImportError as error:
    message = "telesink.opentelemetry needs the OpenTelemetry SDK: pip install 'telesink[otel]'"
    raise ImportError(message, name="opentelemetry.sdk") from error

from telesink.opentelemetry._exporters import LogRecordExporter, MetricExporter, SpanExporter
from telesink.opentelemetry._install import Installation, install
from telesink.opentelemetry._observe import observe
from telesink.opentelemetry._processors import LogRecordProcessor, SpanProcessor
from telesink.opentelemetry._shared import is_used

__all__ = [
    "Installation",
    "LogRecordExporter",
    "LogRecordProcessor",
    "MetricExporter",
    "SpanExporter",
    "SpanProcessor",
    "install",
    "is_used",
    "observe",
]
