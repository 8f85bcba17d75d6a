//! A sink that follows a script, remembers what it was given, and tells the test when it was called.

use super::LIMIT;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::record::Record;
use telesink_core::record::value::Value;
use telesink_core::sinks::{Batch, Entry, Outcome, Route, Sink, SinkFactory, SinkPlan};

/// The payload of a panic that a script asked for.
pub(crate) const PANIC_TEXT: &str = "the script says so";

/// What the sink does with one batch.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Stores it.
    Store,
    /// Stores all that the outcome does not name.
    Partly(Outcome),
    /// Stores nothing.
    Fail(WriteError),
    /// Stores nothing and panics.
    Panic,
    /// Stores it, then panics.
    PanicAfterStoring,
    /// Waits until the gate is open, then answers.
    Behind(Gate, Box<Answer>),
}

impl Answer {
    pub(crate) fn retry() -> Self {
        Answer::Fail(WriteError::retry("the script is away"))
    }

    pub(crate) fn hold() -> Self {
        Answer::Fail(WriteError::hold("the script is locked", "unlock it"))
    }

    pub(crate) fn reject() -> Self {
        Answer::Fail(WriteError::reject("the script does not like it"))
    }

    pub(crate) fn behind(gate: &Gate) -> Self {
        Answer::Behind(gate.clone(), Box::new(Answer::Store))
    }
}

/// A door that is shut until a test opens it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *unpoisoned(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let is_open = unpoisoned(&self.0.0);
        // Far beyond any test, so that a thread left behind by a failed one goes away at last.
        let waited = self.0.1.wait_timeout_while(is_open, LIMIT * 6, |is_open| !*is_open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// One call of `write`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) previous_seq: u64,
    pub(crate) route: Route,
    pub(crate) seqs: Vec<u64>,
    pub(crate) bodies: Vec<String>,
}

type Decide = Box<dyn FnMut(&Call) -> Answer + Send>;
type RouteOf = fn(&Record) -> Option<Route>;

/// The script and what came of it; cheap to clone.
#[derive(Clone)]
pub(crate) struct Script(Arc<Play>);

struct Play {
    decide: Mutex<Decide>,
    route: RouteOf,
    seen: Mutex<Seen>,
    changed: Condvar,
    made: AtomicUsize,
    closed: AtomicUsize,
    stores_logs: AtomicBool,
}

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    calls_told: usize,
    stored: Vec<Entry>,
}

impl Script {
    /// Stores everything.
    pub(crate) fn storing() -> Self {
        Self::deciding(|_| Answer::Store)
    }

    /// Gives these answers, then stores everything.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        Self::deciding(move |_| answers.pop().unwrap_or(Answer::Store))
    }

    /// Refuses every batch that holds a body for which `is_bad`.
    pub(crate) fn refusing(is_bad: fn(&str) -> bool) -> Self {
        Self::deciding(move |call| {
            if call.bodies.iter().any(|body| is_bad(body)) { Answer::reject() } else { Answer::Store }
        })
    }

    /// Decides by what it is given.
    pub(crate) fn deciding(decide: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        Self::routing(|_| Some(Route::Logs), decide)
    }

    /// Decides also which records it takes.
    pub(crate) fn routing(route: RouteOf, decide: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        Self(Arc::new(Play {
            decide: Mutex::new(Box::new(decide)),
            route,
            seen: Mutex::default(),
            changed: Condvar::new(),
            made: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            stores_logs: AtomicBool::new(true),
        }))
    }

    /// Its plan, for a lane.
    pub(crate) fn plan(&self) -> SinkPlan {
        let script = self.clone();
        let factory: SinkFactory = Arc::new(move |_| {
            script.0.made.fetch_add(1, Ordering::Relaxed);
            Box::new(ScriptedSink(script.clone()))
        });
        let stores_logs = self.0.stores_logs.load(Ordering::Relaxed);
        let plan = SinkPlan::new("script", "script://".to_owned(), factory);
        SinkPlan { linger_default: Duration::ZERO, stores_logs, ..plan }
    }

    /// The same script as a sink that is no place for log records.
    pub(crate) fn not_for_logs(self) -> Self {
        self.0.stores_logs.store(false, Ordering::Relaxed);
        self
    }

    /// How many sinks were made of it.
    pub(crate) fn made(&self) -> usize {
        self.0.made.load(Ordering::Relaxed)
    }

    /// How often one of them was closed.
    pub(crate) fn closed(&self) -> usize {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.seen().calls.clone()
    }

    /// Waits for the next call that this has not yet answered with.
    #[track_caller]
    pub(crate) fn next_call(&self) -> Call {
        let mut seen = self.wait_until("the next call", |seen| seen.calls.len() > seen.calls_told);
        seen.calls_told += 1;
        seen.calls[seen.calls_told - 1].clone()
    }

    /// Waits until `count` records are stored.
    #[track_caller]
    pub(crate) fn wait_for_stored(&self, count: usize) {
        drop(self.wait_until("stored records", |seen| seen.stored.len() >= count));
    }

    /// What was stored, in order.
    pub(crate) fn stored(&self) -> Vec<Entry> {
        self.seen().stored.clone()
    }

    /// The stored messages without telesink's own.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.stored().iter().filter(|entry| !is_marker(entry)).map(body).collect()
    }

    /// The stored loss markers.
    pub(crate) fn markers(&self) -> Vec<Marker> {
        self.stored().iter().filter(|entry| is_marker(entry)).map(Marker::read).collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        unpoisoned(&self.0.seen)
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: impl Fn(&Seen) -> bool) -> MutexGuard<'_, Seen> {
        let waited = self.0.changed.wait_timeout_while(self.seen(), LIMIT, |seen| !condition(seen));
        let (seen, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "never came: {what}; {} calls so far", seen.calls.len());
        seen
    }
}

/// A loss marker as a reader of the sink sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) seq: u64,
    pub(crate) cause: String,
    pub(crate) lost: i64,
    pub(crate) seq_from: i64,
    pub(crate) seq_to: i64,
}

impl Marker {
    fn read(entry: &Entry) -> Self {
        let view = entry.log();
        let number = |name| match view.attribute(name) {
            Some(Value::Int(number)) => number,
            other => panic!("marker without {name}: {other:?}"),
        };
        Self {
            seq: entry.seq,
            cause: view.attribute("cause").and_then(|value| value.as_str()).expect("a cause").to_owned(),
            lost: number("lost"),
            seq_from: number("seq_from"),
            seq_to: number("seq_to"),
        }
    }
}

fn is_marker(entry: &Entry) -> bool {
    entry.log().event_name == "telesink.loss"
}

fn body(entry: &Entry) -> String {
    entry.log().message().into_owned()
}

struct ScriptedSink(Script);

impl Sink for ScriptedSink {
    fn route(&self, record: &Record) -> Option<Route> {
        (self.0.0.route)(record)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        let call = Call {
            at: clock::monotonic(),
            previous_seq: batch.previous_seq,
            route: batch.route,
            seqs: batch.entries.iter().map(|entry| entry.seq).collect(),
            bodies: batch.entries.iter().map(body).collect(),
        };
        let play = &self.0.0;
        self.0.seen().calls.push(call.clone());
        play.changed.notify_all();
        let mut answer = (unpoisoned(&play.decide))(&call);
        while let Answer::Behind(gate, then) = answer {
            gate.wait();
            answer = *then;
        }
        let outcome = match answer {
            Answer::Store | Answer::PanicAfterStoring => Outcome::default(),
            Answer::Partly(ref outcome) => outcome.clone(),
            Answer::Fail(error) => return Err(error),
            Answer::Panic | Answer::Behind(..) => std::panic::panic_any(PANIC_TEXT),
        };
        let is_left_out = |index: &usize| {
            outcome.retry.contains(index) || outcome.refused.iter().any(|refusal| refusal.index == *index)
        };
        let sent = batch.entries.len().saturating_sub(outcome.unsent);
        let stored = batch.entries[..sent].iter().enumerate().filter(|(index, _)| !is_left_out(index));
        self.0.seen().stored.extend(stored.map(|(_, entry)| entry.clone()));
        play.changed.notify_all();
        if matches!(answer, Answer::PanicAfterStoring) {
            std::panic::panic_any(PANIC_TEXT);
        }
        Ok(outcome)
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.0.0.closed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
