//! The tables, and how a file comes to have them.

use super::failure::Failure;
use rusqlite::{Connection, OptionalExtension};

/// The statements of each version, in order. A migration only adds; the first makes a file's tables.
const MIGRATIONS: [&str; 2] = [include_str!("version_1.sql"), include_str!("version_2.sql")];

/// The version of the tables, kept in `telesink_meta`.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// The tables. Times are integers, nanoseconds since the Unix epoch; ids are text, for people.
///
/// No unique index on the id: the ledger keeps batches from being stored twice, and a random key costs two thirds
/// of the insert rate (measured). `row_id` orders rows by arrival, for readers that follow the table.
pub const DDL: &str = concat!(include_str!("version_1.sql"), include_str!("version_2.sql"));

/// Ledger rows of processes that ended long ago are swept after this long: 30 days, in nanoseconds.
const LEDGER_AGE_MAX_NANO: i64 = 30 * 86_400 * 1_000_000_000;

/// Makes sure that the tables are there and of the version that this program writes; older ones are brought up to it.
pub(super) fn prepare(connection: &Connection, creates: bool, now_unix_nano: u64) -> Result<(), Failure> {
    match version(connection)? {
        Some(VERSION) => return sweep(connection, now_unix_nano),
        Some(found) if found > VERSION => return Err(Failure::newer_schema(found)),
        Some(found) if !creates => return Err(Failure::older_schema(found)),
        None if !creates => return Err(Failure::missing_schema()),
        _ => {}
    }
    // Several processes may start on one file: whoever gets the lock first creates, the others look again.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = version(connection).and_then(|found| migrate(connection, found.unwrap_or(0)));
    let ended = connection.execute_batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" });
    migrated.and_then(|()| ended.map_err(Failure::from))
}

/// Brings tables of version `from` to the newest, in the transaction that is open.
fn migrate(connection: &Connection, from: i64) -> Result<(), Failure> {
    check(from)?;
    let done = usize::try_from(from).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        connection.execute_batch(migration)?;
    }
    Ok(())
}

/// The tables of records that a file of this version has.
pub(super) fn record_tables(version: i64) -> &'static [&'static str] {
    const TABLES: [&str; 3] = ["telesink_logs", "telesink_spans", "telesink_metrics"];
    if version < 2 { &TABLES[..1] } else { &TABLES }
}

/// Makes sure that the tables are there already, also in an older version, and answers which.
pub(super) fn check_present(connection: &Connection) -> Result<i64, Failure> {
    let found = version(connection)?.ok_or_else(Failure::no_tables)?;
    check(found).map(|()| found)
}

pub(super) fn version(connection: &Connection) -> Result<Option<i64>, Failure> {
    let has_meta: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'telesink_meta')",
        [],
        |row| row.get(0),
    )?;
    if !has_meta {
        return Ok(None);
    }
    let text: Option<String> = connection
        .query_row("SELECT value FROM telesink_meta WHERE key = 'version'", [], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn check(version: i64) -> Result<(), Failure> {
    if version > VERSION { Err(Failure::newer_schema(version)) } else { Ok(()) }
}

/// Rows that have not moved since then are swept.
pub(super) fn oldest(now_unix_nano: u64) -> i64 {
    now_unix_nano as i64 - LEDGER_AGE_MAX_NANO
}

pub(super) fn sweep(connection: &Connection, now_unix_nano: u64) -> Result<(), Failure> {
    connection.execute("DELETE FROM telesink_ledger WHERE updated_at < ?1", [oldest(now_unix_nano)])?;
    Ok(())
}
