//! The fields of a stdlib `LogRecord`, found in one walk over its `__dict__`.

use crate::ffi::walk_dict;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

/// The standard fields, in the order in which `LogRecord.__init__` sets them (3.11; `taskName` since 3.12), then
/// those that a `Formatter` adds.
pub(crate) const NAMES: [&str; 23] = [
    "name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "exc_info", "exc_text",
    "stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated", "thread", "threadName", "processName",
    "process", "taskName", "message", "asctime",
];

/// Positions in [`NAMES`].
pub(crate) mod field {
    pub(crate) const NAME: usize = 0;
    pub(crate) const MSG: usize = 1;
    pub(crate) const ARGS: usize = 2;
    pub(crate) const LEVELNAME: usize = 3;
    pub(crate) const LEVELNO: usize = 4;
    pub(crate) const PATHNAME: usize = 5;
    pub(crate) const EXC_INFO: usize = 8;
    pub(crate) const EXC_TEXT: usize = 9;
    pub(crate) const STACK_INFO: usize = 10;
    pub(crate) const LINENO: usize = 11;
    pub(crate) const FUNC_NAME: usize = 12;
    pub(crate) const CREATED: usize = 13;
    pub(crate) const THREAD: usize = 16;
    pub(crate) const THREAD_NAME: usize = 17;
    pub(crate) const PROCESS_NAME: usize = 18;
    pub(crate) const PROCESS: usize = 19;
    pub(crate) const TASK_NAME: usize = 20;
}

static INTERNED: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();

/// The fields of one record, by position, and everything else that `extra` put there.
pub(crate) struct Fields<'py> {
    known: [Option<Bound<'py, PyAny>>; NAMES.len()],
    /// Names and values that are no standard field.
    pub(crate) extra: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
}

impl<'py> Fields<'py> {
    /// Reads a record's `__dict__`.
    pub(crate) fn of(dict: &Bound<'py, PyDict>) -> Self {
        let py = dict.py();
        let interned =
            INTERNED.get_or_init(py, || NAMES.iter().map(|name| PyString::intern(py, name).unbind()).collect());
        let mut fields = Self { known: std::array::from_fn(|_| None), extra: Vec::new() };
        walk_dict(dict, |index, key, value| {
            let is_expected = interned.get(index).is_some_and(|name| name.as_ptr() == key.as_ptr());
            let slot = if is_expected {
                Some(index)
            } else {
                interned.iter().position(|name| name.as_ptr() == key.as_ptr()).or_else(|| by_text(&key))
            };
            match slot {
                Some(slot) => fields.known[slot] = Some(value.to_owned()),
                None => fields.extra.push((key.to_owned(), value.to_owned())),
            }
        });
        fields
    }

    /// A field, unless it is missing or None.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&Bound<'py, PyAny>> {
        self.known[at].as_ref().filter(|value| !value.is_none())
    }

    /// A field that is a number.
    #[inline]
    pub(crate) fn integer(&self, at: usize) -> Option<i64> {
        let value = self.get(at)?.cast::<pyo3::types::PyInt>().ok()?;
        value.extract().ok()
    }

    /// A field that is text.
    #[inline]
    pub(crate) fn text(&self, at: usize) -> Option<&Bound<'py, PyString>> {
        self.get(at)?.cast().ok()
    }
}

/// Names that were not interned (unpickled records): compared by their text.
#[cold]
fn by_text(key: &Bound<'_, PyAny>) -> Option<usize> {
    let text = key.cast::<PyString>().ok()?.to_str().ok()?;
    NAMES.iter().position(|name| *name == text)
}
