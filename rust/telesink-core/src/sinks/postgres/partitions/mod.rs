//! Partitions, one for each day in UTC, made before they are needed.
//!
//! `CREATE TABLE … PARTITION OF` would lock the table against everybody. So a partition is made as a table of its own and
//! attached, which stops writers for a moment, and readers only if they read the default partition. Attaching searches
//! the default partition for rows of that day; it is kept small by moving such rows first, and by partitions for days
//! past of which it holds rows.

mod days;
mod layout;

pub(super) use days::Day;
pub(super) use layout::{Layout, Partition, look};

use super::failure::{Cause, Failure, Phase};
use super::schema::{Names, RecordTable, ServerLimits, Turn, alone, literal};
use super::session::{first_value, rows_touched, run};
use layout::DefaultPartition;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// For the work on partitions. Whoever asks for a lock makes others queue behind it, so it is short; but longer than
/// the server's `deadlock_timeout` of 1 s, after which it ends an autovacuum that is in the way.
pub(super) const LIMITS: ServerLimits =
    ServerLimits { lock: Duration::from_millis(1_200), statement: Duration::from_secs(3) };

/// The column by which telesink's own tables are divided.
pub(super) const KEY: &str = "ts";

/// Rows of one day that are moved out of the default partition, at most: they are moved at once, within the limit for
/// a statement. More stay where they are, and are found there.
const MOVED_ROWS_MAX: u64 = 200_000;

/// A day this long past gets a partition for even one late row; 31 of them at most.
const LATE_DAYS_MAX: i64 = 31;

/// An older day gets one only for so many rows, or a program that makes up times would make thousands of partitions.
const OLD_DAY_ROWS_MIN: u64 = 10_000;

/// Partitions made in one call, at most: a batch may wait for its end.
const PARTITIONS_MAX: usize = 4;

/// The role may not do that.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Partitions that are new.
    pub partitions: usize,
    /// Rows that were moved into them from the default partition.
    pub moved_rows: u64,
    /// Days that have too many rows in the default partition to be moved.
    pub crowded_days: u64,
    /// Whether something is left to do: for the next call, or for somebody else who is at it right now.
    pub is_partial: bool,
}

/// Makes the partitions of the days from `now_unix_nano` on, and of days past of which the default partition holds
/// rows: for the log records, for the tables in `written`, and for those that others write to. One query a table where
/// there is nothing to do.
pub(super) async fn make_ahead(
    client: &Client,
    names: &Names,
    now_unix_nano: u64,
    days_ahead: u32,
    written: &[RecordTable],
) -> Result<Made, Failure> {
    let done = work(client, names, now_unix_nano, days_ahead, written).await;
    done.map_err(|failure| with_right(failure, LEAVE_IT))
}

async fn work(
    client: &Client,
    names: &Names,
    now_unix_nano: u64,
    days_ahead: u32,
    written: &[RecordTable],
) -> Result<Made, Failure> {
    let mut made = Made::default();
    let today = Day::of(now_unix_nano);
    // The first day of each table comes first: what is left for the next call is needed later.
    let mut wanted: Vec<(usize, RecordTable, Day)> = Vec::new();
    for table in RecordTable::ALL {
        let Some(layout) = look(client, names.of(table), KEY, LIMITS).await? else { continue };
        let is_wanted = table == RecordTable::Logs || written.contains(&table) || layout.is_used();
        if !layout.is_partitioned || !is_wanted {
            continue;
        }
        let days = wanted_days(client, &layout, today, days_ahead, &mut made.crowded_days).await?;
        wanted.extend(days.into_iter().enumerate().map(|(place, day)| (place, table, day)));
    }
    wanted.sort_by_key(|(place, ..)| *place);
    for (_, table, day) in wanted {
        if made.partitions == PARTITIONS_MAX {
            return Ok(Made { is_partial: true, ..made });
        }
        match alone(client, Turn::Skip, LIMITS, async || make(client, names, table, day).await).await? {
            Some(Some(rows)) => {
                made.partitions += 1;
                made.moved_rows += rows;
            }
            Some(None) => {}
            None => return Ok(Made { is_partial: true, ..made }),
        }
    }
    Ok(made)
}

/// The days for which a table should get a partition, in the order in which they are needed.
async fn wanted_days(
    client: &Client,
    layout: &Layout,
    today: Day,
    days_ahead: u32,
    crowded_days: &mut u64,
) -> Result<Vec<Day>, Failure> {
    let strays = match used_default(layout) {
        Some(default) => strays(client, default, today, days_ahead).await?,
        None => BTreeMap::new(),
    };
    let ahead = (0..i64::from(days_ahead)).map(|days| today.plus(days));
    let ahead: Vec<Day> = ahead.filter(|day| !is_covered(layout, *day)).collect();
    let late = strays.keys().rev().filter(|day| !ahead.contains(day));
    let is_crowded = |day: &Day| strays.get(day).is_some_and(|rows| *rows > MOVED_ROWS_MAX);
    let (crowded, days): (Vec<Day>, Vec<Day>) =
        ahead.iter().chain(late).copied().partition(|day| is_crowded(day));
    *crowded_days += crowded.len() as u64;
    Ok(days)
}

/// What a role can do that may write and no more: only the owner of a table can change it.
pub(super) const LEAVE_IT: &str = "let this role own the table and create others in its schema; or set \
                                   create_schema=false, and have partitions made and dropped by somebody else";

/// The same failure, with this hint if a right is missing.
pub(super) fn with_right(failure: Failure, hint: &str) -> Failure {
    match failure.cause {
        Cause::Answer(answer) if answer.code == INSUFFICIENT_PRIVILEGE => {
            Failure::new(failure.phase, Cause::Config { message: answer.message, hint: hint.to_owned() })
        }
        _ => failure,
    }
}

fn is_covered(layout: &Layout, day: Day) -> bool {
    layout.covers(day.start(), day.plus(1).start())
}

/// The default partition, if it may hold rows that can be moved.
fn used_default(layout: &Layout) -> Option<&DefaultPartition> {
    layout.default.as_ref().filter(|default| default.is_plain && default.bytes > 0)
}

/// How many rows the default partition holds of days that should have a partition.
async fn strays(
    client: &Client,
    default: &DefaultPartition,
    today: Day,
    days_ahead: u32,
) -> Result<BTreeMap<Day, u64>, Failure> {
    let (first, last) = (today.plus(-LATE_DAYS_MAX).0, today.plus(i64::from(days_ahead)).0);
    let sql = format!(
        "{}SELECT day, count(*) AS rows FROM \
         (SELECT floor(extract(epoch FROM ts) / 86400)::bigint AS day FROM ONLY {}) AS days \
         GROUP BY day HAVING count(*) >= {OLD_DAY_ROWS_MIN} OR day >= {first} AND day < {last} \
         ORDER BY day >= {first} AND day < {last} DESC, day DESC LIMIT {}",
        LIMITS.sql(),
        default.name,
        // As many as one call can use, and some that it cannot.
        2 * (PARTITIONS_MAX + days_ahead as usize),
    );
    let answer = run(client, Phase::Schema, &sql).await?;
    let mut strays = BTreeMap::new();
    for message in &answer {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let number = |column: usize| row.try_get(column).ok().flatten().unwrap_or_default();
        if let (Ok(day), Ok(rows)) = (number(0).parse(), number(1).parse()) {
            strays.insert(Day(day), rows);
        }
    }
    Ok(strays)
}

/// Makes one partition, in the transaction that holds the lock. Answers how many rows it got, or `None` if there is
/// one already or its name is taken.
async fn make(client: &Client, names: &Names, table: RecordTable, day: Day) -> Result<Option<u64>, Failure> {
    let bounds = (day.partition(table), day.literal(), day.plus(1).literal());
    let (Some(shown), Some(from), Some(to)) = bounds else { return Ok(None) };
    let Some(layout) = look(client, names.of(table), KEY, LIMITS).await? else { return Ok(None) };
    let name = format!("{}.{shown}", layout.schema);
    if is_covered(&layout, day) || is_taken(client, &name).await? {
        return Ok(None);
    }
    let parent = format!("{}.{}", layout.schema, table.name());
    // What belongs to the table as a whole, such as its indexes, comes by attaching.
    let create = format!(
        "CREATE TABLE {name} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS)"
    );
    run(client, Phase::Schema, &create).await?;
    let mut moved = 0;
    if let Some(default) = layout.default.filter(|default| default.is_plain) {
        let columns = columns(client, &parent).await?;
        let take = format!(
            "WITH moved AS (DELETE FROM ONLY {default} WHERE ts >= {from} AND ts < {to} RETURNING {columns}) \
             INSERT INTO {name} ({columns}) SELECT {columns} FROM moved",
            default = default.name,
        );
        if default.bytes > 0 {
            // Most of them, while others still write.
            moved += rows_touched(&run(client, Phase::Schema, &take).await?);
        }
        // Those that were written meanwhile. From here on none are: a writer who has chosen the default partition
        // already and had to wait for it would be told that its rows do not belong there any more.
        let lock = format!(
            "LOCK TABLE ONLY {parent} IN SHARE ROW EXCLUSIVE MODE;LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE",
            default.name
        );
        run(client, Phase::Schema, &lock).await?;
        moved += rows_touched(&run(client, Phase::Schema, &take).await?);
    }
    let attach = format!("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})");
    run(client, Phase::Schema, &attach).await?;
    Ok(Some(moved))
}

/// Whether there is a table of that name, such as a partition that somebody has detached to keep it.
async fn is_taken(client: &Client, name: &str) -> Result<bool, Failure> {
    let sql = format!("SELECT to_regclass({})", literal(name));
    Ok(first_value(&run(client, Phase::Schema, &sql).await?).is_some())
}

/// The columns that can be written, by name: a partition may have them in another order, and users add their own.
async fn columns(client: &Client, table: &str) -> Result<String, Failure> {
    let sql = format!(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
         WHERE attrelid = to_regclass({}) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        literal(table)
    );
    let answer = run(client, Phase::Schema, &sql).await?;
    Ok(first_value(&answer).unwrap_or_default().to_owned())
}
