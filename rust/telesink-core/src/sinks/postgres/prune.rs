//! Deleting old records step by step: partitions that are wholly old first, then rows.

use super::failure::Failure;
use super::maintenance::Maintenance;
use super::{Options, mapped, partitions, retention, schema};
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::prune::{AgedTable, OldPartition, Piece, Prune, Retention, Scope};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How often a piece is put off while somebody else works on the tables: 30 s in all.
const WAITS_MAX: u32 = 60;

/// How long each time.
const WAIT: Duration = Duration::from_millis(500);

/// Old partitions and rows, and how far they are gone.
struct TablePrune {
    maintenance: Maintenance,
    /// Of each table that may still hold something; the first is being worked on.
    old: VecDeque<retention::Old>,
    scope: Scope,
    /// Of the partitions of that table.
    next: usize,
    waits: u32,
    /// Why a partition could not be dropped: told at the end, because it must not keep the others.
    stuck: Option<WriteError>,
}

/// Connects, and looks for what is old.
pub(super) fn open(
    options: Options,
    tables: &[AgedTable],
    limits: Limits,
    retention: &Retention,
) -> Result<Box<dyn Prune>, WriteError> {
    let maintenance = Maintenance::open(Arc::new(options), limits)?;
    let (client, prefix) = (&maintenance.connected.client, maintenance.options.names.prefix());
    let is_of_others = maintenance.options.layout.is_some();
    let old = maintenance.run(async || {
        let (mut all, mut is_there) = (VecDeque::new(), false);
        for table in tables {
            let name = mapped::qualified(prefix, &table.table);
            let mut table = as_text(table);
            if is_of_others {
                table.time = mapped::checked_time(client, &name, &table).await?;
            }
            let table = &table;
            let rules = retention.rules(table, schema::literal);
            let is_old = |limit: &str| table.is_old(prefix, &format!("({} < {limit})", table.time), limit);
            let wanted = retention::Wanted {
                table: &name,
                is_old: &is_old,
                key: &table.key,
                rules: &rules,
                now_unix_nano: retention.now_unix_nano,
                is_exact: true,
            };
            // Tables of an older version have no spans and metrics.
            let Some(old) = retention::find_old(client, wanted).await? else { continue };
            is_there = true;
            all.push_back(old);
        }
        if is_there { Ok(all) } else { Err(schema::no_tables()) }
    })?;
    let partitions = old.iter().flat_map(|old| &old.partitions);
    let partitions = partitions.map(|old| OldPartition { name: old.shown.clone(), rows: old.rows }).collect();
    // By the server's clock, if that is behind ours.
    let now = old.front().map_or(0.0, |old| old.now.max(0.0));
    let limit = |keep: Duration| ((now - keep.as_secs_f64()).max(0.0) * 1e9) as u64;
    let scope = Scope {
        limits_unix_nano: retention.policies.iter().map(|policy| policy.keep.map(limit)).collect(),
        partitions,
        gives_back: true,
    };
    Ok(Box::new(TablePrune { maintenance, old, scope, next: 0, waits: 0, stuck: None }))
}

/// The table with level and logger as texts, whatever types they have.
fn as_text(table: &AgedTable) -> AgedTable {
    let cast = |column: &Option<String>| column.as_ref().map(|column| format!("{column}::text"));
    AgedTable { level: cast(&table.level), logger: cast(&table.logger), ..table.clone() }
}

impl Prune for TablePrune {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn count(&mut self) -> Result<Vec<u64>, WriteError> {
        let mut rows = vec![0; self.scope.limits_unix_nano.len()];
        for rest in self.old.iter().flat_map(|old| &old.rest) {
            let client = &self.maintenance.connected.client;
            let counted = self.maintenance.attempt(async || rest.count(client, &mut rows).await);
            counted.map_err(|failure| self.judge(failure))?;
        }
        Ok(rows)
    }

    fn step(&mut self) -> Result<Option<Piece>, WriteError> {
        while let Some(old) = self.old.front_mut() {
            let client = &self.maintenance.connected.client;
            let Some(partition) = old.partitions.get(self.next) else {
                let Some(rest) = old.rest.iter_mut().find(|rest| !rest.is_done()) else {
                    self.old.pop_front();
                    self.next = 0;
                    continue;
                };
                return match self.maintenance.attempt(async || rest.delete_chunk(client).await) {
                    Ok(retention::Piece::Busy) => self.wait(),
                    Ok(retention::Piece::Done(rows)) => {
                        self.waits = 0;
                        Ok(Some(Piece::Rows(rows)))
                    }
                    Err(failure) => Err(self.judge(failure)),
                };
            };
            let mut locks = retention::Locks::default();
            let drop_it = async || old.drop_partition(client, &partition.name, &mut locks).await;
            match self.maintenance.attempt(drop_it) {
                Ok(retention::Piece::Busy) => return self.wait(),
                // Somebody else was faster.
                Ok(retention::Piece::Done(0)) => self.next += 1,
                Ok(retention::Piece::Done(_)) => {
                    let piece = Piece::Partition(partition.shown.clone());
                    (self.next, self.waits) = (self.next + 1, 0);
                    return Ok(Some(piece));
                }
                Err(failure) => {
                    let is_stuck = retention::is_stuck(&failure);
                    let error = self.judge(failure);
                    if !is_stuck {
                        return Err(error);
                    }
                    self.stuck.get_or_insert(error);
                    self.next += 1;
                }
            }
        }
        self.stuck.take().map_or(Ok(None), Err)
    }
}

impl TablePrune {
    fn judge(&self, failure: Failure) -> WriteError {
        let failure = partitions::with_right(failure, "run it as the role that owns the tables");
        failure.judge(&self.maintenance.options.shown)
    }

    fn wait(&mut self) -> Result<Option<Piece>, WriteError> {
        self.waits += 1;
        let is_enough = self.waits > WAITS_MAX;
        self.maintenance.run(async || {
            if is_enough {
                return Err(schema::taken());
            }
            tokio::time::sleep(WAIT).await;
            Ok(Some(Piece::Wait))
        })
    }
}
