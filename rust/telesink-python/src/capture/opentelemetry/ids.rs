//! Span contexts: a tuple of trace id, span id, whether it is remote, trace flags and trace state.

use super::defaults::Silent;
use super::numbers;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};

/// W3C's bit for "sampled".
const SAMPLED: u64 = 1;

/// OTLP: it is known whether the parent is remote.
const REMOTE_KNOWN: u32 = 0x100;

/// OTLP: it is.
const REMOTE: u32 = 0x200;

/// A span context as it is read; what is missing or out of range is zero.
pub(super) struct Context<'py> {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) is_sampled: bool,
    is_remote: bool,
    trace_state: Option<Bound<'py, PyAny>>,
}

impl<'py> Context<'py> {
    pub(super) fn read(context: &Bound<'py, PyAny>) -> PyResult<Self> {
        let at = |index, name| part(context, index, name);
        let py = context.py();
        Ok(Self {
            trace_id: trace_id(at(0, intern!(py, "trace_id"))?.as_ref()),
            span_id: span_id(at(1, intern!(py, "span_id"))?.as_ref()),
            is_sampled: numbers::unsigned(at(3, intern!(py, "trace_flags"))?.as_ref()) & SAMPLED != 0,
            is_remote: is_true(at(2, intern!(py, "is_remote"))?.as_ref()),
            trace_state: at(4, intern!(py, "trace_state"))?,
        })
    }

    /// OTLP flags of a span with this parent, or of a link to it.
    pub(super) fn flags(&self) -> u32 {
        if self.is_remote { REMOTE_KNOWN | REMOTE } else { REMOTE_KNOWN }
    }

    /// `key=value` pairs, as in the header `tracestate`.
    pub(super) fn trace_state(&self, empty: &mut Silent) -> PyResult<String> {
        let Some(state) = &self.trace_state else { return Ok(String::new()) };
        if empty.is(state) {
            return Ok(String::new());
        }
        let Some(kept) = super::read!(state, "_dict", "_dict")? else { return Ok(String::new()) };
        let Ok(pairs) = kept.cast::<PyDict>() else { return Ok(String::new()) };
        if pairs.is_empty() {
            empty.remember(state);
            return Ok(String::new());
        }
        let mut out = String::new();
        for (key, value) in crate::ffi::pairs(pairs, usize::MAX) {
            let (Ok(key), Ok(value)) = (key.cast::<PyString>(), value.cast::<PyString>()) else { continue };
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&key.to_string_lossy());
            out.push('=');
            out.push_str(&value.to_string_lossy());
        }
        Ok(out)
    }
}

/// OTLP flags of a span without a parent.
pub(super) const NO_PARENT_FLAGS: u32 = REMOTE_KNOWN;

fn part<'py>(
    context: &Bound<'py, PyAny>,
    index: usize,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Ok(tuple) = context.cast::<PyTuple>()
        && let Ok(item) = tuple.get_borrowed_item(index)
    {
        return Ok(Some(item.to_owned()));
    }
    super::field(context, [name, name])
}

fn is_true(value: Option<&Bound<'_, PyAny>>) -> bool {
    value.is_some_and(|value| value.is_truthy().unwrap_or(false))
}

/// 128 bits as they stand on the wire; zeros if it is missing or no such number.
pub(super) fn trace_id(value: Option<&Bound<'_, PyAny>>) -> [u8; 16] {
    let number =
        value.and_then(|value| value.cast::<PyInt>().ok()).and_then(|value| value.extract::<u128>().ok());
    number.unwrap_or(0).to_be_bytes()
}

/// 64 bits as they stand on the wire; zeros if it is missing or no such number.
pub(super) fn span_id(value: Option<&Bound<'_, PyAny>>) -> [u8; 8] {
    let Some(value) = value else { return [0; 8] };
    numbers::unsigned(Some(value)).to_be_bytes()
}
