//! Rows as binary COPY wants them, put together from borrowed bytes.

mod logs;
mod metrics;
mod spans;

use super::schema::{Names, RecordTable};
use crate::record::json;
use crate::sinks::Entry;
use bytes::Bytes;

/// Rows are sent in chunks of this size: small enough that the server works on one while the next is put together.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Room behind a full chunk for the row that filled it, so that the buffer is seldom made larger.
const ROW_BYTES_USUAL: usize = 4 * 1024;

/// Signature, flags, and length of the header's extension: none of either.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Ends the data.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The COPY into a table, or into its staging table.
pub(super) fn copy_sql(table: RecordTable, target: &str) -> String {
    format!("COPY {target} ({}) FROM STDIN (FORMAT binary)", columns(table))
}

/// The table that rows go through under `dedupe=id`; gone after COMMIT.
pub(super) fn staging(table: RecordTable) -> &'static str {
    match table {
        RecordTable::Logs => "pg_temp.telesink_staging",
        RecordTable::Spans => "pg_temp.telesink_staging_spans",
        RecordTable::Metrics => "pg_temp.telesink_staging_metrics",
    }
}

/// Makes the staging table.
pub(super) fn staging_sql(table: RecordTable, names: &Names) -> String {
    // The clause TEMPORARY says the same as the schema in front of the name.
    format!(
        "CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DROP",
        staging(table).trim_start_matches("pg_temp."),
        names.of(table)
    )
}

/// Takes over the rows that are not there yet.
pub(super) fn merge_sql(table: RecordTable, names: &Names) -> String {
    let (columns, target, staging) = (columns(table), names.of(table), staging(table));
    format!("INSERT INTO {target} ({columns}) SELECT {columns} FROM {staging} ON CONFLICT DO NOTHING")
}

/// The columns of a table in the order in which they are written.
fn columns(table: RecordTable) -> String {
    match table {
        RecordTable::Logs => logs::COLUMNS.join(", "),
        RecordTable::Spans => spans::COLUMNS.join(", "),
        RecordTable::Metrics => metrics::COLUMNS.join(", "),
    }
}

/// Microseconds from the Unix epoch to Postgres' own, 2000-01-01.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// What a row has beside its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) service: &'a str,
    /// Name of the logger, tracer or meter.
    pub(super) scope: &'a str,
    pub(super) instance: &'a [u8; 16],
    pub(super) resource: i64,
}

/// Puts rows together.
#[derive(Debug)]
pub(super) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    /// An encoder that has written the header.
    pub(super) fn new() -> Self {
        let mut out = Vec::with_capacity(CHUNK_BYTES + ROW_BYTES_USUAL);
        out.extend_from_slice(HEADER);
        Self { out }
    }

    /// One that is only there to take the place of another.
    pub(super) fn empty() -> Self {
        Self { out: Vec::new() }
    }

    /// Bytes that wait to be sent.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// What is there, to be sent.
    pub(super) fn take(&mut self) -> Bytes {
        let empty = Vec::with_capacity(CHUNK_BYTES + ROW_BYTES_USUAL);
        Bytes::from(std::mem::replace(&mut self.out, empty))
    }

    /// The last bytes, with the end of the data.
    pub(super) fn finish(mut self) -> Bytes {
        self.out.extend_from_slice(&TRAILER);
        Bytes::from(self.out)
    }

    /// The rows of a record. Answers how many they are.
    pub(super) fn record(&mut self, table: RecordTable, entry: &Entry, common: &Common<'_>) -> u64 {
        match table {
            RecordTable::Logs => logs::put_row(&mut self.out, entry, common),
            RecordTable::Spans => spans::put_row(&mut self.out, entry, common),
            RecordTable::Metrics => return metrics::put_rows(&mut self.out, entry, common),
        }
        1
    }
}

pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

/// Nanoseconds since the Unix epoch as a timestamp.
fn put_time(out: &mut Vec<u8>, unix_nano: u64) {
    put(out, &((unix_nano / 1_000) as i64 - EPOCH_MICROS).to_be_bytes());
}

/// A text. Postgres holds no NUL, which capture has taken out of all but names that a program makes up in odd ways.
fn put_text(out: &mut Vec<u8>, text: &str) {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        put(out, text.as_bytes());
    } else {
        put(out, text.replace('\0', "\u{2400}").as_bytes());
    }
}

/// A text, or NULL if it is empty.
fn put_optional_text(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        put_null(out);
    } else {
        put_text(out, text);
    }
}

/// An id as hex digits, or NULL if it is all zero.
fn put_hex(out: &mut Vec<u8>, id: &[u8]) {
    if id.iter().all(|byte| *byte == 0) {
        put_null(out);
    } else {
        put_with(out, |out| json::write_hex(out, id));
    }
}

/// JSON, or NULL if `write` answers that there is none.
fn put_json(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
    let at = out.len();
    let mut has_any = false;
    put_with(out, |out| {
        // Version of the binary form of jsonb.
        out.push(1);
        has_any = write(out);
    });
    if !has_any {
        out.truncate(at);
        put_null(out);
    }
}

/// A column holds 63 bits; what is greater, which only a broken source says, is the greatest.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A field whose length is known when it is written.
pub(super) fn put_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}
