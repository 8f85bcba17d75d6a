//! A flush that Python waits for: without the interpreter, within a limit, and never for a parent's lanes.

use crate::edge::edge;
use crate::patience::wait_until;
use crate::{process, report};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::pipeline::Flush;
use telesink_core::stats::Receipt;

/// A flush under way.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct FlushTicket {
    flush: Mutex<Option<Flush>>,
    /// Of the process whose lanes it waits for.
    generation: u64,
}

#[pymethods]
impl FlushTicket {
    /// Whether nothing is pending any more.
    fn is_done(&self) -> PyResult<bool> {
        edge("FlushTicket.is_done", || {
            Ok(self.is_inherited() || self.lock().as_ref().is_none_or(Flush::is_done))
        })
    }

    /// Waits until nothing is pending or `timeout_seconds` have passed, without holding the interpreter.
    fn wait(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<bool> {
        edge("FlushTicket.wait", || {
            let end = clock::monotonic() + seconds(timeout_seconds);
            let wait =
                |limit| self.is_inherited() || self.lock().as_ref().is_none_or(|flush| flush.wait(limit));
            wait_until(py, end, wait)?;
            self.is_done()
        })
    }

    /// Ends the flush and answers its receipt; a second call answers an empty one.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("FlushTicket.finish", || {
            let flush = if self.is_inherited() { None } else { self.lock().take() };
            report::receipt(py, &flush.map_or_else(Receipt::default, Flush::finish))
        })
    }
}

impl FlushTicket {
    /// For a flush that was started in the process of this generation.
    pub(crate) fn new(flush: Flush, generation: u64) -> Self {
        Self { flush: Mutex::new(Some(flush)), generation }
    }

    /// Whether it waits for lanes of a parent, whose locks nobody may hold here: then there is nothing to wait for.
    fn is_inherited(&self) -> bool {
        self.generation != process::generation()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Flush>> {
        self.flush.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FlushTicket {
    fn drop(&mut self) {
        if self.is_inherited()
            && let Ok(flush) = self.flush.get_mut()
        {
            std::mem::forget(flush.take());
        }
    }
}

/// A time-out as Python gives it.
pub(crate) fn seconds(value: f64) -> Duration {
    // A year is for ever here; NaN and negative numbers mean "do not wait".
    Duration::from_secs_f64(if value.is_nan() { 0.0 } else { value.clamp(0.0, 31_536_000.0) })
}
