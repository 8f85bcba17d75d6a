//! Context fields: encoded once when they are bound, appended to every record that does not say otherwise.

use super::snapshot;
use super::values::ValueReader;
use crate::edge::edge;
use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use telesink_core::record::HEADER_BYTES;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::redact::Redaction;

/// Bytes of context that one record can carry.
const CONTEXT_BYTES_MAX: usize = 64 * 1024;

static GETTER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Set with the first `bind`: programs without context pay one load.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// The fields bound in one context; immutable, shared by all records of the context.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct ContextFields {
    fields: Py<PyDict>,
    /// The marks of each field, under its name: what could not be copied as it was.
    marks: Py<PyDict>,
    encoded: ArcSwapOption<Encoded>,
}

/// The encoded fields, valid for one redaction set.
struct Encoded {
    redaction: Arc<Redaction>,
    fields: Vec<(String, Vec<u8>)>,
    flags: u8,
}

#[pymethods]
impl ContextFields {
    /// The fields of `outer` but those called `without`, and more fields as they are now.
    #[new]
    #[pyo3(signature = (fields, outer=None, without=vec![]))]
    fn new(
        py: Python<'_>,
        fields: &Bound<'_, PyDict>,
        outer: Option<&Bound<'_, ContextFields>>,
        without: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        edge("ContextFields", || {
            IS_USED.store(true, Ordering::Relaxed);
            let (copies, marks) = match outer {
                Some(outer) => (outer.get().fields.bind(py).copy()?, outer.get().marks.bind(py).copy()?),
                None => (PyDict::new(py), PyDict::new(py)),
            };
            for name in without {
                if copies.contains(&name)? {
                    copies.del_item(&name)?;
                    marks.del_item(&name)?;
                }
            }
            snapshot::of_fields(fields, &copies, &marks)?;
            Ok(Self { fields: copies.unbind(), marks: marks.unbind(), encoded: ArcSwapOption::empty() })
        })
    }

    /// The fields as they were when they were bound, as a new dict.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("ContextFields.as_dict", || {
            let copies = PyDict::new(py);
            snapshot::of_fields(self.fields.bind(py), &copies, &PyDict::new(py))?;
            Ok(copies)
        })
    }
}

/// Tells how to read the context variable.
#[pyfunction]
pub(crate) fn set_context_getter(getter: Bound<'_, PyAny>) -> PyResult<()> {
    edge("set_context_getter", || {
        GETTER
            .set(getter.py(), getter.unbind())
            .map_err(|_| pyo3::exceptions::PyRuntimeError::new_err("the context getter is set already"))
    })
}

/// The fields of the current context, if there are any.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Bound<'_, ContextFields>> {
    if !IS_USED.load(Ordering::Relaxed) {
        return None;
    }
    // A context variable with a default does not fail; should it, a record without context is better than none.
    GETTER.get(py)?.bind(py).call0().ok()?.cast_into().ok()
}

impl ContextFields {
    /// Appends the fields whose names are not `taken` by the record itself.
    pub(crate) fn append(
        &self,
        py: Python<'_>,
        redaction: &Arc<Redaction>,
        builder: &mut RecordBuilder,
        taken: impl Fn(&str) -> bool,
    ) -> PyResult<()> {
        let cached = self.encoded.load();
        let fresh;
        let encoded = match &*cached {
            Some(encoded) if Arc::ptr_eq(&encoded.redaction, redaction) => encoded,
            _ => {
                fresh = Arc::new(self.encode(py, redaction)?);
                self.encoded.store(Some(Arc::clone(&fresh)));
                &fresh
            }
        };
        for (key, field) in &encoded.fields {
            if !taken(key) {
                builder.encoded_attribute(field);
            }
        }
        builder.mark(encoded.flags);
        Ok(())
    }

    fn encode(&self, py: Python<'_>, redaction: &Arc<Redaction>) -> PyResult<Encoded> {
        let mut builder = RecordBuilder::new();
        let mut reader = ValueReader::new(redaction);
        let mut fields = Vec::new();
        let mut flags = 0;
        // Values run Python code while they are read: over a copy, so that nobody changes it meanwhile.
        for (key, value) in self.fields.bind(py).copy()?.iter() {
            let Ok(key) = key.cast::<PyString>() else { continue };
            builder.start(CONTEXT_BYTES_MAX);
            let key = super::text::read(key, 256, &mut builder).into_owned();
            reader.attribute(&mut builder, &key, &value)?;
            fields.push((key, builder.buffer()[HEADER_BYTES..].to_vec()));
            flags |= builder.flags();
        }
        for (_, marks) in self.marks.bind(py).iter() {
            flags |= marks.extract::<u8>().unwrap_or(0);
        }
        Ok(Encoded { redaction: Arc::clone(redaction), fields, flags })
    }
}
