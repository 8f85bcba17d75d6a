//! Values as they are now: what is bound to a context must not change with the object it was taken from.

use super::text::{self, REPR_BYTES_MAX};
use super::values;
use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::flag;

/// Deepest nesting that is copied; the same as when a record is read.
const DEPTH_MAX: usize = 64;

/// Most values copied for one context; the same as what one record can hold.
const VALUES_MAX: usize = 10_000;

/// Modules whose values never change and are known when a record is read.
const UNCHANGING: [&str; 7] =
    ["datetime", "decimal", "uuid", "pathlib", "pathlib._local", "fractions", "ipaddress"];

/// Copies the fields into `copies`, everything that could change copied or turned into text; their marks go into
/// `marks`, under the same names.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(super) fn of_fields(
    fields: &Bound<'_, PyDict>,
    copies: &Bound<'_, PyDict>,
    marks: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let mut snapshot = Snapshot { open: Vec::new(), values: 0, scratch: RecordBuilder::new() };
    for (key, value) in ffi::pairs(fields, VALUES_MAX) {
        // A plain text, also of a name whose class has its own idea of what it equals.
        let Ok(name) = key.cast::<PyString>() else { continue };
        let name = ffi::start_of(name, usize::MAX)?;
        snapshot.scratch.start(REPR_BYTES_MAX);
        copies.set_item(&name, snapshot.value(&value)?)?;
        marks.set_item(name, snapshot.scratch.flags())?;
    }
    Ok(())
}

struct Snapshot {
    /// The containers being copied, outermost first.
    open: Vec<usize>,
    values: usize,
    /// Only its marks are written, and nobody reads them.
    scratch: RecordBuilder,
}

impl Snapshot {
    fn map<'py>(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        let copy = PyDict::new(dict.py());
        for (key, value) in ffi::pairs(dict, VALUES_MAX) {
            let value = self.value(&value)?;
            self.put(&copy, &key, &value)?;
        }
        Ok(copy)
    }

    /// A key that does not let itself be hashed or compared once more is kept under the text that records have for it.
    fn put(
        &mut self,
        copy: &Bound<'_, PyDict>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if text::unless_failed(key.py(), copy.set_item(key, value))?.is_some() {
            return Ok(());
        }
        let name = text::render(key, &mut self.scratch, pyo3::types::PyAnyMethods::str)?;
        let name = text::read(&name, REPR_BYTES_MAX, &mut self.scratch).into_owned();
        self.scratch.mark(flag::SANITISED);
        // Fails only if that text meets a key in the copy that does not let itself be compared.
        text::unless_failed(key.py(), copy.set_item(name, value)).map(drop)
    }

    fn value<'py>(&mut self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.values += 1;
        if is_unchanging(value) {
            return Ok(value.clone());
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return Ok(PyBytes::new(value.py(), &ffi::first_bytes(bytes, usize::MAX)).into_any());
        }
        let identity = value.as_ptr() as usize;
        let marker = if self.open.contains(&identity) {
            "<cycle>"
        } else if self.open.len() >= DEPTH_MAX {
            "<too deep>"
        } else if self.values > VALUES_MAX {
            "<too large>"
        } else {
            self.open.push(identity);
            let copy = self.container(value);
            self.open.pop();
            return copy;
        };
        self.scratch.mark(flag::SANITISED);
        Ok(PyString::new(value.py(), marker).into_any())
    }

    fn container<'py>(&mut self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if let Ok(dict) = value.cast::<PyDict>() {
            return Ok(self.map(dict)?.into_any());
        }
        if let Some(fields) = values::named_fields(value) {
            return Ok(self.map(&fields)?.into_any());
        }
        if let Ok(tuple) = value.cast::<PyTuple>() {
            let items = self.items(tuple.iter())?;
            return Ok(PyTuple::new(py, items)?.into_any());
        }
        if let Ok(list) = value.cast::<PyList>() {
            let items = self.items(list.iter())?;
            return Ok(PyList::new(py, items)?.into_any());
        }
        if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
            let items = self.items(values::members(value)?.iter())?;
            return Ok(PyList::new(py, items)?.into_any());
        }
        let text = text::render(value, &mut self.scratch, pyo3::types::PyAnyMethods::repr)?;
        let text = text::read(&text, REPR_BYTES_MAX, &mut self.scratch);
        Ok(PyString::new(py, &text).into_any())
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        items.take(VALUES_MAX).map(|item| self.value(&item)).collect()
    }
}

fn is_unchanging(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyBool>()
        || value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyBytes>()
        || value.get_type().module().is_ok_and(|module| {
            module.to_str().is_ok_and(|module| {
                UNCHANGING.contains(&module)
                    || (module == "numpy" && !value.hasattr("__setitem__").unwrap_or(true))
            })
        })
}
