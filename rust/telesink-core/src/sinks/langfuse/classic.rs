//! Batches in the classic form: one JSON envelope for each event, cut at the size that the server takes.

use super::event::Event;
use super::span::Defaults;
use crate::record::event::{Role, hex};
use crate::record::iso;
use crate::record::json;
use crate::record::value::{Value, map};

/// Largest batch, in bytes as encoded: what the server's documentation allows; its parser takes 4.5 MB.
pub(super) const BATCH_BYTES_MAX: usize = 3_500_000;

/// A batch in the classic form, and which entry each of its items stands for.
#[derive(Debug)]
pub(super) struct ClassicBatch {
    bytes: Vec<u8>,
    /// The id of each envelope, and the index of its entry.
    pub(super) items: Vec<(String, usize)>,
}

impl ClassicBatch {
    pub(super) fn new() -> Self {
        Self { bytes: b"{\"batch\":[".to_vec(), items: Vec::new() }
    }

    /// Adds an entry; false if it has no room any more. The first one is taken whatever its size: the server is to
    /// say that it is too large.
    pub(super) fn add(&mut self, index: usize, event: &Event<'_>, defaults: &Defaults) -> bool {
        let (bytes_before, items_before) = (self.bytes.len(), self.items.len());
        if event.is_news && event.kind.role != Role::Trace {
            self.trace_item(index, event, defaults);
        }
        self.item(index, event, defaults);
        let is_first = items_before == 0;
        if !is_first && self.bytes.len() + 2 > BATCH_BYTES_MAX {
            self.bytes.truncate(bytes_before);
            self.items.truncate(items_before);
            return false;
        }
        true
    }

    /// The request's body.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<(String, usize)>) {
        self.bytes.extend_from_slice(b"]}");
        (self.bytes, self.items)
    }

    fn item(&mut self, index: usize, event: &Event<'_>, defaults: &Defaults) {
        let id = event.envelope_id().into_owned();
        let timestamp = event.timestamp.map_or_else(|| iso::text(event.header.time_unix_nano), str::to_owned);
        self.open(&id, event.kind.name, &timestamp);
        if let Some(metadata) = event.metadata {
            self.bytes.extend_from_slice(b",\"metadata\":");
            json::write_value(&mut self.bytes, metadata);
        }
        self.bytes.extend_from_slice(b",\"body\":");
        put_body(&mut self.bytes, event.body, &extra(event.kind.role, event.body, defaults));
        self.bytes.push(b'}');
        self.items.push((id, index));
    }

    /// The trace that an observation carries, as an event of its own.
    fn trace_item(&mut self, index: usize, event: &Event<'_>, defaults: &Defaults) {
        let Some(trace) = event.trace else { return };
        // The record's id, because the observation has the envelope's, and the server takes each id once.
        let id = format!("trace-{}", hex(event.header.id));
        let timestamp = iso::text(event.header.time_unix_nano);
        self.open(&id, "trace-create", &timestamp);
        self.bytes.extend_from_slice(b",\"body\":");
        put_body(&mut self.bytes, trace, &extra(Role::Trace, trace, defaults));
        self.bytes.push(b'}');
        self.items.push((id, index));
    }

    fn open(&mut self, id: &str, kind: &str, timestamp: &str) {
        if !self.items.is_empty() {
            self.bytes.push(b',');
        }
        for (start, text) in [("{\"id\":", id), (",\"type\":", kind), (",\"timestamp\":", timestamp)] {
            self.bytes.extend_from_slice(start.as_bytes());
            json::write_str(&mut self.bytes, text);
        }
    }
}

/// What the body of an event gets beside its own fields.
fn extra<'a>(role: Role, body: &[u8], defaults: &'a Defaults) -> Vec<(&'static str, Value<'a>)> {
    let mut extra = Vec::new();
    let mut add = |name: &'static str, value: &'a Option<String>| {
        if let Some(value) = value
            && super::event::field(body, name).is_none()
        {
            extra.push((name, Value::Str(value.as_str())));
        }
    };
    if role != Role::SdkLog {
        add("environment", &defaults.environment);
    }
    if role == Role::Trace {
        add("release", &defaults.release);
    }
    extra
}

/// A body as JSON. What is null is left out: absent values are never sent as null.
pub(super) fn put_body(out: &mut Vec<u8>, body: &[u8], extra: &[(&'static str, Value<'_>)]) {
    let own = map(body).filter(|(_, value)| *value != Value::Null);
    json::write_object(out, own.chain(extra.iter().copied()));
}
