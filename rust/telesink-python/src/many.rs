//! Several records in one call: they stay together.

use crate::edge::edge;
use crate::handle::Pipeline;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::sync::Arc;
use telesink_core::lane::Groups;

/// Ends what was begun, however the call ends.
struct Open(Arc<Groups>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Takes mappings in order. Answers how many were accepted. Raises `TypeError` and `ValueError` at the first that cannot be
/// meant. Those of a list or tuple are written in one batch; whatever else is gone through may go on for ever.
#[pyfunction]
pub(crate) fn enqueue_many(pipeline: &Bound<'_, Pipeline>, records: &Bound<'_, PyAny>) -> PyResult<usize> {
    edge("enqueue_many", || {
        let pipeline = pipeline.get();
        let is_whole = records.is_instance_of::<PyList>() || records.is_instance_of::<PyTuple>();
        let _open = is_whole.then(|| {
            let groups = Arc::clone(pipeline.process().core.groups());
            groups.begin();
            Open(groups)
        });
        let mut accepted = 0;
        for record in records.try_iter()? {
            accepted += usize::from(pipeline.enqueue(&record?)?);
        }
        Ok(accepted)
    })
}
