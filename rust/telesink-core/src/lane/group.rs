//! Records that one call hands over together stay together: a batch that is due waits until such calls have ended, and
//! takes what they have handed over.

use super::worker::Worker;
use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much larger than others a batch may become for it.
const TIMES_MAX: usize = 2;

/// Longest time that a batch waits for a call to end: one hands over ten thousand records in less. Chosen freely.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Between two looks at whether it has.
const PAUSE: Duration = Duration::from_micros(200);

/// The calls that hand over several records.
#[derive(Debug, Default)]
pub struct Groups {
    open: AtomicU64,
    ended: AtomicU64,
}

impl Groups {
    /// A call begins. Each needs its [`Groups::end`].
    pub fn begin(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// A call has handed over all of its records. One that was begun before a fork has no beginning here.
    pub fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        let _was_open =
            self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| open.checked_sub(1)).is_ok();
    }

    /// How many are under way, and how many have ended so far.
    fn now(&self) -> (u64, u64) {
        // In this order: a call that ends between the two reads is seen as open.
        let open = self.open.load(Ordering::SeqCst);
        (open, self.ended.load(Ordering::SeqCst))
    }
}

impl Worker {
    /// Takes into a batch that is due what belongs to its records.
    pub(super) fn gather(&mut self) {
        let groups = std::sync::Arc::clone(&self.lane.shared.groups);
        let (mut open, mut ended) = groups.now();
        if open == 0 && ended == self.groups_ended {
            return;
        }
        let (records_max, bytes_max) = (self.lane.batch_records_max(), self.lane.batch_bytes_max());
        let (records_max, bytes_max) = (records_max * TIMES_MAX, bytes_max * TIMES_MAX as u64);
        let limit = clock::monotonic() + WAIT_MAX;
        loop {
            self.fill(records_max, bytes_max);
            let now = groups.now();
            let is_settled = open == 0 && now == (0, ended);
            if is_settled || self.is_full(records_max, bytes_max) || clock::monotonic() >= limit {
                self.groups_ended = now.1;
                return;
            }
            (open, ended) = now;
            if open > 0 {
                std::thread::park_timeout(PAUSE);
            }
        }
    }
}
