//! The inserts: one prepared statement a table, parameters bound from borrowed bytes.

mod logs;
mod metrics;
mod spans;

use super::failure::Failure;
use super::ledger::{Guard, advance};
use super::{Batch, Open};
use crate::record::Signal;
use crate::record::id::format_uuid;
use crate::record::json;
use crate::record::tables::Tables;
use crate::sinks::{Entry, Outcome, Refusal};
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Statement};
use std::collections::HashMap;

/// Buffers kept between batches.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    json: Vec<u8>,
    hex: Vec<u8>,
}

/// What a row has beside its record.
struct Common<'a> {
    service: &'a str,
    /// Name of the logger, tracer or meter.
    scope: &'a str,
    instance: &'a str,
    resource: i64,
}

/// The statements of a batch, each prepared when the first record needs it.
struct Inserts<'c> {
    connection: &'c Connection,
    logs: Option<CachedStatement<'c>>,
    spans: Option<CachedStatement<'c>>,
    metrics: Option<CachedStatement<'c>>,
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
    let Open { connection, resources, .. } = open;
    let connection = &*connection;
    let mut inserts = Inserts { connection, logs: None, spans: None, metrics: None };
    let (programs, scopes) = (batch.tables.resources(), batch.tables.scopes());
    // Nearly all records come from one program.
    let mut current: Option<(u32, &str, i64)> = None;
    for (index, entry) in batch.entries.iter().enumerate() {
        if entry.seq <= above {
            outcome.duplicates_suppressed += 1;
            continue;
        }
        let header = entry.record.header();
        if current.is_none_or(|(index, ..)| index != header.resource) {
            let program = programs.get(header.resource as usize).or_else(|| programs.first());
            let service = program.map_or("", |program| program.service_name.as_str());
            let row = resource_id(connection, resources, batch.tables, header.resource)?;
            current = Some((header.resource, service, row));
        }
        let (_, service, resource) = current.unwrap_or_default();
        let scope = scopes.get(header.scope as usize).map_or("", |scope| scope.name.as_str());
        let common = Common { service, scope, instance, resource };
        match inserts.insert(entry, header.signal, &common, scratch) {
            Ok(()) => {}
            // Only the record is undone; the rows before and after it stay.
            Err(failure) => match failure.refusal() {
                Some((code, text)) => outcome.refused.push(Refusal { index, code: code.to_owned(), text }),
                None => return Err(failure),
            },
        }
    }
    Ok(outcome)
}

impl Inserts<'_> {
    fn insert(
        &mut self,
        entry: &Entry,
        signal: Signal,
        common: &Common<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        let connection = self.connection;
        match signal {
            Signal::Log => {
                logs::insert(prepared(&mut self.logs, connection, logs::INSERT)?, entry, common, scratch)
            }
            Signal::Span => {
                spans::insert(prepared(&mut self.spans, connection, spans::INSERT)?, entry, common, scratch)
            }
            Signal::Metric => {
                let insert = prepared(&mut self.metrics, connection, metrics::INSERT)?;
                metrics::insert(connection, insert, entry, common, scratch)
            }
        }
    }
}

fn prepared<'s, 'c>(
    slot: &'s mut Option<CachedStatement<'c>>,
    connection: &'c Connection,
    sql: &str,
) -> Result<&'s mut Statement<'c>, Failure> {
    match slot {
        Some(statement) => Ok(statement),
        empty => Ok(empty.insert(connection.prepare_cached(sql)?)),
    }
}

/// Binds an id as hex text, or NULL if it is all zero.
fn bind_hex(
    insert: &mut Statement<'_>,
    index: usize,
    id: &[u8],
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    if id.iter().all(|byte| *byte == 0) {
        insert.raw_bind_parameter(index, Null)?;
        return Ok(());
    }
    bind_any_hex(insert, index, id, scratch)
}

/// Binds an id as hex text, also one that is all zero.
fn bind_any_hex(
    insert: &mut Statement<'_>,
    index: usize,
    id: &[u8],
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    scratch.hex.clear();
    json::write_hex(&mut scratch.hex, id);
    insert.raw_bind_parameter(index, std::str::from_utf8(&scratch.hex).unwrap_or_default())?;
    Ok(())
}

/// Binds JSON text, or NULL if `write` answers that there is none.
fn bind_json(
    insert: &mut Statement<'_>,
    index: usize,
    scratch: &mut Scratch,
    write: impl FnOnce(&mut Vec<u8>) -> bool,
) -> Result<(), Failure> {
    scratch.json.clear();
    if write(&mut scratch.json) {
        insert.raw_bind_parameter(index, std::str::from_utf8(&scratch.json).unwrap_or("{}"))?;
    } else {
        insert.raw_bind_parameter(index, Null)?;
    }
    Ok(())
}

/// Binds text, or NULL if it is empty.
fn bind_text(insert: &mut Statement<'_>, index: usize, text: &str) -> Result<(), Failure> {
    insert.raw_bind_parameter(index, (!text.is_empty()).then_some(text))?;
    Ok(())
}

/// A column holds 63 bits; what is greater, which only a broken source says, is the greatest.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn uuid_text<'b>(id: &[u8; 16], buffer: &'b mut [u8; 36]) -> &'b str {
    format_uuid(id, buffer);
    std::str::from_utf8(buffer).unwrap_or_default()
}

/// The row of a resource, made if it is new; asked once a connection. As many are kept as a pipeline has.
fn resource_id(
    connection: &Connection,
    known: &mut HashMap<u32, i64>,
    tables: &Tables,
    index: u32,
) -> Result<i64, Failure> {
    if let Some(id) = known.get(&index) {
        return Ok(*id);
    }
    let resources = tables.resources();
    let Some(resource) = resources.get(index as usize).or_else(|| resources.first()) else { return Ok(0) };
    let attributes = &resource.json;
    connection.execute("INSERT OR IGNORE INTO telesink_resources (attributes) VALUES (?1)", [attributes])?;
    let id: Option<i64> = connection
        .query_row("SELECT id FROM telesink_resources WHERE attributes = ?1", [attributes], |row| row.get(0))
        .optional()?;
    if let Some(id) = id {
        // Forgotten again by a rollback, which may take the row away.
        known.insert(index, id);
    }
    Ok(id.unwrap_or(0))
}
