//! Questions to a file, which is opened for reading only unless rows are to be changed.

use super::Options;
use super::failure::Failure;
use super::inspect::read_only;
use super::moved::{FileIdentity, identities};
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::select::{Access, Answer, Change, Select};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::time::{Duration, Instant};

/// Steps of the library between two looks at the clock.
const STEPS: i32 = 10_000;

/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

struct FileSelect {
    options: Options,
    access: Access,
    connection: Connection,
    /// Of the file that is open.
    identity: Option<FileIdentity>,
    limit: Duration,
    /// The file's number of changes by others, as it was at the last look.
    seen: Option<i64>,
}

/// Opens the file.
pub(super) fn open(options: Options, limits: Limits, access: Access) -> Result<Box<dyn Change>, WriteError> {
    match connect(&options, access) {
        Ok((connection, identity)) => {
            let limit = limits.write;
            Ok(Box::new(FileSelect { options, access, connection, identity, limit, seen: None }))
        }
        Err(failure) => Err(failure.judge(&options)),
    }
}

fn connect(options: &Options, access: Access) -> Result<(Connection, Option<FileIdentity>), Failure> {
    if !options.path.exists() {
        return Err(Failure::no_file());
    }
    let [identity, _] = identities(&options.path);
    let connection = match access {
        Access::Read => read_only(&options.path),
        Access::Change => writable(options),
    }?;
    // What `LIKE` does for letters of ASCII, for all.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("telesink_contains", 2, flags, |values| {
        let text = |place: usize| Ok::<_, rusqlite::Error>(values.get_raw(place).as_str_or_null()?);
        let (Some(text), Some(part)) = (text(0)?, text(1)?) else { return Ok(false) };
        Ok(text.to_lowercase().contains(&part.to_lowercase()))
    })?;
    Ok((connection, identity))
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

impl FileSelect {
    /// Opens the file that has the name now, if that is another one.
    fn look(&mut self) -> Result<(), WriteError> {
        let [identity, _] = identities(&self.options.path);
        if identity != self.identity {
            let opened = connect(&self.options, self.access);
            (self.connection, self.identity) = opened.map_err(|failure| failure.judge(&self.options))?;
        }
        Ok(())
    }
}

impl Select for FileSelect {
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError> {
        self.look()?;
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
        self.look()?;
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
pub(super) fn limited(connection: &mut Connection, end: Option<Instant>) -> Result<(), Failure> {
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
