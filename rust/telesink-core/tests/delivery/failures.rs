//! What may pass is tried again, in order; what somebody has to mend is held, and said.

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Script};
use crate::support::{
    NEVER, assert_balanced, batches_of, eager, flush, lane, offer, offer_all, pipeline, until,
};
use std::time::Duration;
use telesink_core::error::WriteError;
use telesink_core::stats::State;

/// Longer than any test; only a flush or a close looks earlier.
fn asked_for_ever() -> WriteError {
    WriteError::retry("the script is overloaded").after(NEVER)
}

#[test]
fn a_failed_batch_is_offered_again_as_it_was_before_any_later_record() {
    let script = Script::answering([Answer::retry(), Answer::retry(), Answer::retry()]);
    let pipeline = pipeline(script.plan(), batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    script.next_call();
    offer_all(&pipeline, ["d", "e", "f"]);
    flush(&pipeline);

    let offered: Vec<String> = script.calls().iter().map(|call| call.bodies.concat()).collect();
    assert_eq!(offered, ["abc", "abc", "abc", "abc", "def"]);
    let seqs: Vec<u64> = script.stored().iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    assert_eq!(lane(&pipeline).retries, 3);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_destination_that_asks_to_be_left_alone_is_left_alone_that_long() {
    let asked = Duration::from_millis(120);
    let script = Script::answering([Answer::Fail(WriteError::retry("busy").after(asked))]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["a"]);
    let first = script.next_call();
    let second = script.next_call();

    assert!(second.at.duration_since(first.at) >= asked, "{:?}", second.at.duration_since(first.at));
}

#[test]
fn a_lane_that_waits_to_try_again_says_so() {
    let script = Script::answering([Answer::Fail(asked_for_ever())]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["a"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);

    let waiting = lane(&pipeline);
    assert_eq!(waiting.last_error, "the script is overloaded");
    assert_eq!((waiting.pending, waiting.retries, waiting.dropped.total()), (1, 1, 0));
}

#[test]
fn a_flush_makes_a_waiting_lane_try_at_once() {
    let script = Script::answering([Answer::Fail(asked_for_ever())]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["a"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);
    let receipt = flush(&pipeline);

    assert_eq!(receipt.delivered, 1);
    assert_eq!(script.calls().len(), 2);
}

#[test]
fn records_do_not_hurry_a_lane_that_waits_not_even_urgent_ones() {
    let script = Script::answering([Answer::Fail(asked_for_ever())]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["first"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);
    for _ in 0..100 {
        assert!(offer(&pipeline, &Draft::new("later").level(40).urgent().build()));
    }
    flush(&pipeline);

    let calls = script.calls();
    assert_eq!(calls[0].bodies, ["first"]);
    assert_eq!(calls[1].bodies, ["first"]);
    assert_eq!(calls[2].bodies.len(), 100);
}

#[test]
fn a_configuration_fault_holds_the_records_and_says_what_to_do() {
    let wrong_password =
        || Answer::Fail(WriteError::hold("the password is wrong", "set it in the dsn").after(NEVER));
    let script = Script::answering([wrong_password(), wrong_password()]);
    let pipeline = pipeline(script.plan(), batches_of(2));

    offer_all(&pipeline, ["a", "b"]);
    until("the lane is held", || lane(&pipeline).state == State::Held);
    let held = lane(&pipeline);
    pipeline.begin_flush();
    until("it was tried once more", || script.calls().len() == 2);
    flush(&pipeline);

    assert_eq!(held.last_error, "the password is wrong; set it in the dsn");
    assert_eq!((held.pending, held.dropped.total()), (2, 0));
    assert_eq!(script.bodies(), ["a", "b"]);
    until("the lane rests", || lane(&pipeline).state == State::Idle);
}

#[test]
fn a_held_lane_looks_again_by_itself() {
    let script = Script::answering([Answer::hold(), Answer::hold(), Answer::hold()]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["a"]);
    script.wait_for_stored(1);

    assert_eq!(script.calls().len(), 4);
}

#[test]
fn a_lane_accepts_up_to_its_bound_while_its_sink_is_away() {
    let script = Script::answering([Answer::Fail(asked_for_ever())]);
    let settings = telesink_core::settings::Settings { queue_records_max: 100, ..eager() };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["first"]);
    until("the lane waits", || lane(&pipeline).state == State::Retrying);
    let taken = (0..200).filter(|number| offer(&pipeline, &info(&number.to_string()))).count();
    let receipt = flush(&pipeline);

    // A tenth is kept for severe records, and the first one counts until it is settled.
    assert_eq!(taken, 89);
    assert_eq!(receipt.delivered, 90);
    assert_eq!(script.bodies()[..3], ["first", "0", "1"]);
    assert_balanced(&pipeline.stats());
}

#[test]
fn every_attempt_tells_the_sink_what_the_lane_has_stored_before() {
    let script = Script::answering([Answer::Store, Answer::retry(), Answer::Store]);
    let pipeline = pipeline(script.plan(), batches_of(2));

    offer_all(&pipeline, ["a", "b", "c", "d", "e", "f"]);
    flush(&pipeline);

    let told: Vec<(u64, Vec<u64>)> =
        script.calls().into_iter().map(|call| (call.previous_seq, call.seqs)).collect();
    assert_eq!(told, [(0, vec![1, 2]), (2, vec![3, 4]), (2, vec![3, 4]), (4, vec![5, 6])]);
}
