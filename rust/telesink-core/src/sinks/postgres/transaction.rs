//! One batch, one transaction: guard, rows, COMMIT.

use super::copy::{self, CHUNK_BYTES, Common, Encoder};
use super::failure::{Cause, Failure, Phase};
use super::ledger::{Guard, Step};
use super::session::{Session, Transaction, rows_touched, run, within};
use super::{Dedupe, Options};
use crate::record::id::format_uuid;
use crate::record::tables::Scope;
use crate::sinks::{Batch, Entry, Limits, Outcome, Spent};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join3;
use std::fmt::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::yield_now;
use tokio_postgres::{Client, Statement};

/// Stores the first `count` records of the batch.
pub(super) async fn store(
    session: &mut Session,
    options: &Options,
    limits: Limits,
    batch: &Batch<'_>,
    count: usize,
) -> Result<Outcome, Failure> {
    let entries = batch.entries.get(..count).unwrap_or(batch.entries);
    let mut buffer = [0; 36];
    format_uuid(&batch.instance, &mut buffer);
    let step = Step {
        table: options.names.ledger(),
        instance: std::str::from_utf8(&buffer).unwrap_or_default(),
        lane: batch.lane,
        previous: batch.previous_seq,
        last: entries.last().map_or(0, |entry| entry.seq),
    };
    session.transaction = None;
    let scopes = batch.tables.scopes();
    let program = batch.tables.resource();
    let common =
        Common { service: &program.service_name, instance: &batch.instance, resource: session.resource };
    let rows_of = |entries| Rows { encoder: Encoder::new(), entries, scopes: &scopes, common };
    let mut rows = rows_of(entries);
    let (guard, copy, transaction) = open(session.client(), options, limits, &step, &mut rows).await?;
    session.transaction = transaction;
    let client = session.client();
    let mut outcome = Outcome::default();
    let entries = match guard {
        Guard::All => entries,
        Guard::RolledBack(lost) => {
            outcome.rolled_back = lost;
            entries
        }
        Guard::Above(seq) => {
            let stored = entries.partition_point(|entry| entry.seq <= seq);
            outcome.duplicates_suppressed = stored as u64;
            let entries = entries.get(stored..).unwrap_or_default();
            rows = rows_of(entries);
            entries
        }
    };
    if !entries.is_empty() {
        send(client, &copy, limits, rows, entries.len() as u64, batch.spent).await?;
        if options.dedupe == Dedupe::Id {
            let merge = copy::merge_sql(options.names.logs());
            let merged = within(limits.write, Phase::Copy, run(client, Phase::Copy, &merge)).await?;
            outcome.duplicates_suppressed = (entries.len() as u64).saturating_sub(rows_touched(&merged));
        }
    }
    // PgBouncer gives the server to somebody else after COMMIT: nothing of ours may be left on it. The message that
    // forgets the statement is sent before.
    drop(copy);
    within(limits.write, Phase::Commit, run(client, Phase::Commit, "COMMIT")).await?;
    Ok(outcome)
}

/// Rows on their way into a COPY.
struct Rows<'a> {
    encoder: Encoder,
    /// Those that are still to come.
    entries: &'a [Entry],
    scopes: &'a [Arc<Scope>],
    common: Common<'a>,
}

impl Rows<'_> {
    /// Puts rows together until a chunk is full or no more are left. Answers whether it is full.
    fn fill_chunk(&mut self) -> bool {
        while self.encoder.len() < CHUNK_BYTES {
            let Some((entry, rest)) = self.entries.split_first() else { return false };
            let scope = entry.record.header().scope as usize;
            let logger = self.scopes.get(scope).map_or("", |scope| scope.name.as_str());
            self.encoder.row(entry, logger, &self.common);
            self.entries = rest;
        }
        true
    }
}

/// Begins the transaction. The statement of the COPY is prepared in the same round trip, and the first chunk is filled
/// meanwhile: until it arrives, the server has nothing to do.
async fn open(
    client: &Client,
    options: &Options,
    limits: Limits,
    step: &Step<'_>,
    rows: &mut Rows<'_>,
) -> Result<(Guard, Statement, Option<Transaction>), Failure> {
    let mut sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED;{}", Transaction::QUESTION);
    write_limits(&mut sql, limits.write);
    if let Some(level) = options.synchronous_commit {
        let _ = write!(sql, "SET LOCAL synchronous_commit = {level};");
    }
    match options.dedupe {
        Dedupe::Ledger => step.write_guard(&mut sql),
        Dedupe::Id => sql.push_str(&copy::staging_sql(options.names.logs())),
        Dedupe::None => {}
    }
    let prepared = async {
        let table = if options.dedupe == Dedupe::Id { copy::STAGING } else { options.names.logs() };
        let statement = client.prepare(&copy::copy_sql(table)).await;
        statement.map_err(|error| Failure::of(Phase::Guard, &error))
    };
    let filled = async {
        // What was asked goes out first.
        yield_now().await;
        rows.fill_chunk();
    };
    let all = async { Ok(join3(run(client, Phase::Guard, &sql), prepared, filled).await) };
    let (guarded, prepared, ()) = within(limits.write, Phase::Guard, all).await?;
    // In this order: in a transaction that has failed, the second error says nothing but that.
    let (guarded, copy) = (guarded?, prepared?);
    let guard = if options.dedupe != Dedupe::Ledger || rows_touched(&guarded) == 1 {
        Guard::All
    } else {
        within(limits.write, Phase::Guard, step.look(client)).await?
    };
    Ok((guard, copy, Transaction::read(&guarded)))
}

/// The server's own limits, for this transaction: whatever the role has, and also if this process is gone or stopped. A
/// transaction that hangs would keep the ledger row locked.
fn write_limits(sql: &mut String, limit: Duration) {
    let statement = limit.as_millis().clamp(1, i32::MAX as u128);
    // Shorter, so that the server's answer, which says what it waited for, comes before our own limit.
    let lock = (statement * 4 / 5).max(1);
    let _ = write!(
        sql,
        "SET LOCAL statement_timeout = {statement};SET LOCAL lock_timeout = {lock};\
         SET LOCAL idle_in_transaction_session_timeout = {statement};"
    );
}

/// Sends the rows in chunks, while the server reads the one before.
async fn send(
    client: &Client,
    copy: &Statement,
    limits: Limits,
    mut rows: Rows<'_>,
    count: u64,
    spent: &Spent,
) -> Result<(), Failure> {
    let starting = async {
        let sink = client.copy_in::<_, Bytes>(copy).await;
        sink.map_err(|error| Failure::of(Phase::Copy, &error))
    };
    let mut sink = pin!(within(limits.write, Phase::Copy, starting).await?);
    let mut is_first = true;
    while rows.fill_chunk() {
        feed(sink.feed(rows.encoder.take()), limits.write).await?;
        if is_first {
            // The server waits for it.
            yield_now().await;
            is_first = false;
        }
    }
    feed(sink.feed(rows.encoder.finish()), limits.write).await?;
    yield_now().await;
    // The server is busy with the rows for longer than this takes.
    spent.recycle();
    let finishing = async { sink.finish().await.map_err(|error| Failure::of(Phase::Copy, &error)) };
    let stored = within(limits.write, Phase::Copy, finishing).await?;
    if stored == count {
        return Ok(());
    }
    // A trigger or rule swallows rows; what it does with them is its owner's business, but they are not stored.
    let message = format!("the server stored {stored} rows of {count}");
    let hint = "look for a trigger or rule on the table that leaves rows out".to_owned();
    Err(Failure::new(Phase::Copy, Cause::Config { message, hint }))
}

async fn feed(
    feeding: impl Future<Output = Result<(), tokio_postgres::Error>>,
    limit: Duration,
) -> Result<(), Failure> {
    within(limit, Phase::Copy, async { feeding.await.map_err(|error| Failure::of(Phase::Copy, &error)) })
        .await
}
