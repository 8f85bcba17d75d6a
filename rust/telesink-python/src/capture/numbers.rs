//! Python numbers to OTLP's.

use super::text;
use crate::ffi::small_integer;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::flag;
use telesink_core::record::value::Scalar;

/// Integers of more bits than this are not turned into decimal digits: that takes quadratic time.
const INTEGER_BITS_MAX: usize = 14_000;

/// Booleans, integers of 64 bits and finite floats; none of a subclass, which may have code of its own.
#[inline]
pub(super) fn exact_number<'v>(value: &Bound<'_, PyAny>) -> Option<Scalar<'v>> {
    if let Some(integer) = small_integer(value) {
        return Some(Scalar::Int(integer));
    }
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return finite(float.value());
    }
    value.cast_exact::<PyBool>().ok().map(|boolean| Scalar::Bool(boolean.is_true()))
}

/// Booleans, integers of 64 bits and finite floats, also of subclasses.
#[inline]
pub(super) fn number<'v>(value: &Bound<'_, PyAny>) -> Option<Scalar<'v>> {
    if let Some(number) = exact_number(value) {
        return Some(number);
    }
    if let Ok(integer) = value.cast::<PyInt>() {
        return fitting(integer).map(Scalar::Int);
    }
    value.cast::<PyFloat>().ok().and_then(|float| finite(float.value()))
}

fn fitting(integer: &Bound<'_, PyInt>) -> Option<i64> {
    integer.extract::<i64>().ok()
}

fn finite<'v>(float: f64) -> Option<Scalar<'v>> {
    float.is_finite().then_some(Scalar::Double(float))
}

pub(super) fn non_finite(float: f64) -> &'static str {
    match float {
        float if float.is_nan() => "NaN",
        float if float > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Numbers and booleans are never hidden, whatever their name: a count named `tokens` must stay a count.
pub(super) fn is_number_like(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>()
}

/// An integer past 64 bits: its digits, or its size if the digits would take too long to make. Asked of `int` itself:
/// a subclass may say anything about its length.
pub(super) fn long_integer(builder: &mut RecordBuilder, integer: &Bound<'_, PyInt>) -> PyResult<String> {
    let class = integer.py().get_type::<PyInt>();
    let bits: usize = class.call_method1("bit_length", (integer,))?.extract()?;
    if bits > INTEGER_BITS_MAX {
        builder.mark(flag::SANITISED);
        return Ok(format!("<integer of {bits} bits>"));
    }
    text::render(integer.as_any(), builder, |integer| {
        class.call_method1("__repr__", (integer,))?.cast_into().map_err(PyErr::from)
    })
    .map(|text| text.to_string_lossy().into_owned())
}
