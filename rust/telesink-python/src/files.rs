//! Files of services, for Python: the name of a folder, and lines that are ready.

use crate::edge::edge;
use crate::errors;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
#[cfg(unix)]
use telesink_core::sinks::file;

/// The name of the folder of a service.
#[pyfunction]
pub(crate) fn folder_name(service: &str) -> PyResult<String> {
    edge("folder_name", || {
        #[cfg(unix)]
        return Ok(file::folder_name(service));
        #[cfg(not(unix))]
        return Ok(service.to_owned());
    })
}

/// Appends ready-made lines to the files of services.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct FileAppender {
    #[cfg(unix)]
    appender: Mutex<file::Appender>,
    #[cfg(not(unix))]
    appender: Mutex<()>,
}

#[pymethods]
impl FileAppender {
    /// Reads a `file:` DSN; opens nothing. Raises `ConfigError`.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands a path over as an owned one")]
    fn new(
        py: Python<'_>,
        dsn: &str,
        options: Vec<(String, String)>,
        base_directory: PathBuf,
    ) -> PyResult<Self> {
        edge("FileAppender", || {
            let planned = Dsn::parse(dsn, &options, &base_directory).and_then(|mut dsn| plan(&mut dsn));
            let appender = planned.map_err(|error| errors::config_error(py, &error))?;
            Ok(Self { appender: Mutex::new(appender) })
        })
    }

    /// Appends lines of metrics without their ends, all or none; false if they are switched off. Raises `TelesinkError`.
    #[cfg(unix)]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
    fn append(&self, py: Python<'_>, service: &str, lines: Vec<String>) -> PyResult<bool> {
        edge("FileAppender.append", || {
            let now = clock::unix_nano();
            let appended = py.detach(|| self.lock().append(service, &lines, now));
            appended.map_err(|error| errors::write_error(py, &error))
        })
    }

    /// Closes the files; the next line opens them again. Raises `TelesinkError`.
    #[cfg(unix)]
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        edge("FileAppender.close", || {
            py.detach(|| self.lock().close()).map_err(|error| errors::write_error(py, &error))
        })
    }
}

#[cfg(unix)]
impl FileAppender {
    fn lock(&self) -> std::sync::MutexGuard<'_, file::Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn plan(dsn: &mut Dsn) -> Result<file::Appender, ConfigError> {
    file::Appender::plan(dsn)
}

#[cfg(not(unix))]
fn plan(_dsn: &mut Dsn) -> Result<(), ConfigError> {
    Err(ConfigError::new("file: needs a Unix system", "write to sqlite:///app.db"))
}
