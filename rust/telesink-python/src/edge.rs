//! The edge between Python and Rust: no panic passes it.
//!
//! `PyO3` would turn a panic into an exception that is no `Exception`: it passes every `except Exception` of the program
//! and ends its thread. Here it becomes a `telesink.TelesinkError` and one line on standard error. Records have their
//! own edge, `Pipeline::guarded`, which raises nothing and counts.

use crate::errors;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use telesink_core::diagnostics;

/// Runs what Python has called under the name `entry`.
///
/// # Errors
/// What `work` raises; a `TelesinkError` if it panics.
pub(crate) fn edge<T>(entry: &'static str, work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        reach(entry);
        work()
    }));
    caught.unwrap_or_else(|_panic| {
        diagnostics::write_line(&format!("a panic in `{entry}` was caught; please report it"));
        Err(Python::attach(|py| errors::panicked(py, entry)))
    })
}

#[cfg(feature = "failpoints")]
pub(crate) use failpoints::reach;

/// Where a module made for tests panics on demand.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn reach(_entry: &'static str) {}

/// Panics on demand. No wheel is built with this feature.
#[cfg(feature = "failpoints")]
pub(crate) mod failpoints {
    use pyo3::prelude::*;
    use std::sync::{Mutex, PoisonError};

    static ARMED: Mutex<Option<String>> = Mutex::new(None);

    /// Makes the next call of this entry panic, once; None for none.
    #[pyfunction]
    pub(crate) fn arm_failpoint(entry: Option<String>) {
        *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = entry;
    }

    /// Panics if a test has asked for it.
    pub(crate) fn reach(entry: &'static str) {
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner).take_if(|armed| armed == entry);
        if armed.is_some() {
            std::panic::panic_any("a test asked for it");
        }
    }
}
