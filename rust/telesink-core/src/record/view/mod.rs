//! Reads records without allocating: a log record here, spans and metrics beside it.

mod metric;
mod span;

pub use metric::{ExponentialView, HalfView, MetricData, MetricView, PointData, PointView};
pub use span::{EventView, LinkView, SpanView};
pub(super) use span::{attributes, messages};

/// The attributes of an encoded resource.
pub(crate) fn resource_attributes(encoded: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    attributes(encoded, 1)
}

use super::value::{Value, pair, text};
use super::wire::{Fields, Wire};
use super::{Header, Record};

/// The OTLP number of `LogRecord.attributes`.
pub(in crate::record) const ATTRIBUTES: u32 = 6;

/// A log record as sinks read it.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a> {
    /// Header fields.
    pub header: Header,
    /// Level name as stored, for example `WARN`; empty if the record has none.
    pub severity_text: &'a str,
    /// The message. Text for all that telesink's own capture makes.
    pub body: Value<'a>,
    /// Event name, empty if the record is no event.
    pub event_name: &'a str,
    /// How many attributes had no room.
    pub dropped_attributes: u32,
    message: &'a [u8],
    appended: &'a [u8],
}

impl<'a> LogView<'a> {
    /// Reads `record`; `appended` holds attribute fields that were added on the lane's thread (the rendered
    /// stack trace), or is empty.
    pub fn new(record: &'a Record, appended: &'a [u8]) -> Self {
        let mut view = Self {
            header: record.header(),
            severity_text: "",
            body: Value::Null,
            event_name: "",
            dropped_attributes: 0,
            message: record.body(),
            appended,
        };
        for (number, wire) in Fields::new(view.message) {
            match (number, wire) {
                (3, Wire::Bytes(bytes)) => view.severity_text = text(bytes),
                (5, Wire::Bytes(message)) => view.body = Value::read(message),
                (7, Wire::Varint(count)) => view.dropped_attributes = count as u32,
                (12, Wire::Bytes(bytes)) => view.event_name = text(bytes),
                _ => {}
            }
        }
        view
    }

    /// The attributes in the order they were written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        Fields::new(self.message).chain(Fields::new(self.appended)).filter_map(|field| match field {
            (ATTRIBUTES, Wire::Bytes(message)) => Some(pair(message)),
            _ => None,
        })
    }

    /// The messages that attributes stand in, in order.
    pub(in crate::record) fn parts(&self) -> [&'a [u8]; 2] {
        [self.message, self.appended]
    }

    /// The attribute called `name`; the first one if the name stands there twice.
    pub fn attribute(&self, name: &str) -> Option<Value<'a>> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The level name, or the usual name of its severity if the record has none.
    pub fn level(&self) -> &'a str {
        if self.severity_text.is_empty() {
            super::level::name_of(super::level::levelno_of(self.header.severity))
        } else {
            self.severity_text
        }
    }

    /// The message as text; structured bodies as JSON.
    pub fn message(&self) -> std::borrow::Cow<'a, str> {
        match self.body {
            Value::Str(text) => text.into(),
            other => {
                let mut out = Vec::new();
                super::json::write_value(&mut out, other);
                String::from_utf8(out).unwrap_or_default().into()
            }
        }
    }
}
