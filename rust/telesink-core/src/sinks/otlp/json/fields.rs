//! The fields of OTLP's messages (opentelemetry-proto 1.11): number, name in JSON, kind.

/// One message: its fields in the order in which they are written.
pub(super) type Message = &'static [Field];

/// How a field is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Bytes of an id, as lower-case hex.
    Hex,
    /// Other bytes.
    Base64,
    /// A truth value.
    Bool,
    /// 32 bits without a sign, and enums.
    Number,
    /// 32 bits in zigzag form.
    Signed,
    /// A varint of 64 bits without a sign.
    Varint64,
    /// A varint of 64 bits.
    Int64,
    /// 64 bits without a sign.
    Fixed64,
    /// 64 bits.
    SignedFixed64,
    /// A double.
    Double,
    /// A message; by a function, because values hold values.
    Of(fn() -> Message),
}

impl Kind {
    /// Whether a list of it may stand in one run of bytes.
    pub(super) fn is_packed(self) -> bool {
        matches!(self, Self::Varint64 | Self::Fixed64 | Self::Double)
    }

    pub(super) fn is_varint(self) -> bool {
        matches!(self, Self::Varint64)
    }
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_list: bool,
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, is_list: true }
}

const VALUE: Kind = Kind::Of(|| ANY_VALUE);
const ATTRIBUTES: Kind = Kind::Of(|| KEY_VALUE);

const ANY_VALUE: Message = &[
    one(1, "stringValue", Kind::Text),
    one(2, "boolValue", Kind::Bool),
    one(3, "intValue", Kind::Int64),
    one(4, "doubleValue", Kind::Double),
    one(5, "arrayValue", Kind::Of(|| LIST)),
    one(6, "kvlistValue", Kind::Of(|| MAP)),
    one(7, "bytesValue", Kind::Base64),
];

const LIST: Message = &[many(1, "values", VALUE)];

const MAP: Message = &[many(1, "values", ATTRIBUTES)];

const KEY_VALUE: Message = &[one(1, "key", Kind::Text), one(2, "value", VALUE)];

pub(super) const RESOURCE: Message =
    &[many(1, "attributes", ATTRIBUTES), one(2, "droppedAttributesCount", Kind::Number)];

pub(super) const SCOPE: Message = &[
    one(1, "name", Kind::Text),
    one(2, "version", Kind::Text),
    many(3, "attributes", ATTRIBUTES),
    one(4, "droppedAttributesCount", Kind::Number),
];

pub(super) const LOG_RECORD: Message = &[
    one(1, "timeUnixNano", Kind::Fixed64),
    one(11, "observedTimeUnixNano", Kind::Fixed64),
    one(2, "severityNumber", Kind::Number),
    one(3, "severityText", Kind::Text),
    one(5, "body", VALUE),
    many(6, "attributes", ATTRIBUTES),
    one(7, "droppedAttributesCount", Kind::Number),
    one(8, "flags", Kind::Number),
    one(9, "traceId", Kind::Hex),
    one(10, "spanId", Kind::Hex),
    one(12, "eventName", Kind::Text),
];

pub(super) const SPAN: Message = &[
    one(1, "traceId", Kind::Hex),
    one(2, "spanId", Kind::Hex),
    one(3, "traceState", Kind::Text),
    one(4, "parentSpanId", Kind::Hex),
    one(16, "flags", Kind::Number),
    one(5, "name", Kind::Text),
    one(6, "kind", Kind::Number),
    one(7, "startTimeUnixNano", Kind::Fixed64),
    one(8, "endTimeUnixNano", Kind::Fixed64),
    many(9, "attributes", ATTRIBUTES),
    one(10, "droppedAttributesCount", Kind::Number),
    many(11, "events", Kind::Of(|| EVENT)),
    one(12, "droppedEventsCount", Kind::Number),
    many(13, "links", Kind::Of(|| LINK)),
    one(14, "droppedLinksCount", Kind::Number),
    one(15, "status", Kind::Of(|| STATUS)),
];

const STATUS: Message = &[one(2, "message", Kind::Text), one(3, "code", Kind::Number)];

const EVENT: Message = &[
    one(1, "timeUnixNano", Kind::Fixed64),
    one(2, "name", Kind::Text),
    many(3, "attributes", ATTRIBUTES),
    one(4, "droppedAttributesCount", Kind::Number),
];

const LINK: Message = &[
    one(1, "traceId", Kind::Hex),
    one(2, "spanId", Kind::Hex),
    one(3, "traceState", Kind::Text),
    many(4, "attributes", ATTRIBUTES),
    one(5, "droppedAttributesCount", Kind::Number),
    one(6, "flags", Kind::Number),
];

const TEMPORALITY: Field = one(2, "aggregationTemporality", Kind::Number);

pub(super) const METRIC: Message = &[
    one(1, "name", Kind::Text),
    one(2, "description", Kind::Text),
    one(3, "unit", Kind::Text),
    one(5, "gauge", Kind::Of(|| GAUGE)),
    one(7, "sum", Kind::Of(|| SUM)),
    one(9, "histogram", Kind::Of(|| HISTOGRAM)),
    one(10, "exponentialHistogram", Kind::Of(|| EXPONENTIAL)),
    one(11, "summary", Kind::Of(|| SUMMARY)),
    many(12, "metadata", ATTRIBUTES),
];

const GAUGE: Message = &[many(1, "dataPoints", Kind::Of(|| NUMBER_POINT))];

const HISTOGRAM: Message = &[many(1, "dataPoints", Kind::Of(|| HISTOGRAM_POINT)), TEMPORALITY];

const EXPONENTIAL: Message = &[many(1, "dataPoints", Kind::Of(|| EXPONENTIAL_POINT)), TEMPORALITY];

const SUMMARY: Message = &[many(1, "dataPoints", Kind::Of(|| SUMMARY_POINT))];

const QUANTILE: Message = &[one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)];

const SUM: Message =
    &[many(1, "dataPoints", Kind::Of(|| NUMBER_POINT)), TEMPORALITY, one(3, "isMonotonic", Kind::Bool)];

const NUMBER_POINT: Message = &[
    many(7, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Kind::Fixed64),
    one(3, "timeUnixNano", Kind::Fixed64),
    one(4, "asDouble", Kind::Double),
    one(6, "asInt", Kind::SignedFixed64),
    many(5, "exemplars", Kind::Of(|| EXEMPLAR)),
    one(8, "flags", Kind::Number),
];

const HISTOGRAM_POINT: Message = &[
    many(9, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Kind::Fixed64),
    one(3, "timeUnixNano", Kind::Fixed64),
    one(4, "count", Kind::Fixed64),
    one(5, "sum", Kind::Double),
    many(6, "bucketCounts", Kind::Fixed64),
    many(7, "explicitBounds", Kind::Double),
    many(8, "exemplars", Kind::Of(|| EXEMPLAR)),
    one(10, "flags", Kind::Number),
    one(11, "min", Kind::Double),
    one(12, "max", Kind::Double),
];

const EXPONENTIAL_POINT: Message = &[
    many(1, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Kind::Fixed64),
    one(3, "timeUnixNano", Kind::Fixed64),
    one(4, "count", Kind::Fixed64),
    one(5, "sum", Kind::Double),
    one(6, "scale", Kind::Signed),
    one(7, "zeroCount", Kind::Fixed64),
    one(8, "positive", Kind::Of(|| BUCKETS)),
    one(9, "negative", Kind::Of(|| BUCKETS)),
    one(10, "flags", Kind::Number),
    many(11, "exemplars", Kind::Of(|| EXEMPLAR)),
    one(12, "min", Kind::Double),
    one(13, "max", Kind::Double),
    one(14, "zeroThreshold", Kind::Double),
];

const BUCKETS: Message = &[one(1, "offset", Kind::Signed), many(2, "bucketCounts", Kind::Varint64)];

const SUMMARY_POINT: Message = &[
    many(7, "attributes", ATTRIBUTES),
    one(2, "startTimeUnixNano", Kind::Fixed64),
    one(3, "timeUnixNano", Kind::Fixed64),
    one(4, "count", Kind::Fixed64),
    one(5, "sum", Kind::Double),
    many(6, "quantileValues", Kind::Of(|| QUANTILE)),
    one(8, "flags", Kind::Number),
];

const EXEMPLAR: Message = &[
    many(7, "filteredAttributes", ATTRIBUTES),
    one(2, "timeUnixNano", Kind::Fixed64),
    one(3, "asDouble", Kind::Double),
    one(6, "asInt", Kind::SignedFixed64),
    one(4, "spanId", Kind::Hex),
    one(5, "traceId", Kind::Hex),
];
