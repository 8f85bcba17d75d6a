//! A close under way, and a lane on its way out: begun, waited for in steps, and ended. Whoever stops waiting before the
//! end leaves the lanes to settle what they have by their deadline; a later close waits for them again.

use super::{Flush, Pipeline};
use crate::clock;
use crate::lane::Lane;
use crate::sinks;
use crate::stats::{LaneStats, Receipt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A close of all lanes of a pipeline.
#[derive(Debug)]
pub struct Closing {
    flush: Flush,
    lanes: Vec<Arc<Lane>>,
    deadline: Instant,
    stop: bool,
}

/// A lane that was taken out of its pipeline.
#[derive(Debug)]
pub struct Removal {
    lane: Arc<Lane>,
    deadline: Instant,
}

impl Closing {
    /// Waits, at most `limit`. Answers whether there is nothing more to wait for.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = (clock::monotonic() + limit).min(self.deadline);
        let left = || end.saturating_duration_since(clock::monotonic());
        self.flush.wait(left()) && (!self.stop || self.lanes.iter().all(|lane| lane.wait_end(left())))
    }

    /// Ends the close; past its deadline what is left is given up and counted.
    pub fn finish(self) -> Receipt {
        for lane in &self.lanes {
            lane.end_close(self.deadline, self.stop);
        }
        sinks::rest();
        self.flush.finish()
    }
}

impl Removal {
    /// Waits, at most `limit`. Answers whether the lane has ended.
    pub fn wait(&self, limit: Duration) -> bool {
        let end = (clock::monotonic() + limit).min(self.deadline);
        self.lane.wait_end(end.saturating_duration_since(clock::monotonic()))
    }

    /// Ends the removal from this pipeline; past its deadline what is left is given up and counted.
    pub fn finish(self, pipeline: &Pipeline) -> LaneStats {
        self.lane.end_close(self.deadline, true);
        pipeline.removed().settle(&self.lane)
    }
}

impl Pipeline {
    /// Asks every lane to settle what it has by `deadline`, in parallel; with `stop` the pipeline takes nothing more
    /// and its threads end.
    pub fn begin_close(&self, deadline: Instant, stop: bool) -> Closing {
        let flush = self.begin_flush();
        if stop {
            self.is_closed.store(true, Ordering::Release);
        }
        let lanes = self.lanes_with_leaving();
        for lane in &lanes {
            lane.begin_close(deadline, stop);
        }
        Closing { flush, lanes, deadline, stop }
    }

    /// Closes by `deadline`; see [`Pipeline::begin_close`]. Whatever is left then is given up and counted.
    pub fn close(&self, deadline: Instant, stop: bool) -> Receipt {
        let closing = self.begin_close(deadline, stop);
        closing.wait(deadline.saturating_duration_since(clock::monotonic()));
        closing.finish()
    }

    /// Takes a lane out and asks it to settle what it has by `deadline`.
    pub fn begin_removal(&self, name: &str, deadline: Instant) -> Option<Removal> {
        let lane = self.take_out(name)?;
        lane.begin_close(deadline, true);
        Some(Removal { lane, deadline })
    }

    /// Takes a lane out and closes it by `deadline`.
    pub fn remove_lane(&self, name: &str, deadline: Instant) -> Option<LaneStats> {
        self.begin_removal(name, deadline).map(|removal| removal.finish(self))
    }

    /// Those that are there, and those on their way out.
    pub(super) fn lanes_with_leaving(&self) -> Vec<Arc<Lane>> {
        let leaving = self.removed().leaving().to_vec();
        self.lanes().iter().cloned().chain(leaving).collect()
    }
}
