//! A panic of a sink is caught, counted, and judged like an answer.

use crate::support::records::info;
use crate::support::script::{Answer, PANIC_TEXT, Script};
use crate::support::{
    assert_balanced, assert_dropped, batches_of, close, eager, flush, lane, offer, offer_all, pipeline, plan,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use telesink_core::error::WriteError;
use telesink_core::record::Record;
use telesink_core::sinks::{Batch, Outcome, Route, Sink, SinkFactory, SinkPlan};
use telesink_core::stats::DropCause;

#[test]
fn a_sink_that_panics_once_is_made_anew_and_gets_its_batch_again() {
    let script = Script::answering([Answer::Panic]);
    let pipeline = pipeline(script.plan(), batches_of(3));

    offer_all(&pipeline, ["a", "b", "c"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["a", "b", "c"]);
    assert_eq!(script.made(), 2);
    assert_eq!(lane(&pipeline).sink_panics, 1);
    assert_eq!(lane(&pipeline).dropped.total(), 0);
}

#[test]
fn a_record_over_which_the_sink_always_panics_costs_only_itself() {
    for bad in 0..8 {
        let script = Script::deciding(|call| {
            if call.bodies.iter().any(|body| body == "bad") { Answer::Panic } else { Answer::Store }
        });
        let pipeline = pipeline(script.plan(), batches_of(8));
        let bodies: Vec<String> =
            (0..8).map(|number| if number == bad { "bad".to_owned() } else { number.to_string() }).collect();

        offer_all(&pipeline, &bodies);
        flush(&pipeline);

        let neighbours: Vec<&String> = bodies.iter().filter(|body| *body != "bad").collect();
        assert_eq!(script.bodies().iter().collect::<Vec<_>>(), neighbours);
        assert_dropped(&lane(&pipeline), DropCause::SinkPanic, 1);
        assert_balanced(&pipeline.stats());
    }
}

#[test]
fn a_record_refused_after_a_panic_is_refused_and_not_blamed_for_the_panic() {
    let script = Script::answering([Answer::Panic, Answer::reject()]);
    let pipeline = pipeline(script.plan(), batches_of(1));

    offer_all(&pipeline, ["bad", "good"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["good"]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
}

#[test]
fn what_a_sink_may_have_stored_before_it_panicked_is_unresolved_at_exit() {
    let mut calls = 0;
    let script = Script::deciding(move |_| {
        calls += 1;
        if calls == 1 { Answer::PanicAfterStoring } else { Answer::retry() }
    });
    let pipeline = pipeline(script.plan(), batches_of(1));

    offer_all(&pipeline, ["stored after all"]);
    script.next_call();
    script.next_call();
    pipeline.close(telesink_core::clock::monotonic() + std::time::Duration::from_millis(30), true);

    assert_dropped(&lane(&pipeline), DropCause::ExitUnresolved, 1);
}

#[test]
fn i2_a_panic_in_a_sink_does_not_reach_the_caller_or_other_records() {
    let mut calls = 0;
    let script = Script::deciding(move |_| {
        calls += 1;
        if calls % 2 == 1 { Answer::Panic } else { Answer::Store }
    });
    let pipeline = pipeline(script.plan(), eager());

    for number in 0..100 {
        assert!(offer(&pipeline, &info(&number.to_string())));
    }
    close(&pipeline);

    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(script.bodies(), expected);
    assert_eq!(lane(&pipeline).delivered, 100);
}

#[test]
fn i3_a_bug_outside_of_a_write_costs_the_records_in_hand_and_nothing_else() {
    let script = Script::routing(
        |record| {
            if record.header().levelno == 13 {
                std::panic::panic_any(PANIC_TEXT);
            }
            Some(Route::Logs)
        },
        |_| Answer::Store,
    );
    let pipeline = pipeline(script.plan(), batches_of(2));
    let unlucky = crate::support::records::Draft::new("unlucky").level(13).build();

    assert!(offer(&pipeline, &info("beside it")));
    assert!(offer(&pipeline, &unlucky));
    flush(&pipeline);
    offer_all(&pipeline, ["later", "still later"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["later", "still later"]);
    assert_dropped(&lane(&pipeline), DropCause::Internal, 2);
    assert_balanced(&pipeline.stats());
}

/// Panics before or after what the inner sink does, at moments that depend on `seed` alone. Never twice in a row
/// over a single record: that one would rightly be held to be at fault.
struct Clumsy {
    inner: Box<dyn Sink>,
    random: Arc<AtomicU64>,
    has_panicked: Arc<AtomicU64>,
}

impl Sink for Clumsy {
    fn route(&self, record: &Record) -> Option<Route> {
        self.inner.route(record)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let may_panic = batch.entries.len() > 1 || self.has_panicked.load(Ordering::Relaxed) == 0;
        let drawn = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            .wrapping_mul(0xff51_afd7_ed55_8ccd);
        let draw = if may_panic { drawn >> 62 } else { 3 };
        self.has_panicked.store(u64::from(draw < 2), Ordering::Relaxed);
        if draw == 0 {
            std::panic::panic_any(PANIC_TEXT);
        }
        let answer = self.inner.write(batch);
        if draw == 1 {
            std::panic::panic_any(PANIC_TEXT);
        }
        answer
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.inner.close()
    }
}

fn clumsy(plan: &SinkPlan, seed: u64) -> SinkPlan {
    let make: SinkFactory = Arc::clone(&plan.factory);
    let (random, has_panicked) = (Arc::new(AtomicU64::new(seed)), Arc::new(AtomicU64::new(0)));
    let factory: SinkFactory = Arc::new(move |settings| {
        Box::new(Clumsy {
            inner: make(settings),
            random: Arc::clone(&random),
            has_panicked: Arc::clone(&has_panicked),
        })
    });
    SinkPlan { factory, ..plan.clone() }
}

#[test]
fn a_database_sink_that_panics_around_its_transactions_loses_and_doubles_nothing() {
    for seed in 1..=4_u64 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("panics.db");
        let inner = plan(&format!("sqlite:///{}", path.display()));
        let pipeline = pipeline(clumsy(&inner, seed * 7_919), batches_of(5));

        offer_all(&pipeline, (0..250).map(|number| number.to_string()));
        close(&pipeline);

        let stats = lane(&pipeline);
        let connection = rusqlite::Connection::open(&path).expect("open");
        let mut statement =
            connection.prepare("SELECT body FROM telesink_logs ORDER BY seq").expect("prepare");
        let rows: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .expect("query")
            .collect::<Result<_, _>>()
            .expect("text");
        let expected: Vec<String> = (0..250).map(|number| number.to_string()).collect();
        assert_eq!(rows, expected, "seed {seed}");
        assert_eq!((stats.delivered, stats.dropped.total()), (250, 0), "seed {seed}");
        assert!(stats.sink_panics > 20 && stats.duplicates_suppressed > 0, "seed {seed}: {stats:?}");
        assert_balanced(&pipeline.stats());
    }
}
