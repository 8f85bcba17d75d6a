//! The caller's side of a lane: bounds, policies, hand-over. Nothing here waits for I/O, and nothing raises.

use super::account::End;
use super::budget::{Admission, Ticket};
use super::wake::request;
use super::{Lane, Queued};
use crate::clock;
use crate::record::{Record, flag};
use crate::settings::WhenFull;
use crate::stats::{DropCause, RejectCause};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most records that one eviction looks at; each severe record is set aside once, so this bounds the caller's wait
/// without changing who goes first over time.
const EVICTION_LOOKS_MAX: usize = 256;

/// How a caller may wait for room under `when_full="block"`.
pub trait Patience {
    /// Whether the caller may wait at all: not on a running event loop.
    fn may_wait(&self) -> bool;

    /// Runs `wait` without holding whatever other threads need to make progress (the interpreter).
    fn detached(&self, wait: &mut (dyn FnMut() + Send));
}

/// A caller that never waits.
#[derive(Debug, Clone, Copy)]
pub struct Impatient;

impl Patience for Impatient {
    fn may_wait(&self) -> bool {
        false
    }

    fn detached(&self, _wait: &mut (dyn FnMut() + Send)) {}
}

impl Lane {
    /// Offers a record. Answers the cause if the lane does not take it; it is counted then.
    pub fn offer(self: &Arc<Self>, record: &Record, patience: &dyn Patience) -> Result<(), RejectCause> {
        self.take(record.clone(), patience)
    }

    /// Takes a record over; see [`Lane::offer`].
    #[inline]
    pub fn take(self: &Arc<Self>, record: Record, patience: &dyn Patience) -> Result<(), RejectCause> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(self.reject(RejectCause::Closed));
        }
        let bytes = record.cost_bytes() as u64;
        match self.budget.admit(bytes, record.has(flag::RESERVE)) {
            Admission::Admitted(ticket) => self.push(ticket, record, bytes),
            Admission::Full => self.take_when_full(record, bytes, patience),
            Admission::Refund(ticket) => {
                self.refund(ticket, bytes);
                self.take_when_full(record, bytes, patience)
            }
        }
    }

    #[inline]
    fn push(self: &Arc<Self>, ticket: Ticket, record: Record, bytes: u64) -> Result<(), RejectCause> {
        let is_urgent = record.has(flag::URGENT);
        let taken_nano = self.spec.settings.max_age.map_or(0, |_| self.age_nano());
        if self.sender.try_send(Queued { ticket, record, taken_nano }).is_err() {
            // Tickets never exceed the channel's capacity, so this is the last moment of a closing lane.
            self.refund(ticket, bytes);
            return Err(self.reject(RejectCause::Closed));
        }
        // After the hand-over: whoever reads the count finds the record in the queue or further on.
        let number = self.routed.fetch_add(1, Ordering::Release) + 1;
        if is_urgent {
            self.wake.request(request::URGENT);
        }
        self.wake.pushed(number, || self.budget.bytes_held() >= self.batch_bytes_max());
        if !self.has_thread.load(Ordering::Acquire) {
            self.start_thread();
        }
        Ok(())
    }

    #[cold]
    fn take_when_full(
        self: &Arc<Self>,
        record: Record,
        bytes: u64,
        patience: &dyn Patience,
    ) -> Result<(), RejectCause> {
        let admitted = match self.spec.settings.when_full {
            WhenFull::DropNewest => None,
            WhenFull::DropOldest => {
                if self.evicting_calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_024) {
                    self.tell_full("evicted");
                }
                self.evict_for(bytes, record.has(flag::RESERVE))
            }
            WhenFull::Block => self.wait_for_room(bytes, patience),
        };
        match admitted {
            Some(ticket) => self.push(ticket, record, bytes),
            None => Err(self.reject(RejectCause::QueueFull)),
        }
    }

    /// Makes room by giving up the oldest records, severe ones last.
    fn evict_for(&self, bytes: u64, is_severe: bool) -> Option<Ticket> {
        if bytes > self.spec.settings.queue_bytes_max as u64 {
            return None;
        }
        let mut books = self.account.lock();
        let mut set_aside = self.set_aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for _ in 0..EVICTION_LOOKS_MAX {
            let victim = match self.receiver.try_recv() {
                Ok(queued) if queued.record.has(flag::RESERVE) => {
                    set_aside.push_back(queued);
                    continue;
                }
                Ok(queued) => queued,
                // Only severe records are left: a lesser newcomer gives way, a severe one replaces the oldest.
                Err(_) if is_severe => set_aside.pop_front()?,
                Err(_) => return None,
            };
            books.settle(End::Dropped(DropCause::Evicted), std::iter::once(victim.ticket));
            self.budget.release(1, victim.record.cost_bytes() as u64);
            self.account.notify();
            match self.budget.admit(bytes, true) {
                Admission::Admitted(ticket) => return Some(ticket),
                Admission::Full => {}
                Admission::Refund(ticket) => {
                    books.settle(End::Refunded, std::iter::once(ticket));
                    self.budget.release(1, bytes);
                }
            }
        }
        None
    }

    /// Waits for room as long as `block_timeout` allows, and not at all while there is no worker to make any.
    fn wait_for_room(self: &Arc<Self>, bytes: u64, patience: &dyn Patience) -> Option<Ticket> {
        if !patience.may_wait() || bytes > self.spec.settings.queue_bytes_max as u64 {
            return None;
        }
        if !self.has_thread.load(Ordering::Acquire) {
            self.start_thread();
            if !self.has_thread.load(Ordering::Acquire) {
                return None;
            }
        }
        let end = clock::monotonic() + self.spec.settings.block_timeout;
        let mut admitted = None;
        patience.detached(&mut || {
            let mut books = self.account.lock();
            loop {
                match self.budget.admit(bytes, true) {
                    Admission::Admitted(ticket) => {
                        admitted = Some(ticket);
                        return;
                    }
                    Admission::Full => {}
                    Admission::Refund(ticket) => {
                        books.settle(End::Refunded, std::iter::once(ticket));
                        self.budget.release(1, bytes);
                    }
                }
                let left = end.saturating_duration_since(clock::monotonic());
                if left.is_zero() || self.is_closed.load(Ordering::Relaxed) {
                    return;
                }
                books = self.account.wait(books, left);
            }
        });
        admitted
    }

    fn refund(&self, ticket: Ticket, bytes: u64) {
        let mut books = self.account.lock();
        books.settle(End::Refunded, std::iter::once(ticket));
        self.budget.release(1, bytes);
        self.account.notify();
    }
}
