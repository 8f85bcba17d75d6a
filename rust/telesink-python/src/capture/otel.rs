//! Trace and span ids of the current OpenTelemetry span, if that package is loaded, else those that a parent process has
//! handed down. The package is never imported by us.

use crate::edge::edge;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use std::sync::atomic::{AtomicUsize, Ordering};

static GET_CURRENT_SPAN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// How many modules were loaded when the package was last looked for: no new module, no new look.
static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);

/// The span that this process was started in, if it was told.
static INHERITED: PyOnceLock<Ids> = PyOnceLock::new();

/// Ids of a span.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ids {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
}

/// The ids of the current span, else of the inherited one; zeros if there is none.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Ids {
    let current = find(py).and_then(|getter| read(getter).ok()).unwrap_or_default();
    if current.trace_id == [0; 16] {
        return INHERITED.get(py).copied().unwrap_or_default();
    }
    current
}

/// Gives records that belong to no span of this process these ids. Ids of zeros mean none; the first call counts.
#[pyfunction]
pub(crate) fn set_inherited_span(py: Python<'_>, trace_id: [u8; 16], span_id: [u8; 8]) -> PyResult<()> {
    edge("set_inherited_span", || {
        if trace_id != [0; 16] && span_id != [0; 8] {
            // Somebody else was first, with what stood in the same variable.
            let _is_first = INHERITED.set(py, Ids { trace_id, span_id }).is_ok();
        }
        Ok(())
    })
}

fn find(py: Python<'_>) -> Option<&Bound<'_, PyAny>> {
    if let Some(getter) = GET_CURRENT_SPAN.get(py) {
        return Some(getter.bind(py));
    }
    let modules = MODULES
        .get_or_try_init(py, || {
            let modules = py.import("sys")?.getattr("modules")?;
            modules.cast_into::<PyDict>().map(Bound::unbind).map_err(PyErr::from)
        })
        .ok()?
        .bind(py);
    let loaded = modules.len();
    if LOOKED_AT.load(Ordering::Relaxed) == loaded {
        return None;
    }
    LOOKED_AT.store(loaded, Ordering::Relaxed);
    let trace = modules.get_item(pyo3::intern!(py, "opentelemetry.trace")).ok()??;
    // Half-imported modules have no such function yet; they are looked at again with the next module.
    let getter = trace.getattr_opt(pyo3::intern!(py, "get_current_span")).ok()??;
    // Somebody else may have been faster; either answer is the same function.
    drop(GET_CURRENT_SPAN.set(py, getter.unbind()));
    GET_CURRENT_SPAN.get(py).map(|getter| getter.bind(py))
}

fn read(getter: &Bound<'_, PyAny>) -> PyResult<Ids> {
    let py = getter.py();
    let context = getter.call0()?.call_method0(pyo3::intern!(py, "get_span_context"))?;
    let trace_id: u128 = context.getattr(pyo3::intern!(py, "trace_id"))?.extract()?;
    let span_id: u64 = context.getattr(pyo3::intern!(py, "span_id"))?.extract()?;
    if trace_id == 0 || span_id == 0 {
        return Ok(Ids::default());
    }
    Ok(Ids { trace_id: trace_id.to_be_bytes(), span_id: span_id.to_be_bytes() })
}

/// Reads hex ids as OpenTelemetry's logging instrumentation leaves them on a record; `"0"` means none.
pub(crate) fn parse_hex<const N: usize>(text: &Bound<'_, PyAny>) -> Option<[u8; N]> {
    let text = text.cast::<PyString>().ok()?.to_str().ok()?;
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut id = [0; N];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    (id != [0; N]).then_some(id)
}
