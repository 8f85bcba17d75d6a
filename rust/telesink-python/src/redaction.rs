//! The compiled redaction set, as Python holds it.

use crate::edge::edge;
use crate::errors;
use pyo3::prelude::*;
use std::sync::Arc;
use telesink_core::redact::{Redaction, RedactionSpec};

/// What is hidden in records: names, patterns and exact secrets, compiled once.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct RedactionSet {
    set: Arc<Redaction>,
}

#[pymethods]
impl RedactionSet {
    /// Compiles a set; with `defaults`, telesink's own names and patterns are part of it.
    #[new]
    #[pyo3(signature = (names, patterns, secrets, keep, defaults))]
    fn new(
        py: Python<'_>,
        names: Vec<String>,
        patterns: Vec<String>,
        secrets: Vec<String>,
        keep: Vec<String>,
        defaults: bool,
    ) -> PyResult<Self> {
        edge("RedactionSet", || {
            let spec = RedactionSpec { names, patterns, secrets, keep, defaults };
            let set = Redaction::build(spec).map_err(|error| errors::config_error(py, &error))?;
            Ok(Self { set: Arc::new(set) })
        })
    }

    /// A set that hides nothing.
    #[staticmethod]
    fn off() -> PyResult<Self> {
        edge("RedactionSet.off", || Ok(Self { set: Arc::new(Redaction::off()) }))
    }

    /// Hides what the patterns and secrets match in a text.
    fn redact_text(&self, text: &str) -> PyResult<String> {
        edge("RedactionSet.redact_text", || Ok(self.set.redact_text(text).into_owned()))
    }

    /// Whether the value under a name is hidden.
    fn hides_name(&self, name: &str) -> PyResult<bool> {
        edge("RedactionSet.hides_name", || Ok(self.set.hides_name(name)))
    }
}

impl RedactionSet {
    /// The set, shared.
    pub(crate) fn shared(&self) -> Arc<Redaction> {
        Arc::clone(&self.set)
    }
}
