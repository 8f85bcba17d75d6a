//! The rules of settings and words of sizes, for Python's `Settings`: one home for both layers.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands the arguments it has extracted over by value")]

use crate::edge::edge;
use crate::errors;
use crate::sources::SinkSource;
use pyo3::prelude::*;
use telesink_core::dsn::units;
use telesink_core::record::level;
use telesink_core::settings::Settings;

/// Checks one setting. `origin` says where the value came from, for the error.
#[pyfunction]
pub(crate) fn check_setting(py: Python<'_>, name: &str, value: &str, origin: &str) -> PyResult<()> {
    edge("check_setting", || {
        let mut settings = Settings::documented();
        settings.apply(name, value, origin).map(drop).map_err(|error| errors::config_error(py, &error))
    })
}

/// Checks settings that depend on each other, given as name, value and origin.
#[pyfunction]
pub(crate) fn check_settings(py: Python<'_>, values: Vec<(String, String, String)>) -> PyResult<()> {
    edge("check_settings", || {
        let mut settings = Settings::documented();
        for (name, value, origin) in &values {
            settings.apply(name, value, origin).map_err(|error| errors::config_error(py, &error))?;
        }
        settings.check().map_err(|error| errors::config_error(py, &error))
    })
}

/// Checks a sink as `add_sinks` would and adds nothing. Answers the least level that it would take.
#[pyfunction]
pub(crate) fn check_sink(py: Python<'_>, sink: SinkSource) -> PyResult<i32> {
    edge("check_sink", || {
        sink.plan().map(|spec| spec.level).map_err(|error| errors::config_error(py, &error))
    })
}

/// Reads a size such as `64 MiB`; None if it is none.
#[pyfunction]
pub(crate) fn parse_bytes(text: &str) -> PyResult<Option<u64>> {
    edge("parse_bytes", || Ok(units::parse_bytes(text)))
}

/// Reads a duration such as `200 ms`, in seconds; None if it is none.
#[pyfunction]
pub(crate) fn parse_seconds(text: &str) -> PyResult<Option<f64>> {
    edge("parse_seconds", || Ok(units::parse_duration(text).map(|duration| duration.as_secs_f64())))
}

/// Reads a level's name or number; None if it is none.
#[pyfunction]
pub(crate) fn parse_level(text: &str) -> PyResult<Option<i32>> {
    edge("parse_level", || Ok(level::parse(text)))
}

/// What tells two DSNs apart, as an opaque number: equal for the same target and options.
#[pyfunction]
pub(crate) fn dsn_identity(
    py: Python<'_>,
    dsn: &str,
    options: Vec<(String, String)>,
    base_directory: std::path::PathBuf,
) -> PyResult<u64> {
    edge("dsn_identity", || {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let parsed = telesink_core::dsn::Dsn::parse(dsn, &options, &base_directory)
            .map_err(|error| errors::config_error(py, &error))?;
        let mut hasher = DefaultHasher::new();
        parsed.identity().hash(&mut hasher);
        Ok(hasher.finish())
    })
}
