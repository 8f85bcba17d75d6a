//! `MetricsData` becomes records, one for each metric with all of its points.

use super::{children, ids, numbers, origin, read, words, write_attributes};
use crate::capture::Workbench;
use crate::capture::record::{CaptureSettings, Captured};
use crate::capture::text;
use crate::capture::values::ValueReader;
use crate::ffi::any_integer;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};
use std::borrow::Cow;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::{
    Exemplar, ExponentialBuckets, MetricKind, Number, Point, RecordBuilder, Temporality,
};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Signal, flag, level};

/// Longest name, description or unit that is read, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// The number of a point that OTLP cannot hold, as its digits.
const EXACT_VALUE: &str = "telesink.exact_value";

/// Captures all metrics of a `MetricsData` and hands each to `offer`.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(crate) fn capture_metrics(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    data: &Bound<'_, PyAny>,
    mut offer: impl FnMut(Captured<'_>),
) -> PyResult<()> {
    let py = data.py();
    for of_resource in children(read!(data, "resource_metrics", "resource_metrics")?.as_ref())?.0 {
        for of_scope in children(read!(&of_resource, "scope_metrics", "scope_metrics")?.as_ref())?.0 {
            for metric in children(read!(&of_scope, "metrics", "metrics")?.as_ref())?.0 {
                let resource = read!(&of_resource, "resource", "resource")?;
                let scope = read!(&of_scope, "scope", "scope")?;
                let origin = origin::find(bench, pipeline, view, resource.as_ref(), scope.as_ref(), py)?;
                if view.wants(level::ALWAYS, &origin.name) {
                    capture_metric(bench, view, settings, &metric, &origin, &mut offer)?;
                }
            }
        }
    }
    Ok(())
}

/// A metric that is being written.
struct Writer<'py> {
    metric: Bound<'py, PyAny>,
    kind: MetricKind,
    bytes_max: usize,
    /// The time of the newest point.
    newest: u64,
}

fn capture_metric(
    bench: &mut Workbench,
    view: &View,
    settings: CaptureSettings,
    metric: &Bound<'_, PyAny>,
    origin: &origin::Origin,
    offer: &mut impl FnMut(Captured<'_>),
) -> PyResult<()> {
    let Some(data) = read!(metric, "data", "data")? else { return Ok(()) };
    let points = children(read!(&data, "data_points", "data_points")?.as_ref())?.0;
    let Some(kind) = kind_of(&data, &points)? else { return Ok(()) };
    let mut writer = Writer { metric: metric.clone(), kind, bytes_max: settings.record_bytes_max, newest: 0 };
    let mut reader = ValueReader::exact(view.redaction());
    let mut has_points = false;
    for point in points {
        // A metric with very many points becomes several records: a point has half of one for itself.
        if has_points && bench.builder.room() < writer.bytes_max / 2 {
            seal(bench, settings, &writer, origin, offer);
            has_points = false;
        }
        if !has_points {
            writer.start(&mut bench.builder)?;
            reader = ValueReader::exact(view.redaction());
        }
        has_points = true;
        writer.write(&mut bench.builder, &mut reader, &point)?;
    }
    if has_points {
        seal(bench, settings, &writer, origin, offer);
    }
    Ok(())
}

fn seal(
    bench: &mut Workbench,
    settings: CaptureSettings,
    writer: &Writer<'_>,
    origin: &origin::Origin,
    offer: &mut impl FnMut(Captured<'_>),
) {
    let observed = clock::unix_nano();
    let header = Header {
        signal: Signal::Metric,
        severity: 0,
        flags: 0,
        time_unix_nano: writer.newest,
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(observed, settings.generation),
        trace_id: [0; 16],
        span_id: [0; 8],
        resource: origin.resource,
        scope: origin.scope,
        levelno: level::ALWAYS,
    };
    let record = bench.builder.finish_metric(header);
    offer(Captured { record, levelno: level::ALWAYS, logger: Cow::Borrowed(&origin.name) });
}

/// Told by what the points have: the classes of the SDK need not be imported for it.
fn kind_of(data: &Bound<'_, PyAny>, points: &[Bound<'_, PyAny>]) -> PyResult<Option<MetricKind>> {
    let Some(first) = points.first() else { return Ok(None) };
    let temporality = match read!(data, "aggregation_temporality", "aggregation_temporality")? {
        Some(found) => match numbers::member(Some(&found))? {
            Some(1) => Temporality::Delta,
            Some(2) => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        },
        None if read!(first, "value", "value")?.is_some() => return Ok(Some(MetricKind::Gauge)),
        None => return Ok(None),
    };
    if read!(first, "scale", "scale")?.is_some() {
        return Ok(Some(MetricKind::ExponentialHistogram(temporality)));
    }
    if read!(first, "bucket_counts", "bucket_counts")?.is_some() {
        return Ok(Some(MetricKind::Histogram(temporality)));
    }
    let is_monotonic = read!(data, "is_monotonic", "is_monotonic")?;
    let is_monotonic = is_monotonic.is_some_and(|found| found.is_truthy().unwrap_or(false));
    Ok(Some(MetricKind::Sum { temporality, is_monotonic }))
}

impl Writer<'_> {
    fn start(&mut self, builder: &mut RecordBuilder) -> PyResult<()> {
        let metric = &self.metric;
        let fields = [
            read!(metric, "name", "name")?,
            read!(metric, "description", "description")?,
            read!(metric, "unit", "unit")?,
        ];
        builder.start(self.bytes_max);
        let name = words(fields[0].as_ref(), TEXT_BYTES_MAX, builder)?;
        let description = words(fields[1].as_ref(), TEXT_BYTES_MAX, builder)?;
        let unit = words(fields[2].as_ref(), TEXT_BYTES_MAX, builder)?;
        let marks = builder.flags();
        builder.start_metric(self.bytes_max, &name, &description, &unit, self.kind);
        // Starting forgets what was marked while the texts were read.
        builder.mark(marks);
        self.newest = 0;
        Ok(())
    }

    fn write(
        &mut self,
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
        point: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let time = numbers::unsigned(read!(point, "time_unix_nano", "time_unix_nano")?.as_ref());
        // A gauge is no sum of anything: the SDK's own exporter sends no start.
        let start = match self.kind {
            MetricKind::Gauge => 0,
            _ => numbers::unsigned(read!(point, "start_time_unix_nano", "start_time_unix_nano")?.as_ref()),
        };
        let flags = numbers::count(read!(point, "flags", "flags")?.as_ref());
        let mut digits = None;
        let is_open = match self.kind {
            MetricKind::Gauge | MetricKind::Sum { .. } => {
                let value = read!(point, "value", "value")?;
                let number = number(value.as_ref(), &mut digits, builder)?;
                builder.open_point(self.kind, start, time, flags, &Point::Number(number))
            }
            MetricKind::Histogram(_) => self.open_histogram(builder, point, [start, time], flags)?,
            MetricKind::ExponentialHistogram(_) => {
                self.open_exponential(builder, point, [start, time], flags)?
            }
        };
        if !is_open {
            builder.drop_attribute();
            return Ok(());
        }
        self.newest = self.newest.max(time);
        write_attributes(builder, reader, read!(point, "attributes", "attributes")?.as_ref())?;
        if let Some(digits) = digits {
            builder.attribute(EXACT_VALUE, Scalar::Str(&digits));
        }
        for exemplar in children(read!(point, "exemplars", "exemplars")?.as_ref())?.0 {
            self.write_exemplar(builder, reader, &exemplar)?;
        }
        builder.close_child();
        Ok(())
    }

    fn open_histogram(
        &self,
        builder: &mut RecordBuilder,
        point: &Bound<'_, PyAny>,
        [start, time]: [u64; 2],
        flags: u32,
    ) -> PyResult<bool> {
        let bucket_counts = counts(read!(point, "bucket_counts", "bucket_counts")?.as_ref())?;
        let bounds = children(read!(point, "explicit_bounds", "explicit_bounds")?.as_ref())?.0;
        let explicit_bounds: Vec<f64> =
            bounds.iter().map(|bound| numbers::double(Some(bound)).unwrap_or(0.0)).collect();
        let found = Point::Histogram {
            count: numbers::unsigned(read!(point, "count", "count")?.as_ref()),
            sum: numbers::double(read!(point, "sum", "sum")?.as_ref()),
            min: numbers::double(read!(point, "min", "min")?.as_ref()),
            max: numbers::double(read!(point, "max", "max")?.as_ref()),
            bucket_counts: &bucket_counts,
            explicit_bounds: &explicit_bounds,
        };
        Ok(builder.open_point(self.kind, start, time, flags, &found))
    }

    fn open_exponential(
        &self,
        builder: &mut RecordBuilder,
        point: &Bound<'_, PyAny>,
        [start, time]: [u64; 2],
        flags: u32,
    ) -> PyResult<bool> {
        let (positive_offset, positive) = half(read!(point, "positive", "positive")?.as_ref())?;
        let (negative_offset, negative) = half(read!(point, "negative", "negative")?.as_ref())?;
        let found = Point::Exponential {
            count: numbers::unsigned(read!(point, "count", "count")?.as_ref()),
            sum: numbers::double(read!(point, "sum", "sum")?.as_ref()),
            min: numbers::double(read!(point, "min", "min")?.as_ref()),
            max: numbers::double(read!(point, "max", "max")?.as_ref()),
            scale: narrow(read!(point, "scale", "scale")?.as_ref()),
            zero_count: numbers::unsigned(read!(point, "zero_count", "zero_count")?.as_ref()),
            zero_threshold: 0.0,
            positive: ExponentialBuckets { offset: positive_offset, counts: &positive },
            negative: ExponentialBuckets { offset: negative_offset, counts: &negative },
        };
        Ok(builder.open_point(self.kind, start, time, flags, &found))
    }

    fn write_exemplar(
        &self,
        builder: &mut RecordBuilder,
        reader: &mut ValueReader<'_>,
        exemplar: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut digits = None;
        let value = read!(exemplar, "value", "value")?;
        let value = number(value.as_ref(), &mut digits, builder)?;
        let trace_id = read!(exemplar, "trace_id", "trace_id")?;
        let span_id = read!(exemplar, "span_id", "span_id")?;
        let has_span = trace_id.is_some() && span_id.is_some();
        let found = Exemplar {
            time_unix_nano: numbers::unsigned(read!(exemplar, "time_unix_nano", "time_unix_nano")?.as_ref()),
            value,
            trace_id: if has_span { ids::trace_id(trace_id.as_ref()) } else { [0; 16] },
            span_id: if has_span { ids::span_id(span_id.as_ref()) } else { [0; 8] },
        };
        if !builder.open_exemplar(self.kind, &found) {
            builder.mark(flag::TRUNCATED);
            return Ok(());
        }
        let attributes = read!(exemplar, "filtered_attributes", "filtered_attributes")?;
        write_attributes(builder, reader, attributes.as_ref())?;
        if let Some(digits) = digits {
            builder.attribute(EXACT_VALUE, Scalar::Str(&digits));
        }
        builder.close_child();
        Ok(())
    }
}

/// A measured value. An integer past 64 bits becomes the nearest double, and its digits an attribute.
fn number(
    value: Option<&Bound<'_, PyAny>>,
    digits: &mut Option<String>,
    builder: &mut RecordBuilder,
) -> PyResult<Number> {
    let Some(value) = value else { return Ok(Number::Double(f64::NAN)) };
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Number::Double(float.value()));
    }
    if let Some(number) = any_integer(value) {
        return Ok(Number::Int(number));
    }
    builder.mark(flag::SANITISED);
    if let Ok(integer) = value.cast::<PyInt>() {
        *digits = Some(crate::capture::numbers::long_integer(builder, integer)?);
        return Ok(Number::Double(numbers::double(Some(value)).unwrap_or(f64::INFINITY)));
    }
    // Numbers of other libraries say themselves which double they are.
    let float = text::unless_failed(value.py(), value.extract::<f64>())?;
    Ok(Number::Double(float.unwrap_or(f64::NAN)))
}

fn narrow(value: Option<&Bound<'_, PyAny>>) -> i32 {
    let number = value.and_then(any_integer).unwrap_or(0);
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

fn counts(found: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u64>> {
    Ok(children(found)?.0.iter().map(|count| numbers::unsigned(Some(count))).collect())
}

/// One half of an exponential histogram: its offset and its buckets.
fn half(found: Option<&Bound<'_, PyAny>>) -> PyResult<(i32, Vec<u64>)> {
    let Some(found) = found else { return Ok((0, Vec::new())) };
    let offset = narrow(read!(found, "offset", "offset")?.as_ref());
    Ok((offset, counts(read!(found, "bucket_counts", "bucket_counts")?.as_ref())?))
}
