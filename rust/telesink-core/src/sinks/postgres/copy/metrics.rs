//! Rows of `telesink_metrics`: one for each point.

use super::{Common, integer, put, put_json, put_null, put_optional_text, put_text, put_time};
use crate::record::json;
use crate::record::view::{MetricView, PointView};
use crate::sinks::Entry;
use crate::sinks::points::{PointRow, rows};

/// Columns in the order in which they are written.
pub(super) const COLUMNS: [&str; 18] = [
    "ts",
    "start_ts",
    "name",
    "kind",
    "unit",
    "temporality",
    "is_monotonic",
    "value",
    "count",
    "sum",
    "min",
    "max",
    "buckets",
    "service",
    "attributes",
    "resource_id",
    "instance",
    "seq",
];

/// The rows of all points. Answers how many they are.
pub(super) fn put_rows(out: &mut Vec<u8>, entry: &Entry, common: &Common<'_>) -> u64 {
    let view = entry.metric();
    let mut count = 0;
    for point in rows(&view) {
        put_row(out, entry.seq, &view, point.as_ref(), common);
        count += 1;
    }
    count
}

fn put_row(
    out: &mut Vec<u8>,
    seq: u64,
    view: &MetricView<'_>,
    point: Option<&PointView<'_>>,
    common: &Common<'_>,
) {
    let row = PointRow::of(view, point);
    out.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
    put_time(out, row.time_unix_nano);
    match row.start_unix_nano {
        Some(start) => put_time(out, start),
        None => put_null(out),
    }
    put_text(out, view.name);
    put(out, &(view.data as i16).to_be_bytes());
    put_optional_text(out, view.unit);
    put_optional(out, row.temporality.map(|temporality| i16::from(temporality).to_be_bytes()));
    put_optional(out, row.is_monotonic.map(|is_monotonic| [u8::from(is_monotonic)]));
    put_optional(out, row.value.map(f64::to_be_bytes));
    put_optional(out, row.count.map(|count| integer(count).to_be_bytes()));
    for number in [row.sum, row.min, row.max] {
        put_optional(out, number.map(f64::to_be_bytes));
    }
    put_json(out, |out| point.is_some_and(|point| json::write_buckets(out, point)));
    put_text(out, common.service);
    put_json(out, |out| {
        match point {
            Some(point) => json::write_object(out, point.attributes()),
            None => out.extend_from_slice(b"{}"),
        }
        true
    });
    put(out, &common.resource.to_be_bytes());
    put(out, common.instance);
    put(out, &(seq as i64).to_be_bytes());
}

/// A field of a fixed length, or NULL.
fn put_optional<const N: usize>(out: &mut Vec<u8>, bytes: Option<[u8; N]>) {
    match bytes {
        Some(bytes) => put(out, &bytes),
        None => put_null(out),
    }
}
