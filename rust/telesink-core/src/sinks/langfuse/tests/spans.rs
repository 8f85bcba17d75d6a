//! Spans, read back by an independent implementation.

use super::super::event::Event;
use super::super::merge::EventMerge;
use super::super::request;
use super::super::span::Defaults;
use super::{SPAN, TRACE, observation, record};
use crate::record::event::{root_span_of, span_id_of, trace_id_of};
use crate::record::tables::{Resource, Tables};
use crate::sinks::{Batch, Entry, Merge, Route, Spent};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

fn decoded(entries: &[Entry], defaults: &Defaults, bytes_max: usize) -> (Vec<Span>, usize) {
    let tables = Tables::new(Resource::new(&[("service.name".to_owned(), "shop".to_owned())]));
    let spent = Spent::default();
    let batch = Batch {
        instance: [0; 16],
        lane: 0,
        previous_seq: 0,
        route: Route::Traces,
        entries,
        tables: &tables,
        now_unix_nano: 0,
        spent: &spent,
    };
    let mut bytes = Vec::new();
    let count = request::encode(&batch, defaults, bytes_max, &mut bytes);
    let request = ExportTraceServiceRequest::decode(bytes.as_slice()).expect("protobuf");
    let [resource] = request.resource_spans.as_slice() else { panic!("{request:?}") };
    assert_eq!(resource.resource.as_ref().expect("a resource").attributes[0].key, "service.name");
    let spans = resource.scope_spans.iter().flat_map(|scope| scope.spans.clone());
    (spans.collect(), count)
}

fn span_with(event: &Value, defaults: &Defaults) -> Span {
    let entry = Entry::new(1, record(event));
    decoded(&[entry], defaults, usize::MAX).0.remove(0)
}

fn span(event: &Value) -> Span {
    span_with(event, &Defaults::default())
}

fn attributes(span: &Span) -> Value {
    let plain = |value: &Any| match value {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(is) => json!(is),
        Any::IntValue(number) => json!(number),
        Any::DoubleValue(number) => json!(number),
        Any::ArrayValue(list) => {
            let texts = list.values.iter().map(|one| match &one.value {
                Some(Any::StringValue(text)) => text.clone(),
                other => panic!("{other:?}"),
            });
            json!(texts.collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    let pairs = span.attributes.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref()).expect("a value");
        (pair.key.clone(), plain(value))
    });
    let whole: Vec<_> = pairs.collect();
    let map: serde_json::Map<String, Value> = whole.iter().cloned().collect();
    assert_eq!(map.len(), whole.len(), "no attribute stands there twice: {whole:?}");
    Value::Object(map)
}

#[test]
fn every_field_of_a_generation_has_its_attribute() {
    let event = observation(
        "generation-create",
        &json!({
            "parentObservationId": "00f067aa0ba902b7", "name": "call", "startTime": "1970-01-01T00:00:01Z",
            "endTime": "1970-01-01T00:00:02.5Z", "completionStartTime": "1970-01-01T00:00:01.5Z", "model": "m-1",
            "modelParameters": {"temperature": 0.5, "stop": ["x"]}, "input": [{"role": "user", "content": "hi \"you\""}],
            "output": "hello", "metadata": {"attempt": 2, "nested": {"a": 1}, "note": "n"}, "level": "WARNING",
            "statusMessage": "slow", "usageDetails": {"input": 3, "output": 4}, "costDetails": {"total": 0.25},
            "promptName": "p", "promptVersion": 3, "version": "v1", "environment": "staging", "odd": {"k": 1},
        }),
    );

    let span = span(&event);

    assert_eq!(
        (span.trace_id.as_slice(), span.span_id.as_slice()),
        (&trace_id_of(TRACE)[..], &span_id_of(SPAN)[..])
    );
    assert_eq!(span.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((span.name.as_str(), span.kind), ("call", 1));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000_000_000, 2_500_000_000));
    assert_eq!(span.status, None);
    assert_eq!(
        attributes(&span),
        json!({
            "langfuse.observation.type": "generation",
            "langfuse.observation.completion_start_time": "1970-01-01T00:00:01.5Z",
            "langfuse.observation.model.name": "m-1",
            "langfuse.observation.model.parameters": "{\"stop\":[\"x\"],\"temperature\":0.5}",
            "langfuse.observation.input": "[{\"content\":\"hi \\\"you\\\"\",\"role\":\"user\"}]",
            "langfuse.observation.output": "hello",
            "langfuse.observation.metadata.attempt": 2,
            "langfuse.observation.metadata.nested": "{\"a\":1}",
            "langfuse.observation.metadata.note": "n",
            "langfuse.observation.metadata.odd": "{\"k\":1}",
            "langfuse.observation.level": "WARNING",
            "langfuse.observation.status_message": "slow",
            "langfuse.observation.usage_details": "{\"input\":3,\"output\":4}",
            "langfuse.observation.cost_details": "{\"total\":0.25}",
            "langfuse.observation.prompt.name": "p",
            "langfuse.observation.prompt.version": 3,
            "langfuse.version": "v1",
            "langfuse.environment": "staging",
        })
    );
}

#[test]
fn an_error_is_the_status_of_the_span_too() {
    let status =
        span(&observation("span-create", &json!({"level": "ERROR", "statusMessage": "broke"}))).status;

    let status = status.expect("a status");
    assert_eq!((status.code, status.message.as_str()), (2, "broke"));
}

#[test]
fn ids_of_other_forms_are_hashed_and_kept_as_metadata() {
    let span = span(&json!({
        "type": "span-create",
        "body": {"id": "step-1", "traceId": "turn-1", "parentObservationId": "step-0", "endTime": "1970-01-01T00:00:02Z"},
    }));

    assert_eq!(span.trace_id, trace_id_of("turn-1"));
    assert_eq!(
        (&span.span_id[..], &span.parent_span_id[..]),
        (&span_id_of("step-1")[..], &span_id_of("step-0")[..])
    );
    assert_eq!(
        attributes(&span),
        json!({
            "langfuse.observation.type": "span",
            "langfuse.observation.metadata.original_id": "step-1",
            "langfuse.observation.metadata.original_parent_id": "step-0",
            "langfuse.trace.metadata.original_id": "turn-1",
        })
    );
}

#[test]
fn an_observation_without_times_has_that_of_its_envelope_and_says_that_its_end_is_not_known() {
    let span = span(&observation("span-create", &json!({})));

    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5_000_000_000, 5_000_000_000));
    assert_eq!(attributes(&span)["langfuse.observation.metadata.incomplete"], true);
}

#[test]
fn an_event_is_a_moment() {
    let span = span(&observation("event-create", &json!({"startTime": "1970-01-01T00:00:01Z"})));

    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000_000_000, 1_000_000_000));
    assert_eq!(attributes(&span), json!({"langfuse.observation.type": "event"}));
}

#[test]
fn the_older_usage_becomes_the_newer_details() {
    let with = |usage: &Value| attributes(&span(&observation("generation-create", &json!({"usage": usage}))));
    let old = with(&json!({"promptTokens": 3, "completionTokens": 4, "totalTokens": 7}));
    let costs = with(&json!({"input": 3, "unit": "TOKENS", "inputCost": 0.5, "totalCost": 1}));

    assert_eq!(old["langfuse.observation.usage_details"], "{\"input\":3,\"output\":4,\"total\":7}");
    assert_eq!(costs["langfuse.observation.usage_details"], "{\"input\":3}");
    assert_eq!(costs["langfuse.observation.cost_details"], "{\"input\":0.5,\"total\":1}");
}

#[test]
fn an_observation_carries_the_fields_of_its_trace() {
    let trace = record(&json!({"type": "trace-create", "body": {
        "id": TRACE, "name": "turn", "userId": "u", "sessionId": "s", "tags": ["a", "b"], "public": true,
        "metadata": {"k": 1}, "input": {"q": 1}, "output": "o", "environment": "production", "release": "1.2",
        "version": "v0",
    }}));
    let mut entry = Entry::new(1, record(&observation("event-create", &json!({"version": "v1"}))));
    entry.appended = Some(EventMerge::default().shared(&trace, true));

    let (spans, _) = decoded(&[entry], &Defaults::default(), usize::MAX);

    assert_eq!(
        attributes(&spans[0]),
        json!({
            "langfuse.observation.type": "event",
            "langfuse.version": "v1",
            "langfuse.trace.name": "turn",
            "user.id": "u",
            "session.id": "s",
            "langfuse.trace.tags": ["a", "b"],
            "langfuse.trace.public": true,
            "langfuse.trace.metadata.k": 1,
            "langfuse.trace.input": "{\"q\":1}",
            "langfuse.trace.output": "o",
            "langfuse.environment": "production",
            "langfuse.release": "1.2",
        })
    );
}

#[test]
fn a_trace_alone_is_a_root_span_that_always_has_the_same_id() {
    let event = json!({"type": "trace-create", "timestamp": "1970-01-01T00:00:09Z", "body": {
        "id": TRACE, "name": "turn", "timestamp": "1970-01-01T00:00:01Z", "input": "q",
    }});

    let span = span(&event);

    assert_eq!(span.span_id, root_span_of(trace_id_of(TRACE)));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000_000_000, 1_000_000_000));
    assert_eq!(
        attributes(&span),
        json!({
            "langfuse.observation.type": "span",
            "langfuse.internal.as_root": true,
            "langfuse.trace.name": "turn",
            "langfuse.trace.input": "q",
        })
    );
}

#[test]
fn what_the_server_would_not_take_as_a_value_is_left_out() {
    let odd = observation("event-create", &json!({"level": "LOUD", "environment": "langfuse-x"}));

    assert_eq!(attributes(&span(&odd)), json!({"langfuse.observation.type": "event"}));
}

#[test]
fn environment_and_release_of_the_sink_hold_where_the_event_has_none() {
    let defaults = Defaults { environment: Some("staging".to_owned()), release: Some("1.0".to_owned()) };
    let own = span_with(&observation("event-create", &json!({"environment": "production"})), &defaults);
    let none = span_with(&observation("event-create", &json!({})), &defaults);

    assert_eq!(attributes(&own)["langfuse.environment"], "production");
    assert_eq!(attributes(&none)["langfuse.environment"], "staging");
    assert_eq!(attributes(&none)["langfuse.release"], "1.0");
}

#[test]
fn a_request_is_cut_by_its_bytes_and_holds_one_span_at_least() {
    let entries: Vec<Entry> = (1..=10)
        .map(|seq| {
            Entry::new(seq, record(&observation("event-create", &json!({"input": "x".repeat(1_000)}))))
        })
        .collect();

    let (spans, count) = decoded(&entries, &Defaults::default(), 3_000);
    let (one, first) = decoded(&entries, &Defaults::default(), 1);

    assert_eq!((spans.len(), count), (3, 3));
    assert_eq!((one.len(), first), (1, 1));
}

#[test]
fn a_joined_event_is_the_span_that_its_parts_would_have_been_at_once() {
    let whole = observation(
        "generation-create",
        &json!({"startTime": "1970-01-01T00:00:01Z", "endTime": "1970-01-01T00:00:02Z", "input": "i", "output": "o"}),
    );
    let create =
        observation("generation-create", &json!({"startTime": "1970-01-01T00:00:01Z", "input": "i"}));
    let update = observation("generation-update", &json!({"endTime": "1970-01-01T00:00:02Z", "output": "o"}));
    let joined = EventMerge::default().join(&record(&create), &record(&update));

    let (spans, _) = decoded(&[Entry::new(1, joined)], &Defaults::default(), usize::MAX);

    let expected = span(&whole);
    assert_eq!(attributes(&spans[0]), attributes(&expected));
    assert_eq!(spans[0].end_time_unix_nano, expected.end_time_unix_nano);
}

#[test]
fn an_entry_that_is_no_event_is_none() {
    let mut builder = crate::record::encode::RecordBuilder::new();
    builder.start(1_000);
    builder.body("a log line");
    let log = builder.finish(record(&observation("event-create", &json!({}))).header(), &[]);

    assert!(Event::read(&log, &[]).is_none());
}
