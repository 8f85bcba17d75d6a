//! Core errors become the classes of `telesink.exceptions`, in one place.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use telesink_core::error::{ConfigError, WriteError, WriteErrorKind};

static CONFIG_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static BASE_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static AUTH_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static SCHEMA_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static CONNECT_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A `telesink.ConfigError` with its hint.
pub(crate) fn config_error(py: Python<'_>, error: &ConfigError) -> PyErr {
    make(py, &CONFIG_ERROR, "ConfigError", &error.message, &error.hint)
}

/// A `telesink.TelesinkError` with its hint: a destination that was asked directly said no. A `SchemaError`, if its
/// tables do not fit.
pub(crate) fn write_error(py: Python<'_>, error: &WriteError) -> PyErr {
    if error.is_about_tables {
        return make(py, &SCHEMA_ERROR, "SchemaError", &error.message, &error.hint);
    }
    make(py, &BASE_ERROR, "TelesinkError", &error.message, &error.hint)
}

/// An HTTP server that was asked directly said no: `AuthError` if it does not take the credentials, `ConnectError` if
/// trying again may help, `TelesinkError` otherwise.
pub(crate) fn server_error(py: Python<'_>, error: &WriteError) -> PyErr {
    match (error.code.as_str(), error.kind) {
        ("http_401" | "http_403", _) => make(py, &AUTH_ERROR, "AuthError", &error.message, &error.hint),
        (_, WriteErrorKind::Retry) => make(py, &CONNECT_ERROR, "ConnectError", &error.message, &error.hint),
        _ => write_error(py, error),
    }
}

/// A `telesink.TelesinkError` in the stead of a panic.
pub(crate) fn panicked(py: Python<'_>, entry: &str) -> PyErr {
    let message = format!("an error inside telesink, in `{entry}`");
    make(py, &BASE_ERROR, "TelesinkError", &message, "please report it with what standard error says")
}

fn make(
    py: Python<'_>,
    class: &PyOnceLock<Py<PyAny>>,
    name: &'static str,
    message: &str,
    hint: &str,
) -> PyErr {
    let made = class
        .get_or_try_init(py, || py.import("telesink.exceptions")?.getattr(name).map(Bound::unbind))
        .and_then(|class| class.bind(py).call1((message, hint)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}
