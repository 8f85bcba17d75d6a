//! Models of the lane's protocols, run over all interleavings: `make test-loom`.
//!
//! A wake-up that can be lost shows as a deadlock of the model: there is no time in it, so that no timer comes to the
//! rescue. What must not happen at any moment is asserted by a thread that looks on.

mod books;

use super::wake::{Sleep, Wake, request};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread::{self, JoinHandle};
use std::time::Duration;

/// A limit that plays no part: time does not pass in a model.
const LONG: Duration = Duration::from_hours(1);

/// Runs `model` over all interleavings with at most three involuntary switches, which find every known bug of this
/// kind; without a bound the larger models run for hours.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A worker's bed, and a queue of which only the number of pushes matters.
struct Bed {
    wake: Wake,
    pushes: AtomicU64,
}

impl Bed {
    fn new() -> Arc<Self> {
        Arc::new(Self { wake: Wake::new(), pushes: AtomicU64::new(0) })
    }

    fn pushed(&self) -> u64 {
        self.pushes.load(Ordering::Acquire)
    }

    /// As in `Lane::push`: hand over, count, ask for an urgent record, look at the worker.
    fn push(&self, is_urgent: bool) {
        let number = self.pushes.fetch_add(1, Ordering::Release) + 1;
        if is_urgent {
            self.wake.request(request::URGENT);
        }
        self.wake.pushed(number, || false);
    }
}

fn caller(bed: &Arc<Bed>, is_urgent: bool) -> JoinHandle<()> {
    let bed = Arc::clone(bed);
    thread::spawn(move || bed.push(is_urgent))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("a thread of the model panicked")
}

#[test]
fn loom_an_idle_worker_sees_every_record() {
    explore(|| {
        let bed = Bed::new();
        let callers = [caller(&bed, false), caller(&bed, false)];

        let mut taken = 0;
        while taken < 2 {
            bed.wake.take_requests();
            taken = bed.pushed();
            if taken < 2 {
                bed.wake.sleep(Sleep::Idle, None, || bed.wake.requests() == 0 && bed.pushed() == taken);
            }
        }

        callers.into_iter().for_each(join);
    });
}

#[test]
fn loom_a_lingering_worker_is_woken_by_the_record_that_fills_its_batch() {
    explore(|| {
        let bed = Bed::new();
        let callers = [caller(&bed, false), caller(&bed, false)];

        while bed.pushed() < 2 {
            bed.wake.set_full_at(2);
            bed.wake.sleep(Sleep::Linger, Some(LONG), || bed.wake.requests() == 0 && bed.pushed() < 2);
        }

        callers.into_iter().for_each(join);
    });
}

#[test]
fn loom_urgent_records_end_a_linger_also_when_their_requests_are_one() {
    explore(|| {
        let bed = Bed::new();
        let callers = [caller(&bed, true), caller(&bed, true)];

        // As in the worker: a batch of lesser records is open all the time, and never full.
        let mut taken = 0;
        while taken < 2 {
            bed.wake.clear_urgent();
            bed.wake.take_requests();
            let pushed = bed.pushed();
            if pushed > taken {
                // There is an urgent record in the batch: it is written.
                taken = pushed;
                bed.wake.clear_urgent();
                continue;
            }
            bed.wake.set_full_at(u64::MAX);
            bed.wake.sleep(Sleep::Linger, Some(LONG), || bed.wake.requests() == 0);
        }

        callers.into_iter().for_each(join);
    });
}

#[test]
fn loom_an_idle_worker_sees_an_urgent_record_beside_a_lesser_one() {
    explore(|| {
        let bed = Bed::new();
        let callers = [caller(&bed, true), caller(&bed, false)];

        let mut taken = 0;
        while taken < 2 {
            bed.wake.clear_urgent();
            bed.wake.take_requests();
            taken = bed.pushed();
            if taken < 2 {
                bed.wake.clear_urgent();
                bed.wake.sleep(Sleep::Idle, None, || bed.wake.requests() == 0 && bed.pushed() == taken);
            }
        }

        callers.into_iter().for_each(join);
    });
}

#[test]
fn loom_a_flush_and_a_close_wake_a_worker_however_it_sleeps() {
    for how in [Sleep::Idle, Sleep::Linger, Sleep::Backoff] {
        explore(move || {
            let bed = Bed::new();
            let callers = [request::FLUSH, request::CLOSE].map(|bits| {
                let bed = Arc::clone(&bed);
                thread::spawn(move || bed.wake.request(bits))
            });

            let mut seen = 0;
            while seen != request::FLUSH | request::CLOSE {
                seen |= bed.wake.take_requests();
                if seen != request::FLUSH | request::CLOSE {
                    bed.wake.sleep(how, Some(LONG), || bed.wake.requests() & !request::URGENT == 0);
                }
            }

            callers.into_iter().for_each(join);
        });
    }
}

#[test]
fn loom_a_request_is_not_lost_behind_an_urgent_one() {
    explore(|| {
        let bed = Bed::new();
        let urgent = caller(&bed, true);
        let flusher = {
            let bed = Arc::clone(&bed);
            thread::spawn(move || bed.wake.request(request::FLUSH))
        };

        // A lane that waits to try again: urgent records are none of its business, a flush is.
        while bed.wake.take_requests() & request::FLUSH == 0 {
            bed.wake.sleep(Sleep::Backoff, Some(LONG), || bed.wake.requests() & !request::URGENT == 0);
        }

        join(urgent);
        join(flusher);
    });
}
