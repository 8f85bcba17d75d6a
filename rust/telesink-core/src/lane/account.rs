//! A lane's books: what became of every admitted record, and the flush barriers that wait for them.
//!
//! One small lock, taken once a batch by the worker and otherwise only by flush, close, statistics and evictions.
//! Nothing that can wait happens under it.

use super::budget::{Budget, Ticket};
use crate::stats::{Counts, DropCause, Receipt};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use std::time::{Duration, Instant};

/// How an admitted record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The sink confirmed it.
    Delivered,
    /// It was given up.
    Dropped(DropCause),
    /// It was never taken: the admission lost a race for the last room.
    Refunded,
}

/// Names a barrier until its receipt is taken.
pub(crate) type BarrierId = u64;

#[derive(Debug)]
struct Barrier {
    id: BarrierId,
    /// Records with a ticket up to this one are waited for.
    target: Ticket,
    remaining: u64,
    delivered: u64,
    dropped: [u64; DropCause::ALL.len()],
}

/// The numbers behind the lock.
#[derive(Debug)]
pub(super) struct Books {
    /// Tickets that came to an end, refunds included.
    settled: u64,
    /// Records the sink confirmed.
    pub delivered: u64,
    /// Records given up, by cause.
    pub dropped: [u64; DropCause::ALL.len()],
    /// Records in the worker's hands (batch and in flight).
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Set by a close whose deadline passed: what the worker still does is no longer counted.
    pub is_abandoned: bool,
    /// Set by the worker when it ends.
    pub is_finished: bool,
    /// When a close wants everything settled.
    pub close_deadline: Option<Instant>,
    barriers: Vec<Barrier>,
    next_barrier: BarrierId,
}

/// A lane's books.
#[derive(Debug)]
pub(super) struct Account {
    books: Mutex<Books>,
    changed: Condvar,
}

impl Account {
    /// Empty books.
    pub(super) fn new() -> Self {
        Self {
            books: Mutex::new(Books {
                settled: 0,
                delivered: 0,
                dropped: [0; DropCause::ALL.len()],
                held: 0,
                held_bytes: 0,
                is_abandoned: false,
                is_finished: false,
                close_deadline: None,
                barriers: Vec::new(),
                next_barrier: 1,
            }),
            changed: Condvar::new(),
        }
    }

    /// Opens the books.
    pub(super) fn lock(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// Wakes everyone who waits for a change.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, at most `limit`.
    pub(super) fn wait<'a>(&self, books: MutexGuard<'a, Books>, limit: Duration) -> MutexGuard<'a, Books> {
        self.changed.wait_timeout(books, limit).unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    /// Starts to wait for everything admitted until now.
    pub(super) fn begin_barrier(&self, budget: &Budget) -> BarrierId {
        let mut books = self.lock();
        // Read inside the lock: whatever settles later passes `settle`, which knows this barrier.
        let target = budget.tickets();
        let id = books.next_barrier;
        books.next_barrier += 1;
        let remaining = target - books.settled;
        books.barriers.push(Barrier {
            id,
            target,
            remaining,
            delivered: 0,
            dropped: [0; DropCause::ALL.len()],
        });
        id
    }

    /// Whether nothing that the barrier waits for is pending.
    pub(super) fn is_barrier_done(&self, id: BarrierId) -> bool {
        self.lock().is_done(id)
    }

    /// Waits until the barrier is done, the lane has given up, or `limit` has passed. Answers whether there is nothing
    /// more to wait for.
    pub(super) fn wait_barrier(&self, id: BarrierId, limit: Duration, now: fn() -> Instant) -> bool {
        let end = now() + limit;
        let mut books = self.lock();
        loop {
            if books.is_done(id) || books.is_abandoned {
                return true;
            }
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            books = self.wait(books, left);
        }
    }

    /// Ends the barrier and says what it saw.
    pub(super) fn end_barrier(&self, id: BarrierId, seconds: f64) -> Receipt {
        let mut books = self.lock();
        let Some(at) = books.barriers.iter().position(|barrier| barrier.id == id) else {
            return Receipt::default();
        };
        let barrier = books.barriers.swap_remove(at);
        Receipt {
            delivered: barrier.delivered,
            dropped: drop_counts(&barrier.dropped),
            pending: barrier.remaining,
            seconds,
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

impl Books {
    /// Notes that records came to an end. The caller gives their room back to the budget afterwards and before it
    /// lets go of the lock: a caller that waits for room looks at the budget under this lock, so it cannot miss it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an iterator is handed over, it is only walked more than once"
    )]
    pub(super) fn settle(&mut self, end: End, tickets: impl Iterator<Item = Ticket> + Clone) {
        let count = tickets.clone().count() as u64;
        self.settled += count;
        match end {
            End::Delivered => self.delivered += count,
            End::Dropped(cause) => self.dropped[cause as usize] += count,
            End::Refunded => {}
        }
        for barrier in &mut self.barriers {
            let seen = tickets.clone().filter(|ticket| *ticket <= barrier.target).count() as u64;
            barrier.remaining -= seen;
            match end {
                End::Delivered => barrier.delivered += seen,
                End::Dropped(cause) => barrier.dropped[cause as usize] += seen,
                End::Refunded => {}
            }
        }
    }

    /// Writes off records that the worker lost through a bug of its own; their tickets are not known any more.
    pub(super) fn lose_held(&mut self, cause: DropCause, count: u64) {
        self.held -= count;
        self.held_bytes = 0;
        self.settled += count;
        self.dropped[cause as usize] += count;
        for barrier in &mut self.barriers {
            let seen = barrier.remaining.min(count);
            barrier.remaining -= seen;
            barrier.dropped[cause as usize] += seen;
        }
    }

    /// Whether anybody waits for records that have not settled.
    pub(super) fn has_open_barrier(&self) -> bool {
        self.barriers.iter().any(|barrier| barrier.remaining > 0)
    }

    /// Ends the books of a lane whose close ran out of time: `queued` records were never offered to the sink,
    /// `in_flight` ones were being written. What the worker still achieves is not counted any more.
    pub(super) fn abandon(&mut self, queued: u64, in_flight: u64) {
        self.is_abandoned = true;
        self.held = 0;
        self.held_bytes = 0;
        self.settled += queued + in_flight;
        self.dropped[DropCause::ExitDeadline as usize] += queued;
        self.dropped[DropCause::ExitUnresolved as usize] += in_flight;
        for barrier in &mut self.barriers {
            let unresolved = barrier.remaining.min(in_flight);
            barrier.dropped[DropCause::ExitUnresolved as usize] += unresolved;
            barrier.dropped[DropCause::ExitDeadline as usize] += barrier.remaining - unresolved;
            barrier.remaining = 0;
        }
    }

    /// The counters of given-up records, by name.
    pub(super) fn dropped_counts(&self) -> Counts {
        drop_counts(&self.dropped)
    }

    pub(super) fn is_done(&self, id: BarrierId) -> bool {
        self.barriers.iter().find(|barrier| barrier.id == id).is_none_or(|barrier| barrier.remaining == 0)
    }
}

fn drop_counts(counters: &[u64]) -> Counts {
    Counts::from_pairs(DropCause::ALL.iter().map(|cause| (cause.name(), counters[*cause as usize])))
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::lane::budget::Admission;

    fn admitted(budget: &Budget, count: usize) -> Vec<Ticket> {
        (0..count)
            .map(|_| match budget.admit(1, false) {
                Admission::Admitted(ticket) => ticket,
                other => panic!("no room: {other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_barrier_counts_only_records_admitted_before_it() {
        let (budget, account) = (Budget::new(100, 100, false), Account::new());
        let before = admitted(&budget, 3);
        let barrier = account.begin_barrier(&budget);
        let after = admitted(&budget, 3);

        account.lock().settle(End::Dropped(DropCause::Evicted), after.into_iter());
        assert!(!account.is_barrier_done(barrier));
        account.lock().settle(End::Delivered, before.into_iter());

        assert!(account.is_barrier_done(barrier));
        let receipt = account.end_barrier(barrier, 0.0);
        assert_eq!((receipt.delivered, receipt.dropped.total(), receipt.pending), (3, 0, 0));
    }

    #[test]
    fn a_refund_lets_a_barrier_pass_without_counting_as_delivered() {
        let (budget, account) = (Budget::new(100, 100, false), Account::new());
        let tickets = admitted(&budget, 1);
        let barrier = account.begin_barrier(&budget);

        account.lock().settle(End::Refunded, tickets.into_iter());

        assert!(account.is_barrier_done(barrier));
        let receipt = account.end_barrier(barrier, 0.0);
        assert_eq!((receipt.delivered, receipt.dropped.total()), (0, 0));
    }

    #[test]
    fn an_unfinished_barrier_says_what_is_pending() {
        let (budget, account) = (Budget::new(100, 100, false), Account::new());
        admitted(&budget, 5);
        let barrier = account.begin_barrier(&budget);

        account.lock().settle(End::Delivered, 1..=2);

        assert_eq!(account.end_barrier(barrier, 0.0).pending, 3);
    }
}
