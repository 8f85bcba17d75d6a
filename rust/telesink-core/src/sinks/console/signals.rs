//! Spans and metrics in the three layouts: a line each, one for every point.

use super::format::{Layout, Limit, VALUE_CHARS_MAX, push_clock, push_hex_field, push_level, push_pairs};
use super::style::{Ink, Style};
use super::text::{make_json_safe, push, push_escaped};
use crate::record::json::{
    write_buckets, write_events, write_hex, write_links, write_object, write_str, write_value,
};
use crate::record::value::Value;
use crate::record::view::{MetricData, MetricView, PointView, SpanView};
use crate::sinks::points::{PointRow, rows};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What stands where log records have their level, in lines for people.
const SPAN: &str = "SPAN";
const METRIC: &str = "METRIC";

/// Severities whose colour and symbol a span has: one that failed, and any other.
const FAILED: u8 = 17;
const USUAL: u8 = 9;

impl Layout {
    /// Appends a span: its name, how long it took, how it ended, and its ids.
    pub(super) fn write_span(&self, out: &mut Vec<u8>, view: &SpanView<'_>, scope: &str) {
        let severity = if view.status_code == 2 { FAILED } else { USUAL };
        let Some(limit) = self.begin(out, view.header.time_unix_nano, (SPAN, severity), scope) else {
            return write_span_json(out, view, scope);
        };
        out.push(b' ');
        push_escaped(out, view.name);
        push(out, format_args!(" {} {}", Milliseconds(view.duration_nano()), status(view.status_code)));
        if !view.status_message.is_empty() {
            out.push(b' ');
            push_escaped(out, view.status_message);
        }
        for (key, id) in [
            (" trace_id=", &view.header.trace_id[..]),
            (" span_id=", &view.header.span_id),
            (" parent_span_id=", &view.parent_span_id),
        ] {
            if id.iter().any(|byte| *byte != 0) {
                push(out, key);
                write_hex(out, id);
            }
        }
        push_attributes(out, view.attributes(), limit);
        out.push(b'\n');
    }

    /// Appends the points of a metric: each its name, its value and the unit of that.
    pub(super) fn write_metric(&self, out: &mut Vec<u8>, view: &MetricView<'_>, scope: &str) {
        for point in rows(view) {
            let row = PointRow::of(view, point.as_ref());
            let Some(limit) = self.begin(out, row.time_unix_nano, (METRIC, USUAL), scope) else {
                write_point_json(out, view, point.as_ref(), scope);
                continue;
            };
            out.push(b' ');
            push_escaped(out, view.name);
            if let Some(value) = row.value {
                push(out, format_args!(" {value}"));
            }
            for (key, number) in [("count", row.count.map(|count| count as f64)), ("sum", row.sum)]
                .into_iter()
                .chain([("min", row.min), ("max", row.max)])
            {
                if let Some(number) = number {
                    push(out, format_args!(" {key}={number}"));
                }
            }
            if !view.unit.is_empty() {
                out.push(b' ');
                push_escaped(out, view.unit);
            }
            if let Some(point) = &point {
                push_attributes(out, point.attributes(), limit);
            }
            out.push(b'\n');
        }
    }

    /// Begins a line for people, as that of a log record; answers how much of a value they want. None where programs
    /// read.
    fn begin(
        &self,
        out: &mut Vec<u8>,
        time: u64,
        (word, severity): (&str, u8),
        scope: &str,
    ) -> Option<Limit> {
        let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
        let (style, chars_max) = match self {
            Layout::Json => return None,
            Layout::Plain => {
                let time = TimeZone::UTC.to_datetime(time);
                push(out, time.date());
                out.push(b'T');
                push_clock(out, time);
                out.extend_from_slice(b"Z ");
                push_level(out, word);
                (Style { has_color: false, has_unicode: true }, usize::MAX)
            }
            Layout::Pretty { zone, style } => {
                let ink = Ink::of_severity(severity);
                style.paint(out, Ink::Dim, |out| push_clock(out, zone.to_datetime(time)));
                out.push(b' ');
                style.paint(out, ink, |out| {
                    push(out, style.symbol(ink));
                    out.push(b' ');
                    push_level(out, word);
                });
                (*style, VALUE_CHARS_MAX)
            }
        };
        if !scope.is_empty() {
            out.push(b' ');
            style.paint(out, Ink::Dim, |out| push_escaped(out, scope));
        }
        Some(Limit { chars_max, ellipsis: style.ellipsis() })
    }
}

/// A time with as many digits as it has, at most six behind the point.
struct Milliseconds(u64);

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms", self.0 as f64 / 1e6)
    }
}

fn status(code: u8) -> &'static str {
    match code {
        1 => "OK",
        2 => "ERROR",
        _ => "UNSET",
    }
}

fn push_attributes<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, Value<'a>)>, limit: Limit) {
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        out.push(b' ');
        push_pairs(out, pairs, limit);
    }
}

fn write_span_json(out: &mut Vec<u8>, view: &SpanView<'_>, scope: &str) {
    let start = out.len();
    let time = Timestamp::from_nanosecond(i128::from(view.header.time_unix_nano)).unwrap_or_default();
    push(out, format_args!("{{\"ts\":\"{time:.9}\",\"signal\":\"span\",\"scope\":"));
    write_str(out, scope);
    out.extend_from_slice(b",\"name\":");
    write_str(out, view.name);
    push(out, format_args!(",\"duration_ns\":{},\"kind\":{}", view.duration_nano(), view.kind));
    push(out, format_args!(",\"status\":\"{}\"", status(view.status_code)));
    if !view.status_message.is_empty() {
        out.extend_from_slice(b",\"status_message\":");
        write_str(out, view.status_message);
    }
    push_hex_field(out, "trace_id", &view.header.trace_id);
    push_hex_field(out, "span_id", &view.header.span_id);
    push_hex_field(out, "parent_span_id", &view.parent_span_id);
    out.extend_from_slice(b",\"attributes\":");
    write_object(out, view.attributes());
    for (key, write) in [
        (",\"events\":", write_events as fn(&mut Vec<u8>, &SpanView<'_>) -> bool),
        (",\"links\":", write_links),
    ] {
        let before = out.len();
        push(out, key);
        if !write(out, view) {
            out.truncate(before);
        }
    }
    out.push(b'}');
    make_json_safe(out, start);
    out.push(b'\n');
}

fn write_point_json(out: &mut Vec<u8>, view: &MetricView<'_>, point: Option<&PointView<'_>>, scope: &str) {
    let start = out.len();
    let row = PointRow::of(view, point);
    let time = Timestamp::from_nanosecond(i128::from(row.time_unix_nano)).unwrap_or_default();
    push(out, format_args!("{{\"ts\":\"{time:.9}\",\"signal\":\"metric\",\"scope\":"));
    write_str(out, scope);
    out.extend_from_slice(b",\"name\":");
    write_str(out, view.name);
    push(out, format_args!(",\"kind\":\"{}\"", kind(view.data)));
    if !view.unit.is_empty() {
        out.extend_from_slice(b",\"unit\":");
        write_str(out, view.unit);
    }
    if let Some(count) = row.count {
        push(out, format_args!(",\"count\":{count}"));
    }
    for (key, number) in [("value", row.value), ("sum", row.sum), ("min", row.min), ("max", row.max)] {
        if let Some(number) = number {
            push(out, format_args!(",\"{key}\":"));
            write_value(out, Value::Double(number));
        }
    }
    if let Some(point) = point {
        let before = out.len();
        out.extend_from_slice(b",\"buckets\":");
        if !write_buckets(out, point) {
            out.truncate(before);
        }
        out.extend_from_slice(b",\"attributes\":");
        write_object(out, point.attributes());
    }
    out.push(b'}');
    make_json_safe(out, start);
    out.push(b'\n');
}

fn kind(data: MetricData) -> &'static str {
    match data {
        MetricData::Gauge => "gauge",
        MetricData::Sum => "sum",
        MetricData::Histogram => "histogram",
        MetricData::ExponentialHistogram => "exponential histogram",
        MetricData::Summary => "summary",
        MetricData::Unknown => "unknown",
    }
}
