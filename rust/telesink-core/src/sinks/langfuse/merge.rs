//! Events of one observation become one: OTLP takes a span once, as a whole.

use super::event::{Event, Subject, field};
use super::names::{CARRIED, CARRIED_NEWS};
use crate::record::encode::{ATTRIBUTE_TAG, RecordBuilder};
use crate::record::event::{ENVELOPE_ID, ENVELOPE_METADATA, ENVELOPE_TIMESTAMP, Role, trace_id_of};
use crate::record::iso;
use crate::record::value::{
    Scalar, Value, begin_list, begin_map, begin_pair, end_container, list, map, pair, put_pair, put_scalar,
};
use crate::record::view::LogView;
use crate::record::wire::{Fields, Wire, end_nested, put_bytes};
use crate::record::{Header, Record};
use crate::sinks::{Merge, Part};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A trace's input and output longer than this together travel once for each word on the trace instead of with every
/// observation, in bytes: one of 100 KB would be sent with each of fifty spans.
const REPEATED_BYTES_MAX: usize = 8 * 1024;

/// Longest joined record, in bytes: two of the longest that capture makes by default, and room to spare.
const JOINED_BYTES_MAX: usize = 64 << 20;

/// Joins Langfuse's events.
#[derive(Default)]
pub(super) struct EventMerge {
    builder: RecordBuilder,
}

impl Merge for EventMerge {
    fn part(&self, record: &Record) -> Part {
        let view = LogView::new(record, &[]);
        let Some(Subject { kind, body }) = Subject::of(&view) else { return Part::Alone };
        let Header { trace_id, span_id, .. } = view.header;
        match kind.role {
            Role::Trace => Part::Group { key: trace_id },
            Role::Score | Role::SdkLog => Part::Alone,
            role => {
                let is_complete =
                    role == Role::Event || role == Role::Create && field(body, "endTime").is_some();
                Part::Member { key: span_id, group: trace_id, is_complete }
            }
        }
    }

    fn is_same(&self, earlier: &Record, later: &Record) -> bool {
        if earlier.header().trace_id == later.header().trace_id {
            return true;
        }
        let trace = |record| Event::read(record, &[]).and_then(|event| event.text("traceId"));
        // One that names no trace leaves it to the other.
        trace(earlier).is_none() || trace(later).is_none()
    }

    fn join(&mut self, earlier: &Record, later: &Record) -> Record {
        let (Some(first), Some(last)) = (Event::read(earlier, &[]), Event::read(later, &[])) else {
            return later.clone();
        };
        // The create says what it is and when it began, whenever it comes; an update is the later word on the rest.
        let is_create = |event: &Event<'_>| event.kind.role != Role::Update;
        let is_overtaken = !is_create(&first) && is_create(&last);
        let origin = if is_overtaken { &last } else { &first };
        let builder = &mut self.builder;
        builder.start(JOINED_BYTES_MAX);
        builder.severity(last.header.severity, "");
        let body = begin_map(builder.buffer(), 0x2a);
        if is_overtaken {
            join_pairs(builder.buffer(), last.body, first.body);
        } else {
            join_pairs(builder.buffer(), first.body, last.body);
        }
        if origin.kind.role == Role::Create && first.field("startTime").or(last.field("startTime")).is_none()
        {
            let started = iso::text(origin.header.time_unix_nano);
            put_pair(builder.buffer(), 0x0a, "startTime", Scalar::Str(&started));
        }
        end_container(builder.buffer(), body);
        builder.event_name(origin.kind.name);
        builder.attribute(ENVELOPE_ID, Scalar::Str(&last.envelope_id()));
        let spoken = last.timestamp.map_or_else(|| iso::text(last.header.time_unix_nano).into(), Into::into);
        let spoken: std::borrow::Cow<'_, str> = spoken;
        builder.attribute(ENVELOPE_TIMESTAMP, Scalar::Str(&spoken));
        if let Some(metadata) = last.metadata.or(first.metadata) {
            let pair = begin_pair(builder.buffer(), ATTRIBUTE_TAG, ENVELOPE_METADATA);
            put_value(builder.buffer(), 0x12, metadata);
            end_nested(builder.buffer(), pair);
        }
        let header = Header {
            flags: first.header.flags | last.header.flags,
            time_unix_nano: origin.header.time_unix_nano,
            trace_id: trace_of(&first, &last),
            span_id: first.header.span_id,
            ..last.header
        };
        builder.finish(header, &[])
    }

    fn shared(&self, group: &Record, is_news: bool) -> Arc<[u8]> {
        let mut out = Vec::new();
        let Some(event) = Event::read(group, &[]) else { return out.into() };
        let long = ["input", "output"];
        let is_short = is_news || group.body().len() <= REPEATED_BYTES_MAX;
        let start = begin_pair(&mut out, ATTRIBUTE_TAG, CARRIED);
        let carried = begin_map(&mut out, 0x12);
        for message in messages(event.body) {
            if is_short || !long.contains(&pair(message).0) {
                put_bytes(&mut out, 0x0a, message);
            }
        }
        end_container(&mut out, carried);
        end_nested(&mut out, start);
        if is_news {
            put_pair(&mut out, ATTRIBUTE_TAG, CARRIED_NEWS, Scalar::Bool(true));
        }
        out.into()
    }
}

/// The trace that a word names; one that names none leaves it to the other.
fn trace_of(first: &Event<'_>, last: &Event<'_>) -> [u8; 16] {
    let named = |event: &Event<'_>| event.text("traceId").map(trace_id_of);
    named(last).or(named(first)).unwrap_or(first.header.trace_id)
}

/// Writes the pairs of both maps, in the order of the earlier one. A later value takes the place of an earlier one
/// unless it is null; two maps called `metadata` are joined the same way.
fn join_pairs(out: &mut Vec<u8>, earlier: &[u8], later: &[u8]) {
    let news: HashMap<&str, (&[u8], Value<'_>)> = messages(later)
        .map(|message| (message, pair(message)))
        .filter(|(_, (_, value))| *value != Value::Null)
        .map(|(message, (key, value))| (key, (message, value)))
        .collect();
    let mut written = HashSet::new();
    for message in messages(earlier) {
        let (key, value) = pair(message);
        if !written.insert(key) {
            continue;
        }
        match (news.get(key), value) {
            (None, _) => put_bytes(out, 0x0a, message),
            (Some((_, Value::Map(last))), Value::Map(first)) if key == "metadata" => {
                let start = begin_pair(out, 0x0a, key);
                let both = begin_map(out, 0x12);
                join_pairs(out, first, last);
                end_container(out, both);
                end_nested(out, start);
            }
            (Some((message, _)), _) => put_bytes(out, 0x0a, message),
        }
    }
    for message in messages(later) {
        let (key, value) = pair(message);
        if value != Value::Null && written.insert(key) {
            put_bytes(out, 0x0a, message);
        }
    }
}

/// The pairs of a map, encoded.
fn messages(pairs: &[u8]) -> impl Iterator<Item = &[u8]> {
    Fields::new(pairs).filter_map(|(_, wire)| match wire {
        Wire::Bytes(message) => Some(message),
        _ => None,
    })
}

/// Writes a value that was read.
fn put_value(out: &mut Vec<u8>, tag: u8, value: Value<'_>) {
    let scalar = match value {
        Value::List(inner) => {
            let container = begin_list(out, tag);
            list(inner).for_each(|value| put_value(out, 0x0a, value));
            return end_container(out, container);
        }
        Value::Map(inner) => {
            let container = begin_map(out, tag);
            for (key, value) in map(inner) {
                let start = begin_pair(out, 0x0a, key);
                put_value(out, 0x12, value);
                end_nested(out, start);
            }
            return end_container(out, container);
        }
        Value::Null => Scalar::Null,
        Value::Str(text) => Scalar::Str(text),
        Value::Bool(is) => Scalar::Bool(is),
        Value::Int(number) => Scalar::Int(number),
        Value::Double(number) => Scalar::Double(number),
        Value::Bytes(bytes) => Scalar::Bytes(bytes),
    };
    put_scalar(out, tag, scalar);
}
