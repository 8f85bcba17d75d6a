//! When a batch is written: full, old enough, or urgent.

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Gate, Script};
use crate::support::{LIMIT, NEVER, batches_of, eager, flush, offer, offer_all, pipeline};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::record::Record;
use telesink_core::settings::Settings;

fn lingering(linger: Duration) -> Settings {
    Settings { linger: Some(linger), ..eager() }
}

fn urgent(body: &str) -> Record {
    Draft::new(body).level(40).urgent().build()
}

#[test]
fn a_batch_is_written_when_it_is_full() {
    // S0-8, S1-2.
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), batches_of(10));

    offer_all(&pipeline, (0..30).map(|number| number.to_string()));
    script.wait_for_stored(30);

    let sizes: Vec<usize> = script.calls().iter().map(|call| call.seqs.len()).collect();
    assert_eq!(sizes, [10, 10, 10]);
}

#[test]
fn a_record_waits_for_others_no_longer_than_the_linger() {
    let linger = Duration::from_millis(60);
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), lingering(linger));

    let offered_at = clock::monotonic();
    offer_all(&pipeline, ["alone"]);
    let call = script.next_call();

    assert!(call.at.duration_since(offered_at) >= linger);
}

#[test]
fn later_records_do_not_put_the_deadline_off() {
    // S1-4.
    let linger = Duration::from_millis(60);
    let script = Script::storing();
    // No batch gets full within the limit of this test.
    let pipeline = pipeline(script.plan(), Settings { batch_records_max: 1 << 20, ..lingering(linger) });

    let offered_at = clock::monotonic();
    offer_all(&pipeline, ["oldest"]);
    // Were each record to start the linger anew, no batch would ever be written.
    while script.calls().is_empty() {
        assert!(clock::monotonic().duration_since(offered_at) < LIMIT, "still put off");
        offer_all(&pipeline, ["later"]);
        std::thread::park_timeout(Duration::from_millis(1));
    }

    let call = script.next_call();
    assert!(call.at.duration_since(offered_at) >= linger);
    assert_eq!(call.bodies[0], "oldest");
    assert!(call.bodies.len() > 1);
}

#[test]
fn the_linger_of_the_sink_holds_where_the_settings_leave_it_open() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), Settings { linger: None, ..eager() });

    offer_all(&pipeline, ["a"]);

    script.wait_for_stored(1);
}

#[test]
fn an_urgent_record_does_not_linger_and_takes_the_open_batch_along() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), lingering(NEVER));

    offer_all(&pipeline, ["a", "b"]);
    assert!(offer(&pipeline, &urgent("alarm")));
    script.wait_for_stored(3);

    assert_eq!(script.bodies(), ["a", "b", "alarm"]);
}

#[test]
fn a_storm_of_urgent_records_shares_writes() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), lingering(Duration::from_millis(20)));

    assert!(offer(&pipeline, &urgent("first")));
    script.next_call();
    for _ in 0..500 {
        assert!(offer(&pipeline, &urgent("storm")));
    }
    gate.open();
    script.wait_for_stored(501);

    let sizes: Vec<usize> = script.calls().iter().map(|call| call.seqs.len()).collect();
    assert_eq!(sizes, [1, 500]);
}

#[test]
fn after_an_urgent_write_the_next_urgent_record_waits_for_company_one_linger_at_most() {
    let linger = Duration::from_millis(60);
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), lingering(linger));

    let offered_at = clock::monotonic();
    assert!(offer(&pipeline, &urgent("first")));
    script.next_call();
    assert!(offer(&pipeline, &urgent("second")));
    let second = script.next_call();

    assert!(second.at.duration_since(offered_at) >= linger);
}

#[test]
fn what_gathered_during_a_slow_write_goes_out_together() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let pipeline = pipeline(script.plan(), eager());

    offer_all(&pipeline, ["plug"]);
    script.next_call();
    offer_all(&pipeline, (0..3_000).map(|number| number.to_string()));
    gate.open();
    flush(&pipeline);

    let sizes: Vec<usize> = script.calls().iter().map(|call| call.seqs.len()).collect();
    assert_eq!(sizes, [1, 3_000]);
}

#[test]
fn a_batch_takes_at_most_half_of_the_queue() {
    let gate = Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let settings = Settings { queue_records_max: 100, ..eager() };
    let pipeline = pipeline(script.plan(), settings);

    offer_all(&pipeline, ["plug"]);
    script.next_call();
    while offer(&pipeline, &info("x")) {}
    gate.open();
    flush(&pipeline);

    assert!(script.calls().iter().all(|call| call.seqs.len() <= 50));
}
