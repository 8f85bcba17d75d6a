//! Where a sink keeps its open database, so that a fork can close it.
//!
//! A connection must not cross a fork: its locks may be shared by parent and child then, or belong to nobody, and the
//! library's own table of files, which the child inherits, mixes the two up. So before a fork, when no lane is inside
//! the library (see [`crate::fork`]), all connections are closed; a lane opens its own again with the next batch.

use super::moved::{FileIdentity, Patience};
use super::{Open, leave};
use rusqlite::config::DbConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

type Shared = Mutex<Option<Open>>;

/// All slots that have ever been filled, as long as their sinks live. Locked only inside the gate or by a fork, so
/// never held by somebody else at the moment of a fork.
static SLOTS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// One sink's place for an open database.
#[derive(Debug, Default)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    is_known: bool,
}

impl Slot {
    /// Looks inside. Only to be called inside the gate.
    pub(super) fn lock(&mut self) -> MutexGuard<'_, Option<Open>> {
        if !self.is_known {
            let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|slot| slot.strong_count() > 0);
            slots.push(Arc::downgrade(&self.shared));
            self.is_known = true;
        }
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slots() -> Vec<Arc<Shared>> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
}

/// Leaves a file that was moved away, for all sinks that have it open: a new file of its name must not meet what
/// `SQLite` keeps of the old one beside it. Called inside the gate, with no slot locked; waits for a lane that writes.
pub(super) fn leave_everywhere(file: FileIdentity) {
    for slot in slots() {
        let mut open = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.identity[0] == Some(file)) {
            leave(&mut open);
        }
    }
}

/// Closes all open databases, quickly: the write-ahead logs stay as they are, but those of files that were moved away.
/// Called before a fork, with nobody inside.
pub(crate) fn close_all() {
    for slot in slots() {
        // Taken would mean that somebody is inside after all; then it stays open, and the child is told so.
        if let Ok(mut open) = slot.try_lock()
            && let Some(open) = open.take()
        {
            open.settle(Patience::Full);
            // Should it fail, closing takes the time of a checkpoint; nothing else depends on it.
            drop(open.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
            drop(open);
        }
    }
}

/// Brings all rows of files that were moved away into these files: the process may end without closing them. Called
/// inside the gate.
pub(crate) fn settle_moved() {
    for slot in slots() {
        // A lane that is writing looks by itself.
        if let Ok(open) = slot.try_lock()
            && let Some(open) = &*open
        {
            open.settle(Patience::None);
        }
    }
}
