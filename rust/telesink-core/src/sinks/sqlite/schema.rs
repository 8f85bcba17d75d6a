//! The tables, and how a file comes to have them.

use super::failure::Failure;
use rusqlite::{Connection, OptionalExtension};

/// The version of the tables below, kept in `telesink_meta`.
pub const VERSION: i64 = 1;

/// The tables of version 1. Times are integers, nanoseconds since the Unix epoch; ids are text, for people.
///
/// No unique index on the id: the ledger keeps batches from being stored twice, and a random key costs two thirds
/// of the insert rate (measured). `row_id` orders rows by arrival, for readers that follow the table.
pub const DDL: &str = "\
CREATE TABLE telesink_logs (
  row_id      INTEGER PRIMARY KEY,
  ts          INTEGER NOT NULL,
  observed_ts INTEGER NOT NULL,
  id          TEXT    NOT NULL,
  severity    INTEGER NOT NULL,
  level       TEXT    NOT NULL,
  service     TEXT    NOT NULL,
  logger      TEXT    NOT NULL,
  body        TEXT    NOT NULL,
  event_name  TEXT,
  trace_id    TEXT,
  span_id     TEXT,
  attributes  TEXT    NOT NULL DEFAULT '{}',
  resource_id INTEGER NOT NULL,
  instance    TEXT    NOT NULL,
  seq         INTEGER NOT NULL
) STRICT;
CREATE INDEX telesink_logs_trace_id ON telesink_logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX telesink_logs_errors ON telesink_logs (ts) WHERE severity >= 17;
CREATE TABLE telesink_resources (
  id         INTEGER PRIMARY KEY,
  attributes TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE telesink_ledger (
  instance   TEXT    NOT NULL,
  lane       INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (instance, lane)
) STRICT, WITHOUT ROWID;
CREATE TABLE telesink_meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIEW telesink_log_lines AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ts / 1e9, 'unixepoch') AS time, level, logger, body, attributes,
         trace_id, span_id, service
  FROM telesink_logs ORDER BY row_id;
INSERT INTO telesink_meta (key, value) VALUES ('version', '1');
";

/// Ledger rows of processes that ended long ago are swept after this long: 30 days, in nanoseconds.
const LEDGER_AGE_MAX_NANO: i64 = 30 * 86_400 * 1_000_000_000;

/// Makes sure that the tables are there and of a version that this program knows.
pub(super) fn prepare(connection: &Connection, creates: bool, now_unix_nano: u64) -> Result<(), Failure> {
    if let Some(version) = version(connection)? {
        return check(version).and_then(|()| sweep(connection, now_unix_nano));
    }
    if !creates {
        return Err(Failure::missing_schema());
    }
    // Several processes may start on an empty file: whoever gets the lock first creates, the others look again.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let created = version(connection).and_then(|found| match found {
        Some(version) => check(version),
        None => connection.execute_batch(DDL).map_err(Failure::from),
    });
    let ended = connection.execute_batch(if created.is_ok() { "COMMIT" } else { "ROLLBACK" });
    created.and_then(|()| ended.map_err(Failure::from))
}

/// Makes sure that the tables are there already.
pub(super) fn check_present(connection: &Connection) -> Result<(), Failure> {
    version(connection)?.map_or_else(|| Err(Failure::no_tables()), check)
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

fn sweep(connection: &Connection, now_unix_nano: u64) -> Result<(), Failure> {
    let oldest = now_unix_nano as i64 - LEDGER_AGE_MAX_NANO;
    connection.execute("DELETE FROM telesink_ledger WHERE updated_at < ?1", [oldest])?;
    Ok(())
}
