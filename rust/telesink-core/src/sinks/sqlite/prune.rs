//! Deleting old records from a file, beside those who write it: short transactions, then the free pages are given back.

use super::failure::Failure;
use super::{Options, schema};
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::prune::{Age, Piece, Prune, Scope};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::time::Duration;

/// Rows deleted in one transaction: writers wait for its end, and give up waiting after a second.
const CHUNK_ROWS: usize = 10_000;

/// Pages given back in one transaction, for the same reason: 4 MiB of the usual size.
const CHUNK_PAGES: u64 = 1_024;

/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// `PRAGMA auto_vacuum` of a file whose free pages can be given back one by one.
const INCREMENTAL: i64 = 2;

/// A file that is open, and how far it is.
struct FilePrune {
    options: Options,
    connection: Connection,
    scope: Scope,
    /// The tables that may still hold old rows; the first is being looked through.
    tables: &'static [&'static str],
    /// The last row of it that was looked at; rows get increasing numbers, and old ones stand in front.
    row: i64,
}

/// Opens the file and counts.
pub(super) fn open(options: Options, _: Limits, age: Age) -> Result<Box<dyn Prune>, WriteError> {
    match look(&options, age) {
        Ok((connection, scope, tables)) => {
            Ok(Box::new(FilePrune { options, connection, scope, tables, row: i64::MIN }))
        }
        Err(failure) => Err(failure.judge(&options)),
    }
}

fn look(options: &Options, age: Age) -> Result<(Connection, Scope, &'static [&'static str]), Failure> {
    if !options.path.exists() {
        return Err(Failure::no_file());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    let tables = schema::record_tables(schema::check_present(&connection)?);
    let before_unix_nano = age.limit_unix_nano();
    let mut rows: i64 = 0;
    for table in tables {
        let sql = format!("SELECT count(*) FROM {table} WHERE ts < ?1");
        rows += connection.query_row(&sql, [before_unix_nano as i64], |row| row.get::<_, i64>(0))?;
    }
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    let scope = Scope {
        before_unix_nano,
        partitions: Vec::new(),
        rows: rows as u64,
        gives_back: mode == INCREMENTAL,
    };
    Ok((connection, scope, tables))
}

impl Prune for FilePrune {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn step(&mut self) -> Result<Option<Piece>, WriteError> {
        self.next_piece().map_err(|failure| failure.judge(&self.options))
    }
}

impl FilePrune {
    fn next_piece(&mut self) -> Result<Option<Piece>, Failure> {
        while let [table, rest @ ..] = self.tables {
            let rows = self.delete(table)?;
            if rows > 0 {
                return Ok(Some(Piece::Rows(rows)));
            }
            (self.tables, self.row) = (rest, i64::MIN);
        }
        let bytes = if self.scope.gives_back { self.give_back()? } else { 0 };
        if bytes > 0 {
            return Ok(Some(Piece::Bytes(bytes)));
        }
        // The file gets shorter with the next checkpoint; a reader may put it off, and then others will do it.
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(None)
    }

    /// Deletes the next rows of a table.
    fn delete(&mut self, table: &str) -> Result<u64, Failure> {
        let before = self.scope.before_unix_nano as i64;
        // Takes the write lock at once: a reader that becomes a writer may not wait.
        let chunk = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = format!(
            "SELECT max(row_id) FROM (SELECT row_id FROM {table} WHERE row_id > ?1 AND ts < ?2 \
             ORDER BY row_id LIMIT ?3)"
        );
        let last: Option<i64> =
            chunk.query_row(&sql, params![self.row, before, CHUNK_ROWS as i64], |row| row.get(0))?;
        let Some(last) = last else { return Ok(0) };
        let sql = format!("DELETE FROM {table} WHERE row_id > ?1 AND row_id <= ?2 AND ts < ?3");
        let deleted = chunk.execute(&sql, params![self.row, last, before])?;
        chunk.commit()?;
        self.row = last;
        Ok(deleted as u64)
    }

    /// Gives some of the free pages back.
    fn give_back(&self) -> Result<u64, Failure> {
        let pages = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (before, page_bytes) = (pages("page_count")?, pages("page_size")?);
        // A row for each page that is given back.
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({CHUNK_PAGES})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        let after = pages("page_count")?;
        Ok(u64::try_from(before - after).unwrap_or(0) * page_bytes as u64)
    }
}
