//! The account of lanes that were removed: their records stay counted.

use crate::lane::Lane;
use crate::stats::LaneStats;
use std::sync::Arc;

/// Lanes on their way out, and the sum over those that are gone.
#[derive(Debug, Default)]
pub(super) struct Removed {
    leaving: Vec<Arc<Lane>>,
    gone: Option<LaneStats>,
}

impl Removed {
    /// A lane is taken out; until it is settled its own counters are asked.
    pub(super) fn leave(&mut self, lane: &Arc<Lane>) {
        self.leaving.push(Arc::clone(lane));
    }

    /// Lanes that nobody has seen settle everything.
    pub(super) fn leaving(&self) -> &[Arc<Lane>] {
        &self.leaving
    }

    /// A lane has settled everything; answers its last counters.
    pub(super) fn settle(&mut self, lane: &Arc<Lane>) -> LaneStats {
        let stats = lane.stats();
        self.leaving.retain(|leaving| !Arc::ptr_eq(leaving, lane));
        add(&mut self.gone, &stats);
        stats
    }

    /// The sum over all removed lanes; `None` if there is none.
    pub(super) fn stats(&self) -> Option<LaneStats> {
        let mut sum = self.gone.clone();
        for lane in &self.leaving {
            add(&mut sum, &lane.stats());
        }
        sum
    }
}

fn add(sum: &mut Option<LaneStats>, stats: &LaneStats) {
    match sum {
        Some(sum) => sum.add(stats),
        None => *sum = Some(LaneStats { name: "removed".to_owned(), target: String::new(), ..stats.clone() }),
    }
}
