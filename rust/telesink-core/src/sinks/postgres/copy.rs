//! Rows as binary COPY wants them, put together from borrowed bytes.

use crate::record::json;
use crate::record::value::Value;
use crate::sinks::Entry;
use bytes::Bytes;

/// Rows are sent in chunks of this size: small enough that the server works on one while the next is put together.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// Room behind a full chunk for the row that filled it, so that the buffer is seldom made larger.
const ROW_BYTES_USUAL: usize = 4 * 1024;

/// Signature, flags, and length of the header's extension: none of either.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Ends the data.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Columns of `telesink_logs` in the order in which they are written.
pub(super) const COLUMNS: [&str; 15] = [
    "ts",
    "observed_ts",
    "id",
    "severity",
    "level",
    "service",
    "logger",
    "body",
    "event_name",
    "trace_id",
    "span_id",
    "attributes",
    "resource_id",
    "instance",
    "seq",
];

/// The table that rows go through under `dedupe=id`; gone after COMMIT.
pub(super) const STAGING: &str = "pg_temp.telesink_staging";

/// The COPY into a table with the columns of `telesink_logs`.
pub(super) fn copy_sql(table: &str) -> String {
    format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", COLUMNS.join(", "))
}

/// Makes the staging table.
pub(super) fn staging_sql(table: &str) -> String {
    format!("CREATE TEMPORARY TABLE telesink_staging (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP")
}

/// Takes over the rows that are not there yet.
pub(super) fn merge_sql(table: &str) -> String {
    let columns = COLUMNS.join(", ");
    format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {STAGING} ON CONFLICT DO NOTHING")
}

/// Microseconds from the Unix epoch to Postgres' own, 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// What all rows of a batch share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) service: &'a str,
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

    /// One row.
    pub(super) fn row(&mut self, entry: &Entry, logger: &str, common: &Common<'_>) {
        let view = entry.log();
        let header = &view.header;
        let out = &mut self.out;
        out.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
        put_time(out, header.time_unix_nano);
        put_time(out, header.observed_unix_nano);
        put(out, &header.id);
        put(out, &i16::from(header.severity).to_be_bytes());
        put_text(out, view.level());
        put_text(out, common.service);
        put_text(out, logger);
        match view.body {
            Value::Str(text) => put_text(out, text),
            _ => put_text(out, &view.message()),
        }
        if view.event_name.is_empty() {
            put_null(out);
        } else {
            put_text(out, view.event_name);
        }
        if header.trace_id == [0; 16] {
            put_null(out);
        } else {
            put(out, &header.trace_id);
        }
        if header.span_id == [0; 8] {
            put_null(out);
        } else {
            put_with(out, |out| json::write_hex(out, &header.span_id));
        }
        put_with(out, |out| {
            // Version of the binary form of jsonb.
            out.push(1);
            json::write_attributes(out, &view);
        });
        put(out, &common.resource.to_be_bytes());
        put(out, common.instance);
        put(out, &(entry.seq as i64).to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_null(out: &mut Vec<u8>) {
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

/// A field whose length is known when it is written.
fn put_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}
