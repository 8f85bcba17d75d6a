//! What the OpenTelemetry SDK hands to processors and exporters: spans, log records and metrics.
//!
//! Each becomes the message that the SDK's own OTLP exporter would send for it; what that one would refuse is mended and
//! marked. Fields are read where the SDK keeps them (`span._name`), which no Python code stands in front of, and by their
//! public names where somebody else has made the object.

mod defaults;
mod ids;
mod log;
mod members;
mod metric;
mod numbers;
mod origin;
mod own_span;
mod span;

pub(crate) use defaults::Defaults;
pub(crate) use log::capture_otel_log;
pub(crate) use members::Members;
pub(crate) use metric::capture_metrics;
pub(crate) use origin::Origins;
pub(crate) use own_span::{OwnSpan, capture_own_span};
pub(crate) use span::capture_span;

use super::text;
use super::values::{NODES_MAX, ValueReader};
use crate::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString};
use std::borrow::Cow;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::flag;

/// Longest name of an attribute that is read, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// A field of an object, under the first of these names that it has; none if that is None, or cannot be had.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like.
fn field<'py>(
    object: &Bound<'py, PyAny>,
    names: [&Bound<'py, PyString>; 2],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    for name in names {
        if let Some(found) = text::unless_failed(object.py(), object.getattr_opt(name))?.flatten() {
            return Ok((!found.is_none()).then_some(found));
        }
    }
    Ok(None)
}

/// Reads a field by its private name, else by its public one.
macro_rules! read {
    ($object:expr, $private:literal, $public:literal) => {
        $crate::capture::opentelemetry::field(
            $object,
            [pyo3::intern!($object.py(), $private), pyo3::intern!($object.py(), $public)],
        )
    };
}
use read;

/// An object with its own dict at hand, where the SDK keeps the fields of spans and log records: a look into it costs a
/// quarter of one by attribute, which asks each class first.
struct Owner<'o, 'py> {
    object: &'o Bound<'py, PyAny>,
    dict: Option<Bound<'py, PyDict>>,
}

impl<'o, 'py> Owner<'o, 'py> {
    fn of(object: &'o Bound<'py, PyAny>) -> Self {
        // Objects of slots have none.
        let dict = ffi::instance_dict(object).ok().and_then(|dict| dict.cast_into().ok());
        Self { object, dict }
    }

    /// As [`field`], of the first name in the dict.
    fn field(&self, names: [&Bound<'py, PyString>; 2]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let kept = self.dict.as_ref().and_then(|dict| dict.get_item(names[0]).ok().flatten());
        match kept {
            Some(found) => Ok((!found.is_none()).then_some(found)),
            None => field(self.object, names),
        }
    }
}

/// Reads a field of an [`Owner`] by its private name, else by its public one.
macro_rules! own {
    ($owner:expr, $private:literal, $public:literal) => {
        $owner
            .field([pyo3::intern!($owner.object.py(), $private), pyo3::intern!($owner.object.py(), $public)])
    };
}
use own;

/// A text, at most `bytes_max` of it; what should be one and is not is shown as `str` shows it.
fn words<'t>(
    value: Option<&'t Bound<'_, PyAny>>,
    bytes_max: usize,
    builder: &mut RecordBuilder,
) -> PyResult<Cow<'t, str>> {
    let Some(value) = value else { return Ok(Cow::Borrowed("")) };
    if let Ok(value) = value.cast::<PyString>() {
        return Ok(text::read(value, bytes_max, builder));
    }
    builder.mark(flag::SANITISED);
    let shown = text::render(value, builder, pyo3::types::PyAnyMethods::str)?;
    Ok(Cow::Owned(text::read(&shown, bytes_max, builder).into_owned()))
}

/// Writes attributes under the tag of the open message, with the count of those that the SDK had no room for.
fn write_attributes(
    builder: &mut RecordBuilder,
    reader: &mut ValueReader<'_>,
    attributes: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let Some(attributes) = attributes else { return Ok(()) };
    let py = attributes.py();
    let inner = if attributes.is_exact_instance_of::<PyDict>() {
        None
    } else {
        // `BoundedAttributes`: cleaned, and no longer changed once its span has ended.
        text::unless_failed(py, attributes.getattr_opt(intern!(py, "_dict")))?.flatten()
    };
    let dict = match &inner {
        Some(inner) => {
            note_dropped(builder, attributes)?;
            inner.cast::<PyDict>().ok().cloned()
        }
        None => attributes.cast::<PyDict>().ok().cloned(),
    };
    let dict = match dict {
        Some(dict) => dict,
        None => copy_of(attributes)?,
    };
    let written = reader.plain_attributes(builder, &dict);
    // The rest as a snapshot: values run Python code while they are read.
    let rest = ffi::pairs_from(&dict, written, NODES_MAX - written);
    builder.drop_attributes(dict.len().saturating_sub(written + rest.len()));
    for (key, value) in rest {
        if let Ok(key) = key.cast_exact::<PyString>() {
            let key = text::read(key, KEY_BYTES_MAX, builder);
            reader.attribute(builder, &key, &value)?;
        } else {
            let key = text::render(&key, builder, pyo3::types::PyAnyMethods::str)?;
            let key = text::read(&key, KEY_BYTES_MAX, builder).into_owned();
            reader.attribute(builder, &key, &value)?;
        }
    }
    Ok(())
}

/// A mapping of somebody else's as a dict; empty for what is none.
fn copy_of<'py>(attributes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = attributes.py();
    let dict = PyDict::new(py);
    if let Some(mapping) = text::unless_failed(py, attributes.cast::<PyMapping>().map_err(PyErr::from))? {
        text::unless_failed(py, dict.update(mapping))?;
    }
    Ok(dict)
}

fn note_dropped(builder: &mut RecordBuilder, attributes: &Bound<'_, PyAny>) -> PyResult<()> {
    let count = numbers::count(read!(attributes, "dropped", "dropped")?.as_ref());
    builder.note_dropped_attributes(count);
    Ok(())
}

/// The elements of a `BoundedList`, list or tuple as they are now, and how many more the SDK had no room for.
fn children<'py>(found: Option<&Bound<'py, PyAny>>) -> PyResult<(Vec<Bound<'py, PyAny>>, u32)> {
    let Some(found) = found else { return Ok((Vec::new(), 0)) };
    let py = found.py();
    let inner = text::unless_failed(py, found.getattr_opt(intern!(py, "_dq")))?.flatten();
    let (list, dropped) = match inner {
        Some(inner) => (inner, numbers::count(read!(found, "dropped", "dropped")?.as_ref())),
        None => (found.clone(), 0),
    };
    if list.len().is_ok_and(|length| length == 0) {
        return Ok((Vec::new(), dropped));
    }
    let items = text::unless_failed(py, py.get_type::<PyList>().call1((list,)))?;
    let items = items.and_then(|items| items.cast_into::<PyList>().ok());
    Ok((items.map(|items| items.iter().collect()).unwrap_or_default(), dropped))
}
