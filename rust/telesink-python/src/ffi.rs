//! Raw calls into CPython that a measurement justifies. The only `unsafe` of the binding.
#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Shows every key and value of `dict` to `see`, in order, without making new references.
///
/// The safe iterator counts references and compares sizes at every step: 21 fields of a `LogRecord` cost 0.19 µs
/// with it and 0.06 µs like this (CPython 3.11, release build).
///
/// `see` must not run Python code; the callers only compare pointers and clone references.
#[inline]
pub(crate) fn walk_dict<'py>(
    dict: &Bound<'py, PyDict>,
    mut see: impl FnMut(usize, Borrowed<'_, 'py, PyAny>, Borrowed<'_, 'py, PyAny>),
) {
    let py = dict.py();
    let (mut position, mut index) = (0, 0);
    let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: `dict` is a dict and alive for the whole loop; `PyDict_Next` hands out borrowed references that stay
    // valid because nothing in the loop can run Python code and so nothing can change the dict (on free-threaded
    // builds the critical section below keeps other threads out).
    pyo3::sync::critical_section::with_critical_section(dict, || unsafe {
        while ffi::PyDict_Next(dict.as_ptr(), &raw mut position, &raw mut key, &raw mut value) != 0 {
            see(index, Borrowed::from_ptr(py, key), Borrowed::from_ptr(py, value));
            index += 1;
        }
    });
}

/// `template % arguments` by CPython's own formatter.
#[inline]
pub(crate) fn format<'py>(
    template: &Bound<'py, pyo3::types::PyString>,
    arguments: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: both are live objects; the answer is a new reference or null with an exception set.
    unsafe {
        Bound::from_owned_ptr_or_err(template.py(), ffi::PyUnicode_Format(template.as_ptr(), arguments.as_ptr()))
    }
}
