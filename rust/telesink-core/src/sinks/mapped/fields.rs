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

    /// Whether the column of an attribute has a value for this record.
    pub(super) fn has(&self, name: &str, map: &TableMap) -> bool {
        let attribute = Source::Attribute(name.to_owned());
        let column = map.columns.iter().find(|column| column.sources.contains(&attribute));
        column.is_some_and(|column| {
            column.default.is_some() || column.sources.iter().any(|source| self.cell(source, map).is_some())
        })
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
            Source::Attributes => self.object(None, table),
            Source::AttributesWith(names) => {
                let found = names.iter().find_map(|name| self.attribute(name));
                match found {
                    None => self.object(None, table),
                    Some(Value::Map(inner)) => self.object(Some(inner), table),
                    // No object, but what the program said all the same.
                    Some(other) => Some(Cell::Value(other)),
                }
            }
        }
    }

    /// The members of an object, and the attributes that have no column of their own.
    fn object(&self, inner: Option<&'a [u8]>, table: &TableMap) -> Option<Cell<'a>> {
        let own = inner.into_iter().flat_map(map);
        let rest = self.attributes.iter().copied().filter(|(name, _)| !table.has_column_for(name));
        let mut pairs = own.chain(rest).peekable();
        if inner.is_none() && pairs.peek().is_none() {
            return None;
        }
        let mut out = Vec::new();
        json::write_object(&mut out, pairs);
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
