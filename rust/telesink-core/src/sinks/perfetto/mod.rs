//! `perfetto:///folder`: spans and log records as a trace that the Perfetto UI opens.
//!
//! | option | values | meaning |
//! |---|---|---|
//! | `mode` | `user` `dev` `off` | `user`: spans, and log records from INFO on; `dev`: all records; else `PERFETTO_TRACE_MODE` |
//! | `size_max` | a size | where a file ends and the next one begins: `"1 GiB"` |
//!
//! Each process writes `executions/<execution>/<service>-<pid>.pftrace`, then `.1.pftrace` and so on; `latest` leads to the folder of the execution
//! that began last. A file is complete at any moment: packets are only ever appended, and a torn one is cut off again.

mod packet;
mod place;
mod rows;
mod sink;
#[cfg(test)]
mod tests;

use super::{Batch, Outcome, Route, Sink, SinkPlan};
use crate::dsn::Dsn;
use crate::dsn::variables::Variables;
use crate::error::{ConfigError, WriteError};
use crate::record::Record;
use sink::PerfettoSink;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest file unless the options say otherwise: what the UI can hold.
const SIZE_MAX_DEFAULT: u64 = 1 << 30;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    User,
    Dev,
    Off,
}

/// What a DSN asks for.
#[derive(Debug, Clone)]
struct Options {
    root: PathBuf,
    target: String,
    mode: Mode,
    size_max: u64,
}

/// Takes everything and keeps nothing.
struct Off;

impl Sink for Off {
    fn route(&self, _record: &Record) -> Option<Route> {
        Some(Route::All)
    }

    fn write(&mut self, _batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        Ok(Outcome::default())
    }
}

/// Plans the sink.
///
/// # Errors
/// An option whose value cannot be taken; `PERFETTO_TRACE_MODE`, where it counts, is none of its words.
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let mode = match dsn.take_choice("mode", &["user", "dev", "off"])? {
        Some("dev") => Mode::Dev,
        Some("off") => Mode::Off,
        Some(_) => Mode::User,
        None => mode_of(Variables::of_process().text("PERFETTO_TRACE_MODE")?.as_deref())?,
    };
    let size_max = match dsn.take_bytes("size_max")? {
        Some(0) => {
            return Err(ConfigError::new(
                "option `size_max` is 0",
                "leave it out, or name a size such as 1 GiB",
            ));
        }
        size_max => size_max.unwrap_or(SIZE_MAX_DEFAULT),
    };
    let target = dsn.masked();
    let options = Options { root: dsn.path().to_path_buf(), target: target.clone(), mode, size_max };
    let plan = SinkPlan::new(
        "perfetto",
        target,
        Arc::new(move |_| match options.mode {
            Mode::Off => Box::new(Off) as Box<dyn Sink>,
            Mode::User | Mode::Dev => Box::new(PerfettoSink::new(options.clone())),
        }),
    );
    Ok(SinkPlan { stores_logs: mode != Mode::Off, ..plan })
}

fn mode_of(value: Option<&str>) -> Result<Mode, ConfigError> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("user" | "true" | "1") => Ok(Mode::User),
        Some("dev" | "all" | "debug") => Ok(Mode::Dev),
        Some("off" | "false" | "0" | "none") => Ok(Mode::Off),
        Some(other) => Err(ConfigError::new(
            format!("the environment variable PERFETTO_TRACE_MODE is {other:?}"),
            "set it to user, dev or off, or give mode= in the dsn",
        )),
    }
}
