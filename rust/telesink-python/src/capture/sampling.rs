//! The sample of traces, for events that name no trace: they share the fate of the observation that they are about.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use telesink_core::record::event::is_sampled;

/// Most observations remembered; as many as a lane remembers of those that it has sent.
const OBSERVATIONS_MAX: usize = 10_000;

/// The observations that were left out last, of one process.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: HashSet<[u8; 8]>,
    order: VecDeque<[u8; 8]>,
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// The share of traces, from 0 to 1.
    pub(crate) rate: f64,
    pub(crate) left_out: &'a LeftOut,
}

impl Sample<'_> {
    /// Whether an event is kept. `trace` is the one that it belongs to, if it is known; `span` the observation that it is
    /// about, zero if it is about none.
    pub(super) fn keeps(&self, trace: Option<[u8; 16]>, span: [u8; 8]) -> bool {
        if self.rate >= 1.0 {
            return true;
        }
        match trace {
            Some(trace) if is_sampled(trace, self.rate) => true,
            Some(_) => {
                self.left_out.add(span);
                false
            }
            None => !self.left_out.has(span),
        }
    }
}

impl LeftOut {
    fn add(&self, span: [u8; 8]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if span == [0; 8] || !known.ids.insert(span) {
            return;
        }
        known.order.push_back(span);
        if known.order.len() > OBSERVATIONS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.ids.remove(&oldest);
        }
    }

    fn has(&self, span: [u8; 8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(&span)
    }
}
