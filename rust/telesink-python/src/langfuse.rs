//! A Langfuse server, asked directly.

use crate::edge::edge;
use crate::errors;
use crate::sources::SinkSource;
use pyo3::prelude::*;
use telesink_core::dsn::Dsn;
use telesink_core::sinks::langfuse;

/// Asks the server of a `langfuse://` sink which form it takes and whether it takes the keys; answers it in words. Raises
/// `ConfigError`, `AuthError`, `ConnectError` and `TelesinkError`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it has extracted by value")]
pub(crate) fn check_langfuse(py: Python<'_>, sink: SinkSource) -> PyResult<String> {
    edge("check_langfuse", || {
        let read = || {
            let limits = sink.plan()?.settings.limits();
            Ok((Dsn::parse(&sink.dsn, &sink.options, &sink.base_directory)?, limits))
        };
        let (mut dsn, limits) = read().map_err(|error| errors::config_error(py, &error))?;
        let asked = py.detach(|| langfuse::check(&mut dsn, limits));
        let answer = asked.map_err(|error| errors::config_error(py, &error))?;
        answer.map_err(|error| errors::server_error(py, &error))
    })
}
