//! The law of the books, over random operations: offered = accepted + rejected, and per lane routed = delivered +
//! dropped + pending. Exact at rest; at any other moment totals only grow and pending is never under-stated.

mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::records::Draft;
use support::script::{Answer, Script};
use support::{LIMIT, assert_balanced, close, eager, empty_pipeline, flush, offer, spawn, spec};
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::pipeline::Pipeline;
use telesink_core::settings::{Settings, WhenFull};
use telesink_core::sinks::{Outcome, Refusal};
use telesink_core::stats::{Counts, LaneStats, PipelineStats, RejectCause};

/// How a sink answers a call.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Store,
    Retry,
    Unresolved,
    Hold,
    Reject,
    Panic,
    PanicAfterStoring,
    RefuseFirst,
    PutLastOff,
}

/// What a test does next.
#[derive(Debug, Clone)]
enum Step {
    Offer { levelno: i32, bytes: usize },
    OfferMany(usize),
    Reject,
    Answers(Vec<Kind>),
    Flush,
    AddLane(usize, usize),
    RemoveLane,
    Look,
}

type Answers = Arc<Mutex<VecDeque<Kind>>>;

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Store),
        2 => Just(Kind::Retry),
        1 => Just(Kind::Unresolved),
        1 => Just(Kind::Hold),
        3 => Just(Kind::Reject),
        1 => Just(Kind::Panic),
        1 => Just(Kind::PanicAfterStoring),
        2 => Just(Kind::RefuseFirst),
        2 => Just(Kind::PutLastOff),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop_oneof![Just(10), Just(20), Just(40)], 0..3_000_usize)
            .prop_map(|(levelno, bytes)| Step::Offer { levelno, bytes }),
        4 => (1..80_usize).prop_map(Step::OfferMany),
        1 => Just(Step::Reject),
        4 => prop::collection::vec(kind(), 1..12).prop_map(Step::Answers),
        2 => Just(Step::Flush),
        1 => (0..3_usize, 1..40_usize).prop_map(|(policy, room)| Step::AddLane(policy, room)),
        1 => Just(Step::RemoveLane),
        4 => Just(Step::Look),
    ]
}

#[test]
fn q2_every_record_ends_in_exactly_one_counter() {
    let config = Config { cases: 250, failure_persistence: None, ..Config::default() };
    // The same cases in every run: a failure can be looked at again.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));

    let strategy = (prop::collection::vec(step(), 1..60), 0..3_usize, 1..40_usize);
    let verdict = runner.run(&strategy, |(steps, policy, room)| {
        play(&steps, policy, room);
        Ok(())
    });

    verdict.unwrap_or_else(|failure| panic!("{failure}"));
}

/// One pipeline under test, with what the test itself counted.
struct Game {
    pipeline: Pipeline,
    answers: Answers,
    offered: u64,
    accepted: u64,
    lanes_made: usize,
    watcher: Watcher,
}

fn play(steps: &[Step], policy: usize, room: usize) {
    let mut game = Game {
        pipeline: empty_pipeline(),
        answers: Answers::default(),
        offered: 0,
        accepted: 0,
        lanes_made: 0,
        watcher: Watcher::default(),
    };
    game.add_lane(policy, room);
    for step in steps {
        game.take(step);
        game.look();
    }
    // Whatever is left of the script is forgotten: from now on everything is stored.
    game.answers.lock().expect("not poisoned").clear();
    flush(&game.pipeline);
    game.look();
    assert_balanced(&game.pipeline.stats());
    close(&game.pipeline);

    let stats = game.pipeline.stats();
    assert_balanced(&stats);
    assert_eq!((stats.offered, stats.accepted), (game.offered, game.accepted));
    assert!(stats.lanes.iter().all(|lane| lane.pending == 0 && lane.bytes_pending == 0), "{stats:?}");
    assert!(stats.lanes.iter().all(|lane| lane.dropped.get("internal") == 0), "{stats:?}");
}

impl Game {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Offer { levelno, bytes } => self.offer(levelno, bytes),
            Step::OfferMany(count) => (0..count).for_each(|_| self.offer(20, 10)),
            Step::Reject => {
                self.pipeline.reject(RejectCause::EncodeError);
                self.offered += 1;
            }
            Step::Answers(ref kinds) => self.answers.lock().expect("not poisoned").extend(kinds),
            Step::Flush => {
                flush(&self.pipeline);
                self.look();
                assert_balanced(&self.pipeline.stats());
            }
            Step::AddLane(policy, room) => self.add_lane(policy, room),
            Step::RemoveLane => self.remove_lane(),
            Step::Look => {}
        }
    }

    fn offer(&mut self, levelno: i32, bytes: usize) {
        let record = Draft::new(&"x".repeat(bytes)).level(levelno).build();
        self.offered += 1;
        self.accepted += u64::from(offer(&self.pipeline, &record));
    }

    fn add_lane(&mut self, policy: usize, room: usize) {
        let settings = Settings {
            queue_records_max: room,
            queue_bytes_max: room * 500,
            batch_records_max: 1 + room / 3,
            when_full: [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Block][policy],
            block_timeout: Duration::from_millis(1),
            ..eager()
        };
        self.lanes_made += 1;
        let name = format!("lane {}", self.lanes_made);
        let script = script(Arc::clone(&self.answers));
        self.pipeline.add_lane(spec(&name, script.plan(), settings)).expect("a fresh name");
    }

    fn remove_lane(&mut self) {
        let lanes = self.pipeline.lanes();
        let Some(lane) = lanes.first().filter(|_| lanes.len() > 1) else { return };
        self.answers.lock().expect("not poisoned").clear();
        let last = self.pipeline.remove_lane(lane.name(), clock::monotonic() + LIMIT).expect("it is there");
        assert_eq!((last.pending, last.routed), (0, last.delivered + last.dropped.total()), "{last:?}");
        self.watcher.lanes.retain(|seen| seen.name != last.name);
    }

    fn look(&mut self) {
        self.watcher.look(self.pipeline.stats());
    }
}

fn script(answers: Answers) -> Script {
    Script::deciding(move |call| {
        let kind = answers.lock().expect("not poisoned").pop_front().unwrap_or(Kind::Store);
        let refusal = || Refusal { index: 0, code: "odd".to_owned(), text: "no".to_owned() };
        match kind {
            Kind::Store => Answer::Store,
            Kind::Retry => Answer::retry(),
            Kind::Unresolved => Answer::Fail(WriteError::retry("no answer").unresolved()),
            Kind::Hold => Answer::hold(),
            Kind::Reject => Answer::reject(),
            Kind::Panic => Answer::Panic,
            Kind::PanicAfterStoring => Answer::PanicAfterStoring,
            Kind::RefuseFirst => Answer::Partly(Outcome { refused: vec![refusal()], ..Outcome::default() }),
            Kind::PutLastOff => {
                Answer::Partly(Outcome { retry: vec![call.seqs.len() - 1], ..Outcome::default() })
            }
        }
    })
}

/// Compares each snapshot with the one before it.
#[derive(Default)]
struct Watcher {
    offered: u64,
    accepted: u64,
    rejected: Counts,
    lanes: Vec<LaneStats>,
}

impl Watcher {
    fn look(&mut self, now: PipelineStats) {
        assert!(now.offered >= self.offered && now.accepted >= self.accepted, "{now:?}");
        assert_grown(&self.rejected, &now.rejected);
        assert!(now.offered >= now.accepted + now.rejected.total(), "{now:?}");
        for lane in &now.lanes {
            if let Some(before) = self.lanes.iter().find(|before| before.name == lane.name) {
                assert!(lane.routed >= before.routed, "{before:?}, then {lane:?}");
                assert!(lane.offered >= before.offered, "{before:?}, then {lane:?}");
                assert!(lane.delivered >= before.delivered, "{before:?}, then {lane:?}");
                assert_grown(&before.rejected, &lane.rejected);
                assert_grown(&before.dropped, &lane.dropped);
            }
            let known = lane.delivered + lane.dropped.total() + lane.pending;
            assert!(known >= lane.routed, "pending is under-stated: {lane:?}");
        }
        (self.offered, self.accepted, self.rejected) = (now.offered, now.accepted, now.rejected);
        self.lanes = now.lanes;
    }
}

fn assert_grown(before: &Counts, now: &Counts) {
    for (cause, count) in before.nonzero() {
        assert!(now.get(cause) >= count, "{cause} went from {count} to {}", now.get(cause));
    }
}

#[test]
fn q2_snapshots_taken_while_threads_race_for_the_last_room_never_go_back_or_under_state() {
    for when_full in [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Block] {
        let script = Script::storing();
        let settings = Settings {
            queue_records_max: 8,
            batch_records_max: 3,
            block_timeout: Duration::from_micros(50),
            when_full,
            ..eager()
        };
        let pipeline = Arc::new(support::pipeline(script.plan(), settings));
        let is_over = Arc::new(AtomicBool::new(false));

        let (watched, over) = (Arc::clone(&pipeline), Arc::clone(&is_over));
        let (begins, began) = crossbeam_channel::bounded(1);
        let watcher = spawn(move || {
            let mut watcher = Watcher::default();
            watcher.look(watched.stats());
            begins.send(()).expect("the test listens");
            while !over.load(Ordering::SeqCst) {
                watcher.look(watched.stats());
            }
        });
        began.recv_timeout(LIMIT).expect("the watcher runs");
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let pipeline = Arc::clone(&pipeline);
                let record = Draft::new("x").build();
                spawn(move || (0..5_000).filter(|_| offer(&pipeline, &record)).count() as u64)
            })
            .collect();
        let accepted: u64 = callers.into_iter().map(|caller| caller.join().expect("no panic")).sum();
        is_over.store(true, Ordering::SeqCst);
        watcher.join().expect("no snapshot contradicts another");
        flush(&pipeline);

        let stats = pipeline.stats();
        assert_balanced(&stats);
        assert_eq!((stats.offered, stats.accepted), (20_000, accepted));
        assert_eq!(stats.lanes[0].routed, accepted);
        assert_eq!(script.bodies().len() as u64, stats.lanes[0].delivered);
    }
}

#[test]
fn a_queue_never_holds_more_than_its_bounds() {
    let gate = support::script::Gate::default();
    let script = Script::answering([Answer::behind(&gate)]);
    let settings = Settings { queue_records_max: 1_000, queue_bytes_max: 200_000, ..eager() };
    let pipeline = Arc::new(support::pipeline(script.plan(), settings));

    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let pipeline = Arc::clone(&pipeline);
            spawn(move || {
                for number in 0..2_000 {
                    offer(&pipeline, &Draft::new(&"x".repeat((number * 7 + caller) % 900)).level(40).build());
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().expect("no panic");
    }
    let full = support::lane(&pipeline);
    gate.open();
    flush(&pipeline);

    assert!(full.pending <= 1_000 && full.bytes_pending <= 200_000, "{full:?}");
    assert!(full.bytes_pending > 190_000, "the last caller was refused for want of bytes: {full:?}");
    assert_balanced(&pipeline.stats());
}
