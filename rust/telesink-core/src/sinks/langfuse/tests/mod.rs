//! Events from JSON, as a program would give them, and what becomes of them.

mod forms;
mod merging;
mod replies;
mod routes;
mod spans;

use super::event::Event;
use crate::record::encode::RecordBuilder;
use crate::record::event::{ENVELOPE_ID, ENVELOPE_TIMESTAMP, Role, event_type, span_id_of, trace_id_of};
use crate::record::value::{Scalar, begin_list, begin_map, begin_pair, end_container, put_scalar};
use crate::record::wire::end_nested;
use crate::record::{Header, Record, Signal, iso};
use serde_json::{Value, json};

pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const SPAN: &str = "b7ad6b7169203331";

/// An event as a record, as capture makes it.
pub(super) fn record(event: &Value) -> Record {
    let kind = event_type(event["type"].as_str().expect("a type")).expect("a known type");
    let body = &event["body"];
    let text = |name: &str| body[name].as_str();
    let trace = match kind.role {
        Role::Trace => text("id").map(trace_id_of),
        _ => text("traceId").map(trace_id_of),
    };
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    put(builder.buffer(), 0x2a, body);
    builder.event_name(kind.name);
    for (key, name) in [("id", ENVELOPE_ID), ("timestamp", ENVELOPE_TIMESTAMP)] {
        if let Some(value) = event[key].as_str() {
            builder.attribute(name, Scalar::Str(value));
        }
    }
    let header = Header {
        signal: Signal::Log,
        severity: 9,
        flags: 0,
        time_unix_nano: event["timestamp"].as_str().and_then(iso::unix_nano).unwrap_or(1_000),
        observed_unix_nano: 1_000,
        id: [7; 16],
        trace_id: trace.unwrap_or_else(|| trace_id_of(text("id").unwrap_or("own"))),
        span_id: if kind.role == Role::Trace {
            [0; 8]
        } else {
            text("id").map(span_id_of).unwrap_or_default()
        },
        resource: 0,
        scope: 0,
        levelno: 20,
    };
    builder.finish(header, &[])
}

fn put(out: &mut Vec<u8>, tag: u8, value: &Value) {
    let scalar = match value {
        Value::Null => Scalar::Null,
        Value::Bool(is) => Scalar::Bool(*is),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Scalar::Int(number),
            None => Scalar::Double(number.as_f64().expect("a number")),
        },
        Value::String(text) => Scalar::Str(text),
        Value::Array(items) => {
            let list = begin_list(out, tag);
            for item in items {
                put(out, 0x0a, item);
            }
            return end_container(out, list);
        }
        Value::Object(pairs) => {
            let map = begin_map(out, tag);
            for (key, value) in pairs {
                let pair = begin_pair(out, 0x0a, key);
                put(out, 0x12, value);
                end_nested(out, pair);
            }
            return end_container(out, map);
        }
    };
    put_scalar(out, tag, scalar);
}

/// The body of a record as JSON.
pub(super) fn body(record: &Record) -> Value {
    let event = Event::read(record, &[]).expect("an event");
    let mut out = Vec::new();
    super::classic::put_body(&mut out, event.body, &[]);
    serde_json::from_slice(&out).expect("JSON")
}

/// An event of a type about an observation of the trace.
pub(super) fn observation(kind: &str, fields: &Value) -> Value {
    let mut body = json!({"id": SPAN, "traceId": TRACE});
    let own = body.as_object_mut().expect("an object");
    own.extend(fields.as_object().expect("fields").clone());
    json!({"type": kind, "id": "envelope", "timestamp": "1970-01-01T00:00:05Z", "body": body})
}

/// The id of the trace in bytes.
pub(super) fn trace() -> [u8; 16] {
    trace_id_of(TRACE)
}
