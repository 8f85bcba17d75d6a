//! Rows of `telesink_spans`.

use super::super::failure::Failure;
use super::{Common, Scratch, bind_any_hex, bind_hex, bind_json, bind_text, integer};
use crate::record::json;
use crate::sinks::Entry;
use rusqlite::Statement;

pub(super) const INSERT: &str = "\
INSERT INTO telesink_spans (ts, end_ts, duration_ns, trace_id, span_id, parent_span_id, name, kind, status, \
status_message, service, scope, attributes, events, links, resource_id, instance, seq) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Inserts a span.
pub(super) fn insert(
    insert: &mut Statement<'_>,
    entry: &Entry,
    common: &Common<'_>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let view = entry.span();
    insert.raw_bind_parameter(1, integer(view.header.time_unix_nano))?;
    insert.raw_bind_parameter(2, integer(view.end_unix_nano))?;
    insert.raw_bind_parameter(3, integer(view.duration_nano()))?;
    bind_any_hex(insert, 4, &view.header.trace_id, scratch)?;
    bind_any_hex(insert, 5, &view.header.span_id, scratch)?;
    bind_hex(insert, 6, &view.parent_span_id, scratch)?;
    insert.raw_bind_parameter(7, view.name)?;
    insert.raw_bind_parameter(8, view.kind)?;
    insert.raw_bind_parameter(9, view.status_code)?;
    bind_text(insert, 10, view.status_message)?;
    insert.raw_bind_parameter(11, common.service)?;
    bind_text(insert, 12, common.scope)?;
    bind_json(insert, 13, scratch, |out| {
        json::write_object(out, view.attributes());
        true
    })?;
    bind_json(insert, 14, scratch, |out| json::write_events(out, &view))?;
    bind_json(insert, 15, scratch, |out| json::write_links(out, &view))?;
    insert.raw_bind_parameter(16, common.resource)?;
    insert.raw_bind_parameter(17, common.instance)?;
    insert.raw_bind_parameter(18, entry.seq as i64)?;
    insert.raw_execute()?;
    Ok(())
}
