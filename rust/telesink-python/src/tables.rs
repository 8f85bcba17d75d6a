//! The tables of a destination, for the command line: their definition, and the deletion of old records.

use crate::edge::edge;
use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::schedule;
use telesink_core::settings::Settings;
use telesink_core::sinks::prune::{self, Piece, Policy, PrunePlan, Retention};
use telesink_core::sinks::{postgres, sqlite};

/// The statements that make the tables, or those of a preset: `dialect` is `postgres` or `sqlite`. Raises `ConfigError`.
#[pyfunction]
#[pyo3(signature = (dialect, schema = None, preset = None))]
pub(crate) fn table_definitions(
    py: Python<'_>,
    dialect: &str,
    schema: Option<&str>,
    preset: Option<&str>,
) -> PyResult<String> {
    edge("table_definitions", || {
        let made = match (dialect, schema) {
            ("postgres", schema) => postgres::schema::ddl(schema, preset),
            ("sqlite", None) => sqlite::ddl(preset),
            ("sqlite", Some(_)) => {
                Err(ConfigError::new("SQLite has no schemas", "leave the schema away: a file is its own"))
            }
            _ => Err(ConfigError::new(format!("unknown dialect `{dialect}`"), "use `postgres` or `sqlite`")),
        };
        made.map_err(|error| errors::config_error(py, &error))
    })
}

/// The first moment after the one given that a cron pattern names, both nanoseconds since the Unix epoch, in UTC; None if
/// there is none. Raises `ConfigError`.
#[pyfunction]
pub(crate) fn next_moment(py: Python<'_>, pattern: &str, after_unix_nano: u64) -> PyResult<Option<u64>> {
    edge("next_moment", || {
        schedule::next(pattern, after_unix_nano).map_err(|error| errors::config_error(py, &error))
    })
}

/// A policy as Python hands it over: table, level, logger, and how many seconds records stay; None each where it does not
/// matter, or for ever.
type PolicyParts = (Option<String>, Option<String>, Option<String>, Option<f64>);

/// Whether a DSN and policies can be pruned by; touches nothing. Raises `ConfigError`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands lists and paths over as owned ones")]
pub(crate) fn check_retention(
    py: Python<'_>,
    dsn: &str,
    options: Vec<(String, String)>,
    base_directory: PathBuf,
    policies: Vec<PolicyParts>,
) -> PyResult<()> {
    edge("check_retention", || {
        let planned = plan(dsn, &options, &base_directory, (policies, 0));
        planned.map(|_| ()).map_err(|error| errors::config_error(py, &error))
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
    /// Opens the destination and looks for what is to go by policies of table, level, logger and seconds, as old
    /// as it is at that moment; deletes nothing. Raises `ConfigError` for a wrong DSN or policy and `TelesinkError` for whatever else is in the way.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands a path over as an owned one")]
    fn new(
        py: Python<'_>,
        dsn: &str,
        options: Vec<(String, String)>,
        base_directory: PathBuf,
        policies: Vec<PolicyParts>,
        now_unix_nano: u64,
    ) -> PyResult<Self> {
        edge("Prune", || {
            let planned = plan(dsn, &options, &base_directory, (policies, now_unix_nano));
            let (plan, settings, retention) = planned.map_err(|error| errors::config_error(py, &error))?;
            let target = plan.target.clone();
            let opened = py.detach(|| plan.open(settings.limits(), retention));
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
            found.set_item("limits_unix_nano", scope.limits_unix_nano)?;
            found.set_item("partitions", partitions)?;
            found.set_item("gives_back", scope.gives_back)?;
            Ok(found)
        })
    }

    /// How many records are deleted one by one, by policy, the interpreter released.
    fn count(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        edge("Prune.count", || {
            let counted = py.detach(|| self.lock().count());
            counted.map_err(|error| errors::write_error(py, &error))
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
    options: &[(String, String)],
    base_directory: &std::path::Path,
    (policies, now_unix_nano): (Vec<PolicyParts>, u64),
) -> Result<(PrunePlan, Settings, Retention), ConfigError> {
    let policies = policies.into_iter().map(policy).collect::<Result<Vec<_>, _>>()?;
    let retention = Retention { policies, now_unix_nano };
    let mut parsed = Dsn::parse(dsn, &[], base_directory)?;
    let mut plan = prune::plan(&mut parsed)?;
    let preset = options.iter().find(|(name, _)| name == "preset").map(|(_, preset)| preset.as_str());
    let is_said = is_said_already(plan.layout, preset)?;
    let options: Vec<_> = options.iter().filter(|(name, _)| !is_said || name != "preset").cloned().collect();
    if !options.is_empty() {
        parsed = Dsn::parse(dsn, &options, base_directory)?;
        plan = prune::plan(&mut parsed)?;
    }
    let mut dsn = parsed;
    let settings = take_what_a_lane_takes(&mut dsn)?;
    plan.check(&retention)?;
    Ok((plan, settings, retention))
}

/// Whether the DSN says already what a preset beside it says. An error, if it says something else.
pub(crate) fn is_said_already(layout: &str, preset: Option<&str>) -> Result<bool, ConfigError> {
    match preset {
        Some(preset) if layout == "own" || preset.eq_ignore_ascii_case(layout) => Ok(layout != "own"),
        Some(preset) => Err(ConfigError::new(
            format!("the dsn names the tables of `{layout}`, and the preset beside it is `{preset}`"),
            "keep one of the two",
        )),
        None => Ok(false),
    }
}

fn policy((table, level, logger, keep_seconds): PolicyParts) -> Result<Policy, ConfigError> {
    let keep = keep_seconds.map(Duration::try_from_secs_f64).transpose();
    let keep =
        keep.map_err(|_| ConfigError::new("the age is no length of time", "give a number of seconds"))?;
    Ok(Policy { table, level, logger, keep })
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
