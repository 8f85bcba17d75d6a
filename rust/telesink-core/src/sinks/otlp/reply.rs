//! What a receiver says: a partial success, a warning, or why it failed.

use super::super::Outcome;
use super::super::partial_success::PartialSuccess;
use crate::http::Reply;
use crate::record::Signal;
use crate::record::wire::{Fields, Wire};
use serde_json::Value;

/// What became of a request of `count` records that the receiver took.
pub(super) fn outcome(signal: Signal, reply: &Reply, count: usize) -> Outcome {
    let Some(found) = read(signal, reply) else {
        // The status is the answer; the body only adds to it.
        let notice =
            format!("{} took a request and answered with what is no reply: {}", reply.target, reply.text());
        return Outcome { notice: Some(notice), ..Outcome::default() };
    };
    let text = reply.shown(&found.message);
    let rejected = usize::try_from(found.rejected).unwrap_or(0);
    let notice = match (rejected, text.is_empty()) {
        (0, true) => None,
        (0, false) => Some(format!("{} says: {text}", reply.target)),
        (_, true) => Some(format!("{} rejected {rejected} {}", reply.target, unit(signal))),
        (_, false) => Some(format!("{} rejected {rejected} {}: {text}", reply.target, unit(signal))),
    };
    // A metric has many points, and nobody says which were rejected: each is counted as a metric of its own, so that
    // no loss is overlooked.
    Outcome { rejected_by_server: rejected.min(count), notice, ..Outcome::default() }
}

fn unit(signal: Signal) -> &'static str {
    match signal {
        Signal::Log => "log records",
        Signal::Span => "spans",
        Signal::Metric => "points",
    }
}

/// What the number of rejected records is called in JSON.
fn rejected_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Log => "rejectedLogRecords",
        Signal::Span => "rejectedSpans",
        Signal::Metric => "rejectedDataPoints",
    }
}

/// `None` if it cannot be read.
fn read(signal: Signal, reply: &Reply) -> Option<PartialSuccess> {
    if !reply.is_whole {
        return None;
    }
    if reply.body.is_empty() {
        return Some(PartialSuccess::default());
    }
    match reply.content_type.as_str() {
        "application/json" => PartialSuccess::of_json(&reply.body, rejected_name(signal)),
        "application/x-protobuf" | "application/protobuf" | "application/octet-stream" | "" => {
            PartialSuccess::of_protobuf(&reply.body)
        }
        _ => None,
    }
}

/// Why the receiver failed: the message of a `google.rpc.Status`, or the body as text.
pub(super) fn error_text(reply: &Reply) -> String {
    if (200..=299).contains(&reply.status) {
        return String::new();
    }
    let message = match reply.content_type.as_str() {
        "application/x-protobuf" | "application/protobuf" => status_of_protobuf(&reply.body),
        "application/json" => status_of_json(&reply.body),
        _ => None,
    };
    message.map_or_else(|| reply.text(), |message| reply.shown(&message))
}

fn status_of_protobuf(body: &[u8]) -> Option<String> {
    let mut fields = Fields::new(body);
    let message = fields.by_ref().find_map(|field| match field {
        (2, Wire::Bytes(text)) => std::str::from_utf8(text).ok().map(str::to_owned),
        _ => None,
    });
    // All of it, or a text that happens to begin like a message would be taken for one.
    (fields.by_ref().count() < usize::MAX && fields.is_at_end()).then_some(message).flatten()
}

fn status_of_json(body: &[u8]) -> Option<String> {
    let status: Value = serde_json::from_slice(body).ok()?;
    status.get("message")?.as_str().map(str::to_owned)
}
