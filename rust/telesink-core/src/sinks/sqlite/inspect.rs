//! A file looked at from outside of any sink. It is opened for reading only, but for deleting what was written to try it.

mod count;

use super::failure::Failure;
use super::moved::beside;
use super::{Options, schema};
use crate::error::WriteError;
use crate::record::id::{format_uuid, parse_uuid};
use crate::sinks::inspect::{Book, Fact, Facts, Inspect, Interrupt, Wanted};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a lock of another program is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Where a record that was stored just now is looked for: among so many rows at the end.
const RECENT_ROWS: i64 = 100_000;

struct FileInspect {
    options: Options,
    /// None: there is no such file yet.
    connection: Option<Connection>,
}

/// Opens the file, if it is there.
pub(super) fn open(options: Options) -> Result<Box<dyn Inspect>, WriteError> {
    match options.path.exists().then(|| read_only(&options.path)).transpose() {
        Ok(connection) => Ok(Box::new(FileInspect { options, connection })),
        Err(failure) => Err(failure.judge(&options)),
    }
}

pub(super) fn read_only(path: &Path) -> Result<Connection, Failure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let opened = Connection::open_with_flags(path, flags).and_then(ready);
    match opened {
        // Readers of a WAL database make two small files beside it. Where that is forbidden, and no writer has made
        // them, the file can still be read as it is.
        Err(error) if is_forbidden(&error) && path.is_file() && !beside(path, "-wal").exists() => {
            let uri = immutable_uri(path);
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                .and_then(ready)
                .map_err(Failure::from)
        }
        opened => opened.map_err(Failure::from),
    }
}

/// The first look at the file says whether it can be read at all.
fn ready(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn is_forbidden(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn immutable_uri(path: &Path) -> String {
    const DIGITS: [&str; 16] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C", "D", "E", "F"];
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut uri = "file:".to_owned();
    for byte in absolute.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.extend(["%", DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    uri.push_str("?immutable=1");
    uri
}

impl Inspect for FileInspect {
    fn facts(&mut self) -> Result<Facts, WriteError> {
        self.judged(|connection| {
            let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let version = schema::version(connection)?;
            let newest = match version {
                Some(_) => {
                    connection.query_row("SELECT max(row_id) FROM telesink_logs", [], |row| row.get(0))?
                }
                None => None::<i64>,
            };
            Ok(vec![
                ("tables_version", version.map_or(Fact::None, Fact::Count)),
                ("tables_version_known", Fact::Count(super::VERSION)),
                ("journal_mode", Fact::text(Some(text("journal_mode")?))),
                ("bytes", Fact::Count(number("page_count")? * number("page_size")?)),
                ("rows_about", newest.map_or(Fact::None, Fact::Count)),
            ])
        })
        .map(|facts| {
            let mut all = vec![
                ("exists", Fact::Is(facts.is_some())),
                ("path", Fact::Text(self.options.path.display().to_string())),
                ("creates_schema", Fact::Is(self.options.creates_schema)),
            ];
            all.extend(facts.unwrap_or_default());
            all
        })
    }

    fn count(&mut self, book: &mut Book, say: &dyn Fn(&'static str)) -> Result<(), WriteError> {
        self.present(|connection, tables| count::count(connection, tables, book, say))
    }

    fn stored(&mut self, wanted: &[Wanted]) -> Result<Vec<[u8; 16]>, WriteError> {
        let mut buffer = [0; 36];
        let mut json = "[".to_owned();
        for (index, (id, _)) in wanted.iter().enumerate() {
            format_uuid(id, &mut buffer);
            json.push_str(if index == 0 { "\"" } else { ",\"" });
            json.push_str(std::str::from_utf8(&buffer).unwrap_or_default());
            json.push('"');
        }
        json.push(']');
        self.present(|connection, _| {
            let sql = "SELECT DISTINCT id FROM telesink_logs WHERE id IN (SELECT value FROM json_each(?1))";
            let mut select = connection.prepare(sql)?;
            let mut rows = select.query([&json])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.extend(parse_uuid(&row.get::<_, String>(0)?));
            }
            Ok(found)
        })
    }

    fn recent(&mut self, instance: &[u8; 16], _since_unix_nano: u64) -> Result<Vec<String>, WriteError> {
        let mut buffer = [0; 36];
        format_uuid(instance, &mut buffer);
        let instance = std::str::from_utf8(&buffer).unwrap_or_default();
        // The sink may have made the file meanwhile.
        if self.connection.is_none() {
            *self = Self { connection: reopened(&self.options)?, options: self.options.clone() };
        }
        self.present(|connection, _| {
            let sql = "SELECT body FROM telesink_logs WHERE instance = ?1 \
                       AND row_id > (SELECT max(row_id) FROM telesink_logs) - ?2";
            let mut select = connection.prepare(sql)?;
            let bodies = select.query_map(params![instance, RECENT_ROWS], |row| row.get(0))?;
            Ok(bodies.collect::<Result<_, _>>()?)
        })
    }

    fn forget(&mut self, instance: &[u8; 16], _since_unix_nano: u64) -> Result<u64, WriteError> {
        let mut buffer = [0; 36];
        format_uuid(instance, &mut buffer);
        let instance = std::str::from_utf8(&buffer).unwrap_or_default();
        let forgotten = || -> Result<u64, Failure> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_EXRESCODE;
            let mut connection = Connection::open_with_flags(&self.options.path, flags)?;
            connection.busy_timeout(LOCK_WAIT)?;
            let both = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let deleted = both.execute(
                "DELETE FROM telesink_logs WHERE instance = ?1 \
                 AND row_id > (SELECT max(row_id) FROM telesink_logs) - ?2",
                params![instance, RECENT_ROWS],
            )?;
            both.execute("DELETE FROM telesink_ledger WHERE instance = ?1", [instance])?;
            both.commit()?;
            Ok(deleted as u64)
        };
        forgotten().map_err(|failure| failure.judge(&self.options))
    }

    fn interrupt(&self) -> Interrupt {
        let handle = self.connection.as_ref().map(Connection::get_interrupt_handle);
        Arc::new(move || {
            if let Some(handle) = &handle {
                handle.interrupt();
            }
        })
    }
}

fn reopened(options: &Options) -> Result<Option<Connection>, WriteError> {
    let opened = options.path.exists().then(|| read_only(&options.path)).transpose();
    opened.map_err(|failure| failure.judge(options))
}

impl FileInspect {
    /// Asks the file, if there is one.
    fn judged<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<Option<T>, WriteError> {
        self.connection.as_ref().map(ask).transpose().map_err(|failure| failure.judge(&self.options))
    }

    /// Asks the tables, which have to be there; hands over the names of those that hold records.
    fn present<T>(
        &self,
        ask: impl FnOnce(&Connection, &[&str]) -> Result<T, Failure>,
    ) -> Result<T, WriteError> {
        let answer = self.judged(|connection| {
            let version = schema::check_present(connection)?;
            ask(connection, schema::record_tables(version))
        })?;
        answer.ok_or_else(|| Failure::no_file().judge(&self.options))
    }
}
