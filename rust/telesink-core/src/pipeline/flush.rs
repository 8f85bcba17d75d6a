//! A flush: a barrier on every lane, made of counters.

use crate::clock;
use crate::lane::{BarrierId, Lane};
use crate::stats::Receipt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A flush under way on all lanes of a pipeline.
#[derive(Debug)]
pub struct Flush {
    pub(super) started: Instant,
    pub(super) lanes: Vec<(Arc<Lane>, BarrierId)>,
    pub(super) late_pending: u64,
}

impl Flush {
    /// Whether nothing is pending any more.
    pub fn is_done(&self) -> bool {
        self.late_pending == 0 && self.lanes.iter().all(|(lane, barrier)| lane.is_flush_done(*barrier))
    }

    /// Waits, at most `limit` for all lanes together. Answers whether there is nothing more to wait for; records that
    /// wait for a first lane are not waited for, because nothing moves them but a new sink.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = clock::monotonic() + limit;
        self.lanes.iter().all(|(lane, barrier)| {
            let left = end.saturating_duration_since(clock::monotonic());
            lane.wait_flush(*barrier, left)
        })
    }

    /// Ends the flush and says what it saw.
    pub fn finish(mut self) -> Receipt {
        let seconds = clock::monotonic().duration_since(self.started).as_secs_f64();
        let mut receipt = Receipt { pending: self.late_pending, seconds, ..Receipt::default() };
        for (lane, barrier) in self.lanes.drain(..) {
            receipt.add(&lane.end_flush(barrier, seconds));
        }
        receipt
    }
}

impl Drop for Flush {
    /// A flush that nobody finished (a cancelled task) must not leave its barriers behind.
    fn drop(&mut self) {
        for (lane, barrier) in self.lanes.drain(..) {
            lane.end_flush(barrier, 0.0);
        }
    }
}
