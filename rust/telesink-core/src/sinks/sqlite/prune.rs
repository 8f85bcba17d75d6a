//! Deleting old records from a file, beside those who write it: short transactions, then the free pages are given back.

use super::failure::Failure;
use super::select::limited;
use super::{Options, mapped, schema};
use crate::error::WriteError;
use crate::sinks::prune::{AgedTable, Piece, Prune, Retention, Rule, Scope};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::collections::VecDeque;
use std::time::Duration;

/// Rows looked at, and deleted, in one transaction: writers wait for its end, and give up waiting after a second.
const CHUNK_ROWS: i64 = 10_000;

/// Pages given back in one transaction, for the same reason: 4 MiB of the usual size.
const CHUNK_PAGES: u64 = 1_024;

/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long counting the rows of a table may take.
const COUNT_MAX: Duration = Duration::from_mins(1);

/// `PRAGMA auto_vacuum` of a file whose free pages can be given back one by one.
const INCREMENTAL: i64 = 2;

/// A file that is open, and how far it is.
struct FilePrune {
    options: Options,
    connection: Connection,
    scope: Scope,
    /// The tables that may still hold rows that are to go; the first is being looked through.
    tables: VecDeque<Aged>,
    /// The last row of it that was looked at.
    row: i64,
}

/// A table, and which of its rows are to go.
struct Aged {
    /// Quoted.
    table: String,
    /// Of each policy, its place and the rows.
    conditions: Vec<(usize, String)>,
    /// The last row there was; what is added later is young, and would keep it going for ever.
    last: i64,
}

/// Opens the file and counts.
pub(super) fn open(
    options: Options,
    tables: Vec<AgedTable>,
    retention: &Retention,
) -> Result<Box<dyn Prune>, WriteError> {
    match look(&options, tables, retention) {
        Ok((connection, scope, tables)) => {
            Ok(Box::new(FilePrune { options, connection, scope, tables, row: i64::MIN }))
        }
        Err(failure) => Err(failure.judge(&options)),
    }
}

fn look(
    options: &Options,
    tables: Vec<AgedTable>,
    retention: &Retention,
) -> Result<(Connection, Scope, VecDeque<Aged>), Failure> {
    if !options.path.exists() {
        return Err(Failure::no_file());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    let tables = match &options.layout {
        None => {
            let present = schema::record_tables(schema::check_present(&connection)?);
            tables.into_iter().filter(|table| present.contains(&table.table.as_str())).collect()
        }
        Some(layout) => mapped::declared(&connection, layout, tables)?,
    };
    let mut aged = VecDeque::new();
    for table in &tables {
        let list = retention.rules(table, literal).list;
        if list.is_empty() {
            continue;
        }
        let condition = |rule: &Rule| {
            let limit = retention.limit_unix_nano(rule.keep);
            let is_older = table.form.is_older(&table.time, limit);
            let of_age = table.is_old("", &is_older, &table.form.number(limit));
            rule.condition.as_ref().map_or_else(|| of_age.clone(), |which| format!("{which} AND {of_age}"))
        };
        let conditions = list.iter().map(|rule| (rule.policy, condition(rule))).collect();
        let name = mapped::identifier(&table.table);
        let sql = format!("SELECT coalesce(max(_rowid_), ?1) FROM {name}");
        let last = connection.query_row(&sql, [i64::MIN], |row| row.get(0))?;
        aged.push_back(Aged { table: name, conditions, last });
    }
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    let limit = |keep| retention.limit_unix_nano(keep);
    let scope = Scope {
        limits_unix_nano: retention.policies.iter().map(|policy| policy.keep.map(limit)).collect(),
        partitions: Vec::new(),
        gives_back: mode == INCREMENTAL,
    };
    Ok((connection, scope, aged))
}

/// A text as SQL has it. No table holds what SQL cannot say.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "\u{2400}").replace('\'', "''"))
}

impl Aged {
    /// Adds up the rows that are to go, by policy.
    fn count(&self, connection: &Connection, rows: &mut [u64]) -> Result<(), Failure> {
        let sums: Vec<String> = self.conditions.iter().map(|(_, which)| format!("total({which})")).collect();
        let sql = format!("SELECT {} FROM {} AS aged", sums.join(", "), self.table);
        let counted = connection.query_row(&sql, [], |row| {
            for (place, (policy, _)) in self.conditions.iter().enumerate() {
                if let Some(rows) = rows.get_mut(*policy) {
                    *rows += row.get::<_, f64>(place)? as u64;
                }
            }
            Ok(())
        });
        counted.map_err(Failure::from)
    }

    /// All rows that are to go, as SQL.
    fn condition(&self) -> String {
        let all: Vec<String> = self.conditions.iter().map(|(_, which)| format!("({which})")).collect();
        all.join(" OR ")
    }
}

impl Prune for FilePrune {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn count(&mut self) -> Result<Vec<u64>, WriteError> {
        let mut rows = vec![0; self.scope.limits_unix_nano.len()];
        let Self { tables, connection, .. } = self;
        let counted = tables.iter().try_for_each(|aged| {
            limited(connection, Some(crate::clock::monotonic() + COUNT_MAX))?;
            let counted = aged.count(connection, &mut rows);
            limited(connection, None)?;
            counted
        });
        counted.map(|()| rows).map_err(|failure| failure.judge(&self.options))
    }

    fn step(&mut self) -> Result<Option<Piece>, WriteError> {
        self.next_piece().map_err(|failure| failure.judge(&self.options))
    }
}

impl FilePrune {
    fn next_piece(&mut self) -> Result<Option<Piece>, Failure> {
        while let Some(aged) = self.tables.front() {
            if let Some((last, rows)) = delete(&mut self.connection, aged, self.row)? {
                self.row = last;
                return Ok(Some(Piece::Rows(rows)));
            }
            self.tables.pop_front();
            self.row = i64::MIN;
        }
        let bytes = if self.scope.gives_back { self.give_back()? } else { 0 };
        if bytes > 0 {
            return Ok(Some(Piece::Bytes(bytes)));
        }
        // The file gets shorter with the next checkpoint; a reader may put it off, and then others will do it.
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(None)
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

/// Deletes the next rows of a table behind `row`, and answers how far it has looked and how many it deleted; none at the
/// end of the table.
fn delete(connection: &mut Connection, aged: &Aged, row: i64) -> Result<Option<(i64, u64)>, Failure> {
    let table = &aged.table;
    let condition = aged.condition();
    // Looked for without the lock that writers wait for.
    let sql = format!(
        "SELECT max(_rowid_), total({condition}) FROM {table} AS aged WHERE _rowid_ > ?1 AND _rowid_ <= (SELECT max(_rowid_) FROM \
         (SELECT _rowid_ FROM {table} WHERE _rowid_ > ?1 AND _rowid_ <= ?3 ORDER BY _rowid_ LIMIT ?2))"
    );
    let (last, wanted): (Option<i64>, f64) =
        connection
            .query_row(&sql, params![row, CHUNK_ROWS, aged.last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(last) = last else { return Ok(None) };
    if wanted < 1.0 {
        return Ok(Some((last, 0)));
    }
    // Takes the write lock at once: a reader that becomes a writer may not wait.
    let chunk = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = format!("DELETE FROM {table} AS aged WHERE _rowid_ > ?1 AND _rowid_ <= ?2 AND ({condition})");
    let deleted = chunk.execute(&sql, params![row, last])?;
    chunk.commit()?;
    Ok(Some((last, deleted as u64)))
}
