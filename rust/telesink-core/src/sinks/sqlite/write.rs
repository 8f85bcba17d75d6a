//! The insert: one prepared statement, parameters bound from borrowed bytes.

use super::failure::Failure;
use super::ledger::{Guard, advance};
use super::{Batch, Open};
use crate::record::id::format_uuid;
use crate::record::json;
use crate::record::value::Value;
use crate::sinks::{Entry, Outcome, Refusal};
use rusqlite::{OptionalExtension, Statement};

const INSERT: &str = "\
INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, event_name, trace_id, \
span_id, attributes, resource_id, instance, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// Buffers kept between batches.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    json: Vec<u8>,
    hex: Vec<u8>,
}

/// What all rows of a batch share.
struct Common<'a> {
    service: &'a str,
    instance: &'a str,
    resource: i64,
}

/// Stores the batch inside the open transaction.
pub(super) fn store(open: &mut Open, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Outcome, Failure> {
    let mut buffer = [0; 36];
    let instance = uuid_text(&batch.instance, &mut buffer);
    let last = batch.entries.last().map_or(0, |entry| entry.seq);
    let guard =
        advance(&open.connection, instance, batch.lane, batch.previous_seq, last, batch.now_unix_nano)?;
    let mut outcome = Outcome::default();
    let above = match guard {
        Guard::All => 0,
        Guard::Above(seq) => seq,
        Guard::RolledBack(lost) => {
            outcome.rolled_back = lost;
            0
        }
    };
    let resource = resource_id(open, batch)?;
    let program = batch.tables.resource();
    let common = Common { service: &program.service_name, instance, resource };
    let scopes = batch.tables.scopes();
    let mut insert = open.connection.prepare_cached(INSERT)?;
    for (index, entry) in batch.entries.iter().enumerate() {
        if entry.seq <= above {
            outcome.duplicates_suppressed += 1;
            continue;
        }
        let scope = entry.record.header().scope as usize;
        let logger = scopes.get(scope).map_or("", |scope| scope.name.as_str());
        match insert_row(&mut insert, entry, &common, logger, scratch) {
            Ok(()) => {}
            // Only the statement is undone; the rows before and after it stay.
            Err(failure) => match failure.refusal() {
                Some((code, text)) => outcome.refused.push(Refusal { index, code: code.to_owned(), text }),
                None => return Err(failure),
            },
        }
    }
    Ok(outcome)
}

fn insert_row(
    insert: &mut Statement<'_>,
    entry: &Entry,
    common: &Common<'_>,
    logger: &str,
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
    insert.raw_bind_parameter(7, logger)?;
    match view.body {
        Value::Str(text) => insert.raw_bind_parameter(8, text)?,
        _ => insert.raw_bind_parameter(8, view.message().as_ref())?,
    }
    insert.raw_bind_parameter(9, (!view.event_name.is_empty()).then_some(view.event_name))?;
    bind_hex(insert, 10, &view.header.trace_id, scratch)?;
    bind_hex(insert, 11, &view.header.span_id, scratch)?;
    scratch.json.clear();
    json::write_attributes(&mut scratch.json, &view);
    insert.raw_bind_parameter(12, std::str::from_utf8(&scratch.json).unwrap_or("{}"))?;
    insert.raw_bind_parameter(13, common.resource)?;
    insert.raw_bind_parameter(14, common.instance)?;
    insert.raw_bind_parameter(15, entry.seq as i64)?;
    insert.raw_execute()?;
    Ok(())
}

/// Binds an id as hex text, or NULL if it is all zero.
fn bind_hex(
    insert: &mut Statement<'_>,
    index: usize,
    id: &[u8],
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    if id.iter().all(|byte| *byte == 0) {
        insert.raw_bind_parameter(index, rusqlite::types::Null)?;
        return Ok(());
    }
    scratch.hex.clear();
    json::write_hex(&mut scratch.hex, id);
    insert.raw_bind_parameter(index, std::str::from_utf8(&scratch.hex).unwrap_or_default())?;
    Ok(())
}

fn uuid_text<'b>(id: &[u8; 16], buffer: &'b mut [u8; 36]) -> &'b str {
    format_uuid(id, buffer);
    std::str::from_utf8(buffer).unwrap_or_default()
}

/// The row of the pipeline's resource, made if it is new; asked once a connection.
fn resource_id(open: &mut Open, batch: &Batch<'_>) -> Result<i64, Failure> {
    if let Some(id) = open.resource {
        return Ok(id);
    }
    let program = batch.tables.resource();
    let attributes = &program.json;
    let connection = &open.connection;
    connection.execute("INSERT OR IGNORE INTO telesink_resources (attributes) VALUES (?1)", [attributes])?;
    let id: Option<i64> = connection
        .query_row("SELECT id FROM telesink_resources WHERE attributes = ?1", [attributes], |row| row.get(0))
        .optional()?;
    // Forgotten again by a rollback, which may take the row away.
    open.resource = id;
    Ok(id.unwrap_or(0))
}
