//! Waiting for room under `when_full="block"`: with the interpreter released, and never on a running event loop.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use telesink_core::lane::Patience;

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
