//! What becomes of records when the queue is full, by policy. Nothing but `block` ever waits.

use crate::support::records::{Draft, error, info};
use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, NEVER, assert_balanced, assert_dropped, assert_rejected, batches_of, flush, lane, offer,
    offer_all, offer_with, pipeline, queue_of, spawn,
};
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::lane::Patience;
use telesink_core::pipeline::Pipeline;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::stats::{DropCause, RejectCause};

/// A lane with a queue of ten, of which one place is taken by a record that the sink does not let go of.
struct Plugged {
    pipeline: Arc<Pipeline>,
    script: Script,
    gate: Gate,
}

fn plugged(when_full: WhenFull) -> Plugged {
    plugged_with(queue_of(10, when_full))
}

fn plugged_with(settings: Settings) -> Plugged {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = Arc::new(pipeline(script.plan(), settings));
    offer_all(&pipeline, ["plug"]);
    script.next_call();
    Plugged { pipeline, script, gate }
}

/// A caller that may wait, and tells when it begins to.
struct Patient(Sender<()>);

impl Patience for Patient {
    fn may_wait(&self) -> bool {
        true
    }

    fn detached(&self, wait: &mut (dyn FnMut() + Send)) {
        self.0.send(()).expect("the test listens");
        wait();
    }
}

fn names(prefix: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("{prefix}{number}")).collect()
}

#[test]
fn drop_newest_refuses_new_records_and_keeps_the_last_tenth_for_errors() {
    // S0-1.
    let Plugged { pipeline, script, gate } = plugged(WhenFull::DropNewest);

    offer_all(&pipeline, names("i", 1..=8));
    assert!(!offer(&pipeline, &info("no room")));
    assert!(offer(&pipeline, &error("takes the reserve")));
    assert!(!offer(&pipeline, &error("no room even for it")));
    gate.open();
    flush(&pipeline);

    assert_eq!(
        script.bodies(),
        [vec!["plug".to_owned()], names("i", 1..=8), vec!["takes the reserve".to_owned()]].concat()
    );
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn drop_newest_bounds_bytes_as_well() {
    let settings = Settings { queue_bytes_max: 100_000, ..queue_of(1_000, WhenFull::DropNewest) };
    let Plugged { pipeline, script, gate } = plugged_with(settings);
    let large = info(&"x".repeat(10_000));

    let taken = (0..20).filter(|_| offer(&pipeline, &large)).count();
    let held = lane(&pipeline).bytes_pending;
    gate.open();
    flush(&pipeline);

    assert_eq!(taken, 8);
    assert!(held <= 90_000, "{held}");
    assert_eq!(script.bodies().len(), 9);
    assert_eq!(lane(&pipeline).bytes_pending, 0);
}

#[test]
fn drop_oldest_gives_up_the_oldest_and_keeps_the_order() {
    let Plugged { pipeline, script, gate } = plugged(WhenFull::DropOldest);

    offer_all(&pipeline, names("i", 1..=14));
    gate.open();
    flush(&pipeline);

    assert_eq!(script.bodies(), [vec!["plug".to_owned()], names("i", 6..=14)].concat());
    assert_dropped(&lane(&pipeline), DropCause::Evicted, 5);
    assert_balanced(&pipeline.stats());
}

#[test]
fn drop_oldest_gives_up_errors_last_and_keeps_the_order() {
    let Plugged { pipeline, script, gate } = plugged(WhenFull::DropOldest);

    for number in 1..=9 {
        let body = format!("r{number}");
        assert!(offer(&pipeline, &if number % 3 == 1 { error(&body) } else { info(&body) }));
    }
    // r1, r4 and r7 are errors: the six others go first.
    offer_all(&pipeline, names("n", 1..=5));
    gate.open();
    flush(&pipeline);

    let kept = ["plug", "r1", "r4", "r7", "r9", "n1", "n2", "n3", "n4", "n5"];
    assert_eq!(script.bodies(), kept);
    assert_dropped(&lane(&pipeline), DropCause::Evicted, 5);
}

#[test]
fn when_only_errors_are_left_an_error_replaces_the_oldest_and_others_give_way() {
    let Plugged { pipeline, script, gate } = plugged(WhenFull::DropOldest);
    for body in names("e", 1..=9) {
        assert!(offer(&pipeline, &error(&body)));
    }

    assert!(!offer(&pipeline, &info("gives way")));
    assert!(offer(&pipeline, &error("e10")));
    gate.open();
    flush(&pipeline);

    assert_eq!(script.bodies(), [vec!["plug".to_owned()], names("e", 2..=10)].concat());
    assert_dropped(&lane(&pipeline), DropCause::Evicted, 1);
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 1);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_large_newcomer_evicts_as_many_as_it_needs() {
    let settings = Settings { queue_bytes_max: 10_000, ..queue_of(1_000, WhenFull::DropOldest) };
    let Plugged { pipeline, script, gate } = plugged_with(settings);
    let small = |number: usize| info(&format!("{number:0>1000}"));

    let mut offered = 0;
    while lane(&pipeline).dropped.total() == 0 {
        offered += 1;
        assert!(offer(&pipeline, &small(offered)));
    }
    assert!(offer(&pipeline, &info(&"x".repeat(5_000))));
    let held = lane(&pipeline).bytes_pending;
    gate.open();
    flush(&pipeline);

    assert!(held <= 10_000, "{held}");
    let evicted = lane(&pipeline).dropped.get("evicted");
    assert!(evicted >= 5, "{evicted}");
    assert_eq!(script.bodies().len(), 2 + offered - evicted as usize);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_newcomer_that_could_never_fit_evicts_nobody() {
    let settings = Settings { queue_bytes_max: 10_000, ..queue_of(1_000, WhenFull::DropOldest) };
    let Plugged { pipeline, script, gate } = plugged_with(settings);
    offer_all(&pipeline, ["a", "b"]);

    assert!(!offer(&pipeline, &info(&"x".repeat(20_000))));
    gate.open();
    flush(&pipeline);

    assert_eq!(script.bodies(), ["plug", "a", "b"]);
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 1);
}

#[test]
fn block_waits_for_room_and_then_takes_the_record() {
    let settings = Settings { block_timeout: NEVER, ..queue_of(3, WhenFull::Block) };
    let Plugged { pipeline, script, gate } = plugged_with(settings);
    offer_all(&pipeline, ["a", "b"]);
    let (begins, began) = bounded(1);

    let for_caller = Arc::clone(&pipeline);
    let caller = spawn(move || offer_with(&for_caller, &info("waited"), &Patient(begins)));
    began.recv_timeout(LIMIT).expect("the caller waits");
    gate.open();

    assert!(caller.join().expect("no panic"));
    flush(&pipeline);
    assert_eq!(script.bodies(), ["plug", "a", "b", "waited"]);
    assert_eq!(pipeline.stats().rejected.total(), 0);
}

#[test]
fn block_gives_up_after_its_timeout() {
    let timeout = Duration::from_millis(50);
    let settings = Settings { block_timeout: timeout, ..queue_of(2, WhenFull::Block) };
    let Plugged { pipeline, gate, .. } = plugged_with(settings);
    offer_all(&pipeline, ["a"]);
    let (begins, _began) = bounded(1);

    let before = clock::monotonic();
    let is_taken = offer_with(&pipeline, &info("waits in vain"), &Patient(begins));

    assert!(!is_taken);
    assert!(clock::monotonic().duration_since(before) >= timeout);
    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 1);
    gate.open();
}

#[test]
fn block_never_makes_a_caller_wait_that_may_not() {
    let settings = Settings { block_timeout: NEVER, ..queue_of(2, WhenFull::Block) };
    let Plugged { pipeline, gate, .. } = plugged_with(settings);
    offer_all(&pipeline, ["a"]);

    // `offer` is impatient; were it made to wait, this test would not end.
    assert!(!offer(&pipeline, &info("on an event loop")));

    assert_rejected(&pipeline.stats(), RejectCause::QueueFull, 1);
    gate.open();
}

#[test]
fn block_does_not_wait_for_room_that_can_never_be() {
    let settings =
        Settings { block_timeout: NEVER, queue_bytes_max: 10_000, ..queue_of(100, WhenFull::Block) };
    let Plugged { pipeline, gate, .. } = plugged_with(settings);
    let (begins, began) = bounded(1);

    assert!(!offer_with(&pipeline, &info(&"x".repeat(20_000)), &Patient(begins)));

    assert!(began.is_empty());
    gate.open();
}

#[test]
fn a_close_lets_blocked_callers_go() {
    let settings = Settings { block_timeout: NEVER, ..queue_of(2, WhenFull::Block) };
    let Plugged { pipeline, gate, .. } = plugged_with(settings);
    offer_all(&pipeline, ["a"]);
    let (begins, began) = bounded(1);
    let for_caller = Arc::clone(&pipeline);
    let caller = spawn(move || offer_with(&for_caller, &info("caught"), &Patient(begins)));
    began.recv_timeout(LIMIT).expect("the caller waits");

    pipeline.close(clock::monotonic() + Duration::from_millis(20), true);

    assert!(!caller.join().expect("no panic"));
    assert_balanced(&pipeline.stats());
    gate.open();
}

#[test]
fn a_full_batch_waits_for_no_linger_even_when_bytes_fill_it() {
    let settings = Settings { batch_bytes_max: 20_000, ..batches_of(1_000) };
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), settings);

    for _ in 0..3 {
        assert!(offer(&pipeline, &Draft::new(&"x".repeat(7_000)).build()));
    }

    script.wait_for_stored(3);
}
