//! Reads a metric and its points without allocating.

use super::span::{attributes, messages};
use crate::record::value::{Value, text};
use crate::record::wire::{Fields, Wire, varints};
use crate::record::{Header, Record};

/// What the points of a metric are; the numbers are those of OTLP's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MetricData {
    /// None that this version knows.
    Unknown = 0,
    /// The last value of something.
    Gauge = 5,
    /// A sum of increments.
    Sum = 7,
    /// Counts of values between bounds.
    Histogram = 9,
    /// Counts of values between bounds that grow exponentially.
    ExponentialHistogram = 10,
    /// Quantiles that were worked out at the source.
    Summary = 11,
}

/// A metric as sinks read it.
#[derive(Debug, Clone, Copy)]
pub struct MetricView<'a> {
    /// Header fields.
    pub header: Header,
    /// Its name.
    pub name: &'a str,
    /// What it means.
    pub description: &'a str,
    /// The unit of its values (UCUM).
    pub unit: &'a str,
    /// What its points are.
    pub data: MetricData,
    /// 0 unspecified, 1 delta, 2 cumulative.
    pub temporality: u8,
    /// Whether it only grows; only of sums.
    pub is_monotonic: bool,
    inner: &'a [u8],
}

/// The numbers of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointData<'a> {
    /// None: a point without a recorded value.
    None,
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A distribution.
    Distribution {
        /// Number of values.
        count: u64,
        /// Their sum.
        sum: Option<f64>,
        /// The least of them.
        min: Option<f64>,
        /// The greatest of them.
        max: Option<f64>,
        /// The point's message: bounds, buckets and quantiles stand in it.
        message: &'a [u8],
    },
}

/// A point as sinks read it.
#[derive(Debug, Clone, Copy)]
pub struct PointView<'a> {
    /// Nanoseconds since the Unix epoch; 0 if there is none.
    pub start_unix_nano: u64,
    /// Nanoseconds since the Unix epoch.
    pub time_unix_nano: u64,
    /// OTLP flags; bit 0: no recorded value.
    pub flags: u32,
    /// Its numbers.
    pub data: PointData<'a>,
    kind: MetricData,
    message: &'a [u8],
}

impl<'a> MetricView<'a> {
    /// Reads `record`.
    pub fn new(record: &'a Record) -> Self {
        let mut view = Self {
            header: record.header(),
            name: "",
            description: "",
            unit: "",
            data: MetricData::Unknown,
            temporality: 0,
            is_monotonic: false,
            inner: &[],
        };
        for (number, wire) in Fields::new(record.body()) {
            let Wire::Bytes(bytes) = wire else { continue };
            match number {
                1 => view.name = text(bytes),
                2 => view.description = text(bytes),
                3 => view.unit = text(bytes),
                5 => view.take_data(MetricData::Gauge, bytes),
                7 => view.take_data(MetricData::Sum, bytes),
                9 => view.take_data(MetricData::Histogram, bytes),
                10 => view.take_data(MetricData::ExponentialHistogram, bytes),
                11 => view.take_data(MetricData::Summary, bytes),
                _ => {}
            }
        }
        view
    }

    fn take_data(&mut self, data: MetricData, message: &'a [u8]) {
        self.data = data;
        self.inner = message;
        for (number, wire) in Fields::new(message) {
            match (number, wire) {
                (2, Wire::Varint(temporality)) => self.temporality = temporality as u8,
                (3, Wire::Varint(flag)) => self.is_monotonic = flag != 0,
                _ => {}
            }
        }
    }

    /// The points in the order they were written.
    pub fn points(&self) -> impl Iterator<Item = PointView<'a>> + use<'a> {
        let kind = self.data;
        messages(self.inner, 1).map(move |message| PointView::new(kind, message))
    }
}

impl<'a> PointView<'a> {
    fn new(kind: MetricData, message: &'a [u8]) -> Self {
        let mut view =
            Self { start_unix_nano: 0, time_unix_nano: 0, flags: 0, data: PointData::None, kind, message };
        for (number, wire) in Fields::new(message) {
            match (number, wire) {
                (2, Wire::Fixed64(time)) => view.start_unix_nano = time,
                (3, Wire::Fixed64(time)) => view.time_unix_nano = time,
                (number, Wire::Varint(flags)) if number == view.flags_field() => view.flags = flags as u32,
                _ => {}
            }
        }
        view.data = match kind {
            MetricData::Gauge | MetricData::Sum => number(message),
            MetricData::Unknown => PointData::None,
            _ => distribution(kind, message),
        };
        view
    }

    fn flags_field(&self) -> u32 {
        match self.kind {
            MetricData::Histogram | MetricData::ExponentialHistogram => 10,
            _ => 8,
        }
    }

    /// The attributes in the order they were written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        let field = match self.kind {
            MetricData::ExponentialHistogram => 1,
            MetricData::Histogram => 9,
            _ => 7,
        };
        attributes(self.message, field)
    }

    /// The bounds and buckets of a [`MetricData::Histogram`]: a bound is missing behind the last bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<f64>, u64)> + use<'a> {
        let mut bounds = packed(self.message, 7).map(f64::from_bits);
        packed(self.message, 6).map(move |count| (bounds.next(), count))
    }

    /// What its metric holds.
    pub fn kind(&self) -> MetricData {
        self.kind
    }

    /// The quantiles of a [`MetricData::Summary`], each with its value.
    pub fn quantiles(&self) -> impl Iterator<Item = (f64, f64)> + use<'a> {
        messages(self.message, 6).map(|message| {
            let (mut quantile, mut value) = (0.0, 0.0);
            for (number, wire) in Fields::new(message) {
                match (number, wire) {
                    (1, Wire::Fixed64(bits)) => quantile = f64::from_bits(bits),
                    (2, Wire::Fixed64(bits)) => value = f64::from_bits(bits),
                    _ => {}
                }
            }
            (quantile, value)
        })
    }

    /// The buckets of a [`MetricData::ExponentialHistogram`].
    pub fn exponential(&self) -> ExponentialView<'a> {
        let mut view = ExponentialView::default();
        for (number, wire) in Fields::new(self.message) {
            match (number, wire) {
                (6, Wire::Varint(scale)) => view.scale = unzigzag(scale),
                (7, Wire::Fixed64(count)) => view.zero_count = count,
                (8, Wire::Bytes(half)) => view.positive = HalfView { message: half },
                (9, Wire::Bytes(half)) => view.negative = HalfView { message: half },
                (14, Wire::Fixed64(bits)) => view.zero_threshold = f64::from_bits(bits),
                _ => {}
            }
        }
        view
    }

    /// The message, for what has no method here.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }
}

/// The buckets of an exponential histogram: their base is 2 to the power of 2 to the power of minus scale.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExponentialView<'a> {
    /// See above.
    pub scale: i32,
    /// Values that count as zero.
    pub zero_count: u64,
    /// Up to which absolute value they do.
    pub zero_threshold: f64,
    /// Values above zero.
    pub positive: HalfView<'a>,
    /// Values below zero.
    pub negative: HalfView<'a>,
}

/// One half of an exponential histogram.
#[derive(Debug, Clone, Copy, Default)]
pub struct HalfView<'a> {
    message: &'a [u8],
}

impl<'a> HalfView<'a> {
    /// The index of the first bucket.
    pub fn offset(&self) -> i32 {
        let found = Fields::new(self.message).find_map(|field| match field {
            (1, Wire::Varint(offset)) => Some(unzigzag(offset)),
            _ => None,
        });
        found.unwrap_or(0)
    }

    /// How many values lie in each bucket.
    pub fn counts(&self) -> impl Iterator<Item = u64> + use<'a> {
        messages(self.message, 2).flat_map(varints)
    }
}

/// How protobuf reads a `sint32`.
fn unzigzag(value: u64) -> i32 {
    ((value as u32) >> 1) as i32 ^ -((value & 1) as i32)
}

fn number(message: &[u8]) -> PointData<'_> {
    let found = Fields::new(message).find_map(|field| match field {
        (4, Wire::Fixed64(bits)) => Some(PointData::Double(f64::from_bits(bits))),
        (6, Wire::Fixed64(bits)) => Some(PointData::Int(bits as i64)),
        _ => None,
    });
    found.unwrap_or(PointData::None)
}

fn distribution(kind: MetricData, message: &[u8]) -> PointData<'_> {
    let (least, greatest) = match kind {
        MetricData::Histogram => (11, 12),
        MetricData::ExponentialHistogram => (12, 13),
        // A summary has them as its quantiles 0 and 1.
        _ => (0, 0),
    };
    let (mut count, mut sum, mut min, mut max) = (0, None, None, None);
    for (number, wire) in Fields::new(message) {
        let Wire::Fixed64(bits) = wire else { continue };
        match number {
            4 => count = bits,
            5 => sum = Some(f64::from_bits(bits)),
            number if number == least => min = Some(f64::from_bits(bits)),
            number if number == greatest => max = Some(f64::from_bits(bits)),
            _ => {}
        }
    }
    PointData::Distribution { count, sum, min, max, message }
}

/// Eight-byte values of a packed field.
fn packed(message: &[u8], number: u32) -> impl Iterator<Item = u64> {
    messages(message, number)
        .flat_map(|bytes| bytes.as_chunks::<8>().0)
        .map(|bytes| u64::from_le_bytes(*bytes))
}
