//! Trace and span ids of the current OpenTelemetry span, if that package is loaded, else of the current `telesink.span`,
//! else those that a parent process has handed down. The package is never imported by us.

use super::with_workbench;
use crate::edge::edge;
use crate::process;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::atomic::{AtomicUsize, Ordering};
use telesink_core::clock;

static GET_CURRENT_SPAN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Answers the ids of the current `telesink.span`; set with the first one, so that programs without pay one load.
static SPAN_GETTER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

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
    if current.trace_id != [0; 16] {
        return current;
    }
    let own = SPAN_GETTER.get(py).and_then(|getter| own(getter.bind(py)));
    own.or_else(|| INHERITED.get(py).copied()).unwrap_or_default()
}

/// The ids as `telesink.span` keeps them: those of the trace, then those of the span.
fn own(getter: &Bound<'_, PyAny>) -> Option<Ids> {
    let found = getter.call0().ok()?;
    let bytes: [u8; 24] = found.cast::<PyBytes>().ok()?.as_bytes().try_into().ok()?;
    let (trace_id, span_id) = bytes.split_first_chunk::<16>()?;
    Some(Ids { trace_id: *trace_id, span_id: *span_id.first_chunk::<8>()? })
}

/// Tells how to read the ids of the current `telesink.span`: 24 bytes, or None.
#[pyfunction]
pub(crate) fn set_span_getter(py: Python<'_>, getter: Bound<'_, PyAny>) -> PyResult<()> {
    edge("set_span_getter", || {
        // Somebody else was first, with the same function.
        let _is_first = SPAN_GETTER.set(py, getter.unbind()).is_ok();
        Ok(())
    })
}

/// The ids that a record made here would carry: 16 bytes of the trace, 8 of the span; zeros if there is none.
#[pyfunction]
pub(crate) fn current_ids(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    edge("current_ids", || {
        let ids = current(py);
        Ok(PyBytes::new(py, &[ids.trace_id.as_slice(), &ids.span_id].concat()))
    })
}

/// Random ids, never zero, and not those of a parent process: 16 bytes for a trace, 8 for a span.
#[pyfunction]
pub(crate) fn new_span_ids(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    edge("new_span_ids", || {
        let ids = with_workbench(|bench| {
            // Seeds anew in the child of a fork.
            let _uuid = bench.ids.next_uuid7(clock::unix_nano(), process::generation());
            [bench.ids.next_u64(), bench.ids.next_u64(), bench.ids.next_u64()]
        });
        let bytes = ids.unwrap_or_default().map(|id| id.max(1).to_be_bytes());
        Ok(PyBytes::new(py, &bytes.concat()))
    })
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
