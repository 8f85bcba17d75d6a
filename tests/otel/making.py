"""Small providers around a processor, and what a memory sink has of them."""

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

import telesink.opentelemetry

MEMORY = "memory://?records_max=100000"


def tracer_of(processor, **options):
    provider = TracerProvider(**options)
    provider.add_span_processor(processor)
    return provider, provider.get_tracer("shop", "1.2", schema_url="https://example.org/shop")


def logger_of(processor, **options):
    provider = LoggerProvider(**options)
    provider.add_log_record_processor(processor)
    return provider, provider.get_logger("shop")


def direct(**options):
    """
    A tracer whose spans go to memory, and the pipeline that has them.
    """
    processor = telesink.opentelemetry.SpanProcessor(MEMORY, **options)
    provider, tracer = tracer_of(processor)
    return provider, tracer, processor.pipeline


def stored(pipeline):
    assert pipeline.flush().complete
    return pipeline.recent(100_000)
