//! Lanes come and go while records flow, and do not wait for one another.

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, assert_balanced, assert_rejected, close, eager, empty_pipeline, flush, lane, lane_named, offer,
    offer_all, pipeline, spawn, spec,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::pipeline::{LATE_BYTES_MAX, LATE_RECORDS_MAX};
use telesink_core::record::id::new_instance;
use telesink_core::settings::Settings;
use telesink_core::stats::RejectCause;

#[test]
fn records_offered_before_the_first_lane_are_delivered_to_it_in_order() {
    let script = Script::storing();
    let pipeline = empty_pipeline();
    let bodies: Vec<String> = (0..500).map(|number| number.to_string()).collect();

    offer_all(&pipeline, &bodies);
    let waiting = pipeline.stats();
    pipeline.add_lane(spec("late", script.plan(), eager())).expect("added");
    offer_all(&pipeline, ["afterwards"]);
    flush(&pipeline);

    assert_eq!((waiting.accepted, waiting.late_pending), (500, 500));
    assert_eq!(script.bodies(), [bodies, vec!["afterwards".to_owned()]].concat());
    assert_eq!(pipeline.stats().late_pending, 0);
    assert_balanced(&pipeline.stats());
}

#[test]
fn what_waits_for_a_first_lane_is_bounded_in_records() {
    let script = Script::storing();
    let pipeline = empty_pipeline();

    let taken =
        (0..LATE_RECORDS_MAX + 7).filter(|number| offer(&pipeline, &info(&number.to_string()))).count();
    pipeline.add_lane(spec("late", script.plan(), eager())).expect("added");
    flush(&pipeline);

    assert_eq!(taken, LATE_RECORDS_MAX);
    assert_eq!(script.bodies().len(), LATE_RECORDS_MAX);
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 7);
    assert_balanced(&pipeline.stats());
}

#[test]
fn what_waits_for_a_first_lane_is_bounded_in_bytes() {
    let pipeline = empty_pipeline();
    let large = info(&"x".repeat(100_000));

    let taken = (0..20).filter(|_| offer(&pipeline, &large)).count();

    assert_eq!(taken, LATE_BYTES_MAX / large.cost_bytes());
}

#[test]
fn a_second_lane_gets_what_is_offered_from_then_on() {
    let (first, second) = (Script::storing(), Script::storing());
    let pipeline = empty_pipeline();
    pipeline.add_lane(spec("first", first.plan(), eager())).expect("added");

    offer_all(&pipeline, ["before"]);
    pipeline.add_lane(spec("second", second.plan(), eager())).expect("added");
    offer_all(&pipeline, ["after"]);
    flush(&pipeline);

    assert_eq!(first.bodies(), ["before", "after"]);
    assert_eq!(second.bodies(), ["after"]);
}

#[test]
fn a_dead_sink_does_not_delay_another() {
    let gate = Gate::default();
    let (dead, alive) = (Script::answering([Answer::behind(&gate)]), Script::storing());
    let pipeline = empty_pipeline();
    pipeline.add_lane(spec("dead", dead.plan(), eager())).expect("added");
    pipeline.add_lane(spec("alive", alive.plan(), eager())).expect("added");

    offer_all(&pipeline, (0..1_000).map(|number| number.to_string()));
    alive.wait_for_stored(1_000);

    assert_eq!(lane_named(&pipeline, "dead").delivered, 0);
    gate.open();
    flush(&pipeline);
    assert_eq!(dead.bodies(), alive.bodies());
}

#[test]
fn a_record_that_one_lane_takes_is_accepted_whatever_the_others_say() {
    let gate = Gate::default();
    let (full, roomy) = (Script::answering([Answer::behind(&gate)]), Script::storing());
    let pipeline = empty_pipeline();
    let small = Settings { queue_records_max: 1, ..eager() };
    pipeline.add_lane(spec("full", full.plan(), small)).expect("added");
    pipeline.add_lane(spec("roomy", roomy.plan(), eager())).expect("added");

    offer_all(&pipeline, ["plug"]);
    full.next_call();
    offer_all(&pipeline, ["x", "y"]);
    roomy.wait_for_stored(3);
    gate.open();
    flush(&pipeline);

    assert_eq!((pipeline.stats().accepted, pipeline.stats().rejected.total()), (3, 0));
    assert_eq!(lane_named(&pipeline, "full").rejected.get("queue_full"), 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn lanes_that_come_and_go_cost_the_others_nothing() {
    let lasting = Script::storing();
    let pipeline = Arc::new(empty_pipeline());
    pipeline.add_lane(spec("lasting", lasting.plan(), eager())).expect("added");
    let is_over = Arc::new(AtomicBool::new(false));

    let (for_caller, over_for_caller) = (Arc::clone(&pipeline), Arc::clone(&is_over));
    let caller = spawn(move || {
        let mut number = 0;
        while !over_for_caller.load(Ordering::SeqCst) {
            offer_all(&for_caller, (number..number + 50).map(|number| number.to_string()));
            number += 50;
            // Slow enough to stay within memory, and never for long: guests wait for a record of theirs.
            std::thread::park_timeout(Duration::from_micros(100));
        }
        number
    });
    let mut guests = Vec::new();
    for _ in 0..50 {
        let guest = Script::storing();
        let lane = pipeline.add_lane(spec("guest", guest.plan(), eager())).expect("added");
        guest.wait_for_stored(1);
        pipeline.remove_lane("guest", clock::monotonic() + LIMIT).expect("it is there");
        guests.push((lane, guest));
    }
    is_over.store(true, Ordering::SeqCst);
    let offered: i32 = caller.join().expect("no panic");
    close(&pipeline);

    let expected: Vec<String> = (0..offered).map(|number| number.to_string()).collect();
    assert_eq!(lasting.bodies(), expected);
    assert_balanced(&pipeline.stats());
    for (lane, guest) in guests {
        let stats = lane.stats();
        // A record that was on its way in while its lane was closed is given up, not forgotten.
        assert_eq!((stats.pending, stats.routed), (0, stats.delivered + stats.dropped.total()));
        assert_eq!(guest.bodies().len() as u64, stats.delivered);
    }
}

#[test]
fn a_name_is_given_to_one_lane_at_a_time() {
    let pipeline = pipeline(Script::storing().plan(), eager());

    let error = pipeline.add_lane(spec("only", Script::storing().plan(), eager())).expect_err("it is taken");

    assert_eq!(error.message, "could not add sink: the name `only` is taken");
    assert!(pipeline.remove_lane("nobody", clock::monotonic()).is_none());
}

#[test]
fn a_closed_pipeline_takes_no_lane() {
    let pipeline = pipeline(Script::storing().plan(), eager());
    close(&pipeline);

    let error = pipeline.add_lane(spec("new", Script::storing().plan(), eager())).expect_err("it is closed");

    assert_eq!(error.message, "could not add sink: the pipeline is closed");
}

#[test]
fn an_index_is_not_given_twice_because_the_ledger_knows_lanes_by_it() {
    let pipeline = empty_pipeline();
    let add = |name: &str| {
        pipeline.add_lane(spec(name, Script::storing().plan(), eager())).expect("added").spec().index
    };

    let first = add("a");
    pipeline.remove_lane("a", clock::monotonic() + LIMIT).expect("it is there");

    assert_ne!(first, add("a"));
    assert_ne!(new_instance(1), new_instance(1));
}

#[test]
fn records_of_one_thread_reach_a_sink_in_call_order_and_numbers_have_no_gap() {
    const THREADS: u32 = 4;
    const EACH: usize = 10_000;
    let script = Script::storing();
    let settings = Settings { batch_records_max: 97, ..eager() };
    let pipeline = Arc::new(pipeline(script.plan(), settings));

    let threads: Vec<_> = (1..=THREADS)
        .map(|thread| {
            let pipeline = Arc::clone(&pipeline);
            spawn(move || {
                for number in 0..EACH {
                    let record = Draft::new(&number.to_string()).scope(thread).build();
                    assert!(offer(&pipeline, &record));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("nothing was refused");
    }
    close(&pipeline);

    let stored = script.stored();
    let expected: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
    for thread in 1..=THREADS {
        let of_thread = stored.iter().filter(|entry| entry.record.header().scope == thread);
        let bodies: Vec<String> = of_thread.map(|entry| entry.log().message().into_owned()).collect();
        assert!(bodies == expected, "thread {thread} is out of order");
    }
    let seqs: Vec<u64> = stored.iter().map(|entry| entry.seq).collect();
    assert!(seqs.iter().copied().eq(1..=u64::from(THREADS) * EACH as u64));
    assert_eq!(lane(&pipeline).dropped.total(), 0);
}

#[test]
fn what_could_not_be_captured_is_counted_by_its_cause() {
    let pipeline = pipeline(Script::storing().plan(), eager());

    // The binding finds these causes; the core keeps the books.
    pipeline.reject(RejectCause::EncodeError);
    pipeline.reject(RejectCause::Reentrant);
    pipeline.reject(RejectCause::InvalidEvent);
    pipeline.reject(RejectCause::SampledOut);
    pipeline.reject(RejectCause::Panic);

    let stats = pipeline.stats();
    assert_rejected(&stats, RejectCause::EncodeError, 1);
    assert_rejected(&stats, RejectCause::Reentrant, 1);
    assert_rejected(&stats, RejectCause::InvalidEvent, 1);
    assert_rejected(&stats, RejectCause::SampledOut, 1);
    assert_rejected(&stats, RejectCause::Panic, 1);
    assert_balanced(&stats);
}

#[test]
fn marks_of_capture_are_counted_whether_or_not_the_record_is_taken() {
    use telesink_core::record::encode::RecordBuilder;
    use telesink_core::record::flag;
    let pipeline = pipeline(Script::storing().plan(), eager());
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.body("replaced \0, cut and not formatted");
    builder.note_truncation(1 << 20);
    builder.mark(flag::FORMAT_ERROR);
    let record = builder.finish(info("").header(), &[]);

    assert!(offer(&pipeline, &record));
    close(&pipeline);
    assert!(!offer(&pipeline, &record));

    let stats = pipeline.stats();
    assert_eq!((stats.sanitised, stats.truncated, stats.format_errors), (2, 2, 2));
}
