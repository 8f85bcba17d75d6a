//! `telesink._native`: the binding. What is exported, nothing else; conversions live in `capture`.

mod capture;
mod edge;
mod errors;
mod ffi;
mod files;
mod flush_ticket;
mod handle;
mod inspection;
mod langfuse;
mod many;
mod patience;
mod process;
mod redaction;
mod report;
mod select;
mod settings;
mod signals;
mod sources;
mod sqlite_calls;
mod sqlite_locks;
mod tables;
mod usage;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::wrap_pyfunction as function;

/// The native half of telesink. Import `telesink` instead; names here are private to it.
///
/// Runs once, when the module is imported. Nothing is exported before it is known to be the main interpreter: classes
/// are made once in a process, and those of a subinterpreter would end with it.
#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if !ffi::is_main_interpreter() {
        return Err(PyImportError::new_err(
            "telesink works in the main interpreter of a process only, and this is a subinterpreter; \
             import it there (mod_wsgi: WSGIApplicationGroup %{GLOBAL})",
        ));
    }
    let (version, is_usable) = telesink_core::sinks::sqlite::sqlite_version();
    if !is_usable {
        let message = format!("telesink was built with SQLite {version}, which can destroy databases");
        return Err(PyImportError::new_err(message));
    }
    add_classes(module)?;
    add_functions(module)?;
    // Version of the wheel.
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    // Whether this is a debug build, which nobody should benchmark.
    module.add("IS_DEBUG_BUILD", cfg!(debug_assertions))?;
    module.add("SQLITE_VERSION", version)?;
    process::install();
    sqlite_calls::install();
    sqlite_locks::install();
    Ok(())
}

fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<capture::context::ContextFields>()?;
    module.add_class::<files::FileAppender>()?;
    module.add_class::<flush_ticket::FlushTicket>()?;
    module.add_class::<handle::Pipeline>()?;
    module.add_class::<inspection::Inspection>()?;
    module.add_class::<redaction::RedactionSet>()?;
    module.add_class::<select::Selection>()?;
    module.add_class::<signals::Signals>()?;
    module.add_class::<tables::Prune>()?;
    module.add_class::<usage::UsageCounters>()
}

fn add_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for function in [
        function!(capture::context::set_context_getter, module)?,
        function!(capture::current_ids, module)?,
        function!(capture::event_problems, module)?,
        function!(capture::new_span_ids, module)?,
        function!(capture::set_inherited_span, module)?,
        function!(capture::set_span_getter, module)?,
        #[cfg(feature = "failpoints")]
        function!(edge::failpoints::arm_failpoint, module)?,
        function!(files::folder_name, module)?,
        function!(inspection::describe_sink, module)?,
        function!(inspection::replay, module)?,
        function!(langfuse::check_langfuse, module)?,
        function!(many::enqueue_many, module)?,
        function!(process::after_fork_in_parent, module)?,
        function!(process::before_fork, module)?,
        function!(process::fork_detection, module)?,
        function!(process::process_generation, module)?,
        function!(process::write_line, module)?,
        function!(settings::check_setting, module)?,
        function!(settings::check_settings, module)?,
        function!(settings::check_sink, module)?,
        function!(settings::dsn_identity, module)?,
        function!(settings::parse_bytes, module)?,
        function!(settings::parse_level, module)?,
        function!(settings::parse_seconds, module)?,
        function!(tables::table_definitions, module)?,
        function!(tables::check_retention, module)?,
        function!(tables::next_moment, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
