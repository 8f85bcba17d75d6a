//! One record that the destination refuses costs only itself; a destination that refuses everything is held.

use crate::support::script::{Answer, Gate, Script};
use crate::support::{
    LIMIT, assert_balanced, assert_dropped, batches_of, flush, lane, offer_all, pipeline, until,
};
use telesink_core::clock;
use telesink_core::sinks::{Outcome, Refusal};
use telesink_core::stats::{DropCause, State};

/// `count` bodies of which those at `bad` are refused by [`refuses`].
fn bodies(count: usize, bad: &[usize]) -> Vec<String> {
    let body = |number: usize| format!("{} {number}", if bad.contains(&number) { "bad" } else { "good" });
    (0..count).map(body).collect()
}

fn refuses(body: &str) -> bool {
    body.starts_with("bad")
}

fn without_bad(bodies: &[String]) -> Vec<String> {
    bodies.iter().filter(|body| !refuses(body)).cloned().collect()
}

#[test]
fn a_refused_record_costs_only_itself_wherever_it_stands() {
    let places: [&[usize]; 9] =
        [&[0], &[1], &[3], &[4], &[7], &[0, 7], &[2, 3, 4], &[0, 2, 4, 6], &[1, 6, 7]];
    for bad in places {
        let script = Script::refusing(refuses);
        let pipeline = pipeline(script.plan(), batches_of(8));
        let bodies = bodies(8, bad);

        offer_all(&pipeline, &bodies);
        flush(&pipeline);

        assert_eq!(script.bodies(), without_bad(&bodies), "{bad:?}");
        assert_eq!(lane(&pipeline).delivered, 8 - bad.len() as u64, "{bad:?}");
        assert_dropped(&lane(&pipeline), DropCause::Poison, bad.len() as u64);
        assert_balanced(&pipeline.stats());
    }
}

#[test]
fn one_refused_record_in_512_is_found_in_19_writes() {
    for bad in [0, 255, 256, 511] {
        let script = Script::refusing(refuses);
        let pipeline = pipeline(script.plan(), batches_of(512));

        offer_all(&pipeline, bodies(512, &[bad]));
        flush(&pipeline);

        assert_eq!(script.bodies().len(), 511);
        assert!(script.calls().len() <= 19, "{} writes", script.calls().len());
    }
}

#[test]
fn a_batch_of_one_refused_record_does_not_stop_the_next() {
    let script = Script::refusing(refuses);
    let pipeline = pipeline(script.plan(), batches_of(1));

    offer_all(&pipeline, ["good 1", "bad 2", "good 3"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["good 1", "good 3"]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
    assert!(lane(&pipeline).last_error.contains("does not like it"));
}

#[test]
fn records_that_are_all_refused_are_held_and_delivered_in_order_once_it_is_mended() {
    let gate = Gate::default();
    let (for_script, mut rounds) = (gate.clone(), 0);
    let script = Script::deciding(move |call| {
        rounds += usize::from(call.seqs.len() == 40);
        if rounds < 3 { Answer::reject() } else { Answer::behind(&for_script) }
    });
    let pipeline = pipeline(script.plan(), batches_of(40));
    let bodies = bodies(40, &[]);

    offer_all(&pipeline, &bodies);
    until("the lane is held", || lane(&pipeline).state == State::Held);
    let held = lane(&pipeline);
    gate.open();
    flush(&pipeline);

    assert_eq!((held.pending, held.delivered, held.dropped.total()), (40, 0, 0));
    assert!(held.last_error.contains("every record is refused: the script does not like it"), "{held:?}");
    assert_eq!(script.bodies(), bodies);
    assert_eq!(lane(&pipeline).dropped.total(), 0);
}

#[test]
fn records_refused_beside_stored_ones_are_at_fault_however_many_they_are() {
    let bad: Vec<usize> = (1..64).collect();
    let script = Script::refusing(refuses);
    let pipeline = pipeline(script.plan(), batches_of(64));

    offer_all(&pipeline, bodies(64, &bad));
    flush(&pipeline);

    assert_eq!(script.bodies(), ["good 0"]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 63);
}

#[test]
fn a_failure_while_the_bad_record_is_searched_loses_no_order() {
    let mut number = 0;
    let script = Script::deciding(move |call| {
        number += 1;
        match () {
            // Every third write finds the destination away.
            () if number % 3 == 0 => Answer::retry(),
            () if call.bodies.iter().any(|body| refuses(body)) => Answer::reject(),
            () => Answer::Store,
        }
    });
    let pipeline = pipeline(script.plan(), batches_of(16));
    let bodies = bodies(16, &[5, 11]);

    offer_all(&pipeline, &bodies);
    flush(&pipeline);

    assert_eq!(script.bodies(), without_bad(&bodies));
    assert_dropped(&lane(&pipeline), DropCause::Poison, 2);
}

#[test]
fn a_sink_that_names_the_refused_records_is_believed() {
    let refusal = |index, text: &str| Refusal { index, code: "constraint".to_owned(), text: text.to_owned() };
    let outcome =
        Outcome { refused: vec![refusal(1, "too dull"), refusal(3, "too long")], ..Outcome::default() };
    let script = Script::answering([Answer::Partly(outcome)]);
    let pipeline = pipeline(script.plan(), batches_of(4));

    offer_all(&pipeline, ["a", "b", "c", "d"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["a", "c"]);
    assert_eq!(script.calls().len(), 1);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 2);
    assert_eq!(lane(&pipeline).last_error, "too long");
}

#[test]
fn records_that_a_sink_puts_off_are_offered_again_without_those_it_took() {
    let put_off = |retry: &[usize]| Answer::Partly(Outcome { retry: retry.to_vec(), ..Outcome::default() });
    let script = Script::answering([put_off(&[0, 2, 3]), put_off(&[1])]);
    let pipeline = pipeline(script.plan(), batches_of(4));

    offer_all(&pipeline, ["a", "b", "c", "d"]);
    flush(&pipeline);

    let offered: Vec<String> = script.calls().iter().map(|call| call.bodies.concat()).collect();
    assert_eq!(offered, ["abcd", "acd", "c"]);
    assert_eq!(lane(&pipeline).delivered, 4);
    assert_balanced(&pipeline.stats());
}

#[test]
fn records_that_a_sink_puts_off_for_ever_do_not_outlive_a_close() {
    let script = Script::deciding(|call| {
        Answer::Partly(Outcome { retry: (0..call.seqs.len()).collect(), ..Outcome::default() })
    });
    let pipeline = pipeline(script.plan(), batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    script.next_call();
    let receipt = pipeline.close(clock::monotonic() + LIMIT / 100, true);

    assert!(receipt.is_complete());
    assert_dropped(&lane(&pipeline), DropCause::ExitDeadline, 3);
    until("the thread has ended", || script.closed() == 1);
}

#[test]
fn an_index_that_a_sink_makes_up_harms_nobody() {
    let nonsense = Outcome {
        refused: vec![Refusal { index: 9, code: String::new(), text: String::new() }],
        retry: vec![7],
        ..Outcome::default()
    };
    let script = Script::answering([Answer::Partly(nonsense)]);
    let pipeline = pipeline(script.plan(), batches_of(2));

    offer_all(&pipeline, ["a", "b"]);
    flush(&pipeline);

    assert_eq!(lane(&pipeline).delivered, 2);
    assert_balanced(&pipeline.stats());
}
