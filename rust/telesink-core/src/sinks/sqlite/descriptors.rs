//! What the binding has noticed: that the program has closed descriptors of `SQLite`.
//!
//! Whoever can look at the calls of the library to the system (see `telesink-python`) refuses those whose descriptor
//! leads somewhere else by now, and says so here. The sink then opens its file again, and no batch is lost by it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static KNOWN: Cell<u64> = const { Cell::new(0) };
}

/// Tells whether all descriptors of `SQLite` are still its own.
static CHECK: OnceLock<fn() -> bool> = OnceLock::new();

/// Says who can tell whether all descriptors of `SQLite` are still its own. Asked before each batch.
pub fn set_check(check: fn() -> bool) {
    // Given once, when the binding is loaded.
    let _first = CHECK.set(check);
}

/// Says that a call was refused because its descriptor is somebody else's.
pub fn note_lost() {
    LOST.fetch_add(1, Ordering::Relaxed);
}

/// Before a batch. Answers whether all descriptors are there; if not, connections have to be opened anew. The library
/// itself would take a lock that it cannot ask for as held by others, and try for ten seconds.
pub(super) fn begin() -> bool {
    KNOWN.set(LOST.load(Ordering::Relaxed));
    CHECK.get().is_none_or(|check| check())
}

/// Whether a descriptor was found lost since this thread began its batch.
pub(super) fn are_lost() -> bool {
    LOST.load(Ordering::Relaxed) != KNOWN.get()
}
