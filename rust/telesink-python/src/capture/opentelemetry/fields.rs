//! The fields of a `ReadableSpan`, found in one walk over its `__dict__`: half the time of looking each up by name.

use super::field;
use crate::ffi::{instance_dict, walk_dict};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

/// Where the SDK keeps each field, in the order in which `ReadableSpan.__init__` sets them (1.39 to 1.45), and the name
/// under which others find it.
const NAMES: [(&str, &str); 13] = [
    ("_name", "name"),
    ("_context", "context"),
    ("_kind", "kind"),
    ("_instrumentation_info", "instrumentation_info"),
    ("_instrumentation_scope", "instrumentation_scope"),
    ("_parent", "parent"),
    ("_start_time", "start_time"),
    ("_end_time", "end_time"),
    ("_attributes", "attributes"),
    ("_events", "events"),
    ("_links", "links"),
    ("_resource", "resource"),
    ("_status", "status"),
];

/// Positions in [`NAMES`].
pub(super) mod at {
    pub(in super::super) const NAME: usize = 0;
    pub(in super::super) const CONTEXT: usize = 1;
    pub(in super::super) const KIND: usize = 2;
    pub(super) const INSTRUMENTATION_INFO: usize = 3;
    pub(in super::super) const SCOPE: usize = 4;
    pub(in super::super) const PARENT: usize = 5;
    pub(in super::super) const START_TIME: usize = 6;
    pub(in super::super) const END_TIME: usize = 7;
    pub(in super::super) const ATTRIBUTES: usize = 8;
    pub(in super::super) const EVENTS: usize = 9;
    pub(in super::super) const LINKS: usize = 10;
    pub(in super::super) const RESOURCE: usize = 11;
    pub(in super::super) const STATUS: usize = 12;
}

static INTERNED: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();

/// The fields of one span; one that is missing or None is none.
pub(super) struct SpanFields<'py> {
    found: [Option<Bound<'py, PyAny>>; NAMES.len()],
}

impl<'py> SpanFields<'py> {
    /// Reads a span as the SDK makes it, or whatever else has these fields.
    ///
    /// # Errors
    /// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like.
    pub(super) fn of(span: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = span.py();
        let mut fields = Self { found: [const { None }; NAMES.len()] };
        if let Some(dict) = instance_dict(span).ok().and_then(|dict| dict.cast_into::<PyDict>().ok())
            && fields.walk(&dict)
        {
            return Ok(fields);
        }
        for (index, (private, public)) in NAMES.into_iter().enumerate() {
            // Looking at this one by its public name warns that it is deprecated, and nobody needs it.
            if index != at::INSTRUMENTATION_INFO {
                fields.found[index] =
                    field(span, [&PyString::intern(py, private), &PyString::intern(py, public)])?;
            }
        }
        Ok(fields)
    }

    /// Answers whether all fields stand where the SDK puts them.
    fn walk(&mut self, dict: &Bound<'py, PyDict>) -> bool {
        let py = dict.py();
        let interned = INTERNED.get_or_init(py, || {
            NAMES.iter().map(|(private, _)| PyString::intern(py, private).unbind()).collect()
        });
        let mut known = 0;
        walk_dict(dict, |index, key, value| {
            if interned.get(index).is_some_and(|name| name.as_ptr() == key.as_ptr()) {
                known += 1;
                self.found[index] = (!value.is_none()).then(|| value.to_owned());
            }
        });
        known == NAMES.len()
    }

    /// A field, unless it is missing or None.
    pub(super) fn get(&self, at: usize) -> Option<&Bound<'py, PyAny>> {
        self.found[at].as_ref()
    }
}
