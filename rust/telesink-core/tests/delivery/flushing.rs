//! A flush is a barrier: it waits for what was taken before it, and for nothing else.

use crate::support::records::info;
use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, NEVER, assert_dropped, batches_of, close, eager, empty_pipeline, flush, lane, lane_named, offer,
    offer_all, pipeline, queue_of, spawn, spec, until,
};
use std::sync::Arc;
use std::time::Duration;
use telesink_core::error::WriteError;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::stats::{DropCause, State};

#[test]
fn a_flush_waits_for_what_was_offered_before_it_and_not_for_what_comes_after() {
    let (first, second) = (Gate::default(), Gate::default());
    let script = Script::answering([Answer::behind(&first), Answer::behind(&second)]);
    let pipeline = pipeline(script.plan(), batches_of(1));
    offer_all(&pipeline, ["before"]);
    script.next_call();

    let flush = pipeline.begin_flush();
    offer_all(&pipeline, ["after"]);
    let was_done = flush.is_done();
    first.open();

    assert!(!was_done);
    assert!(flush.wait(LIMIT));
    let receipt = flush.finish();
    assert_eq!((receipt.delivered, receipt.pending), (1, 0));
    assert_eq!(lane(&pipeline).pending, 1);
    second.open();
}

#[test]
fn a_flush_with_nothing_to_wait_for_is_complete() {
    let pipeline = pipeline(Script::storing().plan(), eager());

    let flush = pipeline.begin_flush();

    assert!(flush.is_done());
    assert!(flush.wait(Duration::ZERO));
    assert!(flush.finish().is_complete());
}

#[test]
fn a_flush_writes_the_open_batch_without_lingering() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() });

    offer_all(&pipeline, ["a", "b", "c"]);
    let receipt = flush(&pipeline);

    assert_eq!(receipt.delivered, 3);
    assert_eq!(script.bodies(), ["a", "b", "c"]);
}

#[test]
fn a_flush_that_runs_out_of_time_says_what_is_pending_and_loses_nothing() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), batches_of(1));
    offer_all(&pipeline, ["a", "b", "c"]);
    script.next_call();

    let unfinished = pipeline.begin_flush();
    assert!(!unfinished.wait(Duration::from_millis(1)));
    let receipt = unfinished.finish();
    gate.open();
    flush(&pipeline);

    assert_eq!((receipt.is_complete(), receipt.pending, receipt.delivered), (false, 3, 0));
    assert_eq!(script.bodies(), ["a", "b", "c"]);
}

#[test]
fn a_receipt_counts_what_was_given_up_while_it_waited() {
    let script = Script::refusing(|body| body == "bad");
    let pipeline = pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() });

    offer_all(&pipeline, ["good", "bad", "good"]);
    let receipt = flush(&pipeline);

    assert!(receipt.is_complete());
    assert_eq!(receipt.delivered, 2);
    assert_eq!(receipt.dropped.get(DropCause::Poison.name()), 1);
    assert!(receipt.seconds < LIMIT.as_secs_f64());
}

#[test]
fn flushes_at_the_same_time_each_have_a_receipt_of_their_own() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), batches_of(1));
    offer_all(&pipeline, ["a"]);
    script.next_call();

    let one = pipeline.begin_flush();
    offer_all(&pipeline, ["b", "c"]);
    let two = pipeline.begin_flush();
    gate.open();

    assert!(one.wait(LIMIT) && two.wait(LIMIT));
    assert_eq!(one.finish().delivered, 1);
    assert_eq!(two.finish().delivered, 3);
}

#[test]
fn a_flush_waits_for_all_lanes() {
    let gate = Gate::default();
    let (quick, slow) = (Script::storing(), Script::answering([Answer::behind(&gate)]));
    let pipeline = empty_pipeline();
    pipeline.add_lane(spec("quick", quick.plan(), eager())).expect("added");
    pipeline.add_lane(spec("slow", slow.plan(), eager())).expect("added");
    offer_all(&pipeline, ["a"]);
    until("the quick lane has nothing pending", || lane_named(&pipeline, "quick").delivered == 1);
    slow.next_call();

    let flush = pipeline.begin_flush();
    let was_done = flush.is_done();
    gate.open();

    assert!(!was_done);
    assert!(flush.wait(LIMIT));
    assert_eq!(flush.finish().delivered, 1, "the quick lane had nothing pending when it began");
}

#[test]
fn records_that_wait_for_a_first_lane_are_pending_and_not_waited_for() {
    let pipeline = empty_pipeline();
    offer_all(&pipeline, ["a", "b"]);

    let flush = pipeline.begin_flush();

    assert!(!flush.is_done());
    // Nothing but a new sink would move them: a wait would be in vain.
    assert!(flush.wait(NEVER));
    assert_eq!(flush.finish().pending, 2);
}

#[test]
fn a_flush_ends_when_what_it_waits_for_is_evicted() {
    let gate = Gate::default();
    let script = Script::answering([Answer::Store, Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), queue_of(4, WhenFull::DropOldest));
    offer_all(&pipeline, ["stored"]);
    flush(&pipeline);
    offer_all(&pipeline, ["in flight"]);
    script.next_call();
    script.next_call();
    offer_all(&pipeline, ["b", "c", "d"]);

    let flush = pipeline.begin_flush();
    offer_all(&pipeline, ["e", "f", "g"]);
    gate.open();

    assert!(flush.wait(LIMIT));
    let receipt = flush.finish();
    assert_eq!(receipt.delivered, 1);
    assert_eq!(receipt.dropped.get(DropCause::Evicted.name()), 3);
    assert_dropped(&lane(&pipeline), DropCause::Evicted, 3);
}

#[test]
fn flushes_from_many_threads_under_load_all_end() {
    let script = Script::storing();
    let pipeline = Arc::new(pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() }));

    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pipeline = Arc::clone(&pipeline);
            spawn(move || {
                for _ in 0..200 {
                    assert!(offer(&pipeline, &info("x")));
                    flush(&pipeline);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("every flush ended");
    }

    assert_eq!(script.bodies().len(), 800);
}

#[test]
fn h2_a_flush_looks_once_and_then_waits_as_long_as_the_destination_asks_for() {
    let busy = || Answer::Fail(WriteError::retry("the script is busy").after(NEVER));
    let script = Script::answering([busy(), busy()]);
    let pipeline = pipeline(script.plan(), eager());
    offer_all(&pipeline, ["a"]);
    until("the wait", || lane(&pipeline).state == State::Retrying);

    let flush = pipeline.begin_flush();
    let was_done = flush.wait(Duration::from_millis(300));
    let calls = script.calls().len();
    let receipt = close(&pipeline);

    assert!(!was_done);
    assert_eq!(calls, 2);
    assert_eq!(receipt.delivered, 1);
    assert_eq!(script.bodies(), ["a"]);
}
