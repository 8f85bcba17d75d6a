//! Numbers of the SDK's objects. What does not fit its field is nothing there: OTLP cannot say it.

use crate::ffi::{self, any_integer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

/// A count; more than fits is the most that does.
pub(super) fn count(value: Option<&Bound<'_, PyAny>>) -> u32 {
    u32::try_from(unsigned(value)).unwrap_or(u32::MAX)
}

/// A time or a count; 0 if it is missing, negative, or beyond 64 bits.
pub(super) fn unsigned(value: Option<&Bound<'_, PyAny>>) -> u64 {
    let Some(value) = value else { return 0 };
    match any_integer(value) {
        Some(number) => u64::try_from(number).unwrap_or(0),
        // Half of all span ids.
        None => value.cast::<PyInt>().ok().and_then(ffi::unsigned_integer).unwrap_or(0),
    }
}

/// A number that a message holds as a double; whole ones may come as such.
pub(super) fn double(value: Option<&Bound<'_, PyAny>>) -> Option<f64> {
    let value = value?;
    if let Ok(float) = value.cast::<PyFloat>() {
        return Some(float.value());
    }
    match any_integer(value) {
        Some(number) => Some(number as f64),
        None => value.cast::<PyInt>().ok().and_then(|value| value.extract().ok()),
    }
}

/// The number behind a member of an `enum`, or a plain number.
pub(super) fn member(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
    let Some(value) = value else { return Ok(None) };
    if let Some(number) = any_integer(value) {
        return Ok(Some(number));
    }
    let py = value.py();
    // Where `enum` keeps it: the public name runs Python code.
    let inner = super::field(value, [intern!(py, "_value_"), intern!(py, "value")])?;
    Ok(inner.as_ref().and_then(any_integer))
}
