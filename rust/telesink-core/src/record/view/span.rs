//! Reads a span without allocating.

use crate::record::value::{Value, pair, text};
use crate::record::wire::{Fields, Wire};
use crate::record::{Header, Record};

/// A span as sinks read it.
#[derive(Debug, Clone, Copy)]
pub struct SpanView<'a> {
    /// Header fields; its time is the start of the span.
    pub header: Header,
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
    /// OTLP flags.
    pub flags: u32,
    /// 0 unset, 1 ok, 2 error.
    pub status_code: u8,
    /// Why it ended so; empty if nobody said.
    pub status_message: &'a str,
    /// How many attributes had no room.
    pub dropped_attributes: u32,
    /// How many events had no room.
    pub dropped_events: u32,
    /// How many links had no room.
    pub dropped_links: u32,
    message: &'a [u8],
    appended: &'a [u8],
}

/// Something that happened within a span.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    /// Nanoseconds since the Unix epoch.
    pub time_unix_nano: u64,
    /// What happened.
    pub name: &'a str,
    /// How many attributes had no room.
    pub dropped_attributes: u32,
    message: &'a [u8],
}

/// A span that a span refers to.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a> {
    /// W3C trace id.
    pub trace_id: [u8; 16],
    /// W3C span id.
    pub span_id: [u8; 8],
    /// W3C trace state, empty if there is none.
    pub trace_state: &'a str,
    /// OTLP flags.
    pub flags: u32,
    /// How many attributes had no room.
    pub dropped_attributes: u32,
    message: &'a [u8],
}

impl<'a> SpanView<'a> {
    /// Reads `record`; `appended` holds fields that were added on the lane's thread, or is empty.
    pub fn new(record: &'a Record, appended: &'a [u8]) -> Self {
        let mut view = Self {
            header: record.header(),
            name: "",
            kind: 0,
            parent_span_id: [0; 8],
            trace_state: "",
            end_unix_nano: 0,
            flags: 0,
            status_code: 0,
            status_message: "",
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            message: record.body(),
            appended,
        };
        for (number, wire) in Fields::new(view.message) {
            match (number, wire) {
                (3, Wire::Bytes(bytes)) => view.trace_state = text(bytes),
                (4, Wire::Bytes(bytes)) => view.parent_span_id = id(bytes),
                (5, Wire::Bytes(bytes)) => view.name = text(bytes),
                (6, Wire::Varint(kind)) => view.kind = kind as u8,
                (8, Wire::Fixed64(time)) => view.end_unix_nano = time,
                (10, Wire::Varint(count)) => view.dropped_attributes = count as u32,
                (12, Wire::Varint(count)) => view.dropped_events = count as u32,
                (14, Wire::Varint(count)) => view.dropped_links = count as u32,
                (15, Wire::Bytes(status)) => view.read_status(status),
                (16, Wire::Fixed32(flags)) => view.flags = flags,
                _ => {}
            }
        }
        view
    }

    fn read_status(&mut self, message: &'a [u8]) {
        for (number, wire) in Fields::new(message) {
            match (number, wire) {
                (2, Wire::Bytes(bytes)) => self.status_message = text(bytes),
                (3, Wire::Varint(code)) => self.status_code = code as u8,
                _ => {}
            }
        }
    }

    /// How long it took; 0 if its clock went back.
    pub fn duration_nano(&self) -> u64 {
        self.end_unix_nano.saturating_sub(self.header.time_unix_nano)
    }

    /// The attributes in the order they were written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        attributes(self.message, 9).chain(attributes(self.appended, 9))
    }

    /// The events in the order they were written.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        messages(self.message, 11).map(EventView::new)
    }

    /// The links in the order they were written.
    pub fn links(&self) -> impl Iterator<Item = LinkView<'a>> + use<'a> {
        messages(self.message, 13).map(LinkView::new)
    }
}

impl<'a> EventView<'a> {
    fn new(message: &'a [u8]) -> Self {
        let mut view = Self { time_unix_nano: 0, name: "", dropped_attributes: 0, message };
        for (number, wire) in Fields::new(message) {
            match (number, wire) {
                (1, Wire::Fixed64(time)) => view.time_unix_nano = time,
                (2, Wire::Bytes(bytes)) => view.name = text(bytes),
                (4, Wire::Varint(count)) => view.dropped_attributes = count as u32,
                _ => {}
            }
        }
        view
    }

    /// The attributes in the order they were written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        attributes(self.message, 3)
    }
}

impl<'a> LinkView<'a> {
    fn new(message: &'a [u8]) -> Self {
        let mut view = Self {
            trace_id: [0; 16],
            span_id: [0; 8],
            trace_state: "",
            flags: 0,
            dropped_attributes: 0,
            message,
        };
        for (number, wire) in Fields::new(message) {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => view.trace_id = id(bytes),
                (2, Wire::Bytes(bytes)) => view.span_id = id(bytes),
                (3, Wire::Bytes(bytes)) => view.trace_state = text(bytes),
                (5, Wire::Varint(count)) => view.dropped_attributes = count as u32,
                (6, Wire::Fixed32(flags)) => view.flags = flags,
                _ => {}
            }
        }
        view
    }

    /// The attributes in the order they were written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        attributes(self.message, 4)
    }
}

/// The messages in field `number`.
pub(in crate::record) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    Fields::new(message).filter_map(move |field| match field {
        (found, Wire::Bytes(inner)) if found == number => Some(inner),
        _ => None,
    })
}

/// The attributes in field `number`.
pub(in crate::record) fn attributes(message: &[u8], number: u32) -> impl Iterator<Item = (&str, Value<'_>)> {
    messages(message, number).map(pair)
}

/// An id; all zero if its length is wrong.
pub(in crate::record) fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
