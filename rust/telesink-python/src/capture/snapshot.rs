//! Values as they are now: what is bound to a context must not change with the object it was taken from.

use super::text::{self, REPR_BYTES_MAX};
use super::values;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};
use telesink_core::record::encode::LogBuilder;
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
    let mut snapshot = Snapshot { open: Vec::new(), values: 0, scratch: LogBuilder::new() };
    for (key, value) in crate::ffi::pairs(fields, VALUES_MAX) {
        snapshot.scratch.start(REPR_BYTES_MAX);
        copies.set_item(&key, snapshot.value(&value)?)?;
        marks.set_item(key, snapshot.scratch.flags())?;
    }
    Ok(())
}

struct Snapshot {
    /// The containers being copied, outermost first.
    open: Vec<usize>,
    values: usize,
    /// Only its marks are written, and nobody reads them.
    scratch: LogBuilder,
}

impl Snapshot {
    fn map<'py>(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        let copy = PyDict::new(dict.py());
        for (key, value) in crate::ffi::pairs(dict, VALUES_MAX) {
            copy.set_item(key, self.value(&value)?)?;
        }
        Ok(copy)
    }

    fn value<'py>(&mut self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.values += 1;
        if is_unchanging(value) {
            return Ok(value.clone());
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return Ok(value.py().get_type::<PyBytes>().call1((bytes,))?.into_any());
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
            // Copied by CPython first: other threads may change a set between two steps of an iteration.
            let members = py.get_type::<PyList>().call1((value,))?.cast_into::<PyList>()?;
            let items = self.items(members.iter())?;
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
