//! Rows of `telesink_logs`.

use super::{Common, put, put_hex, put_json, put_null, put_optional_text, put_text, put_time};
use crate::record::json;
use crate::record::value::Value;
use crate::sinks::Entry;

/// Columns in the order in which they are written.
pub(super) const COLUMNS: [&str; 15] = [
    "ts",
    "observed_ts",
    "id",
    "severity",
    "level",
    "service",
    "logger",
    "body",
    "event_name",
    "trace_id",
    "span_id",
    "attributes",
    "resource_id",
    "instance",
    "seq",
];

/// One row.
pub(super) fn put_row(out: &mut Vec<u8>, entry: &Entry, common: &Common<'_>) {
    let view = entry.log();
    let header = &view.header;
    out.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
    put_time(out, header.time_unix_nano);
    put_time(out, header.observed_unix_nano);
    put(out, &header.id);
    put(out, &i16::from(header.severity).to_be_bytes());
    put_text(out, view.level());
    put_text(out, common.service);
    put_text(out, common.scope);
    match view.body {
        Value::Str(text) => put_text(out, text),
        _ => put_text(out, &view.message()),
    }
    put_optional_text(out, view.event_name);
    if header.trace_id == [0; 16] {
        put_null(out);
    } else {
        put(out, &header.trace_id);
    }
    put_hex(out, &header.span_id);
    put_json(out, |out| {
        json::write_attributes(out, &view);
        true
    });
    put(out, &common.resource.to_be_bytes());
    put(out, common.instance);
    put(out, &(entry.seq as i64).to_be_bytes());
}
