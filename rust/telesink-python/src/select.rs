//! Questions to a destination, for who reads what was stored.

use crate::edge::edge;
use crate::errors;
use crate::tables::take_what_a_lane_takes;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::settings::Settings;
use telesink_core::sinks::select::{self, SelectPlan};

/// A destination that is open to be asked; it can change nothing.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Selection {
    target: String,
    dialect: &'static str,
    layout: &'static str,
    prefix: String,
    select: Mutex<Box<dyn select::Select>>,
}

/// Names of columns, and rows of texts.
type Table = (Vec<String>, Vec<Vec<Option<String>>>);

#[pymethods]
impl Selection {
    /// Opens the destination. Raises `ConfigError` for a wrong DSN and `TelesinkError` for whatever else is in the way.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands a path over as an owned one")]
    #[pyo3(signature = (dsn, base_directory, preset=None))]
    fn new(py: Python<'_>, dsn: &str, base_directory: PathBuf, preset: Option<String>) -> PyResult<Self> {
        edge("Selection", || {
            let planned = plan(dsn, &base_directory, None).and_then(|(found, settings)| match preset {
                // Not named in the DSN.
                Some(preset) if found.layout == "own" => plan(dsn, &base_directory, Some(preset)),
                _ => Ok((found, settings)),
            });
            let (plan, settings) = planned.map_err(|error| errors::config_error(py, &error))?;
            let (target, dialect, layout) = (plan.target.clone(), plan.dialect, plan.layout);
            let prefix = plan.prefix.clone();
            let opened = py.detach(|| plan.open(settings.limits()));
            let select = Mutex::new(opened.map_err(|error| errors::write_error(py, &error))?);
            Ok(Self { target, dialect, layout, prefix, select })
        })
    }

    /// Whose tables: `own`, `systemprompt` or `chronicle`.
    #[getter]
    fn layout(&self) -> PyResult<&'static str> {
        edge("Selection.layout", || Ok(self.layout))
    }

    /// The destination without secrets.
    #[getter]
    fn target(&self) -> PyResult<&str> {
        edge("Selection.target", || Ok(self.target.as_str()))
    }

    /// `sqlite` or `postgres`.
    #[getter]
    fn dialect(&self) -> PyResult<&'static str> {
        edge("Selection.dialect", || Ok(self.dialect))
    }

    /// What stands in front of the names of tables.
    #[getter]
    fn prefix(&self) -> PyResult<&str> {
        edge("Selection.prefix", || Ok(self.prefix.as_str()))
    }

    /// Asks one question in SQL, the interpreter released.
    fn ask(&self, py: Python<'_>, sql: &str) -> PyResult<Table> {
        edge("Selection.ask", || {
            let asked = py.detach(|| self.select.lock().unwrap_or_else(PoisonError::into_inner).ask(sql));
            let answer = asked.map_err(|error| errors::write_error(py, &error))?;
            Ok((answer.names, answer.rows))
        })
    }
}

/// Reads the DSN as for a sink, with a preset beside it if one is given.
fn plan(
    dsn: &str,
    base_directory: &Path,
    preset: Option<String>,
) -> Result<(SelectPlan, Settings), ConfigError> {
    let options: Vec<(String, String)> =
        preset.into_iter().map(|preset| ("preset".to_owned(), preset)).collect();
    let mut dsn = Dsn::parse(dsn, &options, base_directory)?;
    let plan = select::plan(&mut dsn)?;
    Ok((plan, take_what_a_lane_takes(&mut dsn)?))
}
