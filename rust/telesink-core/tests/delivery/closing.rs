//! A close ends by its deadline, whatever the sink does, and counts what was left.

use crate::support::records::info;
use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, NEVER, assert_balanced, assert_dropped, assert_rejected, batches_of, close, eager, flush, lane,
    offer, offer_all, pipeline, queue_of, until,
};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::pipeline::Pipeline;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::stats::{DropCause, RejectCause, State};

/// Time given to a close that cannot succeed.
const SHORT: Duration = Duration::from_millis(80);

fn close_shortly(pipeline: &Pipeline) -> (telesink_core::stats::Receipt, Duration) {
    let begun = clock::monotonic();
    let receipt = pipeline.close(begun + SHORT, true);
    (receipt, clock::monotonic().duration_since(begun))
}

#[test]
fn a_close_delivers_everything_first_and_ends_the_thread() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() });
    offer_all(&pipeline, (0..1_000).map(|number| number.to_string()));

    let receipt = close(&pipeline);

    assert_eq!(receipt.delivered, 1_000);
    assert_eq!(script.bodies().len(), 1_000);
    assert_eq!(script.closed(), 1);
    assert_eq!(lane(&pipeline).state, State::Closed);
    assert_balanced(&pipeline.stats());
}

#[test]
fn after_a_close_records_are_rejected_and_a_second_close_is_harmless() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), eager());
    offer_all(&pipeline, ["a"]);
    close(&pipeline);

    assert!(!offer(&pipeline, &info("too late")));
    close(&pipeline);

    assert_eq!(script.bodies(), ["a"]);
    assert_rejected(&pipeline.stats(), RejectCause::Closed, 1);
    assert_eq!(script.closed(), 1);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_lane_that_was_never_used_closes_at_once_and_makes_no_sink() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), eager());

    close(&pipeline);

    assert_eq!((script.made(), script.closed()), (0, 0));
    assert_eq!(lane(&pipeline).state, State::Closed);
}

#[test]
fn a_sink_that_blocks_for_ever_does_not_block_a_close() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), batches_of(2));
    offer_all(&pipeline, ["in flight", "in flight too"]);
    script.next_call();
    offer_all(&pipeline, ["queued", "queued", "queued"]);

    let (receipt, took) = close_shortly(&pipeline);

    assert!(took >= SHORT && took < LIMIT / 2, "{took:?}");
    assert_dropped(&lane(&pipeline), DropCause::ExitUnresolved, 2);
    assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 3);
    assert_eq!((receipt.delivered, receipt.dropped.total(), receipt.pending), (0, 5, 0));
    assert_balanced(&pipeline.stats());

    gate.open();
    until("the thread has ended", || script.closed() == 1);
    // What it still achieved is not counted twice.
    assert_eq!(lane(&pipeline).delivered, 0);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_sink_that_is_away_is_tried_until_the_deadline() {
    let script = Script::deciding(|_| Answer::retry());
    let pipeline = pipeline(script.plan(), batches_of(2));
    offer_all(&pipeline, ["a", "b", "c"]);
    script.next_call();
    let before = script.calls().len();

    let (receipt, took) = close_shortly(&pipeline);

    assert!(took >= SHORT && took < LIMIT / 2, "{took:?}");
    assert!(script.calls().len() > before);
    assert_eq!(receipt.dropped.total(), 3);
    assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 3);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_record_whose_outcome_is_unknown_at_the_deadline_is_counted_as_such() {
    // Many times, because the worker and the closing thread wake at the same moment.
    for _ in 0..20 {
        let script = Script::deciding(|_| {
            Answer::Fail(WriteError::retry("the answer was lost").after(NEVER).unresolved())
        });
        let pipeline = pipeline(script.plan(), batches_of(1));
        offer_all(&pipeline, ["sent", "queued"]);
        script.next_call();

        pipeline.close(clock::monotonic() + Duration::from_millis(5), true);

        assert_dropped(&lane(&pipeline), DropCause::ExitUnresolved, 1);
        assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 1);
        assert_balanced(&pipeline.stats());
    }
}

#[test]
fn a_held_lane_tries_once_more_and_then_gives_up_at_once() {
    let script = Script::deciding(|_| {
        Answer::Fail(WriteError::hold("the table is missing", "create it").after(NEVER))
    });
    let pipeline = pipeline(script.plan(), batches_of(1));
    offer_all(&pipeline, ["a", "b", "c"]);
    until("the lane is held", || lane(&pipeline).state == State::Held);

    let begun = clock::monotonic();
    let receipt = pipeline.close(begun + LIMIT, true);

    assert!(clock::monotonic().duration_since(begun) < LIMIT / 2);
    // The flush that a close begins with may look once as well.
    assert!((2..=3).contains(&script.calls().len()), "{} attempts", script.calls().len());
    assert_eq!(receipt.pending, 0);
    assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 3);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_lane_that_is_mended_before_the_last_attempt_delivers_at_exit() {
    let script = Script::answering([Answer::Fail(WriteError::hold("no table", "create it").after(NEVER))]);
    let pipeline = pipeline(script.plan(), batches_of(2));
    offer_all(&pipeline, ["a", "b", "c", "d", "e"]);
    until("the lane is held", || lane(&pipeline).state == State::Held);

    let receipt = close(&pipeline);

    assert_eq!(receipt.delivered, 5);
    assert_eq!(script.bodies(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_close_that_does_not_stop_leaves_the_lane_working() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() });
    offer_all(&pipeline, ["a"]);

    let receipt = pipeline.close(clock::monotonic() + LIMIT, false);
    offer_all(&pipeline, ["logged by a later exit hook"]);
    script.wait_for_stored(2);

    assert_eq!(receipt.delivered, 1);
    assert_eq!(script.bodies(), ["a", "logged by a later exit hook"]);
    assert!(!pipeline.is_closed());
}

#[test]
fn lanes_close_side_by_side_under_one_deadline() {
    let gate = Gate::default();
    let pipeline = crate::support::empty_pipeline();
    let scripts: Vec<Script> = (0..4).map(|_| Script::answering([Answer::behind(&gate)])).collect();
    for (number, script) in scripts.iter().enumerate() {
        let spec = crate::support::spec(&format!("lane {number}"), script.plan(), eager());
        pipeline.add_lane(spec).expect("added");
    }
    offer_all(&pipeline, ["a"]);
    for script in &scripts {
        script.next_call();
    }

    let begun = clock::monotonic();
    let receipt = pipeline.close(begun + Duration::from_secs(1), true);

    assert!(clock::monotonic().duration_since(begun) < Duration::from_secs(3));
    assert_eq!(receipt.dropped.get(DropCause::ExitUnresolved.name()), 4);
    gate.open();
}

#[test]
fn a_retired_pipeline_settles_what_it_has_without_being_waited_for() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), Settings { linger: Some(NEVER), ..eager() });
    offer_all(&pipeline, ["a", "b"]);

    pipeline.retire();
    until("the thread has ended", || script.closed() == 1);

    assert_eq!(script.bodies(), ["a", "b"]);
    assert!(!offer(&pipeline, &info("too late")));
}

#[test]
fn losses_that_were_not_told_yet_are_told_before_the_lane_ends() {
    let (first, second) = (Gate::default(), Gate::default());
    let script = Script::answering([Answer::behind(&first), Answer::Store, Answer::behind(&second)]);
    let pipeline = pipeline(script.plan(), queue_of(2, WhenFull::DropNewest));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    // Told at once when the first write is through: this is the first loss.
    while offer(&pipeline, &info("fills")) {}
    first.open();
    script.next_call();
    script.next_call();
    // Told within a second at the earliest: this close does not wait that long.
    while offer(&pipeline, &info("fills")) {}
    second.open();
    flush(&pipeline);

    close(&pipeline);

    let lost: i64 = script.markers().iter().map(|marker| marker.lost).sum();
    assert_eq!(lost as u64, lane(&pipeline).rejected.get(RejectCause::QueueFull.name()));
    assert_eq!(script.markers().len(), 2);
}
