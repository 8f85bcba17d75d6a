//! Questions to a destination, for who reads what was stored, and changes of single rows.

use crate::edge::edge;
use crate::errors;
use crate::tables::{is_said_already, take_what_a_lane_takes};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telesink_core::dsn::Dsn;
use telesink_core::error::{ConfigError, WriteError};
use telesink_core::settings::Settings;
use telesink_core::sinks::select::{self, Answer, Change, Select, SelectPlan};

/// A destination that is open to be asked; it can change nothing unless it was opened for that.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Selection {
    target: String,
    dialect: &'static str,
    layout: &'static str,
    prefix: String,
    notifies: bool,
    opened: Mutex<Opened>,
}

/// How it is open.
enum Opened {
    ToRead(Box<dyn Select>),
    ToChange(Box<dyn Change>),
    Closed(Nobody),
}

/// Names of columns, and rows of texts.
type Table = (Vec<String>, Vec<Vec<Option<String>>>);

#[pymethods]
impl Selection {
    /// Opens the destination. Raises `ConfigError` for a wrong DSN and `TelesinkError` for whatever else is in the way.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands a path over as an owned one")]
    #[pyo3(signature = (dsn, base_directory, preset=None, to_change=false))]
    fn new(
        py: Python<'_>,
        dsn: &str,
        base_directory: PathBuf,
        preset: Option<String>,
        to_change: bool,
    ) -> PyResult<Self> {
        edge("Selection", || {
            let planned = plan(dsn, &base_directory, None).and_then(|(found, settings)| {
                if preset.is_none() || is_said_already(found.layout, preset.as_deref())? {
                    return Ok((found, settings));
                }
                plan(dsn, &base_directory, preset)
            });
            let (plan, settings) = planned.map_err(|error| errors::config_error(py, &error))?;
            let (target, dialect, layout) = (plan.target.clone(), plan.dialect, plan.layout);
            let (prefix, notifies) = (plan.prefix.clone(), plan.notifies);
            let opened = py.detach(|| {
                if to_change {
                    plan.open_to_change(settings.limits()).map(Opened::ToChange)
                } else {
                    plan.open(settings.limits()).map(Opened::ToRead)
                }
            });
            let opened = Mutex::new(opened.map_err(|error| errors::write_error(py, &error))?);
            Ok(Self { target, dialect, layout, prefix, notifies, opened })
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

    /// Whether the DSN says that listeners are told.
    #[getter]
    fn notifies(&self) -> PyResult<bool> {
        edge("Selection.notifies", || Ok(self.notifies))
    }

    /// Asks one question in SQL, the interpreter released.
    fn ask(&self, py: Python<'_>, sql: &str) -> PyResult<Table> {
        edge("Selection.ask", || {
            let asked = py.detach(|| self.lock().select().ask(sql));
            let Answer { names, rows } = asked.map_err(|error| errors::write_error(py, &error))?;
            Ok((names, rows))
        })
    }

    /// Waits for news on a channel, the interpreter released; the first time it only begins to listen.
    fn wait(&self, py: Python<'_>, channel: &str, seconds: f64) -> PyResult<Vec<String>> {
        edge("Selection.wait", || {
            let limit = Duration::try_from_secs_f64(seconds).unwrap_or_default().min(WAIT_MAX);
            let heard = py.detach(|| self.lock().select().wait(channel, limit));
            heard.map_err(|error| errors::write_error(py, &error))
        })
    }

    /// Closes it; nothing if it is closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        edge("Selection.close", || {
            py.detach(|| *self.lock() = Opened::Closed(Nobody));
            Ok(())
        })
    }

    /// Runs one statement that changes rows, the interpreter released, and answers how many. Raises `ConfigError` if it
    /// was not opened for that.
    fn change(&self, py: Python<'_>, sql: &str) -> PyResult<u64> {
        edge("Selection.change", || {
            let changed = py.detach(|| match &mut *self.lock() {
                Opened::ToChange(opened) => Some(opened.change(sql)),
                Opened::ToRead(_) => None,
                Opened::Closed(_) => Some(Err(closed())),
            });
            let changed = changed.ok_or_else(|| {
                errors::config_error(
                    py,
                    &ConfigError::new("opened for reading only", "open it with to_change"),
                )
            })?;
            changed.map_err(|error| errors::write_error(py, &error))
        })
    }
}

/// Whoever was closed answers nothing.
struct Nobody;

impl Select for Nobody {
    fn ask(&mut self, _: &str) -> Result<Answer, WriteError> {
        Err(closed())
    }

    fn wait(&mut self, _: &str, _: Duration) -> Result<Vec<String>, WriteError> {
        Err(closed())
    }
}

fn closed() -> WriteError {
    WriteError::hold("it is closed", "open another one")
}

/// Longest wait at once: Ctrl+C has to be noticed in between.
const WAIT_MAX: Duration = Duration::from_secs(1);

impl Selection {
    fn lock(&self) -> std::sync::MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    fn select(&mut self) -> &mut dyn Select {
        match self {
            Self::ToRead(opened) => &mut **opened,
            Self::ToChange(opened) => &mut **opened,
            Self::Closed(nobody) => nobody,
        }
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
