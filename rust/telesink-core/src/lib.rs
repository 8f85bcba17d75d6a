//! The native telemetry pipeline of telesink: records, lanes, sinks.
//!
//! Read in this order: [`record`] (one thing worth keeping), [`sinks`] (one destination), [`lane`] (one queue, one
//! thread, one sink), [`pipeline`] (one or more lanes), [`stats`] (what became of every record).
//!
//! Nothing here knows Python, so no native thread can ever hold the interpreter, and there is no `unsafe`.

#![forbid(unsafe_code)]

pub mod clock;
mod descriptors;
pub mod diagnostics;
pub mod dsn;
pub mod error;
pub mod fork;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod lane;
pub mod pipeline;
mod private_file;
pub mod record;
pub mod redact;
pub mod schedule;
pub mod settings;
mod signals;
pub mod sinks;
pub mod stats;
mod sync;
mod tls;
pub mod usage;
