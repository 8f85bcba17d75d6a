//! Old rows: whole partitions are dropped, what is left is deleted in small pieces.
//!
//! The server's clock decides together with ours: whichever is behind, so that a clock that runs ahead deletes nothing.

mod ledger;
mod rest;

pub(super) use ledger::{sweep_clocks, sweep_ledger};
pub(super) use rest::Rest;

use super::failure::{Cause, Failure, Phase};
use super::partitions::{KEY, LEAVE_IT, LIMITS, Layout, Partition, look, with_right};
use super::schema::{Names, RecordTable, Turn, alone, code_of};
use super::session::run;
use crate::sinks::prune::{Rule, Rules};
use std::time::Duration;
use tokio_postgres::Client;

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

/// What is to go from a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Old {
    /// Partitions of which all rows are to go, the oldest first.
    pub(super) partitions: Vec<Partition>,
    /// What is to go row by row.
    pub(super) rest: Vec<Rest>,
    /// Whichever clock is behind, the server's or ours: seconds since the Unix epoch.
    pub(super) now: f64,
    /// The table itself, quoted and qualified.
    table: String,
}

/// What becomes of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// It is done: so many rows or partitions are gone. None, if somebody else was faster, or what was looked at stays.
    Done(u64),
    /// Somebody else is at it.
    Busy,
}

/// What is asked of a table.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The table, as SQL takes it.
    pub(super) table: &'a str,
    /// What makes a row older than a moment, as SQL; the moment is SQL, too.
    pub(super) is_old: &'a dyn Fn(&str) -> String,
    /// The column of its time, by which the table may be divided; empty if there is none.
    pub(super) key: &'a str,
    /// Which rows go.
    pub(super) rules: &'a Rules,
    /// Our clock, nanoseconds since the Unix epoch.
    pub(super) now_unix_nano: u64,
    /// Whether old rows go that will soon go with their partition.
    pub(super) is_exact: bool,
}

/// Looks for what is to go from a table; `None` if there is no such table.
///
/// Partitions go as a whole if the table is divided by the time that counts, and all of their rows are to go. In those
/// that are left, rows go one by one.
pub(super) async fn find_old(client: &Client, wanted: Wanted<'_>) -> Result<Option<Old>, Failure> {
    let Wanted { table, is_old, key, rules, now_unix_nano, is_exact } = wanted;
    let Some(layout) = look(client, table, key, LIMITS).await? else { return Ok(None) };
    let Layout { schema, name, now, is_by_time, is_table, is_partitioned, partitions, default } = layout;
    if !is_table {
        return Err(no_table(table));
    }
    let now = now.min(now_unix_nano as f64 / 1e9);
    let limit = |keep: Duration| now - keep.as_secs_f64();
    let table = format!("{schema}.{name}");
    let whole = rules.keep_max.filter(|_| is_by_time).map(limit);
    let condition = |(policy, keep, which): (usize, Duration, Option<&str>)| {
        let of_age = is_old(&format!("to_timestamp({:.6})", limit(keep)));
        (policy, which.map_or_else(|| of_age.clone(), |which| format!("{which} AND {of_age}")))
    };
    let conditions = |is_wanted: &dyn Fn(&Rule) -> bool| -> Vec<(usize, String)> {
        let rules = rules.list.iter().filter(|rule| is_wanted(rule));
        rules.map(|rule| condition((rule.policy, rule.keep, rule.condition.as_deref()))).collect()
    };
    let is_plain = rules.list.iter().all(|rule| rule.condition.is_none());
    let rest_of = |name: &str, conditions| Rest::new(name, key, conditions, is_plain);
    let of_all = rest_of(&table, conditions(&|_| true));
    let (mut gone, mut rest) = (Vec::new(), Vec::new());
    for partition in partitions {
        if whole.is_some_and(|limit| partition.to <= limit) {
            gone.push(partition);
            continue;
        }
        let is_wanted = |rule: &Rule| {
            let is_soon_gone = !is_exact && rules.keep_max == Some(rule.keep);
            !is_by_time || (partition.from < limit(rule.keep) && !is_soon_gone)
        };
        let of_part = rest_of(&partition.name, conditions(&is_wanted));
        rest.extend(of_part.leaves(client, partition.is_plain).await?);
    }
    gone.sort_by(|one, other| one.to.total_cmp(&other.to));
    match default {
        Some(default) if default.is_plain && default.bytes == 0 => {}
        Some(default) => {
            let others = rest_of(&default.name, of_all.conditions);
            rest.extend(others.leaves(client, default.is_plain).await?);
        }
        None if !is_partitioned => rest.push(of_all),
        None => {}
    }
    rest.retain(|rest| !rest.conditions.is_empty());
    Ok(Some(Old { partitions: gone, rest, now, table }))
}

fn no_table(name: &str) -> Failure {
    let message =
        format!("{name} is a view or a foreign table, from which rows cannot be deleted piece by piece");
    let hint = "delete old rows with what you write it with".to_owned();
    Failure::new(Phase::Schema, Cause::Config { message, hint })
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
    let list = vec![Rule { policy: 0, keep, condition: None }];
    let rules = Rules { list, keep_max: Some(keep) };
    for table in RecordTable::ALL {
        let wanted = Wanted {
            table: names.of(table),
            is_old: &|limit| format!("{KEY} < {limit}"),
            key: KEY,
            rules: &rules,
            now_unix_nano,
            is_exact: false,
        };
        if let Some(old) = find_old(client, wanted).await?
            && !work.drop_from(client, old).await?
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
    async fn drop_from(&mut self, client: &Client, mut old: Old) -> Result<bool, Failure> {
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
        for rest in &mut old.rest {
            while !rest.is_done() {
                if self.pieces == PIECES_MAX {
                    return Ok(false);
                }
                self.pieces += 1;
                match rest.delete_chunk(client).await? {
                    Piece::Done(rows) => self.dropped.rows += rows,
                    Piece::Busy => return Ok(false),
                }
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
}

/// Whether it is this partition that cannot be dropped, because others depend on it for example. That must not keep
/// the rest.
pub(super) fn is_stuck(failure: &Failure) -> bool {
    !code_of(failure).is_empty() && !is_lock(failure)
}

fn is_lock(failure: &Failure) -> bool {
    matches!(code_of(failure), LOCK_NOT_AVAILABLE | DEADLOCK)
}
