//! The tables of a destination, for the command line: their definition, and the deletion of old records.

use crate::edge::edge;
use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::settings::Settings;
use telesink_core::sinks::prune::{self, Age, Piece, PrunePlan};
use telesink_core::sinks::{postgres, sqlite};

/// The statements that make the tables: `dialect` is `postgres` or `sqlite`. Raises `ConfigError`.
#[pyfunction]
#[pyo3(signature = (dialect, schema = None))]
pub(crate) fn table_definitions(py: Python<'_>, dialect: &str, schema: Option<&str>) -> PyResult<String> {
    edge("table_definitions", || {
        let made = match (dialect, schema) {
            ("postgres", schema) => postgres::schema::ddl(schema),
            ("sqlite", None) => Ok(sqlite::DDL.to_owned()),
            ("sqlite", Some(_)) => {
                Err(ConfigError::new("SQLite has no schemas", "leave the schema away: a file is its own"))
            }
            _ => Err(ConfigError::new(format!("unknown dialect `{dialect}`"), "use `postgres` or `sqlite`")),
        };
        made.map_err(|error| errors::config_error(py, &error))
    })
}

/// Old records of a destination, deleted step by step.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Prune {
    target: String,
    prune: Mutex<Box<dyn prune::Prune>>,
}

#[pymethods]
impl Prune {
    /// Opens the destination and looks for what is old; deletes nothing. Raises `ConfigError` for a wrong DSN and
    /// `TelesinkError` for whatever else is in the way.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands a path over as an owned one")]
    fn new(py: Python<'_>, dsn: &str, base_directory: PathBuf, older_than_seconds: f64) -> PyResult<Self> {
        edge("Prune", || {
            let planned = plan(dsn, &base_directory, older_than_seconds);
            let (plan, settings, age) = planned.map_err(|error| errors::config_error(py, &error))?;
            let target = plan.target.clone();
            let opened = py.detach(|| plan.open(settings.limits(), age));
            let prune = opened.map_err(|error| errors::write_error(py, &error))?;
            Ok(Self { target, prune: Mutex::new(prune) })
        })
    }

    /// The destination without secrets.
    #[getter]
    fn target(&self) -> PyResult<&str> {
        edge("Prune.target", || Ok(self.target.as_str()))
    }

    /// What is to be deleted.
    fn scope<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("Prune.scope", || {
            let scope = py.detach(|| self.lock().scope().clone());
            let partitions = PyList::empty(py);
            for partition in scope.partitions {
                partitions.append((partition.name, partition.rows))?;
            }
            let found = PyDict::new(py);
            found.set_item("before_unix_nano", scope.before_unix_nano)?;
            found.set_item("partitions", partitions)?;
            found.set_item("rows", scope.rows)?;
            found.set_item("gives_back", scope.gives_back)?;
            Ok(found)
        })
    }

    /// Does the next piece of work, the interpreter released; None when nothing is left.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
        edge("Prune.step", || {
            let done = py.detach(|| self.lock().step());
            Ok(match done.map_err(|error| errors::write_error(py, &error))? {
                Some(Piece::Partition(name)) => Some(("partition", name.into_pyobject(py)?.into_any())),
                Some(Piece::Rows(rows)) => Some(("rows", rows.into_pyobject(py)?.into_any())),
                Some(Piece::Bytes(bytes)) => Some(("bytes", bytes.into_pyobject(py)?.into_any())),
                Some(Piece::Wait) => Some(("wait", 0_u64.into_pyobject(py)?.into_any())),
                None => None,
            })
        })
    }
}

impl Prune {
    fn lock(&self) -> std::sync::MutexGuard<'_, Box<dyn prune::Prune>> {
        self.prune.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the DSN as for a sink: it may be copied from a program, with settings and filters.
fn plan(
    dsn: &str,
    base_directory: &std::path::Path,
    older_than_seconds: f64,
) -> Result<(PrunePlan, Settings, Age), ConfigError> {
    let older_than = Duration::try_from_secs_f64(older_than_seconds)
        .map_err(|_| ConfigError::new("the age is no length of time", "give a number of seconds"))?;
    let mut dsn = Dsn::parse(dsn, &[], base_directory)?;
    let plan = prune::plan(&mut dsn)?;
    let settings = take_what_a_lane_takes(&mut dsn)?;
    Ok((plan, settings, Age { older_than, now_unix_nano: clock::unix_nano() }))
}

/// Takes what is left of a DSN when the sink has taken its own options.
pub(crate) fn take_what_a_lane_takes(dsn: &mut Dsn) -> Result<Settings, ConfigError> {
    let mut settings = Settings::documented();
    settings.take_from(dsn)?;
    // They choose what a lane takes and have no meaning here.
    dsn.take_level("level")?;
    dsn.take_list("include")?;
    dsn.take_list("exclude")?;
    dsn.finish()?;
    settings.check()?;
    Ok(settings)
}
