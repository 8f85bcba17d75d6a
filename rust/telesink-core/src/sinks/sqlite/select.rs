//! Questions to a file, which is opened for reading only.

use super::Options;
use super::failure::Failure;
use super::inspect::read_only;
use crate::error::WriteError;
use crate::sinks::Limits;
use crate::sinks::select::{Answer, Select};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::time::{Duration, Instant};

/// Steps of the library between two looks at the clock.
const STEPS: i32 = 10_000;

struct FileSelect {
    options: Options,
    connection: Connection,
    limit: Duration,
}

/// Opens the file.
pub(super) fn open(options: Options, limits: Limits) -> Result<Box<dyn Select>, WriteError> {
    if !options.path.exists() {
        return Err(Failure::no_file().judge(&options));
    }
    match read_only(&options.path) {
        Ok(connection) => Ok(Box::new(FileSelect { options, connection, limit: limits.write })),
        Err(failure) => Err(failure.judge(&options)),
    }
}

impl Select for FileSelect {
    fn ask(&mut self, sql: &str) -> Result<Answer, WriteError> {
        let end = crate::clock::monotonic() + self.limit;
        let answered = limited(&mut self.connection, Some(end)).and_then(|()| ask(&self.connection, sql));
        let ended = limited(&mut self.connection, None);
        answered.and_then(|answer| ended.map(|()| answer)).map_err(|failure| failure.judge(&self.options))
    }
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
