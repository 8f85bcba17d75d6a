//! What a record says, column by column.

use super::map::{Source, TableMap};
use crate::record::id::parse_uuid;
use crate::record::json;
use crate::record::value::{Value, find, map};
use crate::record::view::LogView;
use std::borrow::Cow;

/// A value on its way into a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Text of telesink's own.
    Text(Cow<'a, str>),
    /// What the program said.
    Value(Value<'a>),
    /// Nanoseconds since the Unix epoch.
    Time(u64),
    /// A UUID.
    Uuid([u8; 16]),
    /// JSON text.
    Json(String),
}

/// Room for the attributes of most records.
const ATTRIBUTES_USUAL: usize = 16;

/// A record, and the names that stand beside it.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) view: LogView<'a>,
    /// The logger's name.
    logger: &'a str,
    /// The name of the service.
    service: &'a str,
    /// Read once: a column may ask for several names.
    attributes: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(view: LogView<'a>, logger: &'a str, service: &'a str) -> Self {
        let mut attributes = Vec::with_capacity(ATTRIBUTES_USUAL);
        attributes.extend(view.attributes());
        Self { view, logger, service, attributes }
    }

    /// The value of an attribute, if there is one.
    pub(crate) fn attribute(&self, name: &str) -> Option<Value<'a>> {
        let found = self.attributes.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value).filter(|value| *value != Value::Null)
    }

    /// Whether somebody is said by this name: by an attribute, or by the record's own trace.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some() || name == "trace_id" && self.view.header.trace_id != [0; 16]
    }

    /// The id that the event was given.
    pub(crate) fn given_id(&self) -> Option<[u8; 16]> {
        self.attribute("id").and_then(|id| id.as_str()).and_then(parse_uuid)
    }

    /// What there is for a source.
    pub(super) fn cell(&self, source: &Source, table: &TableMap) -> Option<Cell<'a>> {
        let header = &self.view.header;
        let text = |text: &'a str| (!text.is_empty()).then_some(Cell::Text(Cow::Borrowed(text)));
        match source {
            Source::Time => Some(Cell::Time(header.time_unix_nano)),
            Source::ObservedTime => Some(Cell::Time(header.observed_unix_nano)),
            Source::Id => Some(Cell::Uuid(header.id)),
            Source::EventId => Some(Cell::Uuid(self.given_id().unwrap_or(header.id))),
            Source::Level => text(self.view.level()),
            Source::LevelOfFive => text(level_of_five(header.severity)),
            Source::Severity => Some(Cell::Value(Value::Int(i64::from(header.severity)))),
            Source::Logger => text(self.logger),
            Source::Body => Some(Cell::Text(self.view.message())),
            Source::EventName => text(self.view.event_name),
            Source::TraceId => hex(&header.trace_id),
            Source::SpanId => hex(&header.span_id),
            Source::Service => text(self.service),
            Source::Attribute(name) => self.attribute(name).map(Cell::Value),
            Source::Member(name, member) => match self.attribute(name) {
                Some(Value::Map(inner)) => {
                    find(inner, member).filter(|value| *value != Value::Null).map(Cell::Value)
                }
                _ => None,
            },
            Source::Attributes => self.object(table),
            Source::AttributesWith(names) => self.object_with(names, table),
        }
    }

    /// The object in one of the attributes and all that has no column of its own; the others of these attributes as its
    /// members. A value that is no object stands alone, if there is nothing else to say.
    fn object_with(&self, names: &[String], table: &TableMap) -> Option<Cell<'a>> {
        let is_object = |name: &&String| matches!(self.attribute(name), Some(Value::Map(_)));
        let base = names.iter().find(is_object);
        let inner = base.and_then(|name| match self.attribute(name) {
            Some(Value::Map(inner)) => Some(inner),
            _ => None,
        });
        let is_free = |name: &str| {
            !table.has_column_for(name)
                || names.iter().any(|own| own == name) && Some(name) != base.map(String::as_str)
        };
        let own = inner.into_iter().flat_map(map);
        let rest =
            self.attributes.iter().copied().filter(|(name, value)| is_free(name) && *value != Value::Null);
        let rest: Vec<_> = rest.collect();
        match (inner, rest.as_slice()) {
            (None, []) => None,
            (None, [(name, value)]) if names.iter().any(|own| own == name) => Some(Cell::Value(*value)),
            _ => {
                let mut out = Vec::new();
                json::write_object(&mut out, own.chain(rest));
                Some(Cell::Json(String::from_utf8(out).unwrap_or_default()))
            }
        }
    }

    /// The attributes that have no column of their own.
    fn object(&self, table: &TableMap) -> Option<Cell<'a>> {
        let mut rest =
            self.attributes.iter().copied().filter(|(name, _)| !table.has_column_for(name)).peekable();
        rest.peek()?;
        let mut out = Vec::new();
        json::write_object(&mut out, rest);
        Some(Cell::Json(String::from_utf8(out).unwrap_or_default()))
    }
}

fn hex<'a>(id: &[u8]) -> Option<Cell<'a>> {
    if id.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut out = Vec::with_capacity(2 * id.len());
    json::write_hex(&mut out, id);
    Some(Cell::Text(Cow::Owned(String::from_utf8(out).unwrap_or_default())))
}

/// The level as one of five names, by the bands of OpenTelemetry; a record without one is INFO.
fn level_of_five(severity: u8) -> &'static str {
    match severity {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        0 | 9..=12 => "INFO",
        13..=16 => "WARN",
        _ => "ERROR",
    }
}
