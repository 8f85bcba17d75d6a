//! Builds one record: OTLP fields into a reusable buffer, then one allocation.
//!
//! What all signals share stands here: bounds, marks, attributes. The fields of each have a module of their own.

mod log;
mod metric;
mod span;

pub use metric::{Exemplar, ExponentialBuckets, MetricKind, Number, Point, Temporality};
pub use span::{LinkHead, SpanHead, SpanStatus};

use super::value::{Scalar, put_pair};
use super::wire::{begin_nested, end_nested, put_varint};
use super::{HEADER_BYTES, Header, Record, flag};
use std::borrow::Cow;

/// Tag of `LogRecord.attributes`.
pub const ATTRIBUTE_TAG: u8 = 0x32;

/// Tag of `LogRecord.dropped_attributes_count`.
const LOG_DROPPED_TAG: u8 = 0x38;

/// Longest attribute key, in bytes; longer ones are cut. Backends index keys, and none takes longer ones well.
pub const KEY_BYTES_MAX: usize = 256;

/// A reusable encoder for one record at a time; keep one per thread.
#[derive(Debug)]
pub struct RecordBuilder {
    bytes: Vec<u8>,
    bytes_max: usize,
    flags: u8,
    truncated_from: u64,
    dropped_attributes: u32,
    /// What attributes are written under, which is a matter of the message that is being written.
    attribute_tag: u8,
    dropped_tag: u8,
    /// Messages inside of the record that are being written, outermost first.
    open: Vec<Open>,
}

/// A key that can be written as it is: not over-long, and without NUL.
#[derive(Debug, Clone, Copy)]
pub struct Key<'k>(&'k str);

impl<'k> Key<'k> {
    /// The key, unless [`RecordBuilder::fit`] would change it.
    #[inline]
    pub fn new(text: &'k str) -> Option<Self> {
        let is_fit = text.len() <= KEY_BYTES_MAX && memchr::memchr(0, text.as_bytes()).is_none();
        is_fit.then_some(Self(text))
    }

    /// The text.
    #[inline]
    pub fn as_str(self) -> &'k str {
        self.0
    }
}

/// A [`Key`] that comes again and again.
#[derive(Debug)]
pub struct KeptKey(Box<str>);

impl KeptKey {
    /// The key, as it was found.
    #[inline]
    pub fn as_key(&self) -> Key<'_> {
        Key(&self.0)
    }
}

impl From<Key<'_>> for KeptKey {
    fn from(key: Key<'_>) -> Self {
        Self(key.0.into())
    }
}

/// A message inside of the record, with what holds again when it is closed.
#[derive(Debug)]
struct Open {
    start: usize,
    attribute_tag: u8,
    dropped_tag: u8,
    dropped_attributes: u32,
}

impl RecordBuilder {
    /// An encoder with an empty buffer.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max: 0,
            flags: 0,
            truncated_from: 0,
            dropped_attributes: 0,
            attribute_tag: ATTRIBUTE_TAG,
            dropped_tag: LOG_DROPPED_TAG,
            open: Vec::new(),
        }
    }

    /// Starts a log record of at most `bytes_max` bytes; whatever was begun before is forgotten.
    pub fn start(&mut self, bytes_max: usize) {
        self.begin(bytes_max, ATTRIBUTE_TAG, LOG_DROPPED_TAG);
    }

    fn begin(&mut self, bytes_max: usize, attribute_tag: u8, dropped_tag: u8) {
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
        self.attribute_tag = attribute_tag;
        self.dropped_tag = dropped_tag;
        self.open.clear();
    }

    /// Starts a message that is no record, such as a resource, whose attributes are written under `attribute_tag`;
    /// whatever was begun before is forgotten.
    pub fn start_part(&mut self, bytes_max: usize, attribute_tag: u8) {
        self.begin(bytes_max, attribute_tag, 0);
    }

    /// What was written since [`RecordBuilder::start_part`].
    pub fn part(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// The tag that attributes are written under at the moment.
    #[inline]
    pub fn attribute_tag(&self) -> u8 {
        self.attribute_tag
    }

    /// Opens a message under `tag`, whose attributes and their count of dropped ones have tags of their own.
    fn open_message(&mut self, tag: u8, attribute_tag: u8, dropped_tag: u8) {
        let start = begin_nested(&mut self.bytes, tag);
        let outer = Open {
            start,
            attribute_tag: std::mem::replace(&mut self.attribute_tag, attribute_tag),
            dropped_tag: std::mem::replace(&mut self.dropped_tag, dropped_tag),
            dropped_attributes: std::mem::take(&mut self.dropped_attributes),
        };
        self.open.push(outer);
    }

    /// Closes the message that was opened last.
    fn close_message(&mut self) {
        let Some(outer) = self.open.pop() else { return };
        self.write_dropped();
        end_nested(&mut self.bytes, outer.start);
        self.attribute_tag = outer.attribute_tag;
        self.dropped_tag = outer.dropped_tag;
        self.dropped_attributes = outer.dropped_attributes;
    }

    /// Notes attributes that somebody else had dropped before.
    pub fn note_dropped_attributes(&mut self, count: u32) {
        self.dropped_attributes = self.dropped_attributes.saturating_add(count);
    }

    fn write_dropped(&mut self) {
        // Messages without such a count have no tag for it.
        if self.dropped_attributes > 0 && self.dropped_tag != 0 {
            self.bytes.push(self.dropped_tag);
            put_varint(&mut self.bytes, u64::from(self.dropped_attributes));
        }
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

    /// One attribute with a scalar value. Text is cut to the room that is left.
    #[inline]
    pub fn attribute(&mut self, key: &str, value: Scalar<'_>) {
        let Some(room) = self.room_beside(key) else { return };
        let key = self.fit(key, KEY_BYTES_MAX);
        self.put_attribute(&key, value, room);
    }

    /// [`RecordBuilder::attribute`] under a key that was looked at before.
    #[inline]
    pub fn attribute_of(&mut self, key: Key<'_>, value: Scalar<'_>) {
        let Some(room) = self.room_beside(key.0) else { return };
        self.put_attribute(key.0, value, room);
    }

    /// The room for an attribute under `key`; counts it as dropped if there is none.
    #[inline]
    fn room_beside(&mut self, key: &str) -> Option<usize> {
        let room = self.room();
        if room < key.len() + 32 {
            self.drop_attribute();
            return None;
        }
        Some(room)
    }

    #[inline]
    fn put_attribute(&mut self, key: &str, value: Scalar<'_>, room: usize) {
        if let Scalar::Str(text) = value {
            let text = self.fit(text, room - 32);
            put_pair(&mut self.bytes, self.attribute_tag, key, Scalar::Str(&text));
        } else if let Scalar::Bytes(bytes) = value {
            let cut = bytes.len().min(room - 32);
            if cut < bytes.len() {
                self.note_truncation(bytes.len() as u64);
            }
            put_pair(&mut self.bytes, self.attribute_tag, key, Scalar::Bytes(&bytes[..cut]));
        } else {
            put_pair(&mut self.bytes, self.attribute_tag, key, value);
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
        self.drop_attributes(1);
    }

    /// Counts several of them, or none.
    pub fn drop_attributes(&mut self, count: usize) {
        if count > 0 {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.dropped_attributes = self.dropped_attributes.saturating_add(count);
            self.flags |= flag::TRUNCATED;
        }
    }

    /// The buffer, for values with children; see [`super::value`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Seals the record: what all signals have in common, with `tail` behind the body.
    fn seal(&mut self, mut header: Header, tail: &[u8]) -> Record {
        while !self.open.is_empty() {
            self.close_message();
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
        // A metric has no attributes of its own; its header tells.
        if self.attribute_tag != 0 {
            if self.flags & flag::SANITISED != 0 {
                put_pair(&mut self.bytes, self.attribute_tag, "telesink.sanitised", Scalar::Bool(true));
            }
            if self.truncated_from > 0 {
                let original = Scalar::Int(self.truncated_from as i64);
                put_pair(&mut self.bytes, self.attribute_tag, "telesink.truncated_from", original);
            }
        }
        self.write_dropped();
    }
}

impl Default for RecordBuilder {
    fn default() -> Self {
        Self::new()
    }
}
