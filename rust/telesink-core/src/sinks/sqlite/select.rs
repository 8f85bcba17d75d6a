//! Questions to a file, which is opened for reading only unless rows are to be changed.

use super::Options;
use super::failure::Failure;
use super::inspect::read_only;
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::select::{Access, Answer, Change, Select};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::time::{Duration, Instant};

/// Steps of the library between two looks at the clock.
const STEPS: i32 = 10_000;

/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

struct FileSelect {
    options: Options,
    connection: Connection,
    limit: Duration,
    /// The file's number of changes by others, as it was at the last look.
    seen: Option<i64>,
}

/// Opens the file.
pub(super) fn open(options: Options, limits: Limits, access: Access) -> Result<Box<dyn Change>, WriteError> {
    if !options.path.exists() {
        return Err(Failure::no_file().judge(&options));
    }
    let opened = match access {
        Access::Read => read_only(&options.path),
        Access::Change => writable(&options),
    };
    match opened {
        Ok(connection) => Ok(Box::new(FileSelect { options, connection, limit: limits.write, seen: None })),
        Err(failure) => Err(failure.judge(&options)),
    }
}

fn writable(options: &Options) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "synchronous", options.synchronous)?;
    Ok(connection)
}

impl Select for FileSelect {
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError> {
        let end = crate::clock::monotonic() + self.limit;
        let answered = limited(&mut self.connection, Some(end)).and_then(|()| ask(&self.connection, sql));
        let ended = limited(&mut self.connection, None);
        answered.and_then(|answer| ended.map(|()| answer)).map_err(|failure| failure.judge(&self.options))
    }

    fn wait(&mut self, _: &str, _: Duration) -> Result<Vec<String>, WriteError> {
        let found = self.connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let found = found.map_err(|error| Failure::from(error).judge(&self.options))?;
        let seen = self.seen.replace(found);
        Ok(if seen.is_some_and(|seen| seen != found) { vec![String::new()] } else { Vec::new() })
    }
}

impl Change for FileSelect {
    fn change(&mut self, sql: &str) -> Result<u64, WriteError> {
        let end = crate::clock::monotonic() + self.limit;
        let changed =
            limited(&mut self.connection, Some(end)).and_then(|()| change(&mut self.connection, sql));
        let ended = limited(&mut self.connection, None);
        changed.and_then(|rows| ended.map(|()| rows)).map_err(|failure| failure.judge(&self.options))
    }
}

fn change(connection: &mut Connection, sql: &str) -> Result<u64, Failure> {
    // Takes the write lock at once: a reader that becomes a writer may not wait.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let rows = transaction.execute(sql, [])?;
    transaction.commit()?;
    Ok(rows as u64)
}

/// Ends what takes longer than that.
fn limited(connection: &mut Connection, end: Option<Instant>) -> Result<(), Failure> {
    match end {
        Some(end) => connection.progress_handler(STEPS, Some(move || crate::clock::monotonic() > end))?,
        None => connection.progress_handler(0, None::<fn() -> bool>)?,
    }
    Ok(())
}

fn ask(connection: &Connection, sql: &str) -> Result<Answer, Failure> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let count = names.len();
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let mut values = Vec::with_capacity(count);
        for index in 0..count {
            values.push(text(row.get_ref(index)?));
        }
        rows.push(values);
    }
    Ok(Answer { names, rows })
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}
