//! What never reached the sink is told in the sink, once, as soon as it works again.

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Gate, Marker, Script};
use crate::support::{
    NEVER, assert_balanced, assert_dropped, assert_rejected, batches_of, eager, flush, lane, offer,
    offer_all, pipeline, queue_of, until,
};
use std::collections::BTreeSet;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::sinks::Entry;
use telesink_core::stats::{DropCause, RejectCause, State};

/// The numbers below the greatest one that no stored record has.
fn gaps(stored: &[Entry]) -> Vec<u64> {
    let seen: BTreeSet<u64> = stored.iter().map(|entry| entry.seq).collect();
    let last = seen.last().copied().unwrap_or(0);
    (1..=last).filter(|seq| !seen.contains(seq)).collect()
}

/// The numbers that a marker says are lost.
fn told(marker: &Marker) -> Vec<u64> {
    (marker.seq_from as u64..=marker.seq_to as u64).collect()
}

fn minutes_ago(minutes: u64) -> u64 {
    clock::unix_nano() - minutes * 60_000_000_000
}

#[test]
fn the_gap_in_the_numbers_is_what_a_full_queue_lost_and_the_marker_says_so_once() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), queue_of(10, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();

    let taken = (0..50).filter(|number| offer(&pipeline, &info(&number.to_string()))).count();
    gate.open();
    flush(&pipeline);
    offer_all(&pipeline, ["after it"]);
    flush(&pipeline);

    let lost = 50 - taken as u64;
    let markers = script.markers();
    assert_eq!(markers.len(), 1, "{markers:?}");
    assert_eq!((markers[0].cause.as_str(), markers[0].lost), ("queue_full", lost as i64));
    assert_eq!(gaps(&script.stored()), told(&markers[0]));
    assert_eq!(gaps(&script.stored()).len() as u64, lost);
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, lost);
    assert_eq!(lane(&pipeline).loss_markers, 1);
    assert_balanced(&pipeline.stats());
}

#[test]
fn evicted_records_leave_a_gap_and_a_marker_too() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), queue_of(10, WhenFull::DropOldest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();

    offer_all(&pipeline, (0..50).map(|number| number.to_string()));
    gate.open();
    flush(&pipeline);

    let markers = script.markers();
    assert_eq!(markers.len(), 1);
    assert_eq!((markers[0].cause.as_str(), markers[0].lost), ("evicted", 41));
    assert_eq!(gaps(&script.stored()), told(&markers[0]));
    assert_dropped(&lane(&pipeline), DropCause::Evicted, 41);
}

#[test]
fn a_marker_reads_as_an_ordinary_warning_of_telesink() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), queue_of(2, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    while offer(&pipeline, &info("fills")) {}
    gate.open();
    flush(&pipeline);

    let stored = script.stored();
    let marker = stored.iter().find(|entry| entry.log().event_name == "telesink.loss").expect("a marker");
    let view = marker.log();
    let scope = view.header.scope as usize;
    assert_eq!(pipeline.tables().scopes()[scope].name, "telesink");
    assert_eq!((view.level(), view.header.levelno), ("WARN", 30));
    assert_eq!(view.message(), "1 records lost: queue_full");
}

#[test]
fn nothing_is_told_to_a_sink_that_does_not_work() {
    let gate = Gate::default();
    let script = Script::answering([
        Answer::Behind(gate.clone(), Box::new(Answer::retry())),
        Answer::retry(),
        Answer::hold(),
        Answer::retry(),
    ]);
    let pipeline = pipeline(script.plan(), queue_of(10, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    while offer(&pipeline, &info("fills")) {}
    gate.open();
    flush(&pipeline);

    let calls = script.calls();
    assert!(calls[..5].iter().all(|call| call.bodies == ["plug"]), "{calls:?}");
    assert_eq!(calls[5].bodies, ["1 records lost: queue_full"]);
}

#[test]
fn later_losses_are_told_later_and_all_gaps_are_covered() {
    let (first, second) = (Gate::default(), Gate::default());
    let script = Script::answering([Answer::behind(&first), Answer::Store, Answer::behind(&second)]);
    let pipeline = pipeline(script.plan(), queue_of(4, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    while offer(&pipeline, &info("fills")) {}
    first.open();
    script.next_call();
    script.next_call();
    for _ in 0..7 {
        offer(&pipeline, &info("fills again"));
    }
    second.open();
    until("the second loss is told", || script.markers().len() == 2);
    flush(&pipeline);

    let markers = script.markers();
    let covered: Vec<u64> = markers.iter().flat_map(told).collect();
    assert_eq!(gaps(&script.stored()), covered);
    assert_eq!(covered.len() as u64, lane(&pipeline).rejected.get("queue_full"));
}

#[test]
fn records_that_are_too_old_expire_and_are_told_with_their_numbers() {
    let script = Script::storing();
    let settings = Settings { max_age: Some(Duration::from_secs(1)), ..batches_of(4) };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["older", "old"]);
    let old_at = clock::monotonic() + Duration::from_millis(1_100);
    until("they are too old", || clock::monotonic() > old_at);
    // These fill the batch.
    offer_all(&pipeline, ["young", "young too"]);
    script.wait_for_stored(2);
    // The marker waits for company like any record.
    offer_all(&pipeline, ["a", "b", "c"]);
    flush(&pipeline);

    let markers = script.markers();
    assert_eq!(script.bodies(), ["young", "young too", "a", "b", "c"]);
    assert_eq!(markers.len(), 1);
    let expected = Marker { seq: 5, cause: "expired".to_owned(), lost: 2, seq_from: 1, seq_to: 2 };
    assert_eq!(markers[0], expected);
    assert_eq!(gaps(&script.stored()), [1, 2]);
    assert_dropped(&lane(&pipeline), DropCause::Expired, 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn t1_a_record_is_as_old_as_it_has_waited_whatever_the_clock_of_the_system_says() {
    let script = Script::storing();
    let settings = Settings { max_age: Some(Duration::from_mins(1)), ..batches_of(2) };
    let pipeline = pipeline(script.plan(), settings);

    for (body, minutes) in [("before a jump ahead", 60), ("just now", 0)] {
        assert!(offer(&pipeline, &Draft::new(body).observed(minutes_ago(minutes)).build()));
    }
    flush(&pipeline);

    assert_eq!(script.bodies(), ["before a jump ahead", "just now"]);
    assert_eq!(lane(&pipeline).dropped.total(), 0);
}

#[test]
fn records_expire_while_their_sink_is_away() {
    let script = Script::answering([Answer::Fail(WriteError::retry("away").after(NEVER))]);
    let settings = Settings { max_age: Some(Duration::from_millis(500)), ..eager() };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["grows old"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);
    let old_at = clock::monotonic() + Duration::from_millis(600);
    until("it is too old", || clock::monotonic() > old_at);
    flush(&pipeline);

    assert_eq!(script.bodies(), [""; 0]);
    assert_dropped(&lane(&pipeline), DropCause::Expired, 1);
}

#[test]
fn a_record_that_may_be_stored_already_does_not_expire() {
    let asked = Duration::from_millis(600);
    let script = Script::answering([Answer::Fail(WriteError::retry("no answer").after(asked).unresolved())]);
    let settings = Settings { max_age: Some(Duration::from_millis(500)), ..eager() };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["grows old"]);
    script.wait_for_stored(1);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["grows old"]);
    assert_eq!(lane(&pipeline).dropped.total(), 0);
}

#[test]
fn a_sink_that_is_no_place_for_logs_gets_no_markers() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]).not_for_logs();
    let pipeline = pipeline(script.plan(), queue_of(2, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    while offer(&pipeline, &info("fills")) {}
    gate.open();
    flush(&pipeline);
    offer_all(&pipeline, ["after it"]);
    flush(&pipeline);

    assert_eq!(script.markers(), []);
    assert_eq!(lane(&pipeline).loss_markers, 0);
    assert_eq!(script.bodies(), ["plug", "fills", "after it"]);
}
