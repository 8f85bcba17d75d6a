//! The fields of an OTLP `Metric`, its points and their exemplars.

use super::RecordBuilder;
use crate::record::wire::{begin_nested, end_nested, put_bytes, put_fixed64, put_varint};
use crate::record::{Header, Record};

/// Longest name, description or unit, in bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 1_024;

/// What the points of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// The last value of something.
    Gauge,
    /// A sum of increments.
    Sum {
        /// From when on it sums.
        temporality: Temporality,
        /// Whether it only grows.
        is_monotonic: bool,
    },
    /// Counts of values between bounds.
    Histogram(Temporality),
    /// Counts of values between bounds that grow exponentially.
    ExponentialHistogram(Temporality),
}

/// From when on a sum or histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Temporality {
    /// Nobody said so.
    Unspecified = 0,
    /// Since the point before.
    Delta = 1,
    /// Since the start.
    Cumulative = 2,
}

/// A value of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A 64-bit integer.
    Int(i64),
    /// A double; infinities and NaN are values, too.
    Double(f64),
}

/// What a point holds beside its attributes.
#[derive(Debug, Clone, Copy)]
pub enum Point<'a> {
    /// Of a gauge or a sum.
    Number(Number),
    /// Of a histogram.
    Histogram {
        /// Number of values.
        count: u64,
        /// Their sum.
        sum: Option<f64>,
        /// The least of them.
        min: Option<f64>,
        /// The greatest of them.
        max: Option<f64>,
        /// How many lie in each bucket; one more than bounds.
        bucket_counts: &'a [u64],
        /// The upper bounds of all buckets but the last.
        explicit_bounds: &'a [f64],
    },
    /// Of an exponential histogram.
    Exponential {
        /// Number of values.
        count: u64,
        /// Their sum.
        sum: Option<f64>,
        /// The least of them.
        min: Option<f64>,
        /// The greatest of them.
        max: Option<f64>,
        /// The base of the buckets is 2 to the power of 2 to the power of minus scale.
        scale: i32,
        /// Values that count as zero.
        zero_count: u64,
        /// Up to which absolute value they do.
        zero_threshold: f64,
        /// Values above zero.
        positive: ExponentialBuckets<'a>,
        /// Values below zero.
        negative: ExponentialBuckets<'a>,
    },
}

/// One half of an exponential histogram.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExponentialBuckets<'a> {
    /// The index of the first bucket.
    pub offset: i32,
    /// How many values lie in each.
    pub counts: &'a [u64],
}

/// A value that stands for others, with the span that it was measured in.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar {
    /// Nanoseconds since the Unix epoch.
    pub time_unix_nano: u64,
    /// What was measured.
    pub value: Number,
    /// W3C trace id, all zero if there is none.
    pub trace_id: [u8; 16],
    /// W3C span id, all zero if there is none.
    pub span_id: [u8; 8],
}

/// Where the fields of points differ by kind.
struct Tags {
    data: u8,
    attributes: u8,
    flags: u8,
    exemplars: u8,
}

impl MetricKind {
    fn tags(self) -> Tags {
        match self {
            Self::Gauge => Tags { data: 0x2a, attributes: 0x3a, flags: 0x40, exemplars: 0x2a },
            Self::Sum { .. } => Tags { data: 0x3a, attributes: 0x3a, flags: 0x40, exemplars: 0x2a },
            Self::Histogram(_) => Tags { data: 0x4a, attributes: 0x4a, flags: 0x50, exemplars: 0x42 },
            Self::ExponentialHistogram(_) => {
                Tags { data: 0x52, attributes: 0x0a, flags: 0x50, exemplars: 0x5a }
            }
        }
    }
}

impl RecordBuilder {
    /// Starts a metric of at most `bytes_max` bytes; whatever was begun before is forgotten. Points follow, each between
    /// [`RecordBuilder::open_point`] and [`RecordBuilder::close_child`].
    pub fn start_metric(
        &mut self,
        bytes_max: usize,
        name: &str,
        description: &str,
        unit: &str,
        kind: MetricKind,
    ) {
        self.begin(bytes_max, 0, 0);
        for (tag, text) in [(0x0a, name), (0x12, description), (0x1a, unit)] {
            if !text.is_empty() {
                let text = self.fit(text, TEXT_BYTES_MAX);
                put_bytes(&mut self.bytes, tag, text.as_bytes());
            }
        }
        self.open_message(kind.tags().data, 0, 0);
        match kind {
            MetricKind::Gauge => {}
            MetricKind::Sum { temporality, is_monotonic } => {
                self.bytes.extend_from_slice(&[0x10, temporality as u8, 0x18, u8::from(is_monotonic)]);
            }
            MetricKind::Histogram(temporality) | MetricKind::ExponentialHistogram(temporality) => {
                self.bytes.extend_from_slice(&[0x10, temporality as u8]);
            }
        }
    }

    /// Opens a point: attributes and exemplars belong to it until [`RecordBuilder::close_child`]. Answers false, with
    /// nothing open, if there is no room for it.
    #[must_use]
    pub fn open_point(
        &mut self,
        kind: MetricKind,
        start_unix_nano: u64,
        time_unix_nano: u64,
        flags: u32,
        point: &Point<'_>,
    ) -> bool {
        if self.room() < 128 + point.encoded_len_max() {
            return false;
        }
        let tags = kind.tags();
        self.open_message(0x0a, tags.attributes, 0);
        put_fixed64(&mut self.bytes, 0x11, start_unix_nano);
        put_fixed64(&mut self.bytes, 0x19, time_unix_nano);
        if flags != 0 {
            self.bytes.push(tags.flags);
            put_varint(&mut self.bytes, u64::from(flags));
        }
        point.write(&mut self.bytes);
        true
    }

    /// Opens an exemplar of the open point, whose attributes follow until [`RecordBuilder::close_child`].
    #[must_use]
    pub fn open_exemplar(&mut self, kind: MetricKind, exemplar: &Exemplar) -> bool {
        if self.room() < 128 {
            return false;
        }
        self.open_message(kind.tags().exemplars, 0x3a, 0);
        put_fixed64(&mut self.bytes, 0x11, exemplar.time_unix_nano);
        put_number(&mut self.bytes, 0x19, 0x31, exemplar.value);
        if exemplar.span_id != [0; 8] {
            put_bytes(&mut self.bytes, 0x22, &exemplar.span_id);
        }
        if exemplar.trace_id != [0; 16] {
            put_bytes(&mut self.bytes, 0x2a, &exemplar.trace_id);
        }
        true
    }

    /// Seals the metric; `header.time_unix_nano` is the time of its newest point.
    pub fn finish_metric(&mut self, header: Header) -> Record {
        self.seal(header, &[])
    }
}

impl Point<'_> {
    fn encoded_len_max(&self) -> usize {
        match self {
            Point::Number(_) => 16,
            Point::Histogram { bucket_counts, explicit_bounds, .. } => {
                64 + 8 * (bucket_counts.len() + explicit_bounds.len())
            }
            Point::Exponential { positive, negative, .. } => {
                128 + 10 * (positive.counts.len() + negative.counts.len())
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Point::Number(number) => put_number(out, 0x21, 0x31, number),
            Point::Histogram { count, sum, min, max, bucket_counts, explicit_bounds } => {
                put_fixed64(out, 0x21, count);
                put_optional(out, [(0x29, sum), (0x59, min), (0x61, max)]);
                put_packed(out, 0x32, bucket_counts.iter().map(|count| count.to_le_bytes()));
                put_packed(out, 0x3a, explicit_bounds.iter().map(|bound| bound.to_le_bytes()));
            }
            Point::Exponential {
                count,
                sum,
                min,
                max,
                scale,
                zero_count,
                zero_threshold,
                positive,
                negative,
            } => {
                put_fixed64(out, 0x21, count);
                put_optional(out, [(0x29, sum), (0x61, min), (0x69, max)]);
                out.push(0x30);
                put_varint(out, zigzag(scale));
                put_fixed64(out, 0x39, zero_count);
                put_fixed64(out, 0x71, zero_threshold.to_bits());
                put_buckets(out, 0x42, positive);
                put_buckets(out, 0x4a, negative);
            }
        }
    }
}

fn put_number(out: &mut Vec<u8>, double_tag: u8, int_tag: u8, number: Number) {
    match number {
        Number::Int(value) => put_fixed64(out, int_tag, value as u64),
        Number::Double(value) => put_fixed64(out, double_tag, value.to_bits()),
    }
}

fn put_optional(out: &mut Vec<u8>, fields: [(u8, Option<f64>); 3]) {
    for (tag, value) in fields {
        if let Some(value) = value {
            put_fixed64(out, tag, value.to_bits());
        }
    }
}

fn put_packed(out: &mut Vec<u8>, tag: u8, values: impl ExactSizeIterator<Item = [u8; 8]>) {
    if values.len() == 0 {
        return;
    }
    out.push(tag);
    put_varint(out, 8 * values.len() as u64);
    values.for_each(|value| out.extend_from_slice(&value));
}

/// A half without buckets is left out, as OpenTelemetry's own exporters do.
fn put_buckets(out: &mut Vec<u8>, tag: u8, buckets: ExponentialBuckets<'_>) {
    if buckets.counts.is_empty() {
        return;
    }
    let half = begin_nested(out, tag);
    out.push(0x08);
    put_varint(out, zigzag(buckets.offset));
    let counts = begin_nested(out, 0x12);
    buckets.counts.iter().for_each(|count| put_varint(out, *count));
    end_nested(out, counts);
    end_nested(out, half);
}

/// How protobuf writes a `sint32`.
fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}
