//! Raw calls into CPython that a measurement justifies, or that PyO3 does not have. The only `unsafe` of the binding.
#![allow(unsafe_code)]

use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyInt, PyString, PyTraceback};

/// Whether this thread is attached to the interpreter that the process began with.
pub(crate) fn is_main_interpreter() -> bool {
    // SAFETY: asked while a module is imported, so the thread is attached to an interpreter. The first one of a process
    // has the number zero.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

/// Shows every key and value of `dict` to `see`, in order, without making new references.
///
/// The safe iterator counts references and compares sizes at every step, for each of the 21 fields of a `LogRecord`.
///
/// `see` must not run Python code; the callers only compare pointers and clone references.
#[inline]
pub(crate) fn walk_dict<'py>(
    dict: &Bound<'py, PyDict>,
    mut see: impl FnMut(usize, Borrowed<'_, 'py, PyAny>, Borrowed<'_, 'py, PyAny>),
) {
    step_through(dict, |index, key, value| {
        see(index, key, value);
        true
    });
}

/// Hands every key and value of `dict` to `take`, in order, as long as it answers true.
///
/// `take` may let Python code run, if it then answers false: what it was given is its own.
#[inline]
pub(crate) fn walk_dict_while<'py>(
    dict: &Bound<'py, PyDict>,
    mut take: impl FnMut(usize, Bound<'py, PyAny>, Bound<'py, PyAny>) -> bool,
) {
    step_through(dict, |index, key, value| take(index, key.to_owned(), value.to_owned()));
}

#[inline]
fn step_through<'py>(
    dict: &Bound<'py, PyDict>,
    mut see: impl FnMut(usize, Borrowed<'_, 'py, PyAny>, Borrowed<'_, 'py, PyAny>) -> bool,
) {
    let py = dict.py();
    let (mut position, mut index) = (0, 0);
    let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: `dict` is a dict and alive for the whole loop; `PyDict_Next` hands out borrowed references that stay
    // valid because nothing in the loop can run Python code and so nothing can change the dict (on free-threaded
    // builds the critical section below keeps other threads out). Where `see` does run some it has made references of
    // its own before, and the loop ends.
    pyo3::sync::critical_section::with_critical_section(dict, || unsafe {
        while ffi::PyDict_Next(dict.as_ptr(), &raw mut position, &raw mut key, &raw mut value) != 0 {
            if !see(index, Borrowed::from_ptr(py, key), Borrowed::from_ptr(py, value)) {
                break;
            }
            index += 1;
        }
    });
}

/// The pairs of a dict, at most `pairs_max`, whatever its subclass says about them: `PyDict_Copy` would ask that.
pub(crate) fn pairs<'py>(
    dict: &Bound<'py, PyDict>,
    pairs_max: usize,
) -> Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    pairs_from(dict, 0, pairs_max)
}

/// The pairs of a dict behind the first `skipped`, at most `pairs_max`.
pub(crate) fn pairs_from<'py>(
    dict: &Bound<'py, PyDict>,
    skipped: usize,
    pairs_max: usize,
) -> Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let length = dict.len().saturating_sub(skipped).min(pairs_max);
    let mut pairs = Vec::with_capacity(length);
    if length > 0 {
        step_through(dict, |index, key, value| {
            if index >= skipped {
                pairs.push((key.to_owned(), value.to_owned()));
            }
            pairs.len() < length
        });
    }
    pairs
}

/// The first `characters_max` characters as a plain text, whatever a subclass says about slices of itself.
pub(crate) fn start_of<'py>(
    text: &Bound<'py, PyString>,
    characters_max: usize,
) -> PyResult<Bound<'py, PyString>> {
    let end = ffi::Py_ssize_t::try_from(characters_max).unwrap_or(ffi::Py_ssize_t::MAX);
    // SAFETY: the object is a text, and an end beyond it is cut by CPython; the answer is a new reference to a text, or
    // null with an exception set.
    unsafe {
        let start = ffi::PyUnicode_Substring(text.as_ptr(), 0, end);
        Ok(Bound::from_owned_ptr_or_err(text.py(), start)?.cast_into_unchecked())
    }
}

/// The first `bytes_max` bytes of an array, whatever a subclass says about slices of itself.
pub(crate) fn first_bytes(array: &Bound<'_, PyByteArray>, bytes_max: usize) -> Vec<u8> {
    // SAFETY: nothing between the two looks at the array and the end of the copy runs Python code or lets the
    // interpreter go, so the array cannot change (on free-threaded builds the critical section keeps others out).
    pyo3::sync::critical_section::with_critical_section(array, || unsafe {
        let bytes = array.as_bytes();
        bytes[..bytes.len().min(bytes_max)].to_vec()
    })
}

/// The `__dict__` of an object of a class that is known to have one, without looking the attribute up.
#[inline]
pub(crate) fn instance_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the object is alive; the answer is a new reference or null with an exception set.
    unsafe {
        let dict = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(object.py(), dict)
    }
}

/// The value of an exact `int` that fits 64 bits; no exception is made for one that does not.
///
/// `extract` goes through `__index__` and makes an exception on overflow.
#[inline]
pub(crate) fn small_integer(value: &Bound<'_, PyAny>) -> Option<i64> {
    let integer = value.cast_exact::<PyInt>().ok()?;
    let mut overflow = 0;
    // SAFETY: the object is an `int`, for which this call cannot fail otherwise than by overflow.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(integer.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(number)
}

/// The value of an `int` or of a subclass that fits 64 bits, without running Python code.
#[inline]
pub(crate) fn any_integer(value: &Bound<'_, PyAny>) -> Option<i64> {
    small_integer(value).or_else(|| {
        let integer = value.cast::<PyInt>().ok()?;
        let mut overflow = 0;
        // SAFETY: as above; a subclass of `int` is read from its digits, `__index__` is not called.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(integer.as_ptr(), &raw mut overflow) };
        (overflow == 0).then_some(number)
    })
}

/// The value of an `int` that fits 64 bits without a sign.
///
/// `extract` goes through `__index__`, which doubles the time.
#[inline]
pub(crate) fn unsigned_integer(value: &Bound<'_, PyInt>) -> Option<u64> {
    // SAFETY: the object is an `int`; all bits set may be its value or an error, which is then taken away.
    let number = unsafe { ffi::PyLong_AsUnsignedLongLong(value.as_ptr()) };
    let has_failed = number == u64::MAX && PyErr::take(value.py()).is_some();
    (!has_failed).then_some(number)
}

/// The code object of a traceback's frame, without looking `f_code` up by name.
#[inline]
pub(crate) fn frame_code<'py>(traceback: &Bound<'py, PyTraceback>) -> PyResult<Bound<'py, PyAny>> {
    let frame = traceback.getattr(pyo3::intern!(traceback.py(), "tb_frame"))?;
    // SAFETY: the frame of a traceback is always a frame object; the answer is a new reference and never null.
    unsafe { Bound::from_owned_ptr_or_err(frame.py(), ffi::PyFrame_GetCode(frame.as_ptr().cast()).cast()) }
}

/// What an exception is linked to, read from its own fields instead of by attribute name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link {
    Traceback,
    Cause,
    Context,
}

/// The traceback, cause or context of an exception, if it has one.
#[inline]
pub(crate) fn linked<'py>(exception: &Bound<'py, PyBaseException>, link: Link) -> Option<Bound<'py, PyAny>> {
    let getter = match link {
        Link::Traceback => ffi::PyException_GetTraceback,
        Link::Cause => ffi::PyException_GetCause,
        Link::Context => ffi::PyException_GetContext,
    };
    // SAFETY: the object is an exception; the answer is a new reference, or null without an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(exception.py(), getter(exception.as_ptr())) }
}

/// `template % arguments` by CPython's own formatter.
#[inline]
pub(crate) fn format<'py>(
    template: &Bound<'py, PyString>,
    arguments: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: both are live objects; the answer is a new reference or null with an exception set.
    unsafe {
        Bound::from_owned_ptr_or_err(
            template.py(),
            ffi::PyUnicode_Format(template.as_ptr(), arguments.as_ptr()),
        )
    }
}
