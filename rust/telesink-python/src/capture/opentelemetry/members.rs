//! Members of enums, as the numbers behind them.

use super::numbers::member;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// Members remembered per thread; a power of two. The SDK has five kinds of spans, three states, 24 severities.
const MEMBERS_CACHED: usize = 64;

/// The members that one thread has met lately. They are told apart by their identity, and held.
pub(crate) struct Members {
    slots: Vec<Option<(Py<PyAny>, i64)>>,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self { slots: (0..MEMBERS_CACHED).map(|_| None).collect() }
    }

    /// The number behind a member of an `enum`, or a plain number.
    ///
    /// # Errors
    /// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like.
    pub(super) fn number(&mut self, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
        let Some(value) = value else { return Ok(None) };
        let slot = (value.as_ptr() as usize >> 4) % MEMBERS_CACHED;
        if let Some((known, number)) = &self.slots[slot]
            && known.is(value)
        {
            return Ok(Some(*number));
        }
        let found = member(Some(value))?;
        // Whatever else has a value may have another one tomorrow.
        if let Some(number) = found
            && is_member(value)
        {
            self.slots[slot] = Some((value.clone().unbind(), number));
        }
        Ok(found)
    }
}

fn is_member(value: &Bound<'_, PyAny>) -> bool {
    static ENUM: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    // The class of the object itself: `__class__` may say anything.
    ENUM.import(value.py(), "enum", "Enum")
        .is_ok_and(|base| value.get_type().is_subclass(base).unwrap_or(false))
}
