//! Waiting: with the interpreter released, never on a running event loop for room under `when_full="block"`, and never
//! for a parent's lanes.

use crate::process;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::{Duration, Instant};
use telesink_core::lane::Patience;
use telesink_core::{clock, fork};

/// Longest sleep between two looks at pending signals: how long Ctrl+C may take to end a wait.
const SIGNAL_SLICE: Duration = Duration::from_millis(50);

/// A Python caller.
pub(crate) struct Waiting<'py> {
    py: Python<'py>,
}

impl<'py> Waiting<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Self { py }
    }

    /// Whether this thread runs an event loop right now. Looked up, never imported: a program that has not loaded
    /// asyncio runs none.
    fn runs_event_loop(&self) -> PyResult<bool> {
        let py = self.py;
        let modules =
            py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?.cast_into::<PyDict>()?;
        match modules.get_item(intern!(py, "asyncio"))? {
            Some(asyncio) => Ok(!asyncio.call_method0(intern!(py, "_get_running_loop"))?.is_none()),
            None => Ok(false),
        }
    }
}

impl Patience for Waiting<'_> {
    fn may_wait(&self) -> bool {
        // If it cannot be told, waiting could freeze a loop; not waiting only drops and counts.
        !self.runs_event_loop().unwrap_or(true)
    }

    fn detached(&self, wait: &mut (dyn FnMut() + Send)) {
        self.py.detach(wait);
    }
}

/// Waits, without holding the interpreter, until `wait` answers that there is nothing more to wait for, or until `end`.
///
/// # Errors
/// What the handler of a signal raises, as Ctrl+C does. Such a handler may also have forked: look again whose the lanes
/// are.
pub(crate) fn wait_until(
    py: Python<'_>,
    end: Instant,
    wait: impl Fn(Duration) -> bool + Sync,
) -> PyResult<()> {
    fork::let_go();
    loop {
        let left = end.saturating_duration_since(clock::monotonic());
        if py.detach(|| wait(left.min(SIGNAL_SLICE))) || left.is_zero() {
            return Ok(());
        }
        py.check_signals()?;
    }
}

/// What waits for the lanes of one process. In the child of a fork it is left alone: nobody may hold their locks there.
pub(crate) struct Own<T> {
    inner: Option<T>,
    generation: u64,
}

impl<T> Own<T> {
    /// For lanes of the process of this generation.
    pub(crate) fn new(inner: T, generation: u64) -> Self {
        Self { inner: Some(inner), generation }
    }

    /// `None` in a child, and once it was taken.
    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_inherited() { None } else { self.inner.as_ref() }
    }

    /// As `get`.
    pub(crate) fn take(&mut self) -> Option<T> {
        if self.is_inherited() { None } else { self.inner.take() }
    }

    fn is_inherited(&self) -> bool {
        self.generation != process::generation()
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if self.is_inherited() {
            std::mem::forget(self.inner.take());
        }
    }
}
