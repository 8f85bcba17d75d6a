//! The records of a batch on their way into the COPY of one table.

use super::super::copy::{CHUNK_BYTES, Common, Encoder};
use super::super::schema::RecordTable;
use crate::record::tables::{Resource, Scope};
use crate::sinks::{Batch, Entry};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// What the rows of a batch are made of beside its records.
pub(super) struct Shared<'a> {
    instance: [u8; 16],
    scopes: Arc<Vec<Arc<Scope>>>,
    programs: Arc<Vec<Arc<Resource>>>,
    /// The rows of resources, by their index in the pipeline's table.
    resources: &'a HashMap<u32, i64>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(batch: &Batch<'_>, resources: &'a HashMap<u32, i64>) -> Self {
        Self {
            instance: batch.instance,
            scopes: batch.tables.scopes(),
            programs: batch.tables.resources(),
            resources,
        }
    }

    /// The service of a resource and its row.
    fn program(&self, index: u32) -> (&str, i64) {
        let program = self.programs.get(index as usize).or_else(|| self.programs.first());
        let row = self.resources.get(&index).or_else(|| self.resources.get(&0));
        (program.map_or("", |program| program.service_name.as_str()), row.copied().unwrap_or(0))
    }
}

/// The rows of one table.
pub(super) struct Rows<'a> {
    encoder: Encoder,
    table: RecordTable,
    /// Those that are still to come, with those of other tables among them.
    entries: &'a [Entry],
    shared: &'a Shared<'a>,
    /// Nearly all records come from one program.
    program: Option<(u32, &'a str, i64)>,
    /// Records put together so far.
    pub(super) records: u64,
    /// Their rows.
    pub(super) count: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(table: RecordTable, entries: &'a [Entry], shared: &'a Shared<'a>) -> Self {
        Self { encoder: Encoder::new(), table, entries, shared, program: None, records: 0, count: 0 }
    }

    /// Puts rows together until a chunk is full or no more are left. Answers whether it is full.
    pub(super) fn fill_chunk(&mut self) -> bool {
        while self.encoder.len() < CHUNK_BYTES {
            let Some((entry, rest)) = self.entries.split_first() else { return false };
            self.entries = rest;
            if RecordTable::of(entry.record.signal()) == self.table {
                self.put(entry);
            }
        }
        true
    }

    fn put(&mut self, entry: &Entry) {
        let shared = self.shared;
        let header = entry.record.header();
        let (_, service, resource) = match self.program {
            Some(program) if program.0 == header.resource => program,
            _ => {
                let (service, row) = shared.program(header.resource);
                *self.program.insert((header.resource, service, row))
            }
        };
        let scope = shared.scopes.get(header.scope as usize).map_or("", |scope| scope.name.as_str());
        let common = Common { service, scope, instance: &shared.instance, resource };
        self.count += self.encoder.record(self.table, entry, &common);
        self.records += 1;
    }

    /// Whether no record has gone through it, and none will.
    pub(super) fn is_empty(&self) -> bool {
        let is_ours = |entry: &Entry| RecordTable::of(entry.record.signal()) == self.table;
        self.records == 0 && !self.entries.iter().any(is_ours)
    }

    /// What is there, to be sent.
    pub(super) fn take(&mut self) -> Bytes {
        self.encoder.take()
    }

    /// The last bytes, with the end of the data.
    pub(super) fn take_last(&mut self) -> Bytes {
        std::mem::replace(&mut self.encoder, Encoder::empty()).finish()
    }
}
