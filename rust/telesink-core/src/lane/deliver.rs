//! Delivery: one batch at a time, in order, judged by what the sink answers.
//!
//! Written: counted. `Reject`: these records are at fault and nothing was stored, so the batch is halved until the
//! bad record stands alone. `Retry`: wait with full jitter and offer the same records again. `Hold`: somebody has
//! to act, so keep the records, probe, and say so once.

use super::account::End;
use super::loss::NO_TICKET;
use super::refused::{CIRCUIT_REFUSALS, Suspect, put_back};
use super::wake::{Sleep, request};
use super::worker::Worker;
use crate::clock;
use crate::error::{WriteError, WriteErrorKind};
use crate::sinks::{Batch, Entry, Outcome, Route};
use crate::stats::{DropCause, State};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest pause between two probes of a lane, unless the destination asks for more.
const HOLD_MAX: Duration = Duration::from_mins(1);

impl Worker {
    /// Delivers a batch, however long it takes, unless a close runs out of time.
    pub(super) fn deliver(&mut self, entries: Vec<Entry>) {
        for (route, part) in self.split_by_route(entries) {
            self.deliver_part(route, part);
        }
        self.backoff.reset();
        let now = clock::monotonic();
        if self.losses.due_at(self.totals(), now).is_some_and(|at| at <= now) {
            self.open_with_markers(now);
        }
    }

    /// Groups a batch by route, each in order; records without a route are counted and left out.
    fn split_by_route(&mut self, entries: Vec<Entry>) -> Vec<(Route, Vec<Entry>)> {
        let spec = &self.lane.spec;
        let sink = self.sink.get_or_insert_with(|| (spec.plan.factory)(spec.settings.limits()));
        let mut routes = entries.iter().map(|entry| sink.route(&entry.record));
        if let Some(Some(route)) = routes.next()
            && routes.all(|other| other == Some(route))
        {
            // Nearly always: nothing has to be moved.
            return vec![(route, entries)];
        }
        let mut parts: Vec<(Route, Vec<Entry>)> = Vec::new();
        let mut unrouted = Vec::new();
        for entry in entries {
            match sink.route(&entry.record) {
                None => unrouted.push(entry),
                Some(route) => match parts.iter_mut().find(|(known, _)| *known == route) {
                    Some((_, part)) => part.push(entry),
                    None => parts.push((route, vec![entry])),
                },
            }
        }
        if !unrouted.is_empty() {
            self.settle(End::Dropped(DropCause::Unrouted), &unrouted);
        }
        parts
    }

    fn deliver_part(&mut self, route: Route, entries: Vec<Entry>) {
        let mut stack = vec![entries];
        let mut suspects: Vec<Suspect> = Vec::new();
        let mut has_stored = false;
        while let Some(entries) = stack.pop() {
            let entries = self.expire(entries);
            if entries.is_empty() {
                continue;
            }
            let (entries, error) = match self.attempt(route, &entries) {
                Ok(outcome) => {
                    let (offered, unsent) = cut_unsent(entries, outcome.unsent);
                    if outcome.refused.len() + outcome.retry.len() < offered.len() {
                        has_stored = true;
                        self.backoff.reset();
                    }
                    // A sink that takes nothing at all must not be asked again and again.
                    let is_idle = offered.is_empty();
                    let why = outcome.notice.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                    let mut rest = self.accept(offered, outcome);
                    let is_put_off = is_idle || !rest.is_empty();
                    rest.extend(unsent);
                    if !is_put_off {
                        stack.push(rest);
                        continue;
                    }
                    // Put off, not refused: offered again, but not in a busy loop.
                    let error =
                        WriteError::retry(format!("the destination put {} records off{why}", rest.len()));
                    (rest, error)
                }
                Err(error) => (entries, error),
            };
            let error = if error.kind != WriteErrorKind::Reject {
                stack.push(entries);
                error
            } else if entries.len() > 1 {
                halve(entries, &mut stack);
                continue;
            } else {
                suspects.extend(entries.into_iter().map(|entry| self.suspect(entry, &error)));
                if has_stored || self.refused_in_a_row + suspects.len() < CIRCUIT_REFUSALS {
                    continue;
                }
                put_back(&mut suspects, &mut stack);
                WriteError::hold(
                    format!("every record is refused: {}", error.message),
                    "compare the table with what telesink writes",
                )
            };
            if !self.pause(&error) {
                put_back(&mut suspects, &mut stack);
                self.give_up(stack);
                return;
            }
        }
        // Batches of a few records each must not hide that nothing is taken any more.
        self.refused_in_a_row = if has_stored { 0 } else { self.refused_in_a_row + suspects.len() };
        self.bury(suspects);
    }

    /// Writes once. A panic of the sink is an answer too: the first one is retried with a fresh sink, from the
    /// second on the records are suspected.
    fn attempt(&mut self, route: Route, entries: &[Entry]) -> Result<Outcome, WriteError> {
        let lane = Arc::clone(&self.lane);
        self.last_attempt = clock::monotonic();
        let batch = Batch {
            instance: lane.shared.instance,
            lane: lane.spec.index,
            previous_seq: self.stored_seq,
            route,
            entries,
            tables: &lane.shared.tables,
            now_unix_nano: clock::unix_nano(),
            spent: &self.spent,
        };
        let make = || (lane.spec.plan.factory)(lane.spec.settings.limits());
        lane.is_writing.store(true, Ordering::Release);
        let sink = &mut self.sink;
        let answer = catch_unwind(AssertUnwindSafe(|| sink.get_or_insert_with(make).write(&batch)));
        lane.is_writing.store(false, Ordering::Release);
        match answer {
            Ok(result) => {
                self.is_working = result.is_ok();
                if result.as_ref().err().is_none_or(|error| error.kind == WriteErrorKind::Reject) {
                    // It has looked at these records and lives.
                    self.panics_in_a_row = 0;
                }
                if let Ok(outcome) = &result {
                    // Said before the records are settled: whoever waited for them sees that the fault is over.
                    lane.set_state(State::Running);
                    lane.is_unresolved.store(false, Ordering::Release);
                    let mut tally = lane.tally();
                    tally.batches += 1;
                    tally.duplicates_suppressed += outcome.duplicates_suppressed;
                    tally.mended += outcome.mended;
                    let gone = self
                        .gone
                        .add(self.stored_seq - outcome.rolled_back.min(self.stored_seq), self.stored_seq);
                    tally.rolled_back += gone;
                    drop(tally);
                    self.pass_on(outcome, gone);
                }
                result
            }
            Err(_panic) => Err(self.judge_panic()),
        }
    }

    /// Says what a sink has to tell beside the outcome itself.
    fn pass_on(&self, outcome: &Outcome, gone: u64) {
        let (name, diagnostics) = (&self.lane.spec.name, &self.lane.shared.diagnostics);
        if let Some(notice) = &outcome.notice {
            self.lane.tally().last_error.clone_from(notice);
            diagnostics.say("notice", || format!("{name}: {notice}"));
        }
        if gone > 0 {
            diagnostics.say("rolled back", || {
                format!(
                    "{name}: the destination went back in time; {gone} records that it had confirmed are gone from it"
                )
            });
        }
    }

    fn judge_panic(&mut self) -> WriteError {
        self.lane.tally().sink_panics += 1;
        let broken = self.sink.take();
        // Its destructor may panic as well; either way it is gone.
        let dropped = catch_unwind(AssertUnwindSafe(move || drop(broken)));
        self.panics_in_a_row += 1;
        self.is_working = false;
        // Nobody can say whether it panicked before or after it stored them.
        self.lane.is_unresolved.store(true, Ordering::Release);
        let name = &self.lane.spec.name;
        self.lane.shared.diagnostics.say("panic", || {
            format!("sink {name} panicked; it is restarted and its batch is judged (this is a bug, please report it)")
        });
        if self.panics_in_a_row > 1 && dropped.is_ok() {
            WriteError::reject(format!("sink {name} panicked over this record"))
        } else {
            WriteError::retry(format!("sink {name} panicked"))
        }
    }

    /// Books what was written; answers what has to be offered again.
    fn accept(&mut self, entries: Vec<Entry>, outcome: Outcome) -> Vec<Entry> {
        // Where the ledger of the sink stands now: behind the last record that it does not want to see again.
        let mut is_put_off = vec![false; entries.len()];
        for index in &outcome.retry {
            if let Some(put_off) = is_put_off.get_mut(*index) {
                *put_off = true;
            }
        }
        let looked_at = entries.iter().zip(&is_put_off).rev().find(|(_, is_put_off)| !**is_put_off);
        if let Some((last, _)) = looked_at {
            self.stored_seq = self.stored_seq.max(last.seq);
        }
        if outcome.refused.is_empty()
            && outcome.retry.is_empty()
            && outcome.switched_off.is_empty()
            && outcome.unattributed.is_empty()
            && outcome.rejected_by_server == 0
        {
            self.settle(End::Delivered, &entries);
            self.spent.add(entries);
            return Vec::new();
        }
        let mut slots: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let mut take = |index: usize| slots.get_mut(index).and_then(Option::take);
        let again: Vec<Entry> = outcome.retry.iter().filter_map(|index| take(*index)).collect();
        let switched_off: Vec<Entry> = outcome.switched_off.iter().filter_map(|index| take(*index)).collect();
        let unattributed: Vec<Entry> = outcome.unattributed.iter().filter_map(|index| take(*index)).collect();
        let refused: Vec<Suspect> = outcome
            .refused
            .into_iter()
            .filter_map(|refusal| {
                let entry = take(refusal.index)?;
                Some(Suspect { entry, code: refusal.code, text: refusal.text, detail: String::new() })
            })
            .collect();
        let mut delivered: Vec<Entry> = slots.into_iter().flatten().collect();
        // Nobody knows which: how many is all that can be counted.
        let rejected = delivered.split_off(delivered.len().saturating_sub(outcome.rejected_by_server));
        self.settle(End::Delivered, &delivered);
        self.settle(End::Dropped(DropCause::RejectedByServer), &rejected);
        self.settle(End::Dropped(DropCause::SwitchedOff), &switched_off);
        self.settle(End::Dropped(DropCause::Unattributed), &unattributed);
        self.bury(refused);
        again
    }

    /// Takes out records that have waited too long, unless their last attempt may have stored them. Not by the time
    /// in the record: the system's clock may have jumped since.
    fn expire(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let Some(max_age) = self.lane.spec.settings.max_age else { return entries };
        if self.lane.is_unresolved.load(Ordering::Acquire) {
            return entries;
        }
        let oldest = self.lane.age_nano().saturating_sub(max_age.as_nanos() as u64);
        let (kept, expired): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.ticket == NO_TICKET || entry.taken_nano >= oldest);
        for entry in &expired {
            self.losses.expired(entry.seq);
        }
        if !expired.is_empty() {
            self.settle(End::Dropped(DropCause::Expired), &expired);
        }
        kept
    }

    /// Waits before the next attempt. Answers whether there is to be one.
    fn pause(&mut self, error: &WriteError) -> bool {
        self.spent.free();
        let is_hold = error.kind == WriteErrorKind::Hold;
        if error.is_unresolved {
            self.lane.is_unresolved.store(true, Ordering::Release);
        }
        self.note_failure(error, is_hold);
        let was_closing = self.is_closing;
        let now = clock::monotonic();
        let mut delay = self.backoff.next(self.random.next_u64(), error.retry_after);
        // What the destination asks for holds while a flush waits, too: that has looked once. Only the end of the program
        // cannot wait.
        let is_asked = error.retry_after.is_some();
        if !is_asked {
            delay = delay.min(HOLD_MAX);
        }
        if self.is_closing || !is_asked && self.lane.account.lock().has_open_barrier() {
            // Somebody waits for an end: a destination that comes back meanwhile must be noticed.
            delay = delay.min(self.lane.spec.settings.retry_initial);
        }
        let mut until = now + delay;
        loop {
            let requests = self.lane.wake.take_requests();
            self.is_closing |= requests & request::CLOSE != 0;
            let deadline = self.lane.account.lock().close_deadline;
            let now = clock::monotonic();
            if self.is_closing && (was_closing && is_hold || deadline.is_some_and(|deadline| now >= deadline))
            {
                return false;
            }
            if self.lane.account.lock().is_abandoned {
                return false;
            }
            if requests & (request::FLUSH | request::CLOSE) != 0 {
                // Somebody waits: look again soon, yet never in a tight loop.
                until = until.min(self.last_attempt + self.lane.spec.settings.retry_initial);
            }
            let limit = deadline.map_or(until, |deadline| until.min(deadline)).saturating_duration_since(now);
            if limit.is_zero() {
                return true;
            }
            let lane = Arc::clone(&self.lane);
            lane.wake.sleep(Sleep::Backoff, Some(limit), || lane.wake.requests() & !request::URGENT == 0);
        }
    }

    fn note_failure(&mut self, error: &WriteError, is_hold: bool) {
        self.lane.set_state(if is_hold { State::Held } else { State::Retrying });
        {
            let mut tally = self.lane.tally();
            tally.retries += 1;
            tally.last_error = error.full_text();
        }
        // The first failure of a kind that passes by itself is not worth a line.
        if is_hold || self.backoff.attempts() > 0 {
            let name = &self.lane.spec.name;
            let outlook = if error.is_lasting {
                "nothing more is stored by this process, which counts what it loses"
            } else {
                "records are kept and written once this is mended"
            };
            self.lane.shared.diagnostics.say(if is_hold { "hold" } else { "retry" }, || {
                format!("{name}: {}; {outlook}", error.full_text())
            });
        }
    }

    /// Gives up what is in hand: a close ran out of time, or one last attempt on a held lane failed.
    fn give_up(&mut self, stack: Vec<Vec<Entry>>) {
        let is_unresolved = self.lane.is_unresolved.load(Ordering::Acquire);
        let cause = if is_unresolved { DropCause::ExitUnresolved } else { DropCause::ExitDeadline };
        for entries in stack {
            self.settle(End::Dropped(cause), &entries);
        }
        // What waits in the queue was never offered.
        self.lane.is_unresolved.store(false, Ordering::Release);
        self.discard_queue();
    }

    /// Books records and gives their room back.
    pub(super) fn settle(&mut self, end: End, entries: &[Entry]) {
        let own = entries.iter().filter(|entry| entry.ticket != NO_TICKET);
        let bytes = own.clone().map(|entry| entry.bytes).sum();
        let count = own.clone().map(Entry::sources).sum();
        let mut books = self.lane.account.lock();
        if books.is_abandoned || count == 0 {
            return;
        }
        books.settle(end, own.flat_map(Entry::tickets));
        books.held -= count;
        books.held_bytes -= bytes;
        self.lane.budget.release(count, bytes);
        self.lane.account.notify();
    }
}

/// Takes off the entries at the end that the sink has not offered to its destination.
fn cut_unsent(mut entries: Vec<Entry>, unsent: usize) -> (Vec<Entry>, Vec<Entry>) {
    let rest = entries.split_off(entries.len().saturating_sub(unsent));
    (entries, rest)
}

/// Pushes the two halves so that the earlier one is tried first.
fn halve(mut entries: Vec<Entry>, stack: &mut Vec<Vec<Entry>>) {
    let later = entries.split_off(entries.len() / 2);
    stack.push(later);
    stack.push(entries);
}
