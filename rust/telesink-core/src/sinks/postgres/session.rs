//! A connection whose tables have been looked at.

use super::connect::{self, Connected};
use super::failure::{Cause, Failure, Phase};
use super::mapped::Mapped;
use super::schema::RecordTable;
use super::{Dedupe, Options, mapped, partitions, retention, schema, unique};
use crate::record::id::format_uuid;
use crate::sinks::{Batch, Limits};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Days for which partitions are made ahead, today included: a writer that stops over a weekend finds its partition.
const DAYS_AHEAD: u32 = 3;

/// Between two looks at partitions and old rows.
const MAINTENANCE_PAUSE_NANO: u64 = 3_600 * 1_000_000_000;

/// Between two looks when the last one failed.
const MAINTENANCE_RETRY_NANO: u64 = 60 * 1_000_000_000;

/// What became of a look at partitions and old rows.
pub(super) struct Maintained {
    /// The connection, if it can still be used.
    pub(super) session: Option<Session>,
    /// When to look again, nanoseconds since the Unix epoch.
    pub(super) again_at: u64,
    /// What a person should know.
    pub(super) notice: Option<String>,
}

/// An open connection.
pub(super) struct Session {
    connected: Connected,
    /// The rows of resources, by their index in the pipeline's table: as many as that can hold.
    pub(super) resources: HashMap<u32, i64>,
    /// Tables whose unique index has been looked for.
    unique: Vec<RecordTable>,
    /// The tables of others, if records go there.
    pub(super) mapped: Option<Mapped>,
}

impl Session {
    /// Connects, and makes sure that the tables are there.
    pub(super) async fn open(options: &Options, limits: Limits, batch: &Batch<'_>) -> Result<Self, Failure> {
        let random = batch.now_unix_nano ^ u64::from_le_bytes(first_half(&batch.instance));
        let connected = connect::connect(&options.target, limits.connect, random).await?;
        let client = &connected.client;
        let names = &options.names;
        if let Some(layout) = &options.layout {
            let preparing = mapped::prepare(client, options, layout);
            let mapped = Some(within(limits.write, Phase::Schema, preparing).await?);
            return Ok(Self { connected, resources: HashMap::new(), unique: Vec::new(), mapped });
        }
        within(limits.write, Phase::Schema, schema::prepare(client, names, options.creates_schema)).await?;
        let mut session = Self { connected, resources: HashMap::new(), unique: Vec::new(), mapped: None };
        session.look_for_index(RecordTable::Logs, options, limits).await?;
        session.look_up(0, options, limits, batch).await?;
        Ok(session)
    }

    /// Learns what the rows of a batch need beside their records: what is not known yet is asked of the server.
    pub(super) async fn learn(
        &mut self,
        options: &Options,
        limits: Limits,
        batch: &Batch<'_>,
        tables: &[RecordTable],
    ) -> Result<(), Failure> {
        for table in tables {
            self.look_for_index(*table, options, limits).await?;
        }
        if batch.tables.resources().len() > 1 {
            let mut last = 0;
            for entry in batch.entries {
                let index = entry.record.resource();
                if index != last && !self.resources.contains_key(&index) {
                    self.look_up(index, options, limits, batch).await?;
                }
                last = index;
            }
        }
        Ok(())
    }

    /// The row of a resource.
    async fn look_up(
        &mut self,
        index: u32,
        options: &Options,
        limits: Limits,
        batch: &Batch<'_>,
    ) -> Result<(), Failure> {
        let resources = batch.tables.resources();
        let Some(resource) = resources.get(index as usize) else { return Ok(()) };
        let found = schema::resource_id(self.client(), &options.names, &resource.json);
        let row = within(limits.write, Phase::Schema, found).await?;
        self.resources.insert(index, row);
        Ok(())
    }

    /// What `dedupe=id` needs.
    async fn look_for_index(
        &mut self,
        table: RecordTable,
        options: &Options,
        limits: Limits,
    ) -> Result<(), Failure> {
        if options.dedupe == Dedupe::Id && !self.unique.contains(&table) {
            let prepared = unique::prepare(self.client(), &options.names, table, options.creates_schema);
            within(limits.write, Phase::Schema, prepared).await?;
            self.unique.push(table);
        }
        Ok(())
    }

    /// The client library's half of the connection.
    pub(super) fn client(&self) -> &Client {
        &self.connected.client
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.connected.client.is_closed()
    }

    /// Ends a failed transaction. Answers whether the connection can be used again.
    pub(super) async fn roll_back(&self, limits: Limits) -> bool {
        let ended = within(limits.write, Phase::Guard, run(self.client(), Phase::Guard, "ROLLBACK")).await;
        ended.is_ok() && !self.is_closed()
    }

    /// Makes partitions ahead, for the tables in `written` and those that others write to, and drops what is too old. A failure stops no batch: it is told, and the connection is given
    /// back only if its state is known.
    pub(super) async fn maintain(
        self,
        options: &Options,
        limits: Limits,
        batch: &Batch<'_>,
        written: &[RecordTable],
    ) -> Maintained {
        let client = self.client();
        let (names, now) = (&options.names, batch.now_unix_nano);
        let mut instance = [0; 36];
        format_uuid(&batch.instance, &mut instance);
        let work = async {
            let instance = std::str::from_utf8(&instance).unwrap_or_default();
            if options.layout.is_some() {
                retention::sweep_ledger(client, names, instance).await?;
                if let Some(clocks) = self.mapped.as_ref().and_then(Mapped::clocks) {
                    retention::sweep_clocks(client, clocks).await?;
                }
                return Ok(false);
            }
            let made = partitions::make_ahead(client, names, now, DAYS_AHEAD, written).await?;
            let mut is_partial = made.is_partial;
            if let Some(keep) = options.keep {
                is_partial |= retention::drop_old(client, names, keep, now).await?.is_partial;
            }
            retention::sweep_ledger(client, names, instance).await?;
            Ok(is_partial)
        };
        match within(limits.write, Phase::Schema, work).await {
            Ok(is_partial) => {
                let pause_nano = if is_partial { MAINTENANCE_RETRY_NANO } else { MAINTENANCE_PAUSE_NANO };
                Maintained { session: Some(self), again_at: now + pause_nano, notice: None }
            }
            Err(failure) => {
                // An answer, or advice made of one, came at the end of a transaction; anything else is in the middle.
                let is_known = matches!(failure.cause, Cause::Answer(_) | Cause::Config { .. });
                let session = if is_known && self.roll_back(limits).await { Some(self) } else { None };
                let notice =
                    format!("partitions and old rows: {}", failure.judge(&options.shown).full_text());
                Maintained { session, again_at: now + MAINTENANCE_RETRY_NANO, notice: Some(notice) }
            }
        }
    }

    /// Says good-bye, so that the server does not log a lost connection.
    pub(super) async fn close(self, limit: Duration) {
        self.connected.close(limit).await;
    }
}

fn first_half(id: &[u8; 16]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&id[..8]);
    half
}

/// Waits for `work`, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    phase: Phase,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::new(phase, Cause::Timeout(limit))),
    }
}

/// Runs statements by the simple protocol, which leaves nothing behind in the session.
pub(super) async fn run(
    client: &Client,
    phase: Phase,
    sql: &str,
) -> Result<Vec<SimpleQueryMessage>, Failure> {
    client.simple_query(sql).await.map_err(|error| Failure::of(phase, &error))
}

/// The first column of the first row, if there is a row and it is not NULL.
pub(super) fn first_value(messages: &[SimpleQueryMessage]) -> Option<&str> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    })
}

/// How many rows the last of the statements touched.
pub(super) fn rows_touched(messages: &[SimpleQueryMessage]) -> u64 {
    let counts = messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    });
    counts.unwrap_or(0)
}
