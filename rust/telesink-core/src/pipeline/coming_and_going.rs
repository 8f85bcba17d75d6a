//! Lanes come and go while the pipeline runs.

use super::removed::Removed;
use super::{Late, Pipeline};
use crate::error::ConfigError;
use crate::lane::{Impatient, Lane, LaneSpec};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

impl Pipeline {
    /// Adds a lane; it gets every record offered from now on, and the first lane also those offered before.
    /// `spec.index` is given here.
    ///
    /// # Errors
    /// The name is taken, or the pipeline is closed.
    pub fn add_lane(&self, spec: LaneSpec) -> Result<Arc<Lane>, ConfigError> {
        let mut added = self.add_lanes(vec![spec])?;
        added.pop().ok_or_else(|| ConfigError::new("no sink was added", "name one"))
    }

    /// Adds several lanes, or none of them; see [`Pipeline::add_lane`].
    ///
    /// # Errors
    /// A name is taken, or the pipeline is closed.
    pub fn add_lanes(&self, specs: Vec<LaneSpec>) -> Result<Vec<Arc<Lane>>, ConfigError> {
        let mut late = self.late();
        let lanes = self.lanes();
        let mut names: Vec<&str> = lanes.iter().map(|lane| lane.name()).collect();
        for spec in &specs {
            if names.contains(&spec.name.as_str()) {
                return Err(ConfigError::new(
                    format!("could not add sink: the name `{}` is taken", spec.name),
                    "choose another `name`, or remove the sink of that name first",
                ));
            }
            names.push(&spec.name);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(ConfigError::new(
                "could not add sink: the pipeline is closed",
                "open a new pipeline",
            ));
        }
        let added: Vec<_> = specs.into_iter().map(|spec| self.new_lane(spec, &mut late)).collect();
        if !added.is_empty() {
            self.publish_lanes(lanes.iter().chain(&added).map(Arc::clone).collect());
        }
        Ok(added)
    }

    /// Makes a lane; the first one gets what has waited for it.
    fn new_lane(&self, mut spec: LaneSpec, late: &mut Late) -> Arc<Lane> {
        // Never reused, also not after a removal: the ledger knows lanes by their index.
        spec.index = late.next_index;
        late.next_index += 1;
        let lane = Lane::new(spec, self.shared.clone());
        for (levelno, logger, record) in late.records.drain(..) {
            if lane.filter().admits(levelno, &logger) {
                // A refusal is counted by the lane; the record itself was accepted when it came.
                let _counted = lane.offer(&record, &Impatient);
            }
        }
        late.bytes = 0;
        late.is_over = true;
        lane
    }

    /// Takes a lane out; until it is settled it counts as leaving.
    pub(super) fn take_out(&self, name: &str) -> Option<Arc<Lane>> {
        let _guard = self.late();
        let mut lanes = Vec::clone(&self.lanes());
        let at = lanes.iter().position(|lane| lane.name() == name)?;
        let lane = lanes.remove(at);
        self.removed().leave(&lane);
        self.publish_lanes(lanes);
        Some(lane)
    }

    pub(super) fn removed(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a lane's level while it runs. Answers false if there is no such lane.
    pub fn set_level(&self, name: &str, level: i32) -> bool {
        let _guard = self.late();
        let lanes = self.lanes();
        let Some(lane) = lanes.iter().find(|lane| lane.name() == name) else { return false };
        lane.filter().set_level(level);
        self.publish_lanes(Vec::clone(&lanes));
        true
    }
}
