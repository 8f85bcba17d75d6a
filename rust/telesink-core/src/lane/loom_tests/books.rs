//! Who is let in, and how the books settle it.

use super::{LONG, explore, join};
use crate::clock;
use crate::lane::account::{Account, BarrierId, End};
use crate::lane::budget::{Admission, Budget, Ticket};
use crate::stats::{DropCause, Receipt};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Asks for room; answers whether there was some. Keeps count of who is inside.
fn enter(budget: &Budget, inside: &AtomicU64, bytes: u64) -> bool {
    match budget.admit(bytes, false) {
        Admission::Admitted(_) => {
            inside.fetch_add(bytes, Ordering::SeqCst);
            true
        }
        Admission::Full => false,
        Admission::Refund(_) => {
            budget.release(1, bytes);
            false
        }
    }
}

fn leave(budget: &Budget, inside: &AtomicU64, bytes: u64) {
    inside.fetch_sub(bytes, Ordering::SeqCst);
    budget.release(1, bytes);
}

#[test]
fn loom_never_more_bytes_are_inside_than_the_bound_allows() {
    explore(|| {
        let shared = Arc::new((Budget::new(10, 100, false), AtomicU64::new(0)));
        let callers = [0; 2].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (budget, inside) = &*shared;
                for _ in 0..2 {
                    if enter(budget, inside, 60) {
                        assert!(inside.load(Ordering::SeqCst) <= 100, "over the bound");
                        leave(budget, inside, 60);
                    }
                }
            })
        });

        callers.into_iter().for_each(join);

        let (budget, _) = &*shared;
        assert_eq!(budget.bytes_held(), 0);
        assert!(matches!(budget.admit(100, false), Admission::Admitted(_)), "refunds came to nothing");
    });
}

#[test]
fn loom_never_more_records_are_inside_than_the_bound_allows() {
    explore(|| {
        let shared = Arc::new((Budget::new(1, 1_000, false), AtomicU64::new(0)));
        let callers = [0; 3].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (budget, inside) = &*shared;
                if enter(budget, inside, 1) {
                    assert!(inside.load(Ordering::SeqCst) <= 1, "over the bound");
                    leave(budget, inside, 1);
                }
            })
        });

        callers.into_iter().for_each(join);

        assert!(matches!(shared.0.admit(1, false), Admission::Admitted(_)), "refunds came to nothing");
    });
}

#[test]
fn q2_loom_what_is_held_is_never_under_stated() {
    explore(|| {
        let budget = Arc::new(Budget::new(10, 100, false));
        assert_eq!(budget.admit(10, false), Admission::Admitted(1));
        let onlooker = {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.bytes_held())
        };

        assert!(matches!(budget.admit(20, false), Admission::Admitted(_)));
        budget.release(1, 20);

        // Ten bytes are held all the time. Were `in` read before `out`, all of the above could come in between.
        let held = join(onlooker);
        assert!((10..=30).contains(&held), "{held} bytes");
        assert_eq!(budget.bytes_held(), 10);
    });
}

/// A lane's books with what admits to them.
struct Office {
    budget: Budget,
    account: Account,
}

impl Office {
    fn new(records_max: u64) -> Arc<Self> {
        Arc::new(Self { budget: Budget::new(records_max, 1_000, false), account: Account::new() })
    }

    /// Settles a ticket as the worker does.
    fn settle(&self, end: End, ticket: Ticket) {
        let mut books = self.account.lock();
        books.settle(end, std::iter::once(ticket));
        self.budget.release(1, 1);
        self.account.notify();
    }

    /// Admits one record and settles it; answers whether there was room.
    fn pass_one(&self, end: End) -> bool {
        match self.budget.admit(1, false) {
            Admission::Admitted(ticket) => {
                self.settle(end, ticket);
                true
            }
            Admission::Full => false,
            Admission::Refund(ticket) => {
                self.settle(End::Refunded, ticket);
                false
            }
        }
    }

    fn wait(&self, barrier: BarrierId) -> Receipt {
        assert!(self.account.wait_barrier(barrier, LONG, clock::monotonic), "the wait had no reason to end");
        self.account.end_barrier(barrier, 0.0)
    }
}

#[test]
fn loom_a_barrier_is_done_once_all_records_before_it_are_settled_and_not_earlier() {
    explore(|| {
        let office = Office::new(10);
        let Admission::Admitted(before) = office.budget.admit(1, false) else { panic!("there is room") };
        let is_settled = Arc::new(AtomicU64::new(0));
        let barrier = office.account.begin_barrier(&office.budget);
        let worker = {
            let (office, is_settled) = (Arc::clone(&office), Arc::clone(&is_settled));
            thread::spawn(move || {
                is_settled.store(1, Ordering::Release);
                office.settle(End::Delivered, before);
            })
        };
        // Admitted after the barrier: none of its business.
        let later = {
            let office = Arc::clone(&office);
            thread::spawn(move || office.pass_one(End::Delivered))
        };

        let receipt = office.wait(barrier);

        assert_eq!(is_settled.load(Ordering::Acquire), 1, "done too early");
        assert_eq!((receipt.delivered, receipt.pending), (1, 0));
        join(worker);
        assert!(join(later));
    });
}

#[test]
fn loom_barriers_end_while_callers_race_for_the_last_room_and_take_their_tickets_back() {
    explore(|| {
        let office = Office::new(1);
        let callers = [0; 2].map(|_| {
            let office = Arc::clone(&office);
            thread::spawn(move || office.pass_one(End::Dropped(DropCause::Evicted)))
        });

        let barrier = office.account.begin_barrier(&office.budget);
        let receipt = office.wait(barrier);

        assert_eq!(receipt.pending, 0);
        let passed = callers.map(join).iter().filter(|passed| **passed).count() as u64;
        assert!(passed >= 1 && receipt.dropped.total() <= passed);
        let rest = office.account.begin_barrier(&office.budget);
        assert!(office.account.is_barrier_done(rest), "something is left that nobody will settle");
    });
}

#[test]
fn loom_two_waiting_flushes_are_both_woken() {
    explore(|| {
        let office = Office::new(10);
        let Admission::Admitted(ticket) = office.budget.admit(1, false) else { panic!("there is room") };
        let flushers = [0; 2].map(|_| {
            let office = Arc::clone(&office);
            thread::spawn(move || {
                let barrier = office.account.begin_barrier(&office.budget);
                office.wait(barrier).pending
            })
        });

        office.settle(End::Delivered, ticket);

        assert_eq!(flushers.map(join), [0, 0]);
    });
}

#[test]
fn loom_a_caller_that_waits_for_room_gets_it() {
    explore(|| {
        let office = Office::new(1);
        let Admission::Admitted(ticket) = office.budget.admit(1, false) else { panic!("there is room") };
        let blocked = {
            let office = Arc::clone(&office);
            thread::spawn(move || {
                // As in `Lane::wait_for_room`: looks at the budget under the lock of the books.
                let mut books = office.account.lock();
                loop {
                    match office.budget.admit(1, false) {
                        Admission::Admitted(ticket) => return ticket,
                        Admission::Full => books = office.account.wait(books, LONG),
                        Admission::Refund(ticket) => {
                            books.settle(End::Refunded, std::iter::once(ticket));
                            office.budget.release(1, 1);
                        }
                    }
                }
            })
        };

        office.settle(End::Delivered, ticket);

        assert!(join(blocked) >= 2);
    });
}
