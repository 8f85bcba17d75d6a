//! Records in tables that are not telesink's own. The same transaction as for its own: guard, rows, COMMIT; the rows go by
//! COPY, what changes runs and steps by one statement for each table.

mod describe;
mod encode;
mod rows;
mod runs;
mod tables;

pub(super) use tables::{Mapped, checked_time, ddl, prepare, qualified};

use super::failure::{Failure, Phase};
use super::lane_lock::LaneLock;
use super::ledger::{Guard, Step};
use super::session::{rows_touched, run, within};
use super::transaction::{begin_sql, feed};
use super::{Dedupe, Options, notify};
use crate::record::id::format_uuid;
use crate::sinks::mapped::Layout;
use crate::sinks::mapped::chronicle::CHANNEL_PREFIX;
use crate::sinks::{Batch, Entry, Limits, Outcome};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join;
use rows::Split;
use std::fmt::Write;
use std::pin::pin;
use tokio_postgres::{Client, Statement};

/// Stores the first `count` records of the batch.
pub(super) async fn store(
    client: &Client,
    mapped: &Mapped,
    (options, layout): (&Options, &Layout),
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
    let mut outcome = Outcome::default();
    let splitting = async {
        // What was asked goes out first; nearly always all records are wanted.
        tokio::task::yield_now().await;
        Split::of(batch, entries, 0, (layout, options.notifies), &mut outcome)
    };
    let (guard, mut split) =
        join(begin(client, options, limits, LaneLock::of(batch), &step), splitting).await;
    match guard? {
        Guard::All => {}
        Guard::Above(seq) => {
            outcome = Outcome::default();
            split = Split::of(batch, entries, seq, (layout, options.notifies), &mut outcome);
        }
        Guard::RolledBack(lost) => outcome.rolled_back = lost,
    }
    let notes = if options.notifies { notes(layout, &split, entries) } else { String::new() };
    if split.has_rows() {
        let stored = copy(client, mapped, limits, batch, layout, &split, &mut outcome).await?;
        outcome.duplicates_suppressed += stored;
    }
    if !split.changes.is_empty() {
        let work = runs::store(client, mapped, split.changes);
        within(limits.write, Phase::Copy, work).await?;
    }
    if !notes.is_empty() {
        within(limits.write, Phase::Copy, run(client, Phase::Copy, &notes)).await?;
    }
    within(limits.write, Phase::Commit, run(client, Phase::Commit, "COMMIT")).await?;
    Ok(outcome)
}

/// What listeners are told: each run once, or of the rows of a table.
fn notes(layout: &Layout, split: &Split, entries: &[Entry]) -> String {
    let mut notes = String::new();
    for run_id in &split.runs {
        let _ = write!(notes, "NOTIFY \"{CHANNEL_PREFIX}{run_id}\";");
    }
    if !layout.has_runs && split.has_rows() {
        notes.push_str(&notify::sql(&layout.rows.table, entries));
    }
    notes
}

async fn begin(
    client: &Client,
    options: &Options,
    limits: Limits,
    lock: LaneLock,
    step: &Step<'_>,
) -> Result<Guard, Failure> {
    let mut sql = begin_sql(options, limits, lock);
    if options.dedupe == Dedupe::Ledger {
        step.write_guard(&mut sql);
    }
    let guarded = within(limits.write, Phase::Guard, run(client, Phase::Guard, &sql)).await?;
    if options.dedupe != Dedupe::Ledger || rows_touched(&guarded) == 1 {
        return Ok(Guard::All);
    }
    within(limits.write, Phase::Guard, step.look(client)).await
}

/// Sends the rows. Answers how many were there already.
async fn copy(
    client: &Client,
    mapped: &Mapped,
    limits: Limits,
    batch: &Batch<'_>,
    layout: &Layout,
    split: &Split,
    outcome: &mut Outcome,
) -> Result<u64, Failure> {
    const STAGING: &str = "pg_temp.telesink_staging";
    let columns = mapped.columns();
    let table = &mapped.rows;
    // Ids that the program gave may be there already; those of telesink are new.
    let is_staged = split.has_given_ids && layout.rows.ignores_known_ids;
    if is_staged {
        let sql = format!(
            "CREATE TEMPORARY TABLE telesink_staging ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
        );
        within(limits.write, Phase::Guard, run(client, Phase::Guard, &sql)).await?;
    }
    let target = if is_staged { STAGING } else { table };
    let sql = format!("COPY {target} ({columns}) FROM STDIN (FORMAT binary)");
    let preparing = async { client.prepare(&sql).await.map_err(|error| Failure::of(Phase::Guard, &error)) };
    let statement = within(limits.write, Phase::Guard, preparing).await?;
    let sent = send(client, &statement, limits, batch, (layout, mapped, split), outcome).await?;
    // Forgotten before COMMIT: a pooler gives the server to somebody else then.
    drop(statement);
    if !is_staged {
        return Ok(0);
    }
    let sql =
        format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {STAGING} {}", mapped.on_conflict);
    let merged = within(limits.write, Phase::Copy, run(client, Phase::Copy, &sql)).await?;
    Ok(sent.saturating_sub(rows_touched(&merged)))
}

async fn send(
    client: &Client,
    statement: &Statement,
    limits: Limits,
    batch: &Batch<'_>,
    (layout, mapped, split): (&Layout, &Mapped, &Split),
    outcome: &mut Outcome,
) -> Result<u64, Failure> {
    let starting = async {
        let sink = client.copy_in::<_, Bytes>(statement).await;
        sink.map_err(|error| Failure::of(Phase::Copy, &error))
    };
    let mut sink = pin!(within(limits.write, Phase::Copy, starting).await?);
    let mut rows = rows::Rows::new(batch, layout, mapped, split);
    while let Some(chunk) = rows.next_chunk(outcome) {
        feed(sink.feed(chunk), limits.write).await?;
        tokio::task::yield_now().await;
    }
    batch.spent.recycle();
    let finishing = async { sink.finish().await.map_err(|error| Failure::of(Phase::Copy, &error)) };
    within(limits.write, Phase::Copy, finishing).await?;
    Ok(rows.count)
}
