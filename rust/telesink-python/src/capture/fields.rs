//! The fields of a stdlib `LogRecord`, found in one walk over its `__dict__`.

use crate::ffi::{any_integer, walk_dict};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyString};
use smallvec::SmallVec;

/// The standard fields, in the order in which `LogRecord.__init__` sets them (3.11; `taskName` since 3.12), then
/// those that a `Formatter` adds.
const NAMES: [&str; 23] = [
    "name",
    "msg",
    "args",
    "levelname",
    "levelno",
    "pathname",
    "filename",
    "module",
    "exc_info",
    "exc_text",
    "stack_info",
    "lineno",
    "funcName",
    "created",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "taskName",
    "message",
    "asctime",
];

/// Fields that every record of every version has, in this order.
const ALWAYS_THERE: usize = 20;

/// Positions in [`NAMES`] of the fields that are kept as objects.
pub(crate) mod field {
    pub(crate) const NAME: usize = 0;
    pub(crate) const MSG: usize = 1;
    pub(crate) const ARGS: usize = 2;
    pub(crate) const LEVELNAME: usize = 3;
    pub(crate) const PATHNAME: usize = 5;
    pub(crate) const EXC_INFO: usize = 8;
    pub(crate) const EXC_TEXT: usize = 9;
    pub(crate) const STACK_INFO: usize = 10;
    pub(crate) const FUNC_NAME: usize = 12;
    pub(crate) const THREAD_NAME: usize = 17;
    pub(crate) const PROCESS_NAME: usize = 18;
    pub(crate) const TASK_NAME: usize = 20;
}

/// One past the last field that is kept as an object.
const OBJECTS: usize = 21;

static INTERNED: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();

/// The fields of one record, by position, and everything else that `extra` put there.
pub(crate) struct Fields<'py> {
    objects: [Option<Bound<'py, PyAny>>; OBJECTS],
    pub(crate) levelno: Option<i64>,
    pub(crate) line: Option<i64>,
    pub(crate) thread: Option<i64>,
    pub(crate) process: Option<i64>,
    /// Seconds since the epoch.
    pub(crate) created: Option<f64>,
    /// Names and values that are no standard field. Eight fit without an allocation.
    pub(crate) extra: SmallVec<[(Bound<'py, PyAny>, Bound<'py, PyAny>); 8]>,
}

impl<'py> Fields<'py> {
    /// Reads a record's `__dict__`.
    pub(crate) fn of(dict: &Bound<'py, PyDict>) -> Self {
        let py = dict.py();
        let interned = INTERNED
            .get_or_init(py, || NAMES.iter().map(|name| PyString::intern(py, name).unbind()).collect());
        let mut fields = Self {
            objects: [const { None }; OBJECTS],
            levelno: None,
            line: None,
            thread: None,
            process: None,
            created: None,
            extra: SmallVec::new(),
        };
        // Records as `logging` makes them are recognised by the identity of the first names; then whatever follows
        // is not compared with all of them.
        let mut is_usual = true;
        walk_dict(dict, |index, key, value| {
            let is_expected = interned.get(index).is_some_and(|name| name.as_ptr() == key.as_ptr());
            let slot = if is_expected && is_usual {
                Some(index)
            } else if is_usual && index >= ALWAYS_THERE {
                interned[ALWAYS_THERE..]
                    .iter()
                    .position(|name| name.as_ptr() == key.as_ptr())
                    .map(|position| position + ALWAYS_THERE)
            } else {
                is_usual = false;
                interned.iter().position(|name| name.as_ptr() == key.as_ptr())
            };
            match slot {
                Some(slot) => fields.keep(slot, &value),
                None => fields.extra.push((key.to_owned(), value.to_owned())),
            }
        });
        if !is_usual {
            fields.find_by_text();
        }
        fields
    }

    /// Finds standard fields whose names were not interned (unpickled records). After the walk: reading text may make
    /// an exception, and with it run the garbage collector and whatever it calls.
    #[cold]
    fn find_by_text(&mut self) {
        for (key, value) in std::mem::take(&mut self.extra) {
            match by_text(&key) {
                Some(slot) => self.keep(slot, &value),
                None => self.extra.push((key, value)),
            }
        }
    }

    /// Keeps a standard field; numbers are read at once, which runs no Python code.
    #[inline]
    fn keep(&mut self, slot: usize, value: &Bound<'py, PyAny>) {
        match slot {
            4 => self.levelno = any_integer(value),
            11 => self.line = any_integer(value),
            13 => self.created = seconds(value),
            16 => self.thread = any_integer(value),
            19 => self.process = any_integer(value),
            // Derived from other fields.
            6 | 7 | 14 | 15 | 21 | 22 => {}
            _ if value.is_none() => {}
            _ => self.objects[slot] = Some(value.clone()),
        }
    }

    /// A field, unless it is missing or None.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&Bound<'py, PyAny>> {
        self.objects[at].as_ref()
    }

    /// A field that is text.
    #[inline]
    pub(crate) fn text(&self, at: usize) -> Option<&Bound<'py, PyString>> {
        let value = self.get(at)?;
        value.cast_exact().or_else(|_| value.cast()).ok()
    }
}

/// A time in seconds; whole ones may be given as an integer.
#[inline]
fn seconds(value: &Bound<'_, PyAny>) -> Option<f64> {
    let float = value.cast::<PyFloat>().ok().map(pyo3::types::PyFloatMethods::value);
    float.or_else(|| any_integer(value).map(|seconds| seconds as f64))
}

/// The standard field of this name, by its text.
fn by_text(key: &Bound<'_, PyAny>) -> Option<usize> {
    let text = key.cast::<PyString>().ok()?.to_str().ok()?;
    NAMES.iter().position(|name| *name == text)
}
