//! Forks: every process generation has a number, and whatever belongs to another one is left alone.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use telesink_core::fork;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of this process.
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Called before a fork: waits, with a limit, until no lane is inside a library whose state a child cannot use.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) {
    // Nobody is inside most of the time; the interpreter is let go only if there is something to wait for.
    if !fork::before() {
        py.detach(fork::wait);
    }
    // With the interpreter, so that no other thread forks in the middle of it.
    fork::close();
}

/// Called in the parent after a fork, also after one that failed.
#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    fork::after_in_parent();
}

/// Called in the child of a fork: takes no lock, allocates nothing, touches nothing of the parent's.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    fork::after_in_child();
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Writes one line to standard error, raw, with `telesink: ` in front.
#[pyfunction]
pub(crate) fn write_line(py: Python<'_>, text: &str) {
    py.detach(|| telesink_core::diagnostics::write_line(text));
}
