//! The SDK's objects that say nothing: the status that no span has been given, and the trace state without entries.
//!
//! There is one of each, which nearly every span has, and neither can be changed: seen once, it is known by its
//! identity.

use pyo3::prelude::*;

/// The silent objects that one thread has met last. They are held: otherwise another one could stand at the same
/// address tomorrow.
#[derive(Default)]
pub(crate) struct Defaults {
    pub(super) status: Silent,
    pub(super) trace_state: Silent,
}

/// An object that was read and said nothing.
#[derive(Default)]
pub(super) struct Silent(Option<Py<PyAny>>);

impl Silent {
    pub(super) fn is(&self, object: &Bound<'_, PyAny>) -> bool {
        self.0.as_ref().is_some_and(|known| known.is(object))
    }

    pub(super) fn remember(&mut self, object: &Bound<'_, PyAny>) {
        self.0 = Some(object.clone().unbind());
    }
}
