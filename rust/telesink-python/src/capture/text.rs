//! Text out of Python strings: zero-copy where CPython has UTF-8 at hand, bounded always.

use pyo3::prelude::*;
use pyo3::types::{PySequence, PyString};
use std::borrow::Cow;
use telesink_core::record::encode::LogBuilder;
use telesink_core::record::flag;

/// Longest text made of a value that is neither text, number, list nor map, in bytes.
pub(crate) const REPR_BYTES_MAX: usize = 1_024;

/// Reads `text`, at most `bytes_max` of it (rounded up to whole characters; the builder cuts exactly). Lone
/// surrogates become U+FFFD and mark the record.
#[inline]
pub(crate) fn read<'t>(
    text: &'t Bound<'_, PyString>,
    bytes_max: usize,
    builder: &mut LogBuilder,
) -> Cow<'t, str> {
    // Asking for UTF-8 pins a second copy of a non-ASCII string to it for as long as it lives; with a huge one only
    // the part that can be kept is looked at. A character is at least one byte, so the cut can only be too late.
    let is_long = text.code_point_len().is_ok_and(|length| length > bytes_max.saturating_add(1));
    if is_long {
        return read_start(text, bytes_max, builder);
    }
    match text.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(replace_surrogates(text, builder)),
    }
}

#[cold]
fn read_start<'t>(text: &'t Bound<'_, PyString>, bytes_max: usize, builder: &mut LogBuilder) -> Cow<'t, str> {
    let start = text
        .cast::<PySequence>()
        .map_err(PyErr::from)
        .and_then(|text| text.get_slice(0, bytes_max.saturating_add(1)).map(Bound::into_any));
    let length = text.code_point_len().unwrap_or(0) as u64;
    builder.note_truncation(length);
    let Ok(start) = start else { return Cow::Borrowed("") };
    match start.cast::<PyString>() {
        Ok(start) => match start.to_str() {
            Ok(text) => Cow::Owned(text.to_owned()),
            Err(_) => Cow::Owned(replace_surrogates(start, builder)),
        },
        Err(_) => Cow::Borrowed(""),
    }
}

#[cold]
fn replace_surrogates(text: &Bound<'_, PyString>, builder: &mut LogBuilder) -> String {
    builder.mark(flag::SANITISED);
    // Each surrogate comes out as three bytes that are no UTF-8; one mark for each is enough.
    text.to_string_lossy().replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}")
}

/// `str(value)`, or a marker if that raises an ordinary exception.
///
/// # Errors
/// `KeyboardInterrupt`, `SystemExit` and their like pass through: they are meant for the program.
pub(crate) fn render<'py>(
    value: &Bound<'py, PyAny>,
    builder: &mut LogBuilder,
    by: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyString>> {
    match by(value) {
        Ok(text) => Ok(text),
        Err(error) => {
            let kind = pass_base_exceptions(value.py(), error)?;
            builder.mark(flag::SANITISED);
            let type_name = type_name(value);
            Ok(PyString::new(value.py(), &format!("<unprintable {type_name}: {kind}>")))
        }
    }
}

/// The name of an ordinary exception's class; others are handed back.
pub(crate) fn pass_base_exceptions(py: Python<'_>, error: PyErr) -> PyResult<String> {
    if error.is_instance_of::<pyo3::exceptions::PyException>(py) {
        Ok(error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string()))
    } else {
        Err(error)
    }
}

/// The name of a value's class.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
