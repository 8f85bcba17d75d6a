//! The records of a batch, told apart: those that are rows, and those that change the rows of runs and steps.

use super::encode::{self, CHUNK_BYTES};
use super::tables::Mapped;
use crate::record::id::{format_uuid, parse_uuid};
use crate::record::tables::{Resource, Scope};
use crate::sinks::mapped::chronicle::{Change, Delta, Thing};
use crate::sinks::mapped::{Fields, Layout};
use crate::sinks::{Batch, Entry, Outcome, Refusal};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is to be stored.
#[derive(Debug)]
pub(super) struct Split {
    /// Indexes of the records that are rows.
    rows: Vec<usize>,
    /// What changes, by table and id: in one order, so that two writers cannot wait for one another.
    pub(super) changes: BTreeMap<(Thing, [u8; 16]), Delta>,
    /// Ids of all runs that something was said about.
    pub(super) runs: BTreeSet<String>,
    /// Whether a row has an id that the program gave it.
    pub(super) has_given_ids: bool,
}

impl Split {
    /// Tells the records with a number above `above` apart.
    pub(super) fn of(
        batch: &Batch<'_>,
        entries: &[Entry],
        above: u64,
        (layout, notifies): (&Layout, bool),
        outcome: &mut Outcome,
    ) -> Self {
        let names = Names::of(batch);
        let mut split =
            Self { rows: Vec::new(), changes: BTreeMap::new(), runs: BTreeSet::new(), has_given_ids: false };
        for (index, entry) in entries.iter().enumerate() {
            if entry.seq <= above {
                outcome.duplicates_suppressed += 1;
                continue;
            }
            let fields = names.fields(entry);
            if layout.is_unattributed(&fields) {
                outcome.unattributed.push(index);
                continue;
            }
            if layout.has_runs {
                if let Some(change) = Change::of(&fields.view) {
                    if notifies {
                        split.note_run(change.run_id);
                    }
                    let key = (change.thing(), change.id);
                    let delta = Delta::of(change);
                    match split.changes.get_mut(&key) {
                        Some(known) => known.join(delta),
                        None => drop(split.changes.insert(key, delta)),
                    }
                    continue;
                }
                if notifies
                    && let Some(run_id) =
                        fields.attribute("run_id").and_then(|id| id.as_str()).and_then(parse_uuid)
                {
                    split.note_run(run_id);
                }
                split.has_given_ids |= fields.given_id().is_some();
            }
            split.rows.push(index);
        }
        split
    }

    fn note_run(&mut self, id: [u8; 16]) {
        let mut buffer = [0; 36];
        format_uuid(&id, &mut buffer);
        self.runs.insert(String::from_utf8_lossy(&buffer).into_owned());
    }

    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }
}

/// What stands beside the records of a batch.
struct Names {
    scopes: Arc<Vec<Arc<Scope>>>,
    programs: Arc<Vec<Arc<Resource>>>,
}

impl Names {
    fn of(batch: &Batch<'_>) -> Self {
        Self { scopes: batch.tables.scopes(), programs: batch.tables.resources() }
    }

    fn fields<'a>(&'a self, entry: &'a Entry) -> Fields<'a> {
        let view = entry.log();
        let logger = self.scopes.get(view.header.scope as usize).map_or("", |scope| scope.name.as_str());
        let program = self.programs.get(view.header.resource as usize).or_else(|| self.programs.first());
        Fields::new(view, logger, program.map_or("", |program| program.service_name.as_str()))
    }
}

/// Rows on their way into COPY.
pub(super) struct Rows<'a> {
    batch: &'a Batch<'a>,
    layout: &'a Layout,
    mapped: &'a Mapped,
    split: &'a Split,
    names: Names,
    place: usize,
    is_begun: bool,
    is_ended: bool,
    /// Rows put together so far.
    pub(super) count: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        batch: &'a Batch<'a>,
        layout: &'a Layout,
        mapped: &'a Mapped,
        split: &'a Split,
    ) -> Self {
        let names = Names::of(batch);
        Self { batch, layout, mapped, split, names, place: 0, is_begun: false, is_ended: false, count: 0 }
    }

    /// The next piece of the data; none behind the last.
    pub(super) fn next_chunk(&mut self, outcome: &mut Outcome) -> Option<Bytes> {
        if self.is_ended {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        if !self.is_begun {
            encode::begin(&mut out);
            self.is_begun = true;
        }
        while out.len() < CHUNK_BYTES {
            let next = self.split.rows.get(self.place).copied();
            let Some((index, entry)) = next.and_then(|index| Some((index, self.batch.entries.get(index)?)))
            else {
                encode::end(&mut out);
                self.is_ended = true;
                break;
            };
            self.place += 1;
            let fields = self.names.fields(entry);
            let at = out.len();
            match encode::row(&mut out, &fields, &self.layout.rows, &self.mapped.bound) {
                Ok(is_mended) => {
                    outcome.mended += u64::from(is_mended);
                    self.count += 1;
                }
                Err(unfit) => {
                    out.truncate(at);
                    let (code, text) = (unfit.code.to_owned(), unfit.text);
                    outcome.refused.push(Refusal { index, code, text });
                }
            }
        }
        Some(Bytes::from(out))
    }
}
