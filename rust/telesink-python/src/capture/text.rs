//! Text out of Python strings: zero-copy where CPython has UTF-8 at hand, bounded always.

use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};
use std::borrow::Cow;
use telesink_core::record::encode::{KEY_BYTES_MAX, Key, RecordBuilder};
use telesink_core::record::flag;

/// Longest text made of a value that is neither text, number, list nor map, in bytes.
pub(crate) const REPR_BYTES_MAX: usize = 1_024;

/// Longest name of a class that is shown, in characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// What names of telesink's own begin with: what they tell must not be told by anybody else.
const RESERVED: &str = "telesink.";

/// Stands in front of a caller's name that begins as telesink's own do.
const CALLERS: &str = "caller.";

/// The name of an attribute or an event that a caller gave: `telesink.loss` becomes `caller.telesink.loss`, marked.
#[inline]
pub(crate) fn callers_name<'n>(name: &'n str, builder: &mut RecordBuilder) -> Cow<'n, str> {
    if name.starts_with(RESERVED) { renamed(name, builder) } else { Cow::Borrowed(name) }
}

#[cold]
fn renamed<'n>(name: &str, builder: &mut RecordBuilder) -> Cow<'n, str> {
    builder.mark(flag::SANITISED);
    Cow::Owned(format!("{CALLERS}{name}"))
}

/// Reads `text`, at most `bytes_max` of it (rounded up to whole characters; the builder cuts exactly). Lone
/// surrogates become U+FFFD and mark the record.
#[inline]
pub(crate) fn read<'t>(
    text: &'t Bound<'_, PyString>,
    bytes_max: usize,
    builder: &mut RecordBuilder,
) -> Cow<'t, str> {
    // Asking for UTF-8 pins a second copy of a non-ASCII string to it for as long as it lives; with a huge one only
    // the part that can be kept is looked at. A character is at least one byte, so the cut can only be too late.
    if is_long(text, bytes_max) {
        return read_start(text, bytes_max, builder);
    }
    match text.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(replace_surrogates(text, builder)),
    }
}

/// The name of an attribute or a field, if it is text and written as it is. Lets no Python code run, unless the answer
/// is none.
#[inline]
pub(super) fn plain_key<'k>(name: &'k Bound<'_, PyAny>) -> Option<Key<'k>> {
    let name = plain(name.cast_exact::<PyString>().ok()?, KEY_BYTES_MAX)?;
    if name.starts_with(RESERVED) { None } else { Key::new(name) }
}

/// A text as it is, if it is none of those that [`read`] cuts or mends. Lets no Python code run, unless the answer is
/// none.
#[inline]
pub(super) fn plain<'t>(text: &'t Bound<'_, PyString>, bytes_max: usize) -> Option<&'t str> {
    if is_long(text, bytes_max) { None } else { text.to_str().ok() }
}

#[inline]
fn is_long(text: &Bound<'_, PyString>, bytes_max: usize) -> bool {
    text.code_point_len().is_ok_and(|length| length > bytes_max.saturating_add(1))
}

#[cold]
fn read_start<'t>(
    text: &'t Bound<'_, PyString>,
    bytes_max: usize,
    builder: &mut RecordBuilder,
) -> Cow<'t, str> {
    let length = text.code_point_len().unwrap_or(0) as u64;
    builder.note_truncation(length);
    // Fails only for want of memory; what can be kept then is nothing.
    let Ok(start) = ffi::start_of(text, bytes_max.saturating_add(1)) else { return Cow::Borrowed("") };
    match start.to_str() {
        Ok(text) => Cow::Owned(text.to_owned()),
        Err(_) => Cow::Owned(replace_surrogates(&start, builder)),
    }
}

#[cold]
fn replace_surrogates(text: &Bound<'_, PyString>, builder: &mut RecordBuilder) -> String {
    builder.mark(flag::SANITISED);
    // Each surrogate comes out as three bytes that are no UTF-8; one mark for each is enough.
    text.to_string_lossy().replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}")
}

/// The text of a map's key, cut to its longest.
///
/// # Errors
/// Only what must reach the program, as [`render`] has it.
#[inline(never)]
pub(super) fn key<'k>(builder: &mut RecordBuilder, key: &'k Bound<'_, PyAny>) -> PyResult<Cow<'k, str>> {
    let owned = if let Ok(text) = key.cast::<PyString>() {
        match read(text, KEY_BYTES_MAX, builder) {
            Cow::Borrowed(text) => return Ok(builder.fit(text, KEY_BYTES_MAX)),
            Cow::Owned(text) => text,
        }
    } else {
        let rendered = render(key, builder, pyo3::types::PyAnyMethods::str)?;
        read(&rendered, KEY_BYTES_MAX, builder).into_owned()
    };
    Ok(Cow::Owned(builder.fit(&owned, KEY_BYTES_MAX).into_owned()))
}

/// `str(value)`, or a marker if that raises an ordinary exception.
///
/// # Errors
/// `KeyboardInterrupt`, `SystemExit` and their like pass through: they are meant for the program.
pub(crate) fn render<'py>(
    value: &Bound<'py, PyAny>,
    builder: &mut RecordBuilder,
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
        Ok(class_name(&error.get_type(py)).unwrap_or_else(|| "Exception".to_owned()))
    } else {
        Err(error)
    }
}

/// The name of a value's class.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    class_name(&value.get_type()).unwrap_or_else(|| "object".to_owned())
}

/// The name of a class, read without asking it for its text: a metaclass may answer anything.
fn class_name(class: &Bound<'_, PyType>) -> Option<String> {
    let name = class.name().ok()?;
    let name = ffi::start_of(&name, NAME_CHARACTERS_MAX).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// What a look at a value answers, if it answers.
///
/// # Errors
/// `KeyboardInterrupt`, `SystemExit` and their like pass through: they are meant for the program.
pub(crate) fn unless_failed<T>(py: Python<'_>, answer: PyResult<T>) -> PyResult<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => pass_base_exceptions(py, error).map(|_| None),
    }
}
