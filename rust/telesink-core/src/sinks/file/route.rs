//! Which service a record belongs to: an attribute says so, or the resource does.

use crate::record::value::Value;
use crate::record::{Header, Signal};
use crate::sinks::{Batch, Entry};
use std::borrow::Cow;

/// Longest name of a service that is read, in bytes; the rest of a longer one tells nobody anything.
const SERVICE_BYTES_MAX: usize = 1_024;

/// Attributes that name the service, in the order of their rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys(pub(super) Vec<String>);

impl Default for Keys {
    fn default() -> Self {
        Self(["component", "server", "server.name"].map(str::to_owned).to_vec())
    }
}

impl Keys {
    /// The service that an attribute of the record names; none if none does. Of one key that stands there twice the first
    /// counts, as everywhere.
    pub(super) fn service_of<'e>(&self, entry: &'e Entry) -> Option<Cow<'e, str>> {
        match entry.record.signal() {
            Signal::Log => self.find(entry.log().attributes()),
            Signal::Span => self.find(entry.span().attributes()),
            // A metric has many points, and each has attributes of its own.
            Signal::Metric => None,
        }
    }

    fn find<'e>(&self, attributes: impl Iterator<Item = (&'e str, Value<'e>)>) -> Option<Cow<'e, str>> {
        let mut best: Option<(usize, Cow<'e, str>)> = None;
        for (key, value) in attributes {
            let rank = self.0.iter().position(|known| known == key);
            if let Some(rank) = rank
                && best.as_ref().is_none_or(|(known, _)| rank < *known)
                && let Some(service) = text_of(value)
            {
                best = Some((rank, service));
            }
        }
        best.map(|(_, service)| service)
    }
}

/// Texts, numbers and truth values name a service; an empty text, a list or a map does not.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) if !text.is_empty() => {
            Some(Cow::Borrowed(&text[..text.floor_char_boundary(SERVICE_BYTES_MAX)]))
        }
        Value::Int(number) => Some(number.to_string().into()),
        Value::Double(number) => Some(number.to_string().into()),
        Value::Bool(is_true) => Some(is_true.to_string().into()),
        Value::Str(_) | Value::Null | Value::Bytes(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// The service of the program that made the record.
pub(super) fn service_of_resource(batch: &Batch<'_>, header: &Header) -> String {
    let resources = batch.tables.resources();
    resources
        .get(header.resource as usize)
        .or(resources.first())
        .map_or_else(String::new, |resource| resource.service_name.clone())
}
