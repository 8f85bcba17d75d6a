//! When the worker takes records out of its coalesce stage.

use super::worker::Worker;
use crate::stats::DropCause;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Worker {
    /// Takes from the coalesce stage what need not be held any longer.
    pub(super) fn let_go(&mut self, now: Instant) {
        let Some(coalesce) = &mut self.coalesce else { return };
        let mut free = Vec::new();
        let (is_awaited, evicted) = {
            let books = self.lane.account.lock();
            (books.has_open_barrier(), books.dropped[DropCause::Evicted as usize])
        };
        if self.is_closing || is_awaited {
            let flush_at = *self.flush_at.get_or_insert_with(|| self.lane.routed.load(Ordering::Acquire));
            // What belongs together may still lie in the queue; a flood of new records is not waited out. What was
            // evicted never comes, and is older than what still may.
            if !self.lane.has_work() || self.taken + evicted >= flush_at {
                coalesce.flush(&mut free);
            }
        } else {
            self.flush_at = None;
            coalesce.due(now, &mut free);
        }
        for entry in free {
            self.put(entry);
        }
    }
}
