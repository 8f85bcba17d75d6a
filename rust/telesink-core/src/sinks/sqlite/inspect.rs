//! A file looked at from outside of any sink. It is opened for reading only, but for deleting what was written to try it.

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

fn read_only(path: &Path) -> Result<Connection, Failure> {
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
        self.present(|connection| count(connection, book, say))
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
        self.present(|connection| {
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
        self.present(|connection| {
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

    /// Asks the tables, which have to be there.
    fn present<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, WriteError> {
        let answer = self.judged(|connection| {
            schema::check_present(connection)?;
            ask(connection)
        })?;
        answer.ok_or_else(|| Failure::no_file().judge(&self.options))
    }
}

/// Attributes of others may be no JSON.
const MARKERS: &str = "\
SELECT instance, seq, value ->> 'seq_from', value ->> 'seq_to', value ->> 'telesink.original_instance',
       value ->> 'telesink.original_seq'
FROM (SELECT instance, seq, CASE WHEN json_valid(attributes) THEN attributes ELSE '{}' END AS value
      FROM telesink_logs WHERE logger = 'telesink' AND event_name = 'telesink.loss')";

const REPLAYED: &str = "\
SELECT value ->> 'telesink.original_instance', value ->> 'telesink.original_seq', instance
FROM (SELECT instance, CASE WHEN json_valid(attributes) THEN attributes ELSE '{}' END AS value
      FROM telesink_logs WHERE instr(attributes, '\"telesink.original_seq\"'))
WHERE value ->> 'telesink.original_instance' IS NOT NULL";

const JUMPS: &str = "\
SELECT instance, before, seq FROM (
  SELECT instance, seq, lag(seq) OVER (PARTITION BY instance ORDER BY seq) AS before FROM telesink_logs
) WHERE seq <> before + 1 ORDER BY instance, seq";

fn count(connection: &Connection, book: &mut Book, say: &dyn Fn(&'static str)) -> Result<(), Failure> {
    let moment = connection.unchecked_transaction()?;
    let each = |sql: &str, enter: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>| {
        let mut select = moment.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            enter(row)?;
        }
        Ok::<(), Failure>(())
    };
    let number = |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|seq| seq.max(0) as u64);
    let word = |row: &rusqlite::Row<'_>, index| -> rusqlite::Result<Option<String>> {
        Ok(match row.get_ref(index)? {
            rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
            rusqlite::types::ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
    };
    say("counting rows");
    each("SELECT instance, count(*), min(seq), max(seq) FROM telesink_logs GROUP BY instance", &mut |row| {
        book.rows(&row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?);
        Ok(())
    })?;
    each("SELECT instance, last_seq FROM telesink_ledger", &mut |row| {
        book.ledger(&row.get::<_, String>(0)?, number(row, 1)?);
        Ok(())
    })?;
    say("reading loss markers");
    each(MARKERS, &mut |row| {
        // A marker that was refused and replayed tells of the process that wrote it first.
        let instance = word(row, 4)?.map_or_else(|| row.get(0), Ok)?;
        let seq = word(row, 5)?.and_then(|text| text.parse().ok()).map_or_else(|| number(row, 1), Ok)?;
        book.marker(&instance, seq, word(row, 2)?.as_deref(), word(row, 3)?.as_deref());
        Ok(())
    })?;
    each(REPLAYED, &mut |row| {
        let (original, seq) = (word(row, 0)?.unwrap_or_default(), word(row, 1)?);
        book.replayed(&original, seq.as_deref(), &row.get::<_, String>(2)?);
        Ok(())
    })?;
    book.prepare();
    say("looking for holes");
    each(JUMPS, &mut |row| {
        book.jump(&row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?);
        Ok(())
    })
}
