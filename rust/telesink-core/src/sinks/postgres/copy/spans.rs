//! Rows of `telesink_spans`.

use super::{Common, integer, put, put_hex, put_json, put_optional_text, put_text, put_time, put_with};
use crate::record::json;
use crate::sinks::Entry;

/// Columns in the order in which they are written.
pub(super) const COLUMNS: [&str; 18] = [
    "ts",
    "end_ts",
    "duration_ns",
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "status",
    "status_message",
    "service",
    "scope",
    "attributes",
    "events",
    "links",
    "resource_id",
    "instance",
    "seq",
];

/// One row.
pub(super) fn put_row(out: &mut Vec<u8>, entry: &Entry, common: &Common<'_>) {
    let view = entry.span();
    let header = &view.header;
    out.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
    put_time(out, header.time_unix_nano);
    put_time(out, view.end_unix_nano);
    put(out, &integer(view.duration_nano()).to_be_bytes());
    put(out, &header.trace_id);
    // Not NULL, even if it is all zero.
    put_with(out, |out| json::write_hex(out, &header.span_id));
    put_hex(out, &view.parent_span_id);
    put_text(out, view.name);
    put(out, &i16::from(view.kind).to_be_bytes());
    put(out, &i16::from(view.status_code).to_be_bytes());
    put_optional_text(out, view.status_message);
    put_text(out, common.service);
    put_optional_text(out, common.scope);
    put_json(out, |out| {
        json::write_object(out, view.attributes());
        true
    });
    put_json(out, |out| json::write_events(out, &view));
    put_json(out, |out| json::write_links(out, &view));
    put(out, &common.resource.to_be_bytes());
    put(out, common.instance);
    put(out, &(entry.seq as i64).to_be_bytes());
}
