//! Work on the tables outside of any pipeline: for the command line, and for whoever keeps a database in order.

use super::connect::{Connected, connect};
use super::event_loop::build_runtime;
use super::failure::{Cause, Failure, Phase};
use super::session::within;
use super::{CLOSE_MAX, Options, partitions, retention, schema};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::sinks::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub use super::partitions::Made;
pub use super::retention::Dropped;

/// How long one piece of work may take, with all that the server waits for; each has tighter limits there.
const PIECE_MAX: Duration = Duration::from_mins(1);

/// A connection of its own.
#[derive(Debug)]
pub struct Maintenance {
    pub(super) options: Arc<Options>,
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

    /// Waits for what is told on the channels that are listened to, and answers with all that there is.
    pub(super) fn hear(&mut self, limit: Duration) -> Result<Vec<String>, WriteError> {
        let Self { options, runtime, connected } = self;
        let heard = runtime.block_on(async {
            let Ok(first) = tokio::time::timeout(limit, connected.told.recv()).await else {
                return Ok(Vec::new());
            };
            let Some(first) = first else {
                let lost = Cause::Lost("the server has closed the connection".to_owned());
                return Err(Failure::new(Phase::Schema, lost));
            };
            let mut all = vec![first];
            while let Ok(next) = connected.told.try_recv() {
                all.push(next);
            }
            Ok(all)
        });
        heard.map_err(|failure| failure.judge(&options.shown))
    }

    pub(super) fn attempt<T>(&self, work: impl AsyncFnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.runtime.block_on(within(PIECE_MAX, Phase::Schema, work()))
    }

    /// Says good-bye to the server.
    pub fn close(self) {
        self.runtime.block_on(self.connected.close(CLOSE_MAX));
        // A thread may hang in the resolver for as long as that likes.
        self.runtime.shutdown_background();
    }
}
