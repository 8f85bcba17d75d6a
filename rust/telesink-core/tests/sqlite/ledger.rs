//! The ledger: a batch whose answer was lost is neither stored twice nor lost.

use crate::support::{batches_of, close, eager, lane, offer_all, pipeline};
use crate::{Direct, bodies, connect, database, number, plan_at, texts};
use std::sync::Arc;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::record::Record;
use telesink_core::sinks::{Batch, Outcome, Route, Sink, SinkFactory, SinkPlan};

const LAST_SEQ: &str = "SELECT last_seq FROM telesink_ledger";

fn stored(seqs: std::ops::RangeInclusive<u64>) -> Vec<String> {
    seqs.map(|seq| format!("number {seq}")).collect()
}

#[test]
fn the_ledger_moves_with_the_rows() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);

    sink.write(0, 1..=3).expect("written");
    sink.write(3, 4..=5).expect("written");

    assert_eq!(number(&path, LAST_SEQ), 5);
    assert_eq!(bodies(&path), stored(1..=5));
}

#[test]
fn a_batch_that_was_stored_before_its_answer_was_lost_is_not_stored_again() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);
    sink.write(0, 1..=3).expect("written");
    sink.write(3, 4..=6).expect("written, and suppose nobody heard of it");

    let outcome = sink.write(3, 4..=6).expect("written before");

    assert_eq!((outcome.duplicates_suppressed, outcome.rolled_back), (3, 0));
    assert_eq!(bodies(&path), stored(1..=6));
    assert_eq!(number(&path, LAST_SEQ), 6);
}

#[test]
fn a_batch_that_was_not_stored_before_its_answer_was_lost_is_stored() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);
    sink.write(0, 1..=3).expect("written");

    let outcome = sink.write(3, 4..=6).expect("written");

    assert_eq!(outcome, Outcome::default());
    assert_eq!(bodies(&path), stored(1..=6));
}

#[test]
fn a_batch_may_be_cut_anew_after_a_lost_answer() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);
    sink.write(0, 1..=4).expect("written, and suppose nobody heard of it");

    let halves = [sink.write(0, 1..=2).expect("known"), sink.write(2, 3..=4).expect("known")];
    let larger = sink.write(2, 3..=6).expect("half of it known");

    assert_eq!(halves.map(|outcome| outcome.duplicates_suppressed), [2, 2]);
    assert_eq!(larger.duplicates_suppressed, 2);
    assert_eq!(bodies(&path), stored(1..=6));
}

#[test]
fn a_fresh_connection_knows_what_the_last_one_stored() {
    let (_folder, path) = database();
    Direct::at(&path).write(0, 1..=3).expect("written");

    let outcome = Direct::at(&path).write(0, 1..=3).expect("written before");

    assert_eq!(outcome.duplicates_suppressed, 3);
    assert_eq!(bodies(&path), stored(1..=3));
}

#[test]
fn a_file_from_the_past_is_noticed_and_the_batch_is_stored() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);
    sink.write(0, 1..=5).expect("written");
    // As if an older copy of the file had been put back.
    connect(&path)
        .execute_batch("DELETE FROM telesink_logs WHERE seq > 2; UPDATE telesink_ledger SET last_seq = 2")
        .expect("changed");

    let outcome = sink.write(5, 6..=7).expect("written");

    assert!(outcome.rolled_back > 0, "{outcome:?}");
    assert_eq!(bodies(&path), [stored(1..=2), stored(6..=7)].concat());
    assert_eq!(number(&path, LAST_SEQ), 7);
}

#[test]
fn gaps_in_the_numbers_are_no_trouble() {
    let (_folder, path) = database();
    let mut sink = Direct::at(&path);

    sink.write(0, 1..=2).expect("written");
    sink.write(2, 10..=11).expect("written");
    let again = sink.write(2, 10..=11).expect("written before");

    assert_eq!(again.duplicates_suppressed, 2);
    assert_eq!(number(&path, LAST_SEQ), 11);
}

#[test]
fn lanes_and_pipelines_have_rows_of_their_own() {
    let (_folder, path) = database();
    for _ in 0..2 {
        let pipeline = crate::support::empty_pipeline();
        for name in ["one", "two"] {
            pipeline.add_lane(crate::support::spec(name, plan_at(&path), eager())).expect("added");
        }
        offer_all(&pipeline, ["a", "b"]);
        close(&pipeline);
    }

    let rows = texts(&path, "SELECT lane || ':' || last_seq FROM telesink_ledger ORDER BY instance, lane");
    assert_eq!(rows, ["0:2", "1:2", "0:2", "1:2"]);
    assert_eq!(bodies(&path).len(), 8);
}

#[test]
fn rows_of_processes_that_ended_long_ago_are_swept() {
    let (_folder, path) = database();
    Direct::at(&path).write(0, 1..=1).expect("written");
    let connection = connect(&path);
    connection.execute("INSERT INTO telesink_ledger VALUES ('long ago', 0, 7, 1)", []).expect("inserted");
    drop(connection);

    Direct::at(&path).write(1, 2..=2).expect("written");

    assert_eq!(number(&path, "SELECT count(*) FROM telesink_ledger"), 1);
}

/// Stores, and says that the answer was lost, every third time.
struct Forgetful {
    inner: Box<dyn Sink>,
    calls: usize,
}

impl Sink for Forgetful {
    fn route(&self, record: &Record) -> Option<Route> {
        self.inner.route(record)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        self.calls += 1;
        let answer = self.inner.write(batch);
        if self.calls.is_multiple_of(3) {
            return Err(WriteError::retry("the answer to COMMIT was lost").unresolved());
        }
        answer
    }
}

#[test]
fn a_lane_that_loses_every_third_answer_stores_each_of_10_000_batches_once() {
    let (_folder, path) = database();
    let plan = plan_at(&path);
    let make: SinkFactory = Arc::clone(&plan.factory);
    let factory: SinkFactory =
        Arc::new(move |settings| Box::new(Forgetful { inner: make(settings), calls: 0 }));
    let pipeline = pipeline(SinkPlan { factory, ..plan }, batches_of(3));

    offer_all(&pipeline, (0..30_000).map(|number| number.to_string()));
    // Beyond the usual limit: 14,999 transactions, and 4,999 pauses between them.
    let receipt = pipeline.close(clock::monotonic() + Duration::from_mins(2), true);
    assert!(receipt.is_complete(), "not closed in time: {receipt:?}");

    let expected: Vec<String> = (0..30_000).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&path), expected);
    let stats = lane(&pipeline);
    // Of 14,999 attempts.
    assert_eq!((stats.delivered, stats.duplicates_suppressed, stats.retries), (30_000, 3 * 4_999, 4_999));
}
