//! Scores, which have a route of their own: `POST /api/public/scores`, a list, or one by one where the server takes no
//! lists.

use super::event::Event;
use super::span::Defaults;
use crate::record::event::{hex, span_id_of, trace_id_of};
use crate::record::iso;
use crate::record::json;
use crate::record::value::{Value, map};

/// Largest request, in bytes: the server's bound.
pub(super) const REQUEST_BYTES_MAX: usize = 1_000_000;

/// Writes one score. With `is_mapped` its trace and observation are named as the server knows them from spans.
pub(super) fn put_score(out: &mut Vec<u8>, event: &Event<'_>, defaults: &Defaults, is_mapped: bool) {
    let mapped_trace = event.text("traceId").filter(|_| is_mapped).map(|id| hex(trace_id_of(id)));
    let mapped_observation = event.text("observationId").filter(|_| is_mapped).map(|id| hex(span_id_of(id)));
    let timestamp = event.timestamp.map_or_else(|| iso::text(event.header.time_unix_nano), str::to_owned);
    let envelope_id = event.envelope_id();
    let mut pairs: Vec<(&str, Value<'_>)> = Vec::new();
    for (name, value) in map(event.body) {
        let value = match (name, &mapped_trace, &mapped_observation) {
            ("traceId", Some(id), _) | ("observationId", _, Some(id)) => Value::Str(id.as_str()),
            _ => value,
        };
        if value != Value::Null {
            pairs.push((name, value));
        }
    }
    // An id of its own makes a repeated request harmless: the server keeps the last score of an id.
    pairs.push(("id", Value::Str(envelope_id.as_ref())));
    pairs.push(("timestamp", Value::Str(timestamp.as_str())));
    if let Some(environment) = &defaults.environment {
        pairs.push(("environment", Value::Str(environment.as_str())));
    }
    // Of a name that stands there twice the first is written: what the program said.
    json::write_object(out, pairs.into_iter());
}

/// A request's body, and how many of the events it holds.
pub(super) fn list<'a>(
    events: impl Iterator<Item = Event<'a>>,
    defaults: &Defaults,
    is_mapped: bool,
) -> (Vec<u8>, usize) {
    let (mut out, mut count) = (b"[".to_vec(), 0);
    for event in events {
        let before = out.len();
        if count > 0 {
            out.push(b',');
        }
        put_score(&mut out, &event, defaults, is_mapped);
        if count > 0 && out.len() + 1 > REQUEST_BYTES_MAX {
            out.truncate(before);
            break;
        }
        count += 1;
    }
    out.push(b']');
    (out, count)
}
