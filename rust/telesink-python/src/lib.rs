//! `telesink._native`: the binding. What is exported, nothing else; conversions live in `capture`.

mod capture;
mod edge;
mod errors;
mod ffi;
mod flush_ticket;
mod handle;
mod inspection;
mod patience;
mod process;
mod redaction;
mod report;
mod settings;
mod sources;
mod sqlite_calls;
mod sqlite_locks;
mod tables;

use pyo3::prelude::*;

/// The native half of telesink. Import `telesink` instead; names here are private to it.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::capture::context::{ContextFields, set_context_getter};
    #[pymodule_export]
    use super::capture::set_inherited_span;
    #[cfg(feature = "failpoints")]
    #[pymodule_export]
    use super::edge::failpoints::arm_failpoint;
    #[pymodule_export]
    use super::flush_ticket::FlushTicket;
    #[pymodule_export]
    use super::handle::Pipeline;
    #[pymodule_export]
    use super::inspection::{Inspection, describe_sink, replay};
    #[pymodule_export]
    use super::process::{after_fork_in_parent, before_fork, fork_detection, process_generation, write_line};
    #[pymodule_export]
    use super::redaction::RedactionSet;
    #[pymodule_export]
    use super::settings::{
        check_setting, check_settings, check_sink, dsn_identity, parse_bytes, parse_level, parse_seconds,
    };
    #[pymodule_export]
    use super::tables::{Prune, table_definitions};

    /// Runs once, when the module is imported.
    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;

        let (version, is_usable) = telesink_core::sinks::sqlite::sqlite_version();
        if !is_usable {
            let message = format!("telesink was built with SQLite {version}, which can destroy databases");
            return Err(pyo3::exceptions::PyImportError::new_err(message));
        }
        module.add("SQLITE_VERSION", version)?;
        super::process::install();
        super::sqlite_calls::install();
        super::sqlite_locks::install();
        Ok(())
    }

    /// Version of the wheel.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// Whether this is a debug build, which nobody should benchmark.
    #[pymodule_export]
    const IS_DEBUG_BUILD: bool = cfg!(debug_assertions);
}
