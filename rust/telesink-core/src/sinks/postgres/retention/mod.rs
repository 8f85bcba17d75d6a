//! Old rows: whole partitions are dropped, what is left is deleted in small pieces.
//!
//! The server's clock decides together with ours: whichever is behind, so that a clock that runs ahead deletes nothing.

mod ledger;

pub(super) use ledger::{sweep_clocks, sweep_ledger};

use super::failure::{Failure, Phase};
use super::partitions::{LEAVE_IT, LIMITS, Layout, Partition, look, with_right};
use super::schema::{Names, RecordTable, Turn, alone, code_of};
use super::session::{first_value, rows_touched, run};
use std::time::Duration;
use tokio_postgres::Client;

/// Rows deleted in one transaction, at most.
pub(super) const CHUNK_ROWS: u64 = 10_000;

/// Pieces of work in one call of [`drop_old`], at most: partitions and chunks of rows. A batch may wait for its end.
const PIECES_MAX: u64 = 4;

/// How often a lock is asked for in vain. Every writer waits behind each attempt for up to the limit for locks.
const ATTEMPTS_MAX: u32 = 3;

/// Between two attempts: those who waited behind the last one have their turn.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(200);

/// The lock was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The server ended one of two transactions that waited for each other.
const DEADLOCK: &str = "40P01";

/// There is no such table, or not any more.
const UNDEFINED_TABLE: &str = "42P01";

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Partitions that were dropped.
    pub partitions: u64,
    /// Rows that were deleted from the default partition.
    pub rows: u64,
    /// Whether something is left to do: for the next call, or for somebody else who is at it right now.
    pub is_partial: bool,
}

/// What is older than the limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Old {
    /// The limit itself: the server's seconds since the Unix epoch.
    pub(super) limit: f64,
    /// Partitions whose rows are all older, the oldest first.
    pub(super) partitions: Vec<Partition>,
    /// The table that is no such partition but may hold older rows: the default partition, or a whole table without
    /// partitions. Quoted and qualified.
    pub(super) rest: Option<String>,
    /// The table itself, quoted and qualified.
    table: String,
}

/// What becomes of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// It is done: so many rows or partitions are gone. None, if somebody else was faster.
    Done(u64),
    /// Somebody else is at it.
    Busy,
}

/// Looks for what a table holds that is older than `keep`; `None` if there is no such table.
pub(super) async fn find_old(
    client: &Client,
    names: &Names,
    table: RecordTable,
    keep: Duration,
    now_unix_nano: u64,
) -> Result<Option<Old>, Failure> {
    let Some(layout) = look(client, names.of(table), LIMITS).await? else { return Ok(None) };
    let Layout { schema, now, is_partitioned, partitions, default } = layout;
    let limit = now.min(now_unix_nano as f64 / 1e9) - keep.as_secs_f64();
    let table = format!("{schema}.{}", table.name());
    let mut partitions: Vec<_> = partitions.into_iter().filter(|partition| partition.to <= limit).collect();
    partitions.sort_by(|one, other| one.to.total_cmp(&other.to));
    let rest = match default {
        Some(default) if default.is_plain && default.bytes > 0 => Some(default.name),
        None if !is_partitioned => Some(table.clone()),
        _ => None,
    };
    Ok(Some(Old { limit, partitions, rest, table }))
}

/// Drops what is older than `keep`, a bounded part of it at once.
pub(super) async fn drop_old(
    client: &Client,
    names: &Names,
    keep: Duration,
    now_unix_nano: u64,
) -> Result<Dropped, Failure> {
    let done = work(client, names, keep, now_unix_nano).await;
    done.map_err(|failure| with_right(failure, LEAVE_IT))
}

async fn work(
    client: &Client,
    names: &Names,
    keep: Duration,
    now_unix_nano: u64,
) -> Result<Dropped, Failure> {
    let mut work = Work::default();
    for table in RecordTable::ALL {
        if let Some(old) = find_old(client, names, table, keep, now_unix_nano).await?
            && !work.drop_from(client, &old).await?
        {
            return Ok(Dropped { is_partial: true, ..work.dropped });
        }
    }
    work.stuck.map_or(Ok(work.dropped), Err)
}

/// One call of [`drop_old`]: what it has done, and what it may still do.
#[derive(Debug, Default)]
struct Work {
    dropped: Dropped,
    locks: Locks,
    pieces: u64,
    /// Why a partition could not be dropped: told at the end, because it must not keep the others.
    stuck: Option<Failure>,
}

impl Work {
    /// Drops what is old in one table. Answers whether nothing is left there.
    async fn drop_from(&mut self, client: &Client, old: &Old) -> Result<bool, Failure> {
        for partition in &old.partitions {
            if self.pieces == PIECES_MAX {
                return Ok(false);
            }
            self.pieces += 1;
            match old.drop_partition(client, &partition.name, &mut self.locks).await {
                Ok(Piece::Done(partitions)) => self.dropped.partitions += partitions,
                Ok(Piece::Busy) => return Ok(false),
                Err(failure) if is_stuck(&failure) => {
                    self.stuck.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        while old.rest.is_some() {
            if self.pieces == PIECES_MAX {
                return Ok(false);
            }
            self.pieces += 1;
            match old.delete_chunk(client).await? {
                Piece::Done(rows) => {
                    self.dropped.rows += rows;
                    if rows < CHUNK_ROWS {
                        break;
                    }
                }
                Piece::Busy => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// The attempts that are left in this call.
#[derive(Debug)]
pub(super) struct Locks {
    attempts_left: u32,
}

impl Default for Locks {
    fn default() -> Self {
        Self { attempts_left: ATTEMPTS_MAX }
    }
}

impl Old {
    /// Drops one partition. Detached in the same transaction, so that nothing is left behind if the program ends in
    /// between; not CONCURRENTLY, which is not possible beside a default partition.
    pub(super) async fn drop_partition(
        &self,
        client: &Client,
        name: &str,
        locks: &mut Locks,
    ) -> Result<Piece, Failure> {
        let sql = format!("ALTER TABLE {} DETACH PARTITION {name};DROP TABLE {name}", self.table);
        loop {
            let work = async || run(client, Phase::Schema, &sql).await.map(|_| ());
            match alone(client, Turn::Skip, LIMITS, work).await {
                Ok(Some(())) => return Ok(Piece::Done(1)),
                Ok(None) => return Ok(Piece::Busy),
                Err(failure) if code_of(&failure) == UNDEFINED_TABLE => return Ok(Piece::Done(0)),
                Err(failure) if locks.attempts_left > 1 && is_lock(&failure) => {
                    locks.attempts_left -= 1;
                    tokio::time::sleep(ATTEMPT_PAUSE).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Deletes some of the old rows that are in no old partition; fewer than a whole chunk are the last.
    pub(super) async fn delete_chunk(&self, client: &Client) -> Result<Piece, Failure> {
        let Some(rest) = &self.rest else { return Ok(Piece::Done(0)) };
        // By address, because there is no key; compared again, because an address can be given anew.
        let sql = format!(
            "DELETE FROM ONLY {rest} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY {rest} WHERE {old} LIMIT {CHUNK_ROWS})) \
             AND {old}",
            old = self.condition(),
        );
        let work = async || Ok(rows_touched(&run(client, Phase::Schema, &sql).await?));
        match alone(client, Turn::Skip, LIMITS, work).await {
            Ok(Some(rows)) => Ok(Piece::Done(rows)),
            Ok(None) => Ok(Piece::Busy),
            Err(failure) if code_of(&failure) == UNDEFINED_TABLE => Ok(Piece::Done(0)),
            Err(failure) => Err(failure),
        }
    }

    /// How many old rows there are in no old partition.
    pub(super) async fn count_rest(&self, client: &Client) -> Result<u64, Failure> {
        let Some(rest) = &self.rest else { return Ok(0) };
        let sql = format!("SELECT count(*) FROM ONLY {rest} WHERE {}", self.condition());
        let answer = run(client, Phase::Schema, &sql).await?;
        Ok(first_value(&answer).and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn condition(&self) -> String {
        format!("ts < to_timestamp({:.6})", self.limit)
    }
}

/// Whether it is this partition that cannot be dropped, because others depend on it for example. That must not keep
/// the rest.
pub(super) fn is_stuck(failure: &Failure) -> bool {
    !code_of(failure).is_empty() && !is_lock(failure)
}

fn is_lock(failure: &Failure) -> bool {
    matches!(code_of(failure), LOCK_NOT_AVAILABLE | DEADLOCK)
}
