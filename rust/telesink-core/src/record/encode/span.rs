//! The fields of an OTLP `Span`, its events and links.

use super::RecordBuilder;
use crate::record::wire::{put_bytes, put_fixed64, put_varint};
use crate::record::{Header, Record};

/// Tags of `Span.attributes` and `Span.dropped_attributes_count`.
const ATTRIBUTES: (u8, u8) = (0x4a, 0x50);

/// Tags of `Span.events`, `Event.attributes` and `Event.dropped_attributes_count`.
const EVENT: (u8, u8, u8) = (0x5a, 0x1a, 0x20);

/// Tags of `Span.links`, `Link.attributes` and `Link.dropped_attributes_count`.
const LINK: (u8, u8, u8) = (0x6a, 0x22, 0x28);

/// Longest name of a span or of one of its events, in bytes; longer ones are cut.
const NAME_BYTES_MAX: usize = 1_024;

/// Longest W3C trace state, in bytes: the specification lets everybody drop what is longer than 512.
const TRACE_STATE_BYTES_MAX: usize = 1_024;

/// Longest description of a status, in bytes.
const STATUS_BYTES_MAX: usize = 16 * 1_024;

/// Room that an event or a link needs beside its attributes.
const CHILD_BYTES: usize = 96;

/// What a span is, beside its attributes.
#[derive(Debug, Clone, Copy)]
pub struct SpanHead<'a> {
    /// What it did.
    pub name: &'a str,
    /// OTLP kind, 0 to 5.
    pub kind: u8,
    /// The span that it is a part of; all zero if there is none.
    pub parent_span_id: [u8; 8],
    /// W3C trace state, empty if there is none.
    pub trace_state: &'a str,
    /// Nanoseconds since the Unix epoch.
    pub end_unix_nano: u64,
    /// OTLP flags: W3C trace flags, and whether the parent is remote.
    pub flags: u32,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanStatus<'a> {
    /// 0 unset, 1 ok, 2 error.
    pub code: u8,
    /// Why, if somebody said so.
    pub message: &'a str,
}

/// A span that a span refers to.
#[derive(Debug, Clone, Copy)]
pub struct LinkHead<'a> {
    /// W3C trace id.
    pub trace_id: [u8; 16],
    /// W3C span id.
    pub span_id: [u8; 8],
    /// W3C trace state, empty if there is none.
    pub trace_state: &'a str,
    /// OTLP flags, as those of a span.
    pub flags: u32,
}

impl RecordBuilder {
    /// Starts a span of at most `bytes_max` bytes; whatever was begun before is forgotten.
    pub fn start_span(&mut self, bytes_max: usize) {
        self.begin(bytes_max, ATTRIBUTES.0, ATTRIBUTES.1);
    }

    /// Name, kind, parent, state, end and flags; times and ids come from the header when the span is sealed.
    pub fn span_head(&mut self, head: &SpanHead<'_>) {
        self.put_trace_state(0x1a, head.trace_state);
        if head.parent_span_id != [0; 8] {
            put_bytes(&mut self.bytes, 0x22, &head.parent_span_id);
        }
        let name = self.fit(head.name, NAME_BYTES_MAX);
        put_bytes(&mut self.bytes, 0x2a, name.as_bytes());
        self.bytes.extend_from_slice(&[0x30, head.kind]);
        put_fixed64(&mut self.bytes, 0x41, head.end_unix_nano);
        // Field 16: the only one whose tag has two bytes.
        self.bytes.extend_from_slice(&[0x85, 0x01]);
        self.bytes.extend_from_slice(&head.flags.to_le_bytes());
    }

    /// How it ended. A status that nobody set is an empty message, as OpenTelemetry's own exporters write it.
    pub fn span_status(&mut self, status: SpanStatus<'_>) {
        if status.code == 0 && status.message.is_empty() {
            self.bytes.extend_from_slice(&[0x7a, 0x00]);
            return;
        }
        self.open_message(0x7a, 0, 0);
        if !status.message.is_empty() {
            let message = self.fit(status.message, STATUS_BYTES_MAX.min(self.room()));
            put_bytes(&mut self.bytes, 0x12, message.as_bytes());
        }
        self.bytes.extend_from_slice(&[0x18, status.code]);
        self.close_message();
    }

    /// Opens an event: attributes belong to it until [`RecordBuilder::close_child`]. Answers false, with nothing open, if
    /// there is no room for it; the caller counts it as dropped.
    #[must_use]
    pub fn open_event(&mut self, time_unix_nano: u64, name: &str) -> bool {
        if self.room() < CHILD_BYTES + name.len().min(NAME_BYTES_MAX) {
            return false;
        }
        self.open_message(EVENT.0, EVENT.1, EVENT.2);
        put_fixed64(&mut self.bytes, 0x09, time_unix_nano);
        let name = self.fit(name, NAME_BYTES_MAX);
        put_bytes(&mut self.bytes, 0x12, name.as_bytes());
        true
    }

    /// Opens a link, in the way of [`RecordBuilder::open_event`].
    #[must_use]
    pub fn open_link(&mut self, link: &LinkHead<'_>) -> bool {
        if self.room() < CHILD_BYTES + link.trace_state.len().min(TRACE_STATE_BYTES_MAX) {
            return false;
        }
        self.open_message(LINK.0, LINK.1, LINK.2);
        put_bytes(&mut self.bytes, 0x0a, &link.trace_id);
        put_bytes(&mut self.bytes, 0x12, &link.span_id);
        self.put_trace_state(0x1a, link.trace_state);
        self.bytes.push(0x35);
        self.bytes.extend_from_slice(&link.flags.to_le_bytes());
        true
    }

    /// Closes the event or link that was opened last.
    pub fn close_child(&mut self) {
        self.close_message();
    }

    /// Events and links that had no room, here or where the span comes from.
    pub fn dropped_children(&mut self, events: u32, links: u32) {
        for (tag, count) in [(0x60, events), (0x70, links)] {
            if count > 0 {
                self.bytes.push(tag);
                put_varint(&mut self.bytes, u64::from(count));
            }
        }
    }

    /// Seals the span; `header.time_unix_nano` is its start.
    pub fn finish_span(&mut self, header: Header) -> Record {
        while !self.open.is_empty() {
            self.close_message();
        }
        put_bytes(&mut self.bytes, 0x0a, &header.trace_id);
        put_bytes(&mut self.bytes, 0x12, &header.span_id);
        put_fixed64(&mut self.bytes, 0x39, header.time_unix_nano);
        self.seal(header, &[])
    }

    fn put_trace_state(&mut self, tag: u8, text: &str) {
        if !text.is_empty() {
            let text = self.fit(text, TRACE_STATE_BYTES_MAX);
            put_bytes(&mut self.bytes, tag, text.as_bytes());
        }
    }
}
