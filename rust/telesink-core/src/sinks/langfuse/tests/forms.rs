//! The classic form and scores, as JSON.

use super::super::classic::{BATCH_BYTES_MAX, ClassicBatch};
use super::super::event::Event;
use super::super::merge::EventMerge;
use super::super::scores;
use super::super::span::Defaults;
use super::{SPAN, TRACE, observation, record};
use crate::record::event::{hex, span_id_of, trace_id_of};
use crate::sinks::{Entry, Merge};
use serde_json::{Value, json};

fn batch(entries: &[Entry], defaults: &Defaults) -> (Value, Vec<(String, usize)>) {
    let mut batch = ClassicBatch::new();
    for (index, entry) in entries.iter().enumerate() {
        assert!(batch.add(index, &Event::of_entry(entry).expect("an event"), defaults));
    }
    let (bytes, items) = batch.finish();
    (serde_json::from_slice(&bytes).expect("JSON"), items)
}

fn entry(event: &Value) -> Entry {
    Entry::new(1, record(event))
}

#[test]
fn an_event_is_sent_as_it_was_given_but_for_what_is_null() {
    let event =
        observation("span-create", &json!({"name": "a \"b\"", "level": null, "metadata": {"k": null}}));

    let (sent, items) = batch(&[entry(&event)], &Defaults::default());

    assert_eq!(
        sent,
        json!({"batch": [{
            "id": "envelope", "type": "span-create", "timestamp": "1970-01-01T00:00:05Z",
            "body": {"id": SPAN, "traceId": TRACE, "name": "a \"b\"", "metadata": {"k": null}},
        }]})
    );
    assert_eq!(items, [("envelope".to_owned(), 0)]);
}

#[test]
fn an_event_without_an_envelope_of_its_own_has_the_records_id_and_time() {
    let (sent, _) = batch(&[entry(&json!({"type": "trace-create", "body": {}}))], &Defaults::default());

    assert_eq!(sent["batch"][0]["id"], "07070707-0707-0707-0707-070707070707");
    assert_eq!(sent["batch"][0]["timestamp"], "1970-01-01T00:00:00.000001Z");
}

#[test]
fn an_observation_that_stands_for_its_trace_is_two_items_of_one_entry() {
    let trace = record(&json!({"type": "trace-create", "body": {"id": TRACE, "name": "turn"}}));
    let mut news = entry(&observation("span-create", &json!({})));
    news.appended = Some(EventMerge::default().shared(&trace, true));
    let mut repeated = news.clone();
    repeated.appended = Some(EventMerge::default().shared(&trace, false));

    let (sent, items) = batch(&[news, repeated], &Defaults::default());

    let types: Vec<&Value> =
        sent["batch"].as_array().expect("a list").iter().map(|item| &item["type"]).collect();
    assert_eq!(types, ["trace-create", "span-create", "span-create"]);
    assert_eq!(sent["batch"][0]["body"], json!({"id": TRACE, "name": "turn"}));
    assert_eq!(items.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [0, 0, 1]);
    assert_ne!(items[0].0, items[1].0);
}

#[test]
fn environment_and_release_are_added_where_they_belong() {
    let defaults = Defaults { environment: Some("staging".to_owned()), release: Some("1.0".to_owned()) };
    let events = [
        entry(&json!({"type": "trace-create", "body": {"id": TRACE}})),
        entry(&observation("span-create", &json!({"environment": "production"}))),
        entry(&json!({"type": "sdk-log", "body": {"log": "x"}})),
    ];

    let (sent, _) = batch(&events, &defaults);

    let bodies: Vec<&Value> =
        sent["batch"].as_array().expect("a list").iter().map(|item| &item["body"]).collect();
    assert_eq!(bodies[0], &json!({"id": TRACE, "environment": "staging", "release": "1.0"}));
    assert_eq!(bodies[1]["environment"], "production");
    assert_eq!(bodies[1]["release"], Value::Null);
    assert_eq!(bodies[2], &json!({"log": "x"}));
}

#[test]
fn h16_a_batch_is_cut_below_three_and_a_half_megabytes_as_encoded() {
    // Every character is escaped, so that it takes two bytes.
    let entry = entry(&observation("span-create", &json!({"input": "\"".repeat(400_000)})));
    let event = Event::of_entry(&entry).expect("an event");
    let mut batch = ClassicBatch::new();

    let taken = (0..10).take_while(|index| batch.add(*index, &event, &Defaults::default())).count();

    let (bytes, items) = batch.finish();
    assert_eq!((taken, items.len()), (4, 4));
    assert!(bytes.len() <= BATCH_BYTES_MAX);
    let sent: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(sent["batch"].as_array().expect("a list").len(), 4);
}

#[test]
fn a_score_names_its_trace_as_the_server_knows_it() {
    let event = json!({"type": "score-create", "id": "e", "timestamp": "1970-01-01T00:00:05Z", "body": {
        "traceId": "turn-1", "observationId": "step-1", "name": "good", "value": 1, "comment": null,
    }});
    let entry = entry(&event);
    let event = Event::of_entry(&entry).expect("an event");
    let put = |is_mapped: bool| -> Value {
        let mut out = Vec::new();
        scores::put_score(&mut out, &event, &Defaults::default(), is_mapped);
        serde_json::from_slice(&out).expect("JSON")
    };

    assert_eq!(
        put(true),
        json!({
            "traceId": hex(trace_id_of("turn-1")), "observationId": hex(span_id_of("step-1")), "name": "good",
            "value": 1, "id": "e", "timestamp": "1970-01-01T00:00:05Z",
        })
    );
    assert_eq!((&put(false)["traceId"], &put(false)["observationId"]), (&json!("turn-1"), &json!("step-1")));
}

#[test]
fn a_list_of_scores_is_cut_below_a_megabyte() {
    let entry = entry(&json!({"type": "score-create", "body": {"name": "n", "value": "x".repeat(300_000)}}));
    let events = || std::iter::repeat_n(Event::of_entry(&entry).expect("an event"), 10);

    let (body, count) = scores::list(events(), &Defaults::default(), true);

    assert_eq!(count, 3);
    assert!(body.len() <= scores::REQUEST_BYTES_MAX);
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON").as_array().map(Vec::len), Some(3));
}
