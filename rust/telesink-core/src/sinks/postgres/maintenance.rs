//! Work on the tables outside of any pipeline: for the command line, and for whoever keeps a database in order.

use super::connect::{Connected, connect};
use super::event_loop::build_runtime;
use super::failure::{Failure, Phase};
use super::session::within;
use super::{CLOSE_MAX, Options, partitions, retention, schema};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::sinks::Limits;
use crate::sinks::prune::{Age, OldPartition, Piece, Prune, Scope};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub use super::partitions::Made;
pub use super::retention::Dropped;

/// How long one piece of work may take, with all that the server waits for; each has tighter limits there.
const PIECE_MAX: Duration = Duration::from_mins(1);

/// How often a piece is put off while somebody else works on the tables: 30 s in all.
const WAITS_MAX: u32 = 60;

/// How long each time.
const WAIT: Duration = Duration::from_millis(500);

/// A connection of its own.
#[derive(Debug)]
pub struct Maintenance {
    options: Arc<Options>,
    runtime: Runtime,
    pub(super) connected: Connected,
}

impl Maintenance {
    /// Reads the options of a DSN as the sink does, and connects.
    ///
    /// # Errors
    /// The outer one: an option is wrong. The inner one: the server is not to be had.
    pub fn connect(dsn: &mut Dsn, limits: Limits) -> Result<Result<Self, WriteError>, ConfigError> {
        let options = Options::take_from(dsn)?;
        Ok(Self::open(Arc::new(options), limits))
    }

    pub(super) fn open(options: Arc<Options>, limits: Limits) -> Result<Self, WriteError> {
        let limit = options.limits(limits).connect;
        let opened = build_runtime().and_then(|runtime| {
            let connected = runtime.block_on(connect(&options.target, limit, 0))?;
            Ok((runtime, connected))
        });
        match opened {
            Ok((runtime, connected)) => Ok(Self { options, runtime, connected }),
            Err(failure) => Err(failure.judge(&options.shown)),
        }
    }

    /// Makes sure that the tables are there, as the sink does with its first batch.
    ///
    /// # Errors
    /// They are missing and cannot be made, or are newer than this telesink.
    pub fn prepare(&self) -> Result<(), WriteError> {
        let Options { names, creates_schema, .. } = &*self.options;
        self.run(async || schema::prepare(&self.connected.client, names, *creates_schema).await)
    }

    /// Makes partitions for so many days from `now_unix_nano` on, and for older rows of the default partition: for log
    /// records, and for spans and metrics where somebody writes them.
    ///
    /// # Errors
    /// The server refuses, or somebody holds a lock.
    pub fn make_ahead(&self, now_unix_nano: u64, days_ahead: u32) -> Result<Made, WriteError> {
        let (client, names) = (&self.connected.client, &self.options.names);
        self.run(async || partitions::make_ahead(client, names, now_unix_nano, days_ahead, &[]).await)
    }

    /// Drops some of what is older than `keep`.
    ///
    /// # Errors
    /// The server refuses, or somebody holds a lock.
    pub fn drop_old(&self, keep: Duration, now_unix_nano: u64) -> Result<Dropped, WriteError> {
        let (client, names) = (&self.connected.client, &self.options.names);
        self.run(async || retention::drop_old(client, names, keep, now_unix_nano).await)
    }

    /// Sweeps ledger rows that have not moved for 30 days, but for those of `instance`; answers how many.
    ///
    /// # Errors
    /// The server refuses.
    pub fn sweep_ledger(&self, instance: &str) -> Result<u64, WriteError> {
        let (client, names) = (&self.connected.client, &self.options.names);
        self.run(async || retention::sweep_ledger(client, names, instance).await)
    }

    pub(super) fn run<T>(&self, work: impl AsyncFnOnce() -> Result<T, Failure>) -> Result<T, WriteError> {
        self.run_for(PIECE_MAX, work)
    }

    pub(super) fn run_for<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce() -> Result<T, Failure>,
    ) -> Result<T, WriteError> {
        let done = self.runtime.block_on(within(limit, Phase::Schema, work()));
        done.map_err(|failure| failure.judge(&self.options.shown))
    }

    fn attempt<T>(&self, work: impl AsyncFnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.runtime.block_on(within(PIECE_MAX, Phase::Schema, work()))
    }

    /// Says good-bye to the server.
    pub fn close(self) {
        self.runtime.block_on(self.connected.close(CLOSE_MAX));
        // A thread may hang in the resolver for as long as that likes.
        self.runtime.shutdown_background();
    }
}

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
pub(super) fn prune(options: Options, limits: Limits, age: Age) -> Result<Box<dyn Prune>, WriteError> {
    let maintenance = Maintenance::open(Arc::new(options), limits)?;
    let (client, names) = (&maintenance.connected.client, &maintenance.options.names);
    let (old, rows) = maintenance.run(async || {
        let (mut all, mut rows) = (VecDeque::new(), 0);
        for table in schema::RecordTable::ALL {
            let found = retention::find_old(client, names, table, age.older_than, age.now_unix_nano).await?;
            // Tables of an older version have no spans and metrics.
            let Some(old) = found else { continue };
            rows += old.count_rest(client).await?;
            all.push_back(old);
        }
        if all.is_empty() { Err(schema::no_tables()) } else { Ok((all, rows)) }
    })?;
    let partitions = old.iter().flat_map(|old| &old.partitions);
    let partitions = partitions.map(|old| OldPartition { name: old.shown.clone(), rows: old.rows }).collect();
    let limit = old.front().map_or(0.0, |old| old.limit.max(0.0));
    let before_unix_nano = (limit * 1e9) as u64;
    let scope = Scope { before_unix_nano, partitions, rows, gives_back: true };
    Ok(Box::new(TablePrune { maintenance, old, scope, next: 0, waits: 0, stuck: None }))
}

impl Prune for TablePrune {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn step(&mut self) -> Result<Option<Piece>, WriteError> {
        while let Some(old) = self.old.front() {
            let client = &self.maintenance.connected.client;
            let Some(partition) = old.partitions.get(self.next) else {
                match self.maintenance.attempt(async || old.delete_chunk(client).await) {
                    Ok(retention::Piece::Busy) => return self.wait(),
                    Ok(retention::Piece::Done(0)) => {
                        self.old.pop_front();
                        self.next = 0;
                        continue;
                    }
                    Ok(retention::Piece::Done(rows)) => return Ok(Some(Piece::Rows(rows))),
                    Err(failure) => return Err(self.judge(failure)),
                }
            };
            let mut locks = retention::Locks::default();
            let drop_it = async || old.drop_partition(client, &partition.name, &mut locks).await;
            match self.maintenance.attempt(drop_it) {
                Ok(retention::Piece::Busy) => return self.wait(),
                // Somebody else was faster.
                Ok(retention::Piece::Done(0)) => self.next += 1,
                Ok(retention::Piece::Done(_)) => {
                    self.next += 1;
                    return Ok(Some(Piece::Partition(partition.shown.clone())));
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
