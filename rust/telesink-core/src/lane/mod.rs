//! A lane: one bounded queue, one worker thread, one sink. A slow or dead destination delays its own lane only.
//!
//! Callers see [`Lane::offer`]; everything that waits happens in [`worker`].

mod account;
mod backoff;
mod budget;
mod coalesce;
mod dead_letter;
mod deliver;
mod filter;
mod gone;
mod group;
mod holding;
#[cfg(all(test, feature = "loom"))]
mod loom_tests;
mod loss;
mod offer;
mod refused;
mod thread;
mod wake;
mod worker;

pub(crate) use account::BarrierId;
#[cfg(fuzzing)]
pub use dead_letter::dead_letter_line;
pub use filter::Filter;
pub use group::Groups;
pub use offer::{Impatient, Patience};

use crate::clock;
use crate::diagnostics::Diagnostics;
use crate::record::Record;
use crate::record::tables::Tables;
use crate::redact::Redaction;
use crate::settings::{Settings, WhenFull};
use crate::sinks::SinkPlan;
use crate::stats::{Counts, DropCause, LaneStats, Receipt, RejectCause, State};
use account::{Account, End};
use arc_swap::ArcSwap;
use budget::{Budget, Ticket};
use coalesce::Coalesce;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wake::{Wake, request};

/// An admitted record on its way to the worker.
#[derive(Debug)]
struct Queued {
    ticket: Ticket,
    record: Record,
    /// When the lane took it: nanoseconds on the lane's own clock; 0 where nobody asks for the age of records.
    taken_nano: u64,
}

/// What a lane is made from.
#[derive(Debug, Clone)]
pub struct LaneSpec {
    /// Unique in its pipeline.
    pub name: String,
    /// Index in its pipeline; the ledger's second key.
    pub index: u32,
    /// The sink.
    pub plan: SinkPlan,
    /// How.
    pub settings: Settings,
    /// Least level.
    pub level: i32,
    /// Loggers to take; empty takes all.
    pub include: Vec<String>,
    /// Loggers to leave out.
    pub exclude: Vec<String>,
}

/// What a lane shares with its pipeline.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The pipeline in this process.
    pub instance: [u8; 16],
    /// Scopes and the resource.
    pub tables: Arc<Tables>,
    /// What to hide in rendered stack traces.
    pub redaction: Arc<ArcSwap<Redaction>>,
    /// telesink's own words.
    pub diagnostics: Arc<Diagnostics>,
    /// Calls that hand over several records.
    pub groups: Arc<Groups>,
}

/// One queue, one worker, one sink.
#[derive(Debug)]
pub struct Lane {
    spec: LaneSpec,
    shared: Shared,
    /// Where the lane's own clock begins.
    made_at: Instant,
    filter: Filter,
    budget: Budget,
    account: Account,
    wake: Wake,
    sender: Sender<Queued>,
    receiver: Receiver<Queued>,
    /// Severe records that an eviction took out of the queue's head; older than anything in the queue.
    set_aside: Mutex<VecDeque<Queued>>,
    rejected: [AtomicU64; RejectCause::ALL.len()],
    is_closed: AtomicBool,
    has_thread: AtomicBool,
    /// Calls that made room by evicting others.
    evicting_calls: AtomicU64,
    start: Mutex<Option<Instant>>,
    is_writing: AtomicBool,
    /// An attempt has ended without a known outcome: its records may be stored, so they are neither expired nor
    /// counted as dropped.
    is_unresolved: AtomicBool,
    /// Records handed over to the queue.
    routed: AtomicU64,
    state: AtomicU8,
    tally: Mutex<Tally>,
}

/// Information counters that only the worker writes.
#[derive(Debug, Default)]
struct Tally {
    retries: u64,
    batches: u64,
    duplicates_suppressed: u64,
    mended: u64,
    rolled_back: u64,
    loss_markers: u64,
    sink_panics: u64,
    last_error: String,
}

const STATES: [State; 5] = [State::Idle, State::Running, State::Retrying, State::Held, State::Closed];

impl Lane {
    /// A lane without a thread; the first record starts it.
    pub fn new(spec: LaneSpec, shared: Shared) -> Arc<Self> {
        let settings = &spec.settings;
        let (sender, receiver) = bounded(settings.queue_records_max);
        let budget = Budget::new(
            settings.queue_records_max as u64,
            settings.queue_bytes_max as u64,
            settings.when_full == WhenFull::DropNewest,
        );
        let filter = Filter::new(spec.level, spec.include.clone(), spec.exclude.clone());
        Arc::new(Self {
            made_at: clock::monotonic(),
            filter,
            budget,
            account: Account::new(),
            wake: Wake::new(),
            sender,
            receiver,
            set_aside: Mutex::new(VecDeque::new()),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
            is_closed: AtomicBool::new(false),
            has_thread: AtomicBool::new(false),
            evicting_calls: AtomicU64::new(0),
            start: Mutex::new(None),
            is_writing: AtomicBool::new(false),
            is_unresolved: AtomicBool::new(false),
            routed: AtomicU64::new(0),
            state: AtomicU8::new(0),
            tally: Mutex::new(Tally::default()),
            spec,
            // Of its own: two sinks that fail at once both have something to say within the minute.
            shared: Shared { diagnostics: Arc::new(Diagnostics::new()), ..shared },
        })
    }

    /// The lane's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it was made from.
    pub fn spec(&self) -> &LaneSpec {
        &self.spec
    }

    /// What it wants.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The time on the lane's own clock, which no step of the system's clock touches.
    fn age_nano(&self) -> u64 {
        clock::monotonic().saturating_duration_since(self.made_at).as_nanos() as u64
    }

    fn reject(&self, cause: RejectCause) -> RejectCause {
        let before = self.rejected[cause as usize].fetch_add(1, Ordering::Relaxed);
        // At the first one, and then now and then: looking at the clock for each would make a full queue slow.
        if cause == RejectCause::QueueFull && before.is_multiple_of(1_024) {
            self.tell_full("refused");
        }
        cause
    }

    /// Says, at most once a minute, that records are lost because the queue is full.
    #[cold]
    fn tell_full(&self, what: &str) {
        let (name, settings) = (&self.spec.name, &self.spec.settings);
        self.shared.diagnostics.say("queue full", || {
            format!(
                "the queue of sink {name} is full ({} records or {} bytes): records are {what} and counted; \
                 see telesink.stats(), or raise queue_records_max and queue_bytes_max",
                settings.queue_records_max, settings.queue_bytes_max
            )
        });
    }

    fn batch_records_max(&self) -> usize {
        // A batch counts against the queue's bound while it is written; half is left for callers meanwhile.
        self.spec.settings.batch_records_max.min(self.spec.settings.queue_records_max / 2).max(1)
    }

    fn batch_bytes_max(&self) -> u64 {
        let Settings { batch_bytes_max, queue_bytes_max, .. } = self.spec.settings;
        let of_sink = self.spec.plan.batch_bytes_max.unwrap_or(u64::MAX);
        of_sink.min(batch_bytes_max.min(queue_bytes_max / 2) as u64).max(1)
    }

    /// The stage in front of the batch; half of the lane's room is left for what need not wait.
    fn new_coalesce(&self) -> Option<Coalesce> {
        let settings = &self.spec.settings;
        let (records_max, bytes_max) = (settings.queue_records_max / 2, settings.queue_bytes_max / 2);
        let plan = self.spec.plan.coalesce.as_ref()?;
        Some(Coalesce::new(plan, records_max as u64, bytes_max as u64))
    }

    fn linger(&self) -> Duration {
        self.spec.settings.linger.unwrap_or(self.spec.plan.linger_default)
    }

    fn set_state(&self, state: State) {
        let index = STATES.iter().position(|known| *known == state).unwrap_or(0);
        self.state.store(index as u8, Ordering::Relaxed);
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn has_work(&self) -> bool {
        !self.receiver.is_empty()
            || !self.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty()
    }

    /// Starts a flush; see [`Lane::wait_flush`].
    pub(crate) fn begin_flush(self: &Arc<Self>) -> BarrierId {
        self.start_waiting_thread();
        let barrier = self.account.begin_barrier(&self.budget);
        self.wake.request(request::FLUSH);
        barrier
    }

    /// Starts the thread that the system refused when the records came; somebody waits for them now.
    fn start_waiting_thread(self: &Arc<Self>) {
        if !self.has_thread.load(Ordering::Acquire) && self.has_work() {
            self.start_thread();
        }
    }

    /// Whether everything the flush waits for is settled.
    pub(crate) fn is_flush_done(&self, barrier: BarrierId) -> bool {
        self.account.is_barrier_done(barrier)
    }

    /// Waits until the flush is done or `limit` has passed.
    pub(crate) fn wait_flush(&self, barrier: BarrierId, limit: Duration) -> bool {
        self.account.wait_barrier(barrier, limit, clock::monotonic)
    }

    /// Ends the flush and says what it saw.
    pub(crate) fn end_flush(&self, barrier: BarrierId, seconds: f64) -> Receipt {
        self.account.end_barrier(barrier, seconds)
    }

    /// Asks the worker to settle everything by `deadline`: a held lane tries once more and then gives up. With
    /// `stop`, nothing more is taken and the worker ends.
    pub fn begin_close(self: &Arc<Self>, deadline: Instant, stop: bool) {
        self.start_waiting_thread();
        if stop {
            self.is_closed.store(true, Ordering::Release);
        }
        self.account.lock().close_deadline = Some(deadline);
        self.account.notify();
        self.wake.request(request::CLOSE);
        // Under the lock of the start: a thread that starts right now is seen, or does not start any more.
        let starting = self.start.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if stop && !self.has_thread.load(Ordering::Acquire) {
            self.account.lock().is_finished = true;
            self.set_state(State::Closed);
        }
        drop(starting);
    }

    /// Waits until the worker has ended or given up, at most `limit`. Answers whether it has.
    pub(crate) fn wait_end(&self, limit: Duration) -> bool {
        let end = clock::monotonic() + limit;
        let mut books = self.account.lock();
        while !books.is_finished && !books.is_abandoned {
            let left = end.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return false;
            }
            books = self.account.wait(books, left);
        }
        true
    }

    /// Waits for a closing worker to end; past the deadline what is left is given up and counted. Without `stop` there
    /// is nothing to wait for, and before the deadline nothing to give up: what the lane holds was logged meanwhile.
    pub(crate) fn end_close(&self, deadline: Instant, stop: bool) {
        if !stop && clock::monotonic() < deadline {
            return;
        }
        if stop {
            self.wait_end(deadline.saturating_duration_since(clock::monotonic()));
        }
        let mut books = self.account.lock();
        // A thread that the system refused to start leaves its records in the queue.
        let is_settled = books.held == 0 && !self.has_work() && (books.is_finished || !stop);
        if !is_settled && !books.is_abandoned {
            self.abandon(&mut books);
        }
        if stop {
            self.set_state(State::Closed);
        }
    }

    /// Gives up everything in memory: the deadline of a close has passed and the worker may be stuck in its sink.
    fn abandon(&self, books: &mut account::Books) {
        self.is_closed.store(true, Ordering::Release);
        let is_unknown =
            self.is_writing.load(Ordering::Acquire) || self.is_unresolved.load(Ordering::Acquire);
        let in_flight = if is_unknown { books.held } else { 0 };
        let (mut queued, mut bytes) = (books.held - in_flight, books.held_bytes);
        let mut set_aside = self.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for entry in set_aside.drain(..).chain(self.receiver.try_iter()) {
            queued += 1;
            bytes += entry.record.cost_bytes() as u64;
        }
        let records = queued + in_flight;
        books.abandon(queued, in_flight);
        self.budget.release(records, bytes);
        self.account.notify();
    }

    /// Gives up what reached the queue after its worker had gone: the caller had looked at `is_closed` just before.
    fn sweep(&self) {
        let mut books = self.account.lock();
        let mut set_aside = self.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for queued in set_aside.drain(..).chain(self.receiver.try_iter()) {
            books.settle(End::Dropped(DropCause::ExitDeadline), std::iter::once(queued.ticket));
            self.budget.release(1, queued.record.cost_bytes() as u64);
        }
        self.account.notify();
    }

    /// The counters now.
    pub fn stats(&self) -> LaneStats {
        // What was routed first, and the rest under the lock under which records move: a live snapshot may over-state
        // what is pending, never under-state it.
        let routed = self.routed.load(Ordering::Acquire);
        let (delivered, dropped, pending) = {
            let books = self.account.lock();
            let set_aside = self.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len();
            let pending = books.held + set_aside as u64 + self.receiver.len() as u64;
            (books.delivered, books.dropped_counts(), pending)
        };
        let rejected = Counts::from_pairs(
            RejectCause::ALL
                .iter()
                .map(|cause| (cause.name(), self.rejected[*cause as usize].load(Ordering::Relaxed))),
        );
        let tally = self.tally();
        LaneStats {
            name: self.spec.name.clone(),
            target: self.spec.plan.target.clone(),
            offered: routed + rejected.total(),
            routed,
            rejected,
            delivered,
            dropped,
            pending,
            bytes_pending: self.budget.bytes_held(),
            retries: tally.retries,
            batches: tally.batches,
            duplicates_suppressed: tally.duplicates_suppressed,
            mended: tally.mended,
            rolled_back: tally.rolled_back,
            loss_markers: tally.loss_markers,
            sink_panics: tally.sink_panics,
            state: STATES[usize::from(self.state.load(Ordering::Relaxed)).min(STATES.len() - 1)],
            last_error: tally.last_error.clone(),
        }
    }
}
