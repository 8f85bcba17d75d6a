//! Records for tests.

use telesink_core::clock;
use telesink_core::record::encode::{
    ExponentialBuckets, LinkHead, MetricKind, Number, Point, RecordBuilder, SpanHead, SpanStatus, Temporality,
};
use telesink_core::record::id::IdSource;
use telesink_core::record::level::{self, severity_of};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Record, Signal, flag};

/// The logger that pipelines are told of.
pub(crate) const LOGGER: &str = "app";

thread_local! {
    static IDS: IdSource = const { IdSource::new() };
}

/// A record at INFO.
pub(crate) fn info(body: &str) -> Record {
    Draft::new(body).build()
}

/// A record at ERROR, which may use the reserve but is not urgent.
pub(crate) fn error(body: &str) -> Record {
    Draft::new(body).level(level::ERROR).build()
}

/// A record to be.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    body: String,
    levelno: i32,
    flags: u8,
    scope: u32,
    observed_unix_nano: u64,
    attributes: Vec<(String, String)>,
}

impl Draft {
    pub(crate) fn new(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            levelno: 20,
            flags: 0,
            scope: 0,
            observed_unix_nano: clock::unix_nano(),
            attributes: Vec::new(),
        }
    }

    /// As capture does it: ERROR and above may use the reserve.
    pub(crate) fn level(mut self, levelno: i32) -> Self {
        self.levelno = levelno;
        if levelno >= level::ERROR {
            self.flags |= flag::RESERVE;
        }
        self
    }

    pub(crate) fn urgent(mut self) -> Self {
        self.flags |= flag::URGENT;
        self
    }

    pub(crate) fn scope(mut self, scope: u32) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn observed(mut self, unix_nano: u64) -> Self {
        self.observed_unix_nano = unix_nano;
        self
    }

    pub(crate) fn attribute(mut self, key: &str, value: &str) -> Self {
        self.attributes.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn build(&self) -> Record {
        let mut builder = RecordBuilder::new();
        builder.start(64 << 20);
        builder.severity(severity_of(self.levelno), level::name_of(self.levelno));
        builder.body(&self.body);
        for (key, value) in &self.attributes {
            builder.attribute(key, Scalar::Str(value));
        }
        builder.finish(self.header(), &[])
    }

    fn header(&self) -> Header {
        Header {
            signal: Signal::Log,
            severity: severity_of(self.levelno),
            flags: self.flags,
            time_unix_nano: self.observed_unix_nano,
            observed_unix_nano: self.observed_unix_nano,
            id: IDS.with(|ids| ids.next_uuid7(self.observed_unix_nano, 0)),
            trace_id: [0; 16],
            span_id: [0; 8],
            resource: 0,
            scope: self.scope,
            levelno: self.levelno,
        }
    }
}

/// The trace of all spans here.
pub(crate) const TRACE_ID: [u8; 16] = [0xab; 16];

/// The header of a record that is no log record.
pub(crate) fn header_of(signal: Signal) -> Header {
    let span_id = if signal == Signal::Span { [0x0f; 8] } else { [0; 8] };
    let trace_id = if signal == Signal::Span { TRACE_ID } else { [0; 16] };
    Header { signal, trace_id, span_id, levelno: level::ALWAYS, severity: 0, ..Draft::new("").header() }
}

/// A span of 1.5 ms with an event and a link, that failed.
pub(crate) fn span(name: &str) -> Record {
    span_of(name, header_of(Signal::Span))
}

/// A span with another header.
pub(crate) fn span_of(name: &str, header: Header) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start_span(1 << 20);
    builder.span_head(&SpanHead {
        name,
        kind: 2,
        parent_span_id: [0x0e; 8],
        trace_state: "",
        end_unix_nano: header.time_unix_nano + 1_500_000,
        flags: 0x101,
    });
    builder.attribute("http.route", Scalar::Str("/cart"));
    assert!(builder.open_event(header.time_unix_nano + 10, "retry"));
    builder.attribute("number", Scalar::Int(2));
    builder.close_child();
    assert!(builder.open_link(&LinkHead { trace_id: [7; 16], span_id: [8; 8], trace_state: "", flags: 0 }));
    builder.close_child();
    builder.span_status(SpanStatus { code: 2, message: "no such cart" });
    builder.finish_span(header)
}

/// A span with nothing but a name.
pub(crate) fn bare_span(name: &str) -> Record {
    let header = header_of(Signal::Span);
    let mut builder = RecordBuilder::new();
    builder.start_span(1 << 20);
    builder.span_head(&SpanHead {
        name,
        kind: 1,
        parent_span_id: [0; 8],
        trace_state: "",
        end_unix_nano: header.time_unix_nano,
        flags: 0,
    });
    builder.finish_span(header)
}

/// A metric with these points, each with an attribute that tells it from the others.
pub(crate) fn metric(name: &str, kind: MetricKind, points: &[Point<'_>]) -> Record {
    let header = header_of(Signal::Metric);
    let mut builder = RecordBuilder::new();
    builder.start_metric(1 << 20, name, "what it means", "ms", kind);
    for (number, point) in points.iter().enumerate() {
        let start = header.time_unix_nano - 1_000;
        assert!(builder.open_point(kind, start, header.time_unix_nano, 0, point));
        builder.attribute("number", Scalar::Int(number as i64));
        builder.close_child();
    }
    builder.finish_metric(header)
}

/// A growing sum of these values.
pub(crate) fn sum(name: &str, values: &[f64]) -> Record {
    let points: Vec<Point<'_>> = values.iter().map(|value| Point::Number(Number::Double(*value))).collect();
    metric(name, MetricKind::Sum { temporality: Temporality::Cumulative, is_monotonic: true }, &points)
}

/// A histogram of three buckets.
pub(crate) fn histogram(name: &str) -> Record {
    let point = Point::Histogram {
        count: 6,
        sum: Some(7.5),
        min: Some(0.25),
        max: None,
        bucket_counts: &[1, 2, 3],
        explicit_bounds: &[0.5, 1.0],
    };
    metric(name, MetricKind::Histogram(Temporality::Delta), &[point])
}

/// An exponential histogram with values above zero.
pub(crate) fn exponential(name: &str) -> Record {
    let point = Point::Exponential {
        count: 3,
        sum: Some(f64::INFINITY),
        min: None,
        max: None,
        scale: -1,
        zero_count: 1,
        zero_threshold: 0.0,
        positive: ExponentialBuckets { offset: 2, counts: &[1, 1] },
        negative: ExponentialBuckets::default(),
    };
    metric(name, MetricKind::ExponentialHistogram(Temporality::Cumulative), &[point])
}
