//! Rows of `telesink_logs`.

use super::super::failure::Failure;
use super::{Common, Scratch, bind_hex, bind_json, bind_text, uuid_text};
use crate::record::json;
use crate::record::value::Value;
use crate::sinks::Entry;
use rusqlite::Statement;

pub(super) const INSERT: &str = "\
INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, event_name, trace_id, \
span_id, attributes, resource_id, instance, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// Inserts a log record.
pub(super) fn insert(
    insert: &mut Statement<'_>,
    entry: &Entry,
    common: &Common<'_>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let view = entry.log();
    let mut id = [0; 36];
    insert.raw_bind_parameter(1, view.header.time_unix_nano as i64)?;
    insert.raw_bind_parameter(2, view.header.observed_unix_nano as i64)?;
    insert.raw_bind_parameter(3, uuid_text(&view.header.id, &mut id))?;
    insert.raw_bind_parameter(4, view.header.severity)?;
    insert.raw_bind_parameter(5, view.level())?;
    insert.raw_bind_parameter(6, common.service)?;
    insert.raw_bind_parameter(7, common.scope)?;
    match view.body {
        Value::Str(text) => insert.raw_bind_parameter(8, text)?,
        _ => insert.raw_bind_parameter(8, view.message().as_ref())?,
    }
    bind_text(insert, 9, view.event_name)?;
    bind_hex(insert, 10, &view.header.trace_id, scratch)?;
    bind_hex(insert, 11, &view.header.span_id, scratch)?;
    bind_json(insert, 12, scratch, |out| {
        json::write_attributes(out, &view);
        true
    })?;
    insert.raw_bind_parameter(13, common.resource)?;
    insert.raw_bind_parameter(14, common.instance)?;
    insert.raw_bind_parameter(15, entry.seq as i64)?;
    insert.raw_execute()?;
    Ok(())
}
