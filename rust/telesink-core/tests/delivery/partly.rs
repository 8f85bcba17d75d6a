//! Batches of which a sink takes a part: cut by what one request may hold, or counted by the destination.

use crate::support::records::info;
use crate::support::script::{Answer, Script};
use crate::support::{
    NEVER, assert_balanced, assert_dropped, batches_of, flush, lane, offer, offer_all, pipeline, until,
};
use telesink_core::settings::Settings;
use telesink_core::sinks::{Outcome, SinkPlan};
use telesink_core::stats::{DropCause, State};

fn without_sending(unsent: usize) -> Outcome {
    Outcome { unsent, ..Outcome::default() }
}

fn offered(script: &Script) -> Vec<String> {
    script.calls().iter().map(|call| call.bodies.concat()).collect()
}

#[test]
fn records_that_a_sink_has_not_sent_are_offered_next_without_a_pause() {
    let answers = [Answer::Partly(without_sending(3)), Answer::Partly(without_sending(1))];
    let script = Script::answering(answers);
    // A pause would never end.
    let settings = Settings { retry_initial: NEVER, retry_max: NEVER, ..batches_of(5) };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    script.wait_for_stored(5);
    flush(&pipeline);

    assert_eq!(offered(&script), ["abcde", "cde", "e"]);
    assert_eq!((lane(&pipeline).delivered, lane(&pipeline).retries), (5, 0));
    assert_balanced(&pipeline.stats());
}

#[test]
fn what_a_sink_has_not_sent_tells_it_which_records_it_has_stored() {
    let script = Script::answering([Answer::Partly(without_sending(2))]);
    let pipeline = pipeline(script.plan(), batches_of(5));

    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    flush(&pipeline);

    let told: Vec<u64> = script.calls().iter().map(|call| call.previous_seq).collect();
    assert_eq!(told, [0, 3]);
}

#[test]
fn records_put_off_go_before_those_that_were_not_sent() {
    let outcome = Outcome { retry: vec![1], ..without_sending(2) };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(4));

    offer_all(&pipeline, ["a", "b", "c", "d"]);
    flush(&pipeline);

    assert_eq!(offered(&script), ["abcd", "bcd"]);
    assert_eq!((lane(&pipeline).delivered, lane(&pipeline).retries), (4, 1));
}

#[test]
fn a_sink_that_sends_nothing_is_not_asked_in_a_busy_loop() {
    let script = Script::deciding(|call| Answer::Partly(without_sending(call.seqs.len() + 1)));
    let settings = Settings { retry_initial: NEVER, retry_max: NEVER, ..batches_of(2) };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["a", "b"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);

    assert_eq!(lane(&pipeline).pending, 2);
    assert_eq!(script.calls().len(), 1);
}

#[test]
fn h3_records_that_a_server_rejects_without_naming_them_are_counted_and_not_sent_again() {
    let outcome = Outcome {
        rejected_by_server: 2,
        notice: Some("rejected 2 records: too old".to_owned()),
        ..Outcome::default()
    };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(5));

    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    flush(&pipeline);

    assert_eq!(script.calls().len(), 1);
    assert_eq!(lane(&pipeline).delivered, 3);
    assert_dropped(&lane(&pipeline), DropCause::RejectedByServer, 2);
    assert_eq!(lane(&pipeline).last_error, "rejected 2 records: too old");
    assert_balanced(&pipeline.stats());
}

#[test]
fn h3_a_server_that_rejects_more_than_it_was_given_rejects_what_it_was_given() {
    let outcome = Outcome { rejected_by_server: usize::MAX, ..without_sending(1) };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    flush(&pipeline);

    assert_eq!(lane(&pipeline).delivered, 1);
    assert_dropped(&lane(&pipeline), DropCause::RejectedByServer, 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn records_that_a_sink_was_told_not_to_keep_are_counted_apart_and_not_offered_again() {
    let outcome = Outcome { switched_off: vec![1, 3], ..Outcome::default() };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(5));

    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    flush(&pipeline);

    assert_eq!(script.calls().len(), 1);
    assert_eq!(lane(&pipeline).delivered, 3);
    assert_dropped(&lane(&pipeline), DropCause::SwitchedOff, 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_sink_that_wants_small_batches_does_not_wait_for_large_ones() {
    let record = info(&"x".repeat(1_000));
    let script = Script::storing();
    let plan = SinkPlan { batch_bytes_max: Some(record.cost_bytes() as u64 * 2), ..script.plan() };
    let pipeline = pipeline(plan, Settings { linger: Some(NEVER), ..batches_of(1_000) });

    for _ in 0..4 {
        assert!(offer(&pipeline, &record));
    }

    script.wait_for_stored(4);
}

#[test]
fn what_nobody_is_said_to_have_caused_is_left_out_and_counted_where_that_is_asked_for() {
    let outcome = Outcome { unattributed: vec![1, 3], ..Outcome::default() };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(5));

    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    flush(&pipeline);

    assert_eq!(script.calls().len(), 1);
    assert_eq!(lane(&pipeline).delivered, 3);
    assert_dropped(&lane(&pipeline), DropCause::Unattributed, 2);
    assert_balanced(&pipeline.stats());
}
