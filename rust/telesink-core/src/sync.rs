//! The synchronisation types of the lane's protocols, exchanged for loom's under the feature `loom` so that the wake
//! protocol, the byte budget and the flush barrier can be checked over all interleavings.

#[cfg(feature = "loom")]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

/// Locks, ignoring poison: a panic elsewhere must not take logging down with it, and every critical section here
/// leaves plain counters that are valid at any point.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
