//! A destination looked at from outside of any pipeline, for the command line; and what a DSN asks for, in words.

use crate::edge::edge;
use crate::errors;
use crate::handle::Pipeline;
use crate::patience::Waiting;
use crate::sources::SinkSource;
use crate::tables::take_what_a_lane_takes;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use telesink_core::dsn::Dsn;
use telesink_core::error::ConfigError;
use telesink_core::record::id::parse_uuid;
use telesink_core::record::letter;
use telesink_core::settings::Settings;
use telesink_core::sinks::inspect::{self, Account, Book, Fact, Inspect, InspectPlan, Interrupt};

/// Checks a sink as `add_sinks` would, adds nothing, and tells what it would be.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
pub(crate) fn describe_sink(py: Python<'_>, sink: SinkSource) -> PyResult<Bound<'_, PyDict>> {
    edge("describe_sink", || {
        let described = sink.plan().and_then(|spec| Ok((sink.named_settings()?, spec)));
        let (given, spec) = described.map_err(|error| errors::config_error(py, &error))?;
        let told = PyDict::new(py);
        told.set_item("kind", spec.plan.kind)?;
        told.set_item("target", &spec.plan.target)?;
        told.set_item("stores_logs", spec.plan.stores_logs)?;
        told.set_item("linger_default_seconds", spec.plan.linger_default.as_secs_f64())?;
        told.set_item("level", spec.level)?;
        told.set_item("dead_letter", spec.settings.dead_letter.as_deref())?;
        told.set_item("dead_letter_bytes_max", spec.settings.dead_letter_bytes_max)?;
        let overrides = PyDict::new(py);
        for ((name, before), (_, after)) in given.texts().into_iter().zip(spec.settings.texts()) {
            if before != after {
                overrides.set_item(name, after)?;
            }
        }
        told.set_item("from_dsn", overrides)?;
        Ok(told)
    })
}

/// A destination that is open to be looked at.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Inspection {
    target: String,
    inspect: Mutex<Box<dyn Inspect>>,
    interrupt: Interrupt,
    /// What is being counted, for whoever waits.
    doing: Mutex<&'static str>,
}

#[pymethods]
impl Inspection {
    /// Opens the destination and changes nothing. Raises `ConfigError` for a wrong DSN and `TelesinkError` for whatever
    /// else is in the way.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
    fn new(
        py: Python<'_>,
        dsn: &str,
        options: Vec<(String, String)>,
        base_directory: PathBuf,
    ) -> PyResult<Self> {
        edge("Inspection", || {
            let planned = plan(dsn, &options, &base_directory);
            let (plan, settings) = planned.map_err(|error| errors::config_error(py, &error))?;
            let target = plan.target.clone();
            let opened = py.detach(|| plan.open(settings.limits()));
            let inspect = opened.map_err(|error| errors::write_error(py, &error))?;
            let interrupt = inspect.interrupt();
            Ok(Self { target, inspect: Mutex::new(inspect), interrupt, doing: Mutex::new("") })
        })
    }

    /// The destination without secrets.
    #[getter]
    fn target(&self) -> PyResult<&str> {
        edge("Inspection.target", || Ok(self.target.as_str()))
    }

    /// What `count` or `stored` is at, in words.
    #[getter]
    fn doing(&self) -> PyResult<&'static str> {
        edge("Inspection.doing", || Ok(*self.doing.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What is known of the destination, by names that stay what they are.
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        edge("Inspection.facts", || {
            let facts = py.detach(|| self.lock().facts()).map_err(|error| errors::write_error(py, &error))?;
            let told = PyDict::new(py);
            for (name, fact) in facts {
                let value = match fact {
                    Fact::None => py.None().into_bound(py),
                    Fact::Text(text) => text.into_bound_py_any(py)?,
                    Fact::Count(count) => count.into_bound_py_any(py)?,
                    Fact::Real(measure) => measure.into_bound_py_any(py)?,
                    Fact::Is(holds) => holds.into_bound_py_any(py)?,
                    Fact::List(words) => words.into_bound_py_any(py)?,
                };
                told.set_item(name, value)?;
            }
            Ok(told)
        })
    }

    /// Counts what is stored, by instance, the interpreter released. `letters` are pairs of instance and number.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
    fn count<'py>(
        &self,
        py: Python<'py>,
        letters: Vec<(String, u64)>,
        is_complete: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        edge("Inspection.count", || {
            let counted = py.detach(|| {
                let mut book = Book::new(is_complete);
                for (instance, seq) in &letters {
                    book.letter(instance, *seq);
                }
                let say = |what| *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = what;
                self.lock().count(&mut book, &say).map(|()| book.close())
            });
            let accounts = PyList::empty(py);
            for (instance, account) in counted.map_err(|error| errors::write_error(py, &error))? {
                accounts.append(as_dict(py, &instance, &account)?)?;
            }
            Ok(accounts)
        })
    }

    /// Ends `count` or `stored`, which another thread has called.
    fn interrupt(&self, py: Python<'_>) -> PyResult<()> {
        edge("Inspection.interrupt", || {
            py.detach(|| (self.interrupt)());
            Ok(())
        })
    }

    /// Which of the records are stored: pairs of id and time in nanoseconds.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
    fn stored(&self, py: Python<'_>, wanted: Vec<(String, u64)>) -> PyResult<Vec<String>> {
        edge("Inspection.stored", || {
            let ids =
                wanted.iter().map(|(id, time)| Ok((id_of(id)?, *time))).collect::<PyResult<Vec<_>>>()?;
            let found = py.detach(|| {
                *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = "looking for what is stored";
                self.lock().stored(&ids)
            });
            let found = found.map_err(|error| errors::write_error(py, &error))?;
            Ok(found.iter().map(crate::report::uuid).collect())
        })
    }

    /// The messages that an instance has stored since a moment shortly ago.
    fn recent(&self, py: Python<'_>, instance: &str, since_unix_nano: u64) -> PyResult<Vec<String>> {
        edge("Inspection.recent", || {
            let id = id_of(instance)?;
            let found = py.detach(|| self.lock().recent(&id, since_unix_nano));
            found.map_err(|error| errors::write_error(py, &error))
        })
    }

    /// Deletes them, and the instance's row of the ledger. Answers how many records.
    fn forget(&self, py: Python<'_>, instance: &str, since_unix_nano: u64) -> PyResult<u64> {
        edge("Inspection.forget", || {
            let id = id_of(instance)?;
            let done = py.detach(|| self.lock().forget(&id, since_unix_nano));
            done.map_err(|error| errors::write_error(py, &error))
        })
    }
}

impl Inspection {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Inspect>> {
        self.inspect.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a line of a dead-letter file says of its record.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Line {
    id: String,
    instance: String,
    seq: u64,
    time_unix_nano: u64,
    logger: String,
}

/// Offers a record that was refused once, with the id that it had. Answers whether it was taken; raises `ValueError`
/// with the reason if it is none that telesink writes.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
pub(crate) fn replay(py: Python<'_>, pipeline: &Pipeline, otlp: &[u8], line: Line) -> PyResult<bool> {
    edge("replay", || {
        let Line { id, instance, seq, time_unix_nano, logger } = &line;
        let (id, instance) = (id_of(id)?, id_of(instance)?);
        let letter = letter::Letter { otlp, id, instance, seq: *seq, time_unix_nano: *time_unix_nano };
        let process = pipeline.process();
        let scope = process.core.tables().scope_index(logger);
        let record = letter::read(&letter, scope, logger).map_err(PyValueError::new_err)?;
        Ok(process.core.offer(record.header().levelno, logger, &record, &Waiting::new(py)))
    })
}

fn id_of(text: &str) -> PyResult<[u8; 16]> {
    parse_uuid(text).ok_or_else(|| PyValueError::new_err("an id is no UUID"))
}

fn as_dict<'py>(py: Python<'py>, instance: &str, account: &Account) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    told.set_item("instance", instance)?;
    told.set_item("rows", account.rows)?;
    told.set_item("first_seq", account.first)?;
    told.set_item("last_seq", account.last)?;
    told.set_item("ledger_seq", account.ledger)?;
    told.set_item("sinks", account.lanes)?;
    told.set_item("is_replay", account.is_replay)?;
    told.set_item("retired", account.retired)?;
    told.set_item("holes", account.holes)?;
    told.set_item("missing", account.missing)?;
    told.set_item("covered", account.covered)?;
    told.set_item("dead_lettered", account.dead_lettered)?;
    told.set_item("replayed", account.replayed)?;
    told.set_item("unexplained", account.unexplained)?;
    told.set_item("duplicates", account.duplicates)?;
    told.set_item("unexplained_ranges", &account.shown)?;
    Ok(told)
}

/// Reads the DSN as for a sink: it may be copied from a program, with settings and filters.
fn plan(
    dsn: &str,
    options: &[(String, String)],
    base_directory: &std::path::Path,
) -> Result<(InspectPlan, Settings), ConfigError> {
    let mut dsn = Dsn::parse(dsn, options, base_directory)?;
    let plan = inspect::plan(&mut dsn)?;
    let settings = take_what_a_lane_takes(&mut dsn)?;
    Ok((plan, settings))
}
