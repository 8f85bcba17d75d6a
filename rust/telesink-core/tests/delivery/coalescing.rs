//! Records that are joined before they are batched: held, released, and every source counted once.

use crate::support::records::info;
use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, NEVER, assert_balanced, assert_dropped, batches_of, close, eager, flush, lane, offer, offer_all,
    pipeline, queue_of, until,
};
use std::sync::Arc;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::record::Record;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::sinks::{CoalescePlan, Entry, Merge, Part, SinkPlan};
use telesink_core::stats::DropCause;

/// Of bodies such as `a1` the first letter is the member, and `.` at the end says that it is complete.
struct ByLetter;

fn body(record: &Record) -> String {
    Entry::new(0, record.clone()).log().message().into_owned()
}

impl Merge for ByLetter {
    fn part(&self, record: &Record) -> Part {
        let body = body(record);
        match body.bytes().next() {
            Some(letter @ b'a'..=b'z') => {
                Part::Member { key: [letter; 8], group: [letter; 16], is_complete: body.ends_with('.') }
            }
            _ => Part::Alone,
        }
    }

    fn is_same(&self, _earlier: &Record, _later: &Record) -> bool {
        true
    }

    fn join(&mut self, earlier: &Record, later: &Record) -> Record {
        info(&format!("{}{}", body(earlier), body(later)))
    }

    fn shared(&self, _group: &Record, _is_news: bool) -> Arc<[u8]> {
        Arc::default()
    }
}

fn joining(script: &Script, hold: Duration) -> SinkPlan {
    let coalesce = CoalescePlan { hold, merge: Arc::new(|| Box::new(ByLetter)) };
    SinkPlan { coalesce: Some(coalesce), ..script.plan() }
}

#[test]
fn records_of_one_thing_are_delivered_as_one_and_counted_each() {
    let script = Script::storing();
    let pipeline = pipeline(joining(&script, NEVER), eager());

    offer_all(&pipeline, ["a1", "b1", "a2.", "Passes"]);
    script.wait_for_stored(2);

    assert_eq!(script.bodies(), ["a1a2.", "Passes"]);
    until("three are settled", || lane(&pipeline).delivered == 3);
    assert_eq!(lane(&pipeline).pending, 1);
    assert_balanced(&pipeline.stats());
}

#[test]
fn what_is_held_is_pending_with_its_bytes_until_a_flush() {
    let script = Script::storing();
    let pipeline = pipeline(joining(&script, NEVER), eager());
    offer_all(&pipeline, ["a1", "b1"]);
    let held = lane(&pipeline);

    let receipt = flush(&pipeline);

    assert_eq!((held.pending, held.delivered), (2, 0));
    assert!(held.bytes_pending > 0);
    assert_eq!((receipt.delivered, receipt.pending), (2, 0));
    assert_eq!(lane(&pipeline).bytes_pending, 0);
    assert_eq!(script.bodies(), ["a1", "b1"]);
}

#[test]
fn a_flush_does_not_wait_for_newer_records_however_many_were_evicted() {
    let (first, second) = (Gate::default(), Gate::default());
    let script = Script::answering([Answer::behind(&first), Answer::behind(&second)]).not_for_logs();
    let pipeline = pipeline(joining(&script, NEVER), queue_of(20, WhenFull::DropOldest));
    offer_all(&pipeline, ["a1", "Plug"]);
    script.next_call();
    offer_all(&pipeline, (0..30).map(|number| format!("Older {number}")));

    let flush = pipeline.begin_flush();
    first.open();
    script.next_call();
    offer_all(&pipeline, (0..40).map(|number| format!("Newer {number}")));
    second.open();

    assert!(flush.wait(LIMIT));
    let at = script.bodies().iter().position(|body| body == "a1");
    assert_eq!(at, Some(3), "{:?}", script.bodies());
}

#[test]
fn a_close_releases_what_is_held() {
    let script = Script::storing();
    let pipeline = pipeline(joining(&script, NEVER), eager());
    offer_all(&pipeline, ["a1", "b1"]);

    close(&pipeline);

    assert_eq!(script.bodies(), ["a1", "b1"]);
    assert_eq!(lane(&pipeline).delivered, 2);
}

#[test]
fn what_never_ends_is_delivered_after_the_hold_time_without_being_asked_for() {
    let script = Script::storing();
    let pipeline = pipeline(joining(&script, Duration::from_millis(20)), eager());

    offer_all(&pipeline, ["a1"]);
    script.wait_for_stored(1);

    until("nothing is pending", || lane(&pipeline).pending == 0);
    assert_eq!(lane(&pipeline).delivered, 1);
}

#[test]
fn numbers_are_given_as_records_are_released_so_that_they_have_no_gaps() {
    let script = Script::storing();
    let pipeline = pipeline(joining(&script, NEVER), batches_of(100));
    offer_all(&pipeline, ["a1", "b1", "First", "b2.", "Second"]);

    flush(&pipeline);

    let numbered: Vec<(u64, String)> =
        script.stored().iter().map(|entry| (entry.seq, body(&entry.record))).collect();
    let expected = [(1, "First"), (2, "b1b2."), (3, "Second"), (4, "a1")];
    assert_eq!(numbered, expected.map(|(seq, body)| (seq, body.to_owned())));
}

#[test]
fn a_joined_record_that_is_refused_costs_all_its_sources() {
    let script = Script::refusing(|body| body.starts_with('a'));
    let pipeline = pipeline(joining(&script, NEVER), batches_of(100));
    offer_all(&pipeline, ["a1", "b1", "a2", "a3.", "Fine"]);

    flush(&pipeline);

    assert_dropped(&lane(&pipeline), DropCause::Poison, 3);
    assert_eq!(lane(&pipeline).delivered, 2);
    assert_eq!(lane(&pipeline).bytes_pending, 0);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_close_without_a_destination_counts_everything_that_was_held() {
    let script = Script::deciding(|_| Answer::hold());
    let pipeline = pipeline(joining(&script, NEVER), eager());
    offer_all(&pipeline, ["a1", "b1", "a2.", "c1"]);
    script.next_call();
    offer_all(&pipeline, ["d1"]);

    let receipt = pipeline.close(clock::monotonic() + Duration::from_millis(200), true);

    assert_eq!(receipt.pending, 0);
    assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 5);
    assert_eq!(lane(&pipeline).bytes_pending, 0);
}

#[test]
fn what_is_held_takes_half_of_the_queue_at_most() {
    let script = Script::storing();
    let settings = Settings { queue_records_max: 20, ..eager() };
    let pipeline = pipeline(joining(&script, NEVER), settings);

    let letters = (b'a'..=b'z').map(|letter| format!("{}1", letter as char));
    let taken = letters.filter(|body| offer(&pipeline, &info(body))).count();
    until("half is released", || lane(&pipeline).pending <= 10);

    assert_eq!(lane(&pipeline).pending + lane(&pipeline).delivered, taken as u64);
    assert_balanced(&pipeline.stats());
}
