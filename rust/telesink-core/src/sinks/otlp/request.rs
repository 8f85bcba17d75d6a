//! One request: resources, in them scopes, in them the records as they are.

use super::json;
use crate::record::Signal;
use crate::record::tables::{Resource, Scope};
use crate::record::wire::{put_bytes, put_varint, varint_len};
use crate::sinks::{Batch, Entry};
use std::collections::HashMap;
use std::sync::Arc;

/// Largest request that may be sent, before compression: what the specification of OTLP recommends to receivers, and
/// forbids senders to go beyond.
pub(super) const BYTES_LIMIT: usize = 64 << 20;

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sinks) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// What was put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sinks) struct Built {
    /// So many entries from the front of the batch; none if the first one alone is beyond [`BYTES_LIMIT`].
    pub(in crate::sinks) count: usize,
}

/// Writes as many entries as `bytes_max` holds into `out`, which is emptied first; at least one, unless it is beyond
/// [`BYTES_LIMIT`] alone.
pub(in crate::sinks) fn build(
    signal: Signal,
    encoding: Encoding,
    batch: &Batch<'_>,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Built {
    out.clear();
    let (resources, scopes) = (batch.tables.resources(), batch.tables.scopes());
    let mut plan = Plan { groups: Groups::default(), resources: &resources, scopes: &scopes, bytes: 0 };
    let mut converted = Vec::new();
    let mut count = 0;
    for entry in batch.entries {
        let room = if count == 0 { BYTES_LIMIT } else { bytes_max };
        let length = match encoding {
            Encoding::Protobuf => entry.message().iter().map(|part| part.len()).sum(),
            Encoding::Json => {
                let mut text = Vec::new();
                json::write_record(&mut text, signal, entry.message());
                let length = text.len();
                converted.push(text);
                length
            }
        };
        if !plan.add(entry, count, length, encoding, room) {
            break;
        }
        count += 1;
    }
    match encoding {
        Encoding::Protobuf => plan.write_protobuf(batch.entries, out),
        Encoding::Json => plan.write_json(signal, &converted, out),
    }
    debug_assert!(count == 0 || out.len() <= plan.bytes, "{} of {}", out.len(), plan.bytes);
    Built { count }
}

/// Most bytes around one record, scope or resource: a tag and a length of five bytes, or the names of JSON.
const FRAME_BYTES: usize = 6;
const FRAME_BYTES_JSON: usize = 96;

/// The groups of a request, and an upper bound of its length.
struct Plan<'a> {
    groups: Groups,
    resources: &'a [Arc<Resource>],
    scopes: &'a [Arc<Scope>],
    bytes: usize,
}

impl Plan<'_> {
    /// Takes an entry into its group, if the request stays within `room` with it.
    fn add(&mut self, entry: &Entry, index: usize, length: usize, encoding: Encoding, room: usize) -> bool {
        let header = entry.record.header();
        let place = (header.resource, header.scope);
        let (frame, factor) = match encoding {
            Encoding::Protobuf => (FRAME_BYTES, 1),
            // Escapes: a control character of one byte becomes six; the attributes of resources are few.
            Encoding::Json => (FRAME_BYTES_JSON, 8),
        };
        let mut more = length + frame;
        if self.groups.is_new_scope(place) {
            let scope = self.scopes.get(header.scope as usize);
            more +=
                2 * frame + factor * scope.map_or(0, |scope| scope.encoded.len() + scope.schema_url.len());
        }
        if self.groups.is_new_resource(header.resource) {
            let resource = self.resources.get(header.resource as usize);
            let length = resource.map_or(0, |found| found.encoded.len() + found.schema_url.len());
            more += 3 * frame + factor * length;
        }
        if self.bytes + more > room {
            return false;
        }
        self.bytes += more;
        self.groups.add(place, index);
        true
    }

    /// Lengths first, from the inside out, so that every byte is written once.
    fn write_protobuf(&self, entries: &[Entry], out: &mut Vec<u8>) {
        out.reserve(self.bytes);
        for (resource, scopes) in &self.groups.resources {
            let encoded = self.resources.get(*resource as usize);
            let (message, url) =
                encoded.map_or((&[][..], ""), |found| (found.encoded.as_slice(), found.schema_url.as_str()));
            let lengths: Vec<usize> =
                scopes.iter().map(|(scope, members)| self.scope_len(*scope, members, entries)).collect();
            let inner: usize = lengths.iter().map(|length| field_len(*length)).sum();
            let length = field_len(message.len()) + inner + text_len(url);
            open(out, 0x0a, length);
            put_bytes(out, 0x0a, message);
            for ((scope, members), length) in scopes.iter().zip(lengths) {
                open(out, 0x12, length);
                self.write_scope(*scope, members, entries, out);
            }
            put_text(out, 0x1a, url);
        }
    }

    fn scope_len(&self, scope: u32, members: &[usize], entries: &[Entry]) -> usize {
        let (message, url) = self.scope(scope);
        let records = members.iter().filter_map(|index| entries.get(*index));
        let records: usize = records.map(|entry| field_len(record_len(entry))).sum();
        field_len(message.len()) + records + text_len(url)
    }

    fn write_scope(&self, scope: u32, members: &[usize], entries: &[Entry], out: &mut Vec<u8>) {
        let (message, url) = self.scope(scope);
        put_bytes(out, 0x0a, message);
        for entry in members.iter().filter_map(|index| entries.get(*index)) {
            open(out, 0x12, record_len(entry));
            for part in entry.message() {
                out.extend_from_slice(part);
            }
        }
        put_text(out, 0x1a, url);
    }

    fn scope(&self, index: u32) -> (&[u8], &str) {
        let found = self.scopes.get(index as usize);
        found.map_or((&[][..], ""), |scope| (scope.encoded.as_slice(), scope.schema_url.as_str()))
    }

    fn write_json(&self, signal: Signal, converted: &[Vec<u8>], out: &mut Vec<u8>) {
        let names = json::Names::of(signal);
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(names.resources);
        out.extend_from_slice(b"\":[");
        for (place, (resource, scopes)) in self.groups.resources.iter().enumerate() {
            json::comma(out, place);
            let found = self.resources.get(*resource as usize);
            out.extend_from_slice(b"{\"resource\":");
            json::write_resource(out, found.map_or(&[], |found| &found.encoded));
            out.extend_from_slice(b",\"");
            out.extend_from_slice(names.scopes);
            out.extend_from_slice(b"\":[");
            for (place, (scope, members)) in scopes.iter().enumerate() {
                json::comma(out, place);
                let (message, url) = self.scope(*scope);
                out.extend_from_slice(b"{\"scope\":");
                json::write_scope(out, message);
                out.extend_from_slice(b",\"");
                out.extend_from_slice(names.records);
                out.extend_from_slice(b"\":[");
                for (place, record) in members.iter().filter_map(|index| converted.get(*index)).enumerate() {
                    json::comma(out, place);
                    out.extend_from_slice(record);
                }
                out.push(b']');
                json::write_schema_url(out, url);
                out.push(b'}');
            }
            out.push(b']');
            json::write_schema_url(out, found.map_or("", |found| &found.schema_url));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// A scope and the entries in it.
type ScopeGroup = (u32, Vec<usize>);

/// Indexes of entries by resource and scope, each in the order of first sight.
#[derive(Debug, Default)]
struct Groups {
    resources: Vec<(u32, Vec<ScopeGroup>)>,
    /// Where a group stands in there.
    places: HashMap<(u32, u32), (usize, usize)>,
    by_resource: HashMap<u32, usize>,
    last: Option<((u32, u32), (usize, usize))>,
}

impl Groups {
    fn is_new_scope(&self, place: (u32, u32)) -> bool {
        self.last.is_none_or(|(last, _)| last != place) && !self.places.contains_key(&place)
    }

    fn is_new_resource(&self, resource: u32) -> bool {
        self.last.is_none_or(|((last, _), _)| last != resource) && !self.by_resource.contains_key(&resource)
    }

    fn add(&mut self, place: (u32, u32), index: usize) {
        let at = match self.last {
            // Records of one logger mostly come together.
            Some((last, at)) if last == place => at,
            _ => self.find(place),
        };
        self.last = Some((place, at));
        if let Some((_, members)) = self.resources.get_mut(at.0).and_then(|(_, scopes)| scopes.get_mut(at.1))
        {
            members.push(index);
        }
    }

    fn find(&mut self, place: (u32, u32)) -> (usize, usize) {
        if let Some(at) = self.places.get(&place) {
            return *at;
        }
        let next = self.resources.len();
        let outer = *self.by_resource.entry(place.0).or_insert(next);
        if outer == next {
            self.resources.push((place.0, Vec::new()));
        }
        let scopes = &mut self.resources[outer].1;
        scopes.push((place.1, Vec::new()));
        let at = (outer, scopes.len() - 1);
        self.places.insert(place, at);
        at
    }
}

fn record_len(entry: &Entry) -> usize {
    entry.message().iter().map(|part| part.len()).sum()
}

/// A field with a tag of one byte.
fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { field_len(text.len()) }
}

fn open(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    put_varint(out, length as u64);
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(out, tag, text.as_bytes());
    }
}
