"""What the SDK hands to exporters, made up by hypothesis, and our records as the same protobuf messages."""

from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics._internal.point import Buckets
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

TEXT_MAX = 40
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(0, 2**64 - 1)
COUNTS = st.integers(0, 2**64 - 1)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)

# NUL cannot be stored by all sinks, half characters cannot be sent: both are mended, and tested elsewhere.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(CHARACTERS, max_size=TEXT_MAX)
NAMES = st.text(CHARACTERS, min_size=1, max_size=TEXT_MAX).filter(
    lambda name: not name.startswith("telesink.")
)

SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, TEXTS, st.binary(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=6)


@st.composite
def bounded(draw):
    """
    Attributes as the SDK keeps them, some of which it may have dropped.
    """
    return BoundedAttributes(draw(st.sampled_from([None, 0, 2, 128])), draw(ATTRIBUTES), immutable=True)


TRACE_STATES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True),
    max_size=3,
).map(lambda pairs: TraceState(list(pairs.items())))

CONTEXTS = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    trace_state=TRACE_STATES,
)
RESOURCES = st.builds(Resource, ATTRIBUTES, st.one_of(st.none(), TEXTS))
SCOPES = st.builds(
    InstrumentationScope, TEXTS, st.one_of(st.none(), TEXTS), st.one_of(st.none(), TEXTS), ATTRIBUTES
)
EVENTS = st.builds(Event, NAMES, bounded(), TIMES)
LINKS = st.builds(Link, CONTEXTS, bounded())
STATUSES = st.one_of(
    st.builds(Status, st.sampled_from([StatusCode.UNSET, StatusCode.OK])),
    st.builds(Status, st.just(StatusCode.ERROR), st.one_of(st.none(), TEXTS)),
)


def bounded_list(items, maxlen):
    return BoundedList.from_seq(maxlen, items)


SPANS = st.builds(
    ReadableSpan,
    name=NAMES,
    context=CONTEXTS,
    parent=st.one_of(st.none(), CONTEXTS),
    resource=RESOURCES,
    attributes=bounded(),
    events=st.builds(bounded_list, st.lists(EVENTS, max_size=3), st.sampled_from([1, 128])),
    links=st.builds(bounded_list, st.lists(LINKS, max_size=3), st.sampled_from([1, 128])),
    kind=st.sampled_from(SpanKind),
    status=STATUSES,
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=st.one_of(st.none(), SCOPES),
)


@st.composite
def logs(draw):
    record = LogRecord(
        timestamp=draw(st.one_of(st.none(), TIMES)),
        observed_timestamp=draw(TIMES),
        severity_text=draw(st.one_of(st.none(), TEXTS)),
        severity_number=draw(st.one_of(st.none(), st.sampled_from(SeverityNumber))),
        body=draw(VALUES),
        attributes=draw(bounded()),
        event_name=draw(st.one_of(st.none(), NAMES)),
    )
    record.trace_id = draw(st.one_of(st.just(0), st.integers(1, 2**128 - 1)))
    record.span_id = draw(st.one_of(st.just(0), st.integers(1, 2**64 - 1)))
    record.trace_flags = TraceFlags(draw(st.integers(0, 255)))
    return ReadableLogRecord(record, draw(RESOURCES), draw(st.one_of(st.none(), SCOPES)))


NUMBERS = st.one_of(INTEGERS, FLOATS)
EXEMPLARS = st.one_of(
    st.builds(Exemplar, ATTRIBUTES, NUMBERS, TIMES),
    st.builds(
        Exemplar,
        ATTRIBUTES,
        NUMBERS,
        TIMES,
        span_id=st.integers(1, 2**64 - 1),
        trace_id=st.integers(1, 2**128 - 1),
    ),
)
POINT = {
    "attributes": ATTRIBUTES,
    "start_time_unix_nano": TIMES,
    "time_unix_nano": TIMES,
    "exemplars": st.lists(EXEMPLARS, max_size=2),
}
DISTRIBUTION = {"count": COUNTS, "sum": NUMBERS, "min": FLOATS, "max": FLOATS}
NUMBER_POINTS = st.lists(st.builds(NumberDataPoint, value=NUMBERS, **POINT), min_size=1, max_size=3)
HISTOGRAM_POINTS = st.lists(
    st.builds(
        HistogramDataPoint,
        bucket_counts=st.lists(COUNTS, max_size=5),
        explicit_bounds=st.lists(FLOATS, max_size=4),
        **DISTRIBUTION,
        **POINT,
    ),
    min_size=1,
    max_size=3,
)
BUCKETS = st.builds(Buckets, st.integers(-(2**31), 2**31 - 1), st.lists(COUNTS, max_size=5))
EXPONENTIAL_POINTS = st.lists(
    st.builds(
        ExponentialHistogramDataPoint,
        scale=st.integers(-10, 20),
        zero_count=COUNTS,
        positive=BUCKETS,
        negative=BUCKETS,
        flags=st.integers(0, 1),
        **DISTRIBUTION,
        **POINT,
    ),
    min_size=1,
    max_size=3,
)
TEMPORALITIES = st.sampled_from(AggregationTemporality)
DATA = st.one_of(
    st.builds(Gauge, NUMBER_POINTS),
    st.builds(Sum, NUMBER_POINTS, TEMPORALITIES, st.booleans()),
    st.builds(Histogram, HISTOGRAM_POINTS, TEMPORALITIES),
    st.builds(ExponentialHistogram, EXPONENTIAL_POINTS, TEMPORALITIES),
)
METRICS = st.builds(Metric, NAMES, st.one_of(st.none(), TEXTS), st.one_of(st.none(), TEXTS), DATA)
METRICS_DATA = st.builds(
    lambda resource, scope, metrics: MetricsData(
        [ResourceMetrics(resource, [ScopeMetrics(scope, metrics, scope.schema_url)], resource.schema_url)]
    ),
    RESOURCES,
    SCOPES,
    st.lists(METRICS, min_size=1, max_size=3),
)

# Signal: the message of a request, its parts, and where the records lie in them.
REQUESTS = {
    1: (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
    2: (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
    3: (ExportMetricsServiceRequest, "resource_metrics", "scope_metrics", "metrics"),
}


def as_request(signal, encoded):
    """
    One record as a request of its own, put together from what is on the wire.
    """
    found, resource, resource_schema, scope, scope_schema, message = encoded
    assert found == signal
    request_class, resources, scopes, records = REQUESTS[signal]
    request = request_class()
    of_resource = getattr(request, resources).add(schema_url=resource_schema)
    of_resource.resource.MergeFromString(resource)
    of_scope = getattr(of_resource, scopes).add(schema_url=scope_schema)
    of_scope.scope.MergeFromString(scope)
    getattr(of_scope, records).add().MergeFromString(message)
    return request


def canonical(message):
    """
    Bytes that are equal exactly if all fields are; NaN counts as equal to itself.
    """
    return message.SerializeToString(deterministic=True)
