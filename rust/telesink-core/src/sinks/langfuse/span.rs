//! An event as an OTLP span, with the attributes that the server looks for.

use super::event::{Event, field};
use super::names::{
    self, AS_ROOT, COST_DETAILS, COSTS, ENVIRONMENT, Form, INCOMPLETE, LEVELS, METADATA, OBSERVATION,
    OBSERVATION_TYPE, ORIGINAL_ID, ORIGINAL_PARENT_ID, ORIGINAL_TRACE_ID, RELEASE, STRUCTURE, TRACE, USAGE,
    USAGE_DETAILS, is_environment,
};
use crate::record::event::{Role, is_span_id, is_trace_id, root_span_of, span_id_of};
use crate::record::iso;
use crate::record::json;
use crate::record::value::{
    Scalar, Value, begin_list, begin_pair, end_container, list, map, put_pair, put_scalar,
};
use crate::record::wire::{begin_nested, end_nested, put_bytes, put_fixed64};
use std::borrow::Cow;

/// Tag of `Span.attributes`.
const ATTRIBUTE: u8 = 0x4a;

/// Tag of `ScopeSpans.spans`.
const SPAN: u8 = 0x12;

/// What holds for events that do not say it themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) environment: Option<String>,
    pub(super) release: Option<String>,
}

/// Writes a trace or an observation as a span. Scores and SDK logs are none.
pub(super) fn put_span(out: &mut Vec<u8>, event: &Event<'_>, defaults: &Defaults) {
    let span = begin_nested(out, SPAN);
    if event.kind.role == Role::Trace {
        put_trace(out, event, defaults);
    } else {
        put_observation(out, event, defaults);
    }
    end_nested(out, span);
}

fn put_observation(out: &mut Vec<u8>, event: &Event<'_>, defaults: &Defaults) {
    let (mut told, mut said) = (Told::default(), Said::default());
    for (key, value) in map(event.body).filter(|(_, value)| *value != Value::Null) {
        told.note(key, value);
        put_own_field(out, key, value, &mut said);
    }
    let kind = kind_of(event.kind.observation, told.kind);
    put_text(out, OBSERVATION_TYPE, &kind);
    put_bytes(out, 0x0a, &event.header.trace_id);
    put_bytes(out, 0x12, &event.header.span_id);
    if let Some(parent) = told.parent {
        put_bytes(out, 0x22, &span_id_of(parent));
    }
    put_bytes(out, 0x2a, told.name.unwrap_or(&kind).as_bytes());
    let start = told.start.and_then(iso::unix_nano).unwrap_or(event.header.time_unix_nano);
    let end = told.end.and_then(iso::unix_nano);
    put_times(out, start, end.unwrap_or(start));
    if end.is_none() && event.kind.role != Role::Event {
        put_pair(out, ATTRIBUTE, INCOMPLETE, Scalar::Bool(true));
    }
    put_usage(out, &told);
    for (id, attribute) in [(told.id, ORIGINAL_ID), (told.parent, ORIGINAL_PARENT_ID)] {
        if let Some(id) = id.filter(|id| !is_span_id(id)) {
            put_text(out, attribute, id);
        }
    }
    if let Some(trace) = event.trace {
        put_fields(out, trace, &TRACE, &mut said);
    }
    put_original_trace(out, told.trace);
    put_defaults(out, defaults, said);
    if told.level == Some("ERROR") {
        put_error(out, told.message);
    }
}

/// Fields of an observation that stand elsewhere in a span, or decide what else does; found in one pass.
#[derive(Default)]
struct Told<'a> {
    id: Option<&'a str>,
    trace: Option<&'a str>,
    parent: Option<&'a str>,
    name: Option<&'a str>,
    kind: Option<&'a str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
    level: Option<&'a str>,
    message: Option<&'a str>,
    usage: Option<Value<'a>>,
    has_usage_details: bool,
    has_cost_details: bool,
}

impl<'a> Told<'a> {
    fn note(&mut self, key: &str, value: Value<'a>) {
        let slot = match key {
            "id" => &mut self.id,
            "traceId" => &mut self.trace,
            "parentObservationId" => &mut self.parent,
            "name" => &mut self.name,
            "type" => &mut self.kind,
            "startTime" => &mut self.start,
            "endTime" => &mut self.end,
            "level" => &mut self.level,
            "statusMessage" => &mut self.message,
            "usage" => return self.usage = Some(value),
            "usageDetails" => return self.has_usage_details = true,
            "costDetails" => return self.has_cost_details = true,
            _ => return,
        };
        *slot = value.as_str();
    }
}

/// A trace that no observation carries: a span of its own, always the same one.
fn put_trace(out: &mut Vec<u8>, event: &Event<'_>, defaults: &Defaults) {
    put_bytes(out, 0x0a, &event.header.trace_id);
    put_bytes(out, 0x12, &root_span_of(event.header.trace_id));
    put_bytes(out, 0x2a, event.text("name").unwrap_or("trace").as_bytes());
    let at = moment(event.field("timestamp")).unwrap_or(event.header.time_unix_nano);
    put_times(out, at, at);
    put_text(out, OBSERVATION_TYPE, "span");
    put_pair(out, ATTRIBUTE, AS_ROOT, Scalar::Bool(true));
    let mut said = Said::default();
    put_fields(out, event.body, &TRACE, &mut said);
    put_original_trace(out, event.text("id"));
    put_defaults(out, defaults, said);
}

/// Kind, begin and end. Every span is internal: the server does not look at it.
fn put_times(out: &mut Vec<u8>, start: u64, end: u64) {
    out.extend_from_slice(&[0x30, 1]);
    put_fixed64(out, 0x39, start);
    put_fixed64(out, 0x41, end);
}

/// The kind of an observation; in the older events of any kind the body says it.
fn kind_of<'a>(known: &'static str, said: Option<&'a str>) -> Cow<'a, str> {
    match (known, said) {
        ("", Some(said)) => said.to_ascii_lowercase().into(),
        ("", None) => "span".into(),
        (known, _) => known.into(),
    }
}

/// What was said of fields that have a default or two sources.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    environment: bool,
    release: bool,
    version: bool,
}

impl Said {
    /// Whether the attribute is there already; notes that it is there from now on.
    fn replace(&mut self, attribute: &str) -> bool {
        let slot = match attribute {
            ENVIRONMENT => &mut self.environment,
            RELEASE => &mut self.release,
            names::VERSION => &mut self.version,
            _ => return false,
        };
        std::mem::replace(slot, true)
    }
}

fn put_fields(out: &mut Vec<u8>, pairs: &[u8], rows: &[names::Row], said: &mut Said) {
    for (key, value) in map(pairs).filter(|(_, value)| *value != Value::Null) {
        if let Some(row) = rows.iter().find(|(name, _, _)| *name == key) {
            put_field(out, row, value, said);
        }
    }
}

/// A field of an observation. What no table knows becomes metadata.
fn put_own_field(out: &mut Vec<u8>, key: &str, value: Value<'_>, said: &mut Said) {
    if let Some(row) = OBSERVATION.iter().find(|(name, _, _)| *name == key) {
        put_field(out, row, value, said);
    } else if !STRUCTURE.contains(&key) {
        put_as(out, &below(METADATA, key), value, Form::Plain);
    }
}

fn put_field(out: &mut Vec<u8>, row: &names::Row, value: Value<'_>, said: &mut Said) {
    let (_, attribute, form) = row;
    let is_usable = match form {
        Form::Level => value.as_str().is_some_and(|level| LEVELS.contains(&level)),
        Form::Environment => value.as_str().is_some_and(is_environment),
        _ => true,
    };
    if is_usable && !said.replace(attribute) {
        put_as(out, attribute, value, *form);
    }
}

fn put_as(out: &mut Vec<u8>, attribute: &str, value: Value<'_>, form: Form) {
    match (form, value) {
        (Form::Spread, Value::Map(inner)) => {
            for (key, value) in map(inner) {
                put_as(out, &below(attribute, key), value, Form::Plain);
            }
        }
        (Form::Texts, Value::List(inner)) => {
            let pair = begin_pair(out, ATTRIBUTE, attribute);
            let texts = begin_list(out, 0x12);
            list(inner).filter_map(|value| value.as_str()).for_each(|text| {
                put_scalar(out, 0x0a, Scalar::Str(text));
            });
            end_container(out, texts);
            end_nested(out, pair);
        }
        (_, Value::Str(text)) => put_text(out, attribute, text),
        (Form::Plain, Value::Int(number)) => put_pair(out, ATTRIBUTE, attribute, Scalar::Int(number)),
        (Form::Plain, Value::Double(number)) => put_pair(out, ATTRIBUTE, attribute, Scalar::Double(number)),
        (Form::Plain, Value::Bool(is)) => put_pair(out, ATTRIBUTE, attribute, Scalar::Bool(is)),
        (_, value) => put_json(out, attribute, |out| json::write_value(out, value)),
    }
}

/// `attribute.key`, without a formatter.
fn below(attribute: &str, key: &str) -> String {
    [attribute, ".", key].concat()
}

fn put_text(out: &mut Vec<u8>, attribute: &str, text: &str) {
    put_pair(out, ATTRIBUTE, attribute, Scalar::Str(text));
}

/// An attribute whose text `write` appends, without a copy in between.
fn put_json(out: &mut Vec<u8>, attribute: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let pair = begin_pair(out, ATTRIBUTE, attribute);
    let value = begin_nested(out, 0x12);
    let text = begin_nested(out, 0x0a);
    write(out);
    end_nested(out, text);
    end_nested(out, value);
    end_nested(out, pair);
}

/// The older `usage`, unless the newer fields say the same.
fn put_usage(out: &mut Vec<u8>, told: &Told<'_>) {
    let Some(Value::Map(usage)) = told.usage else { return };
    let is_number = |value: &Value<'_>| matches!(value, Value::Int(_) | Value::Double(_));
    let counts = USAGE.iter().filter_map(|(name, other, key)| {
        field(usage, name).or(field(usage, other)).filter(is_number).map(|value| (*key, value))
    });
    if !told.has_usage_details && counts.clone().count() > 0 {
        put_json(out, USAGE_DETAILS, |out| json::write_object(out, counts));
    }
    let costs = COSTS
        .iter()
        .filter_map(|(name, key)| field(usage, name).filter(is_number).map(|value| (*key, value)));
    if !told.has_cost_details && costs.clone().count() > 0 {
        put_json(out, COST_DETAILS, |out| json::write_object(out, costs));
    }
}

fn put_original_trace(out: &mut Vec<u8>, id: Option<&str>) {
    if let Some(id) = id.filter(|id| !is_trace_id(id)) {
        put_text(out, ORIGINAL_TRACE_ID, id);
    }
}

fn put_defaults(out: &mut Vec<u8>, defaults: &Defaults, said: Said) {
    let rows =
        [(ENVIRONMENT, &defaults.environment, said.environment), (RELEASE, &defaults.release, said.release)];
    for (attribute, value, is_said) in rows {
        if let Some(value) = value
            && !is_said
        {
            put_text(out, attribute, value);
        }
    }
}

/// `Span.status`: an error, and what was said about it.
fn put_error(out: &mut Vec<u8>, message: Option<&str>) {
    let status = begin_nested(out, 0x7a);
    if let Some(message) = message {
        put_bytes(out, 0x12, message.as_bytes());
    }
    out.extend_from_slice(&[0x18, 2]);
    end_nested(out, status);
}

fn moment(value: Option<Value<'_>>) -> Option<u64> {
    value.and_then(|value| value.as_str()).and_then(iso::unix_nano)
}
