//! An entry read as an event.

use super::names::{CARRIED, CARRIED_NEWS};
use crate::record::event::{ENVELOPE_ID, ENVELOPE_METADATA, ENVELOPE_TIMESTAMP, EventType, event_type};
use crate::record::id::format_uuid;
use crate::record::value::{Value, find};
use crate::record::view::LogView;
use crate::record::{Header, Record, Signal};
use crate::sinks::Entry;
use std::borrow::Cow;

/// An event, borrowed from its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) header: Header,
    pub(super) kind: &'static EventType,
    /// The pairs of its body.
    pub(super) body: &'a [u8],
    /// The envelope's id, if it had one.
    id: Option<&'a str>,
    /// The envelope's timestamp as it was given, if it was.
    pub(super) timestamp: Option<&'a str>,
    pub(super) metadata: Option<Value<'a>>,
    /// The body of the trace that it carries.
    pub(super) trace: Option<&'a [u8]>,
    /// Whether it stands for its trace's own event, too.
    pub(super) is_news: bool,
}

impl<'a> Event<'a> {
    /// Reads an entry; `None` if it is no event.
    pub(super) fn of_entry(entry: &'a Entry) -> Option<Self> {
        Self::read(&entry.record, entry.appended.as_deref().unwrap_or(&[]))
    }

    /// Reads a record, with the attribute fields that were added to it.
    pub(super) fn read(record: &'a Record, appended: &'a [u8]) -> Option<Self> {
        let view = LogView::new(record, appended);
        let Subject { kind, body } = Subject::of(&view)?;
        let mut event = Self {
            header: view.header,
            kind,
            body,
            id: None,
            timestamp: None,
            metadata: None,
            trace: None,
            is_news: false,
        };
        for (name, value) in view.attributes() {
            match (name, value) {
                (ENVELOPE_ID, Value::Str(id)) => event.id = Some(id),
                (ENVELOPE_TIMESTAMP, Value::Str(text)) => event.timestamp = Some(text),
                (ENVELOPE_METADATA, value) => event.metadata = Some(value),
                (CARRIED, Value::Map(trace)) => event.trace = Some(trace),
                (CARRIED_NEWS, Value::Bool(is_news)) => event.is_news = is_news,
                _ => {}
            }
        }
        Some(event)
    }

    /// A field of the body; `None` also for null.
    pub(super) fn field(&self, name: &str) -> Option<Value<'a>> {
        field(self.body, name)
    }

    /// A field of the body that is text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.field(name).and_then(|value| value.as_str())
    }

    /// The envelope's id; the record's own if it had none.
    pub(super) fn envelope_id(&self) -> Cow<'a, str> {
        self.id.map_or_else(
            || {
                let mut text = [0; 36];
                format_uuid(&self.header.id, &mut text);
                Cow::Owned(String::from_utf8_lossy(&text).into_owned())
            },
            Cow::Borrowed,
        )
    }
}

/// What an event is about, without its envelope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) kind: &'static EventType,
    /// The pairs of its body.
    pub(super) body: &'a [u8],
}

impl<'a> Subject<'a> {
    /// `None` if the record is no event: another may be called like one, so that the body decides.
    pub(super) fn of(view: &LogView<'a>) -> Option<Self> {
        match view.body {
            Value::Map(body) if view.header.signal == Signal::Log => {
                event_type(view.event_name).map(|kind| Self { kind, body })
            }
            _ => None,
        }
    }
}

/// A field among the pairs of a map; `None` also for null.
pub(super) fn field<'a>(pairs: &'a [u8], name: &str) -> Option<Value<'a>> {
    find(pairs, name).filter(|value| *value != Value::Null)
}
