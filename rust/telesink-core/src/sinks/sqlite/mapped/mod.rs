//! Records in tables that are not telesink's own, in the same transaction as the ledger.

mod bind;
mod describe;
mod runs;
mod tables;

pub(super) use tables::{Mapped, ddl as table_ddl, declared, identifier, prepare};

use super::failure::Failure;
use super::ledger::{Guard, advance};
use super::write::uuid_text;
use super::{Batch, Open};
use crate::sinks::mapped::chronicle::Change;
use crate::sinks::mapped::{Fields, Layout};
use crate::sinks::{Outcome, Refusal};

/// Stores the batch inside the open transaction.
pub(super) fn store(open: &mut Open, batch: &Batch<'_>, layout: &Layout) -> Result<Outcome, Failure> {
    let mut buffer = [0; 36];
    let instance = uuid_text(&batch.instance, &mut buffer);
    let last = batch.entries.last().map_or(0, |entry| entry.seq);
    let connection = &open.connection;
    let Some(mapped) = &open.mapped else { return Ok(Outcome::default()) };
    let mut outcome = Outcome::default();
    let guard = advance(connection, instance, batch.lane, batch.previous_seq, last, batch.now_unix_nano)?;
    let above = match guard {
        Guard::All => 0,
        Guard::Above(seq) => seq,
        Guard::RolledBack(lost) => {
            outcome.rolled_back = lost;
            0
        }
    };
    let (scopes, programs) = (batch.tables.scopes(), batch.tables.resources());
    let mut insert = connection.prepare_cached(&mapped.insert)?;
    for (index, entry) in batch.entries.iter().enumerate() {
        if entry.seq <= above {
            outcome.duplicates_suppressed += 1;
            continue;
        }
        let view = entry.log();
        let logger = scopes.get(view.header.scope as usize).map_or("", |scope| scope.name.as_str());
        let program = programs.get(view.header.resource as usize).or_else(|| programs.first());
        let service = program.map_or("", |program| program.service_name.as_str());
        let fields = Fields::new(view, logger, service);
        if layout.is_unattributed(&fields) {
            outcome.unattributed.push(index);
            continue;
        }
        let change = if layout.has_runs { Change::of(&fields.view) } else { None };
        let stored = match change {
            Some(change) => runs::store(connection, change, batch.now_unix_nano).map(|()| Stored::default()),
            None => bind::insert(&mut insert, &fields, &layout.rows, mapped),
        };
        match stored {
            Ok(stored) => {
                outcome.mended += u64::from(stored.is_mended);
                outcome.duplicates_suppressed += u64::from(stored.was_there);
            }
            // Only the record is undone; the rows before and after it stay.
            Err(failure) => match failure.refusal() {
                Some((code, text)) => outcome.refused.push(Refusal { index, code: code.to_owned(), text }),
                None => return Err(failure),
            },
        }
    }
    Ok(outcome)
}

/// What became of a row.
#[derive(Debug, Default)]
struct Stored {
    is_mended: bool,
    was_there: bool,
}
