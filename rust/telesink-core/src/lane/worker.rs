//! The only loop: receive, number, batch, write, sleep. It runs on the lane's own thread.

use super::account::End;
use super::backoff::Backoff;
use super::coalesce::Coalesce;
use super::dead_letter::DeadLetter;
use super::gone::Gone;
use super::loss::{self, Losses, NO_TICKET, Totals};
use super::wake::{Sleep, request};
use super::{Lane, Queued};
use crate::clock;
use crate::record::encode::ATTRIBUTE_TAG;
use crate::record::exception::{SourceCache, render};
use crate::record::id::IdSource;
use crate::record::value::{Scalar, put_pair};
use crate::record::{Record, flag};
use crate::sinks::{Entry, Sink, Spent};
use crate::stats::{DropCause, RejectCause, State};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

/// Records taken out of the queue under one hold of the lock: few, so that an eviction never waits long.
const TAKE_MAX: usize = 512;

/// Longest rendered stack trace, in bytes: deep chains repeat themselves.
const STACKTRACE_BYTES_MAX: usize = 256 * 1024;

/// Between a panic of the worker itself and its next start: one that always panics must not burn a core meanwhile.
const RESTART_PAUSE: Duration = Duration::from_millis(10);

/// Everything the lane's thread owns.
pub(super) struct Worker {
    pub(super) lane: Arc<Lane>,
    pub(super) sink: Option<Box<dyn Sink>>,
    pub(super) backoff: Backoff,
    pub(super) random: IdSource,
    pub(super) losses: Losses,
    pub(super) dead_letter: Option<DeadLetter>,
    /// The last `seq` that the sink has confirmed; what its ledger should show.
    pub(super) stored_seq: u64,
    /// Numbers that the sink had confirmed and no longer has.
    pub(super) gone: Gone,
    /// Set once a close asked for an end.
    pub(super) is_closing: bool,
    /// Single records refused since the last one that was stored.
    pub(super) refused_in_a_row: usize,
    /// Panics of the sink since the last batch that went through.
    pub(super) panics_in_a_row: u32,
    /// Whether nothing is known against the sink: only then is it told of losses at the end.
    pub(super) is_working: bool,
    pub(super) last_attempt: Instant,
    batch: Vec<Entry>,
    /// Between the queue and the batch, if the sink asks for it.
    pub(super) coalesce: Option<Coalesce>,
    /// Records taken out of the queue.
    pub(super) taken: u64,
    /// What was handed over when somebody began to wait for an end: once it is taken, nothing is held any more.
    pub(super) flush_at: Option<u64>,
    pub(super) spent: Spent,
    batch_bytes: u64,
    is_urgent: bool,
    next_seq: u64,
    sources: SourceCache,
    /// When the oldest record of the open batch can have arrived at the earliest.
    opened_at: Instant,
    /// When the queue was last seen empty.
    drained_at: Instant,
    last_urgent: Option<Instant>,
    scope: Option<u32>,
    /// Calls with several records that had ended when a batch was last written.
    pub(super) groups_ended: u64,
}

/// Runs the worker and starts it again should it panic: that would be a bug of ours, and it must cost no more than
/// the records in hand.
pub(super) fn supervise(lane: &Arc<Lane>) {
    let mut worker = Worker::new(lane);
    let mut is_restart = false;
    loop {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if is_restart {
                worker.start_over();
            }
            worker.run();
        }));
        // A sink that panics again while it is dropped must not end the supervisor.
        let disposed = catch_unwind(AssertUnwindSafe(|| worker.dispose()));
        if ended.is_ok() && disposed.is_ok() {
            lane.account.lock().is_finished = true;
            lane.has_thread.store(false, Ordering::SeqCst);
            // The caller's side of this is in `push`: it hands over, passes a fence, and looks for a thread. At least one
            // of the two sees the other.
            fence(Ordering::SeqCst);
            lane.sweep();
            return;
        }
        is_restart = true;
        std::thread::park_timeout(RESTART_PAUSE);
    }
}

impl Worker {
    fn new(lane: &Arc<Lane>) -> Self {
        let settings = &lane.spec.settings;
        let now = clock::monotonic();
        let dead_letter =
            settings.dead_letter.clone().map(|path| DeadLetter::new(path, settings.dead_letter_bytes_max));
        Self {
            lane: Arc::clone(lane),
            sink: None,
            backoff: Backoff::new(settings.retry_initial, settings.retry_max),
            random: IdSource::seeded(),
            losses: Losses::new(),
            dead_letter,
            stored_seq: 0,
            gone: Gone::default(),
            is_closing: false,
            refused_in_a_row: 0,
            panics_in_a_row: 0,
            is_working: true,
            last_attempt: now,
            batch: Vec::new(),
            coalesce: lane.new_coalesce(),
            taken: 0,
            flush_at: None,
            spent: Spent::default(),
            batch_bytes: 0,
            is_urgent: false,
            next_seq: 1,
            sources: SourceCache::default(),
            opened_at: now,
            drained_at: now,
            last_urgent: None,
            scope: None,
            groups_ended: 0,
        }
    }

    fn run(&mut self) {
        loop {
            self.take_requests();
            self.fill(self.lane.batch_records_max(), self.lane.batch_bytes_max());
            let now = clock::monotonic();
            self.let_go(now);
            if self.is_closing && self.is_working && self.losses.due_at(self.totals(), now).is_some() {
                // There may be no later batch to tell it with.
                self.open_with_markers(now);
            }
            if self.batch.is_empty() {
                if self.is_closing && self.lane.is_closed.load(Ordering::Acquire) && !self.lane.has_work() {
                    if self.coalesce.as_ref().is_none_or(Coalesce::is_empty) {
                        return;
                    }
                    // An eviction has emptied the queue since it was looked at.
                    continue;
                }
                self.sleep_idle(now);
                continue;
            }
            let due_at = self.due_at(now);
            if now < due_at {
                self.sleep_lingering(due_at - now);
                continue;
            }
            self.gather();
            if self.is_urgent {
                self.last_urgent = Some(now);
                self.is_urgent = false;
                self.lane.wake.clear_urgent();
            }
            // Under load the next one is as long, and growing to that would copy it again and again.
            let next = Vec::with_capacity(self.batch.len());
            let entries = std::mem::replace(&mut self.batch, next);
            self.batch_bytes = 0;
            self.lane.set_state(State::Running);
            self.deliver(entries);
            // What arrived while the batch was written has waited since then.
            self.opened_at = self.drained_at;
        }
    }

    /// When the open batch has to be written.
    fn due_at(&self, now: Instant) -> Instant {
        let lane = &self.lane;
        let is_full = self.is_full(lane.batch_records_max(), lane.batch_bytes_max());
        if is_full || self.is_closing || lane.account.lock().has_open_barrier() {
            return now;
        }
        let linger = lane.linger();
        let lingered = self.opened_at + linger;
        if self.is_urgent {
            // Coalesced: a storm of errors shares writes instead of forcing one each.
            return self.last_urgent.map_or(now, |last| lingered.min(last + linger));
        }
        lingered
    }

    fn take_requests(&mut self) {
        if !self.is_urgent {
            // Asked for a record that has been written by now, or that is about to be taken: it must not keep the
            // worker from sleeping.
            self.lane.wake.clear_urgent();
        }
        let requests = self.lane.wake.take_requests();
        if requests & request::CLOSE != 0 {
            self.is_closing = true;
        }
    }

    fn sleep_idle(&mut self, now: Instant) {
        let lane = Arc::clone(&self.lane);
        if lane.state.load(Ordering::Relaxed) != 4 {
            lane.set_state(State::Idle);
        }
        self.spent.free();
        self.batch.shrink_to(TAKE_MAX);
        let held_until = self.coalesce.as_ref().and_then(Coalesce::next_due);
        let next = self.losses.due_at(self.totals(), now).into_iter().chain(held_until).min();
        let limit = next.map(|at| at.saturating_duration_since(now));
        if limit == Some(Duration::ZERO) {
            self.open_with_markers(now);
            return;
        }
        lane.wake.clear_urgent();
        lane.wake.sleep(Sleep::Idle, limit, || lane.wake.requests() == 0 && !lane.has_work());
        self.opened_at = clock::monotonic();
    }

    fn sleep_lingering(&mut self, limit: Duration) {
        self.spent.free();
        let lane = Arc::clone(&self.lane);
        let room = lane.batch_records_max().saturating_sub(self.batch.len()) as u64;
        // Counted first: a record that comes between the two reads makes the wake early, never late.
        let routed = lane.routed.load(Ordering::Acquire);
        let full_at = routed + room.saturating_sub(lane.receiver.len() as u64);
        lane.wake.set_full_at(full_at);
        // An urgent record that is in the batch already asks for nothing more.
        let known = if self.is_urgent { request::URGENT } else { 0 };
        lane.wake.sleep(Sleep::Linger, Some(limit), || {
            // A caller that saw the worker awake did not wake it for a batch that is full in bytes.
            let is_full_in_bytes =
                lane.budget.bytes_held() >= lane.batch_bytes_max() && !lane.receiver.is_empty();
            lane.wake.requests() & !known == 0
                && lane.routed.load(Ordering::Relaxed) < full_at
                && !is_full_in_bytes
        });
    }

    pub(super) fn is_full(&self, records_max: usize, bytes_max: u64) -> bool {
        self.batch.len() >= records_max || self.batch_bytes >= bytes_max
    }

    /// Takes what is there, up to so much, and numbers it.
    pub(super) fn fill(&mut self, records_max: usize, bytes_max: u64) {
        let lane = Arc::clone(&self.lane);
        while !self.is_full(records_max, bytes_max) {
            if !lane.has_work() {
                self.drained_at = clock::monotonic();
                break;
            }
            let wanted = (records_max - self.batch.len()).min(TAKE_MAX);
            let taken = Self::take(&lane, wanted);
            if taken.is_empty() {
                break;
            }
            for queued in taken {
                self.admit(queued);
            }
        }
    }

    /// Takes records out of the queue, in order: those that an eviction set aside are older than the rest.
    fn take(lane: &Lane, wanted: usize) -> Vec<Queued> {
        let mut books = lane.account.lock();
        let mut taken = Vec::with_capacity(wanted.min(lane.receiver.len() + 1));
        let mut set_aside = lane.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while taken.len() < wanted {
            match set_aside.pop_front().or_else(|| lane.receiver.try_recv().ok()) {
                Some(queued) => taken.push(queued),
                None => break,
            }
        }
        if books.is_abandoned {
            // Came after the close had given up; nobody waits for it any more.
            for queued in taken.drain(..) {
                books.settle(End::Dropped(DropCause::ExitDeadline), std::iter::once(queued.ticket));
                lane.budget.release(1, queued.record.cost_bytes() as u64);
            }
        }
        books.held += taken.len() as u64;
        books.held_bytes += taken.iter().map(|queued| queued.record.cost_bytes() as u64).sum::<u64>();
        taken
    }

    fn admit(&mut self, queued: Queued) {
        self.taken += 1;
        let entry = unnumbered(queued);
        let Some(coalesce) = &mut self.coalesce else { return self.put(entry) };
        let mut free = Vec::new();
        coalesce.push(entry, clock::monotonic(), &mut free);
        for entry in free {
            self.put(entry);
        }
    }

    /// Puts an entry into the open batch, with the lane's next number.
    pub(super) fn put(&mut self, mut entry: Entry) {
        entry.seq = self.next_seq;
        self.next_seq += 1;
        if entry.record.has(flag::EXCEPTION) {
            entry.appended = self.render_exception(&entry.record);
            // Not in the budget, which callers pay before it is rendered; in the batch, which it must not outgrow.
            self.batch_bytes += entry.appended.as_ref().map_or(0, |field| field.len() as u64);
        }
        self.is_urgent |= entry.record.has(flag::URGENT);
        self.batch_bytes += entry.bytes;
        self.batch.push(entry);
    }

    /// Renders the frames behind a record into its `exception.stacktrace` attribute.
    fn render_exception(&mut self, record: &Record) -> Option<Arc<[u8]>> {
        let mut text = String::new();
        render(record.tail(), &mut self.sources, &mut text, STACKTRACE_BYTES_MAX);
        if text.is_empty() {
            return None;
        }
        let redaction = self.lane.shared.redaction.load();
        let text = redaction.redact_text(&text);
        let mut field = Vec::with_capacity(text.len() + 32);
        put_pair(&mut field, ATTRIBUTE_TAG, "exception.stacktrace", Scalar::Str(&text));
        Some(field.into())
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            queue_full: self.lane.rejected[RejectCause::QueueFull as usize].load(Ordering::Relaxed),
            evicted: self.lane.account.lock().dropped[DropCause::Evicted as usize],
        }
    }

    /// Puts loss markers into the open batch: the sink works, so the story can be told where people look.
    pub(super) fn open_with_markers(&mut self, now: Instant) {
        let lane = Arc::clone(&self.lane);
        let scope = *self.scope.get_or_insert_with(|| lane.shared.tables.scope_index(loss::LOGGER));
        let markers = self.losses.tell(self.totals(), now, clock::unix_nano(), scope, &mut self.next_seq);
        if !lane.spec.plan.stores_logs {
            return;
        }
        lane.tally().loss_markers += markers.len() as u64;
        for (seq, record) in markers {
            self.batch.push(Entry { ticket: NO_TICKET, ..Entry::new(seq, record) });
        }
        self.opened_at = now;
    }

    /// Writes off what a panic of the worker itself left in its hands.
    fn start_over(&mut self) {
        self.batch.clear();
        self.batch_bytes = 0;
        self.is_urgent = false;
        self.coalesce = self.lane.new_coalesce();
        let mut books = self.lane.account.lock();
        let (lost, bytes) = (books.held, books.held_bytes);
        books.lose_held(DropCause::Internal, lost);
        self.lane.budget.release(lost, bytes);
        self.lane.account.notify();
    }

    /// Gives up what waits in the queue: the close that nobody can serve any more is over.
    pub(super) fn discard_queue(&mut self) {
        let mut held = Vec::new();
        if let Some(coalesce) = &mut self.coalesce {
            coalesce.flush(&mut held);
        }
        self.settle(End::Dropped(DropCause::ExitDeadline), &held);
        loop {
            let taken = Self::take(&self.lane, TAKE_MAX);
            if taken.is_empty() {
                return;
            }
            let entries: Vec<Entry> = taken.into_iter().map(unnumbered).collect();
            self.settle(End::Dropped(DropCause::ExitDeadline), &entries);
        }
    }

    /// Closes the sink; what it says last is kept as the lane's last error.
    fn dispose(&mut self) {
        if let Some(mut sink) = self.sink.take()
            && let Err(error) = sink.close()
        {
            self.lane.tally().last_error = error.full_text();
        }
    }
}

/// A record out of the queue, before it has a number.
fn unnumbered(queued: Queued) -> Entry {
    let bytes = queued.record.cost_bytes() as u64;
    let Queued { ticket, record, taken_nano } = queued;
    Entry { ticket, bytes, taken_nano, ..Entry::new(0, record) }
}
