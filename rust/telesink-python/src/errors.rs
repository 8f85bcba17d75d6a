//! Core errors become the classes of `telesink.exceptions`, in one place.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use telesink_core::error::ConfigError;

static CONFIG_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A `telesink.ConfigError` with its hint.
pub(crate) fn config_error(py: Python<'_>, error: &ConfigError) -> PyErr {
    let made = CONFIG_ERROR
        .get_or_try_init(py, || py.import("telesink.exceptions")?.getattr("ConfigError").map(Bound::unbind))
        .and_then(|class| class.bind(py).call1((&error.message, &error.hint)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}
