//! The lane's protocols under every order of threads: `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.
//!
//! A lost wake-up or a barrier that is never done shows as a deadlock that loom reports.

use super::account::{Account, End};
use super::budget::{Admission, Budget};
use super::wake::{Sleep, Wake, request};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;
use std::iter::once;

/// Room for `count` records.
fn budget(count: u64) -> Arc<Budget> {
    Arc::new(Budget::new(count, 1_000, false))
}

#[test]
fn loom_a_record_pushed_while_the_worker_falls_asleep_wakes_it() {
    loom::model(|| {
        let (wake, queue) = (Arc::new(Wake::new()), Arc::new(AtomicU64::new(0)));
        let producer = {
            let (wake, queue) = (Arc::clone(&wake), Arc::clone(&queue));
            thread::spawn(move || {
                queue.store(1, Ordering::Relaxed);
                wake.pushed(1, || false);
            })
        };

        while queue.load(Ordering::Relaxed) == 0 {
            wake.sleep(Sleep::Idle, None, || queue.load(Ordering::Relaxed) == 0);
        }

        producer.join().expect("the producer ends");
    });
}

#[test]
fn loom_an_urgent_record_ends_a_linger_that_has_just_begun() {
    loom::model(|| {
        let wake = Arc::new(Wake::new());
        wake.set_full_at(u64::MAX);
        let producer = {
            let wake = Arc::clone(&wake);
            thread::spawn(move || {
                wake.request(request::URGENT);
                wake.pushed(1, || false);
            })
        };

        while wake.requests() & request::URGENT == 0 {
            wake.sleep(Sleep::Linger, None, || wake.requests() == 0);
        }

        producer.join().expect("the producer ends");
    });
}

#[test]
fn loom_the_record_that_fills_the_batch_ends_the_linger() {
    loom::model(|| {
        let (wake, tickets) = (Arc::new(Wake::new()), Arc::new(AtomicU64::new(0)));
        wake.set_full_at(2);
        let producer = {
            let (wake, tickets) = (Arc::clone(&wake), Arc::clone(&tickets));
            thread::spawn(move || {
                for ticket in 1..=2 {
                    tickets.store(ticket, Ordering::Relaxed);
                    wake.pushed(ticket, || false);
                }
            })
        };

        while tickets.load(Ordering::Relaxed) < 2 {
            wake.sleep(Sleep::Linger, None, || tickets.load(Ordering::Relaxed) < 2);
        }

        producer.join().expect("the producer ends");
    });
}

#[test]
fn loom_a_close_reaches_a_worker_that_backs_off() {
    loom::model(|| {
        let wake = Arc::new(Wake::new());
        let closer = {
            let wake = Arc::clone(&wake);
            thread::spawn(move || wake.request(request::CLOSE))
        };

        let mut requests = 0;
        while requests & request::CLOSE == 0 {
            wake.sleep(Sleep::Backoff, None, || wake.requests() & !request::URGENT == 0);
            requests |= wake.take_requests();
        }

        closer.join().expect("the closer ends");
    });
}

#[test]
fn loom_the_budget_never_admits_more_than_its_bound() {
    loom::model(|| {
        let (budget, held) = (budget(1), Arc::new(AtomicU64::new(0)));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (budget, held) = (Arc::clone(&budget), Arc::clone(&held));
                thread::spawn(move || match budget.admit(1, false) {
                    Admission::Admitted(_) => {
                        assert!(held.fetch_add(1, Ordering::AcqRel) < 1, "two records under a bound of one");
                        held.fetch_sub(1, Ordering::AcqRel);
                        budget.release(1, 1);
                    }
                    Admission::Refund(_) => budget.release(1, 1),
                    Admission::Full => {}
                })
            })
            .collect();

        for caller in callers {
            caller.join().expect("the caller ends");
        }

        assert_eq!(budget.bytes_held(), 0);
        assert!(matches!(budget.admit(1, false), Admission::Admitted(_)), "room came back");
    });
}

#[test]
fn loom_a_barrier_is_done_when_every_earlier_record_is_settled_and_not_before() {
    loom::model(|| {
        let (budget, account) = (budget(10), Arc::new(Account::new()));
        let is_stored = Arc::new(AtomicBool::new(false));
        let Admission::Admitted(first) = budget.admit(1, false) else { panic!("there is room") };
        let worker = {
            let (budget, account, is_stored) =
                (Arc::clone(&budget), Arc::clone(&account), Arc::clone(&is_stored));
            thread::spawn(move || {
                is_stored.store(true, Ordering::Relaxed);
                let mut books = account.lock();
                books.settle(End::Delivered, once(first));
                budget.release(1, 1);
                account.notify();
            })
        };
        let other = {
            let (budget, account) = (Arc::clone(&budget), Arc::clone(&account));
            thread::spawn(move || {
                // A later record that comes and goes must not pass for the earlier one.
                let Admission::Admitted(later) = budget.admit(1, false) else { panic!("there is room") };
                account.lock().settle(End::Refunded, once(later));
                budget.release(1, 1);
                account.notify();
            })
        };

        let barrier = account.begin_barrier(&budget);
        let mut books = account.lock();
        while !books.is_done(barrier) {
            books = account.wait(books, std::time::Duration::MAX);
        }
        drop(books);

        assert!(is_stored.load(Ordering::Relaxed), "done before the first record was stored");
        assert_eq!(account.end_barrier(barrier, 0.0).pending, 0);
        worker.join().expect("the worker ends");
        other.join().expect("the other caller ends");
    });
}
