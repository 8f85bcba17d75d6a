//! Builds one log record: OTLP `LogRecord` fields into a reusable buffer, then one allocation.

use super::value::{Scalar, put_pair, put_scalar};
use super::wire::{put_bytes, put_fixed64};
use super::{HEADER_BYTES, Header, Record, flag};
use std::borrow::Cow;

/// Tag of `LogRecord.attributes`.
pub const ATTRIBUTE_TAG: u8 = 0x32;

/// Longest attribute key, in bytes; longer ones are cut. Backends index keys, and none takes longer ones well.
pub const KEY_BYTES_MAX: usize = 256;

/// A reusable encoder for one record at a time; keep one per thread.
#[derive(Debug)]
pub struct LogBuilder {
    bytes: Vec<u8>,
    bytes_max: usize,
    flags: u8,
    truncated_from: u64,
    dropped_attributes: u32,
}

impl LogBuilder {
    /// An encoder with an empty buffer.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), bytes_max: 0, flags: 0, truncated_from: 0, dropped_attributes: 0 }
    }

    /// Starts a record of at most `bytes_max` bytes; whatever was begun before is forgotten.
    pub fn start(&mut self, bytes_max: usize) {
        // One huge record must not pin its buffer to the thread for ever.
        if self.bytes.capacity() > 256 * 1024 {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        self.bytes_max = bytes_max;
        self.flags = 0;
        self.truncated_from = 0;
        self.dropped_attributes = 0;
    }

    /// Notes that something was replaced, cut or failed; see [`flag`].
    #[inline]
    pub fn mark(&mut self, flags: u8) {
        self.flags |= flags;
    }

    /// The marks so far; see [`flag`].
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Notes that a text or bytes of `length` were cut by the caller.
    pub fn note_truncation(&mut self, length: u64) {
        self.flags |= flag::TRUNCATED;
        self.truncated_from = self.truncated_from.max(length);
    }

    /// Bytes that may still be written, keeping an eighth of the record for what comes after.
    #[inline]
    pub fn room(&self) -> usize {
        (self.bytes_max - self.bytes_max / 8).saturating_sub(self.bytes.len())
    }

    /// Cuts `text` at a character boundary so that it fits, and takes out NUL, which neither Postgres nor C
    /// readers of SQLite can hold. Both are marked.
    #[inline]
    pub fn fit<'t>(&mut self, text: &'t str, bytes_max: usize) -> Cow<'t, str> {
        let mut text = text;
        if text.len() > bytes_max {
            self.note_truncation(text.len() as u64);
            text = &text[..text.floor_char_boundary(bytes_max)];
        }
        if memchr::memchr(0, text.as_bytes()).is_some() {
            self.flags |= flag::SANITISED;
            return Cow::Owned(text.replace('\0', "\u{2400}"));
        }
        Cow::Borrowed(text)
    }

    /// Severity number and text.
    #[inline]
    pub fn severity(&mut self, number: u8, text: &str) {
        self.bytes.extend_from_slice(&[0x10, number]);
        if !text.is_empty() {
            let text = self.fit(text, KEY_BYTES_MAX);
            put_bytes(&mut self.bytes, 0x1a, text.as_bytes());
        }
    }

    /// The message.
    #[inline]
    pub fn body(&mut self, text: &str) {
        // Three quarters at most: the rest of the record is often what explains the message.
        let text = self.fit(text, self.bytes_max / 4 * 3);
        put_scalar(&mut self.bytes, 0x2a, Scalar::Str(&text));
    }

    /// The event name (OTLP field 12): what makes a log record an event.
    pub fn event_name(&mut self, name: &str) {
        let name = self.fit(name, KEY_BYTES_MAX);
        put_bytes(&mut self.bytes, 0x62, name.as_bytes());
    }

    /// One attribute with a scalar value. Text is cut to the room that is left.
    #[inline]
    pub fn attribute(&mut self, key: &str, value: Scalar<'_>) {
        let room = self.room();
        if room < key.len() + 32 {
            self.drop_attribute();
            return;
        }
        let key = self.fit(key, KEY_BYTES_MAX);
        if let Scalar::Str(text) = value {
            let text = self.fit(text, room - 32);
            put_pair(&mut self.bytes, ATTRIBUTE_TAG, &key, Scalar::Str(&text));
        } else if let Scalar::Bytes(bytes) = value {
            let cut = bytes.len().min(room - 32);
            if cut < bytes.len() {
                self.note_truncation(bytes.len() as u64);
            }
            put_pair(&mut self.bytes, ATTRIBUTE_TAG, &key, Scalar::Bytes(&bytes[..cut]));
        } else {
            put_pair(&mut self.bytes, ATTRIBUTE_TAG, &key, value);
        }
    }

    /// Attribute fields that were encoded earlier (context fields).
    #[inline]
    pub fn encoded_attribute(&mut self, field: &[u8]) {
        if self.room() < field.len() {
            self.drop_attribute();
        } else {
            self.bytes.extend_from_slice(field);
        }
    }

    /// Counts an attribute that had no room (OTLP `dropped_attributes_count`).
    pub fn drop_attribute(&mut self) {
        self.dropped_attributes += 1;
        self.flags |= flag::TRUNCATED;
    }

    /// The buffer, for values with children; see [`super::value`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Seals the record. `header.flags` and the builder's own marks are joined; `tail` is the encoded exception.
    pub fn finish(&mut self, mut header: Header, tail: &[u8]) -> Record {
        put_fixed64(&mut self.bytes, 0x09, header.time_unix_nano);
        put_fixed64(&mut self.bytes, 0x59, header.observed_unix_nano);
        if header.trace_id != [0; 16] {
            put_bytes(&mut self.bytes, 0x4a, &header.trace_id);
        }
        if header.span_id != [0; 8] {
            put_bytes(&mut self.bytes, 0x52, &header.span_id);
        }
        self.write_marks();
        let body_len = self.bytes.len() - HEADER_BYTES;
        header.flags |= self.flags;
        if !tail.is_empty() {
            header.flags |= flag::EXCEPTION;
            self.bytes.extend_from_slice(tail);
        }
        header.write(body_len as u32, &mut self.bytes[..HEADER_BYTES]);
        Record::from_encoded(&self.bytes)
    }

    fn write_marks(&mut self) {
        if self.flags & flag::SANITISED != 0 {
            put_pair(&mut self.bytes, ATTRIBUTE_TAG, "telesink.sanitised", Scalar::Bool(true));
        }
        if self.truncated_from > 0 {
            let original = Scalar::Int(self.truncated_from as i64);
            put_pair(&mut self.bytes, ATTRIBUTE_TAG, "telesink.truncated_from", original);
        }
        if self.dropped_attributes > 0 {
            self.bytes.push(0x38);
            super::wire::put_varint(&mut self.bytes, u64::from(self.dropped_attributes));
        }
    }
}

impl Default for LogBuilder {
    fn default() -> Self {
        Self::new()
    }
}
