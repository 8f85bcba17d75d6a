//! Events of one observation become one.

use super::super::event::Event;
use super::super::merge::EventMerge;
use super::{SPAN, TRACE, body, observation, record};
use crate::record::value::map;
use crate::sinks::{Merge, Part};
use serde_json::{Value, json};

fn joined(first: &Value, last: &Value) -> crate::record::Record {
    EventMerge::default().join(&record(first), &record(last))
}

#[test]
fn later_fields_hold_null_keeps_the_older_one_and_metadata_is_joined_by_key() {
    let first = observation(
        "generation-create",
        &json!({"startTime": "1970-01-01T00:00:01Z", "input": "question", "model": "m", "metadata": {"a": 1, "b": 1}}),
    );
    let last = observation(
        "generation-update",
        &json!({"endTime": "1970-01-01T00:00:02Z", "input": null, "output": "answer", "metadata": {"b": 2, "c": 2}}),
    );

    assert_eq!(
        body(&joined(&first, &last)),
        json!({
            "id": SPAN, "traceId": TRACE, "startTime": "1970-01-01T00:00:01Z", "input": "question", "model": "m",
            "metadata": {"a": 1, "b": 2, "c": 2}, "endTime": "1970-01-01T00:00:02Z", "output": "answer",
        })
    );
}

#[test]
fn the_create_says_what_it_is_and_when_it_began_whichever_comes_first() {
    let mut create = observation("tool-create", &json!({"name": "search"}));
    create["timestamp"] = json!("1970-01-01T00:00:03Z");
    let update = observation("span-update", &json!({"output": 1}));

    for record in [joined(&create, &update), joined(&update, &create)] {
        let event = Event::read(&record, &[]).expect("an event");
        assert_eq!((event.kind.name, event.header.time_unix_nano), ("tool-create", 3_000_000_000));
        assert_eq!(body(&record)["startTime"], "1970-01-01T00:00:03Z");
    }
}

#[test]
fn an_update_that_overtakes_its_create_is_the_later_word_on_it() {
    let update =
        observation("span-update", &json!({"output": "done", "level": "ERROR", "metadata": {"a": 2}}));
    let create = observation(
        "span-create",
        &json!({"output": "none yet", "level": "DEFAULT", "metadata": {"a": 1, "b": 1}}),
    );

    let body = body(&joined(&update, &create));

    assert_eq!((&body["output"], &body["level"]), (&json!("done"), &json!("ERROR")));
    assert_eq!(body["metadata"], json!({"a": 2, "b": 1}));
}

#[test]
fn an_id_in_another_trace_names_something_else_unless_one_names_no_trace() {
    let here = record(&observation("span-create", &json!({})));
    let there = record(&observation("span-create", &json!({"traceId": "another"})));
    let nowhere = record(&json!({"type": "span-update", "body": {"id": SPAN, "output": 1}}));
    let merge = EventMerge::default();

    assert!(!merge.is_same(&here, &there));
    assert!(merge.is_same(&here, &here) && merge.is_same(&here, &nowhere) && merge.is_same(&nowhere, &there));
}

#[test]
fn the_envelope_of_the_later_event_is_kept_so_that_no_id_is_used_twice() {
    let first = observation("span-create", &json!({}));
    let mut last = observation("span-update", &json!({}));
    (last["id"], last["timestamp"]) = (json!("second"), json!("1970-01-01T00:00:09Z"));

    let record = joined(&first, &last);

    let event = Event::read(&record, &[]).expect("an event");
    assert_eq!((&*event.envelope_id(), event.timestamp), ("second", Some("1970-01-01T00:00:09Z")));
}

#[test]
fn an_update_that_names_no_trace_joins_the_one_of_its_create() {
    let create = observation("span-create", &json!({}));
    let update = json!({"type": "span-update", "body": {"id": SPAN, "output": 1}});

    for record in [joined(&create, &update), joined(&update, &create)] {
        assert_eq!(record.header().trace_id, super::trace());
    }
}

#[test]
fn what_is_held_and_what_passes() {
    let part = |event: &Value| EventMerge::default().part(&record(event));
    let is_complete = |event: &Value| match part(event) {
        Part::Member { is_complete, .. } => is_complete,
        other => panic!("{other:?}"),
    };
    let ended = json!({"endTime": "1970-01-01T00:00:02Z"});

    assert!(!is_complete(&observation("span-create", &json!({}))));
    assert!(is_complete(&observation("span-create", &ended)));
    assert!(!is_complete(&observation("span-update", &ended)), "its create may follow");
    assert!(is_complete(&observation("event-create", &json!({}))));
    assert_eq!(
        part(&json!({"type": "trace-create", "body": {"id": TRACE}})),
        Part::Group { key: super::trace() }
    );
    assert_eq!(part(&json!({"type": "score-create", "body": {"name": "x", "value": 1}})), Part::Alone);
    assert_eq!(part(&json!({"type": "sdk-log", "body": {"log": "x"}})), Part::Alone);
}

#[test]
fn a_long_input_of_a_trace_travels_once_and_a_short_one_with_every_observation() {
    let carried = |input: &str, is_news: bool| {
        let trace =
            record(&json!({"type": "trace-create", "body": {"id": TRACE, "name": "turn", "input": input}}));
        let member = record(&observation("span-create", &json!({})));
        let shared = EventMerge::default().shared(&trace, is_news);
        let event = Event::read(&member, &shared).expect("an event");
        let names: Vec<String> =
            map(event.trace.expect("carried")).map(|(name, _)| name.to_owned()).collect();
        (names.join(" "), event.is_news)
    };
    let long = "x".repeat(10_000);

    assert_eq!(carried("short", false), ("id input name".to_owned(), false));
    assert_eq!(carried(&long, true), ("id input name".to_owned(), true));
    assert_eq!(carried(&long, false), ("id name".to_owned(), false));
}
