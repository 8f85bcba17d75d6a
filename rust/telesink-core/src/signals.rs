//! Signals: native threads take none.

/// Runs `spawn` with all signals blocked, so that the new thread inherits the mask: the program's signals belong to
/// its own threads, and no system call of a sink is interrupted.
#[cfg(unix)]
pub(crate) fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{SigSet, SigmaskHow};
    let previous = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let spawned = spawn();
    if let Ok(mask) = previous {
        // Cannot fail with a mask that the system itself handed out; if it did, the program would notice at once.
        let restored = mask.thread_set_mask();
        debug_assert!(restored.is_ok());
    }
    spawned
}

#[cfg(not(unix))]
pub(crate) fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    spawn()
}
