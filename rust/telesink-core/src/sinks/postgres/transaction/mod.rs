//! One batch, one transaction: guard, rows, COMMIT.

mod rows;

use super::copy;
use super::failure::{Cause, Failure, Phase};
use super::lane_lock::LaneLock;
use super::ledger::{Guard, Step};
use super::schema::RecordTable;
use super::session::{Session, rows_touched, run, within};
use super::{Dedupe, Options, notify};
use crate::record::id::format_uuid;
use crate::sinks::{Batch, Entry, Limits, Outcome, Spent};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join3;
use rows::{Rows, Shared};
use std::fmt::Write;
use std::pin::pin;
use std::time::Duration;
use tokio::task::yield_now;
use tokio_postgres::{Client, Statement};

/// The tables that records of a batch go to.
pub(super) fn tables_of(entries: &[Entry]) -> Vec<RecordTable> {
    let mut has_rows = [false; RecordTable::ALL.len()];
    for entry in entries {
        has_rows[RecordTable::of(entry.record.signal()) as usize] = true;
    }
    RecordTable::ALL.into_iter().filter(|table| has_rows[*table as usize]).collect()
}

/// Stores the first `count` records of the batch, which go to `tables`.
pub(super) async fn store(
    session: &mut Session,
    options: &Options,
    limits: Limits,
    batch: &Batch<'_>,
    (count, tables): (usize, &[RecordTable]),
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
    let shared = Shared::new(batch, &session.resources);
    let mut first = Rows::new(tables.first().copied().unwrap_or(RecordTable::Logs), entries, &shared);
    let client = session.client();
    let lock = LaneLock::of(batch);
    let (guard, copies) = open(client, options, limits, (lock, &step), tables, &mut first).await?;
    let mut outcome = Outcome::default();
    let mut first = Some(first);
    let entries = match guard {
        Guard::All => entries,
        Guard::RolledBack(lost) => {
            outcome.rolled_back = lost;
            entries
        }
        Guard::Above(seq) => {
            let stored = entries.partition_point(|entry| entry.seq <= seq);
            outcome.duplicates_suppressed = stored as u64;
            first = None;
            entries.get(stored..).unwrap_or_default()
        }
    };
    for (table, copy) in tables.iter().zip(&copies) {
        let rows = first.take().unwrap_or_else(|| Rows::new(*table, entries, &shared));
        if rows.is_empty() {
            continue;
        }
        let sent = send(client, copy, limits, rows, batch.spent).await?;
        if options.dedupe == Dedupe::Id {
            outcome.duplicates_suppressed += merge(client, options, limits, *table, sent).await?;
        }
    }
    // PgBouncer gives the server to somebody else after COMMIT: nothing of ours may be left on it. The messages that
    // forget the statements are sent before.
    drop(copies);
    if options.notifies && tables.contains(&RecordTable::Logs) {
        let sql = notify::sql(RecordTable::Logs.name(), entries);
        within(limits.write, Phase::Copy, run(client, Phase::Copy, &sql)).await?;
    }
    within(limits.write, Phase::Commit, run(client, Phase::Commit, "COMMIT")).await?;
    Ok(outcome)
}

/// Takes over the rows of a staging table that are not there yet. Answers how many records were there before.
async fn merge(
    client: &Client,
    options: &Options,
    limits: Limits,
    table: RecordTable,
    sent: Sent,
) -> Result<u64, Failure> {
    let sql = copy::merge_sql(table, &options.names);
    let merged = within(limits.write, Phase::Copy, run(client, Phase::Copy, &sql)).await?;
    let suppressed = sent.rows.saturating_sub(rows_touched(&merged));
    // The rows of a record are all there or all new.
    Ok((suppressed * sent.records).checked_div(sent.rows).unwrap_or(0))
}

/// Begins the transaction. The statement of each COPY is prepared in the same round trip, and the first chunk is filled
/// meanwhile: until it arrives, the server has nothing to do.
async fn open(
    client: &Client,
    options: &Options,
    limits: Limits,
    (lock, step): (LaneLock, &Step<'_>),
    tables: &[RecordTable],
    rows: &mut Rows<'_>,
) -> Result<(Guard, Vec<Statement>), Failure> {
    let names = &options.names;
    let mut sql = begin_sql(options, limits, lock);
    match options.dedupe {
        Dedupe::Ledger => step.write_guard(&mut sql),
        Dedupe::Id => {
            for table in tables {
                let _ = write!(sql, "{};", copy::staging_sql(*table, names));
            }
        }
        Dedupe::None => {}
    }
    let prepare = async |place: usize| {
        let table = *tables.get(place)?;
        let target = if options.dedupe == Dedupe::Id { copy::staging(table) } else { names.of(table) };
        let statement = client.prepare(&copy::copy_sql(table, target)).await;
        Some(statement.map_err(|error| Failure::of(Phase::Guard, &error)))
    };
    // As many as there are tables of records.
    let prepared = join3(prepare(0), prepare(1), prepare(2));
    let filled = async {
        // What was asked goes out first.
        yield_now().await;
        rows.fill_chunk();
    };
    let all = async { Ok(join3(run(client, Phase::Guard, &sql), prepared, filled).await) };
    let (guarded, prepared, ()) = within(limits.write, Phase::Guard, all).await?;
    // In this order: in a transaction that has failed, all errors but the first say nothing but that.
    let guarded = guarded?;
    let prepared = [prepared.0, prepared.1, prepared.2].into_iter().flatten();
    let copies = prepared.collect::<Result<Vec<_>, _>>()?;
    let guard = if options.dedupe != Dedupe::Ledger || rows_touched(&guarded) == 1 {
        Guard::All
    } else {
        within(limits.write, Phase::Guard, step.look(client)).await?
    };
    Ok((guard, copies))
}

/// Begins a transaction of a lane, under its limits and with its lock.
pub(super) fn begin_sql(options: &Options, limits: Limits, lock: LaneLock) -> String {
    let mut sql = "BEGIN ISOLATION LEVEL READ COMMITTED;".to_owned();
    write_limits(&mut sql, limits.write);
    sql.push_str(&lock.take_sql());
    if let Some(level) = options.synchronous_commit {
        // Writing to a String cannot fail.
        let _ = write!(sql, "SET LOCAL synchronous_commit = {level};");
    }
    sql
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

/// What went through a COPY.
#[derive(Debug, Clone, Copy)]
struct Sent {
    records: u64,
    rows: u64,
}

/// Sends the rows in chunks, while the server reads the one before.
async fn send(
    client: &Client,
    copy: &Statement,
    limits: Limits,
    mut rows: Rows<'_>,
    spent: &Spent,
) -> Result<Sent, Failure> {
    let starting = async {
        let sink = client.copy_in::<_, Bytes>(copy).await;
        sink.map_err(|error| Failure::of(Phase::Copy, &error))
    };
    let mut sink = pin!(within(limits.write, Phase::Copy, starting).await?);
    let mut is_first = true;
    while rows.fill_chunk() {
        feed(sink.feed(rows.take()), limits.write).await?;
        if is_first {
            // The server waits for it.
            yield_now().await;
            is_first = false;
        }
    }
    feed(sink.feed(rows.take_last()), limits.write).await?;
    yield_now().await;
    // The server is busy with the rows for longer than this takes.
    spent.recycle();
    let finishing = async { sink.finish().await.map_err(|error| Failure::of(Phase::Copy, &error)) };
    let stored = within(limits.write, Phase::Copy, finishing).await?;
    let sent = Sent { records: rows.records, rows: rows.count };
    if stored == sent.rows {
        return Ok(sent);
    }
    // A trigger or rule swallows rows; what it does with them is its owner's business, but they are not stored.
    let message = format!("the server stored {stored} rows of {}", sent.rows);
    let hint = "look for a trigger or rule on the table that leaves rows out".to_owned();
    Err(Failure::new(Phase::Copy, Cause::Config { message, hint }))
}

pub(super) async fn feed(
    feeding: impl Future<Output = Result<(), tokio_postgres::Error>>,
    limit: Duration,
) -> Result<(), Failure> {
    within(limit, Phase::Copy, async { feeding.await.map_err(|error| Failure::of(Phase::Copy, &error)) })
        .await
}
