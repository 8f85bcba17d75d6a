//! What the console promises, through its nearest boundaries.

mod delivery;
mod layout;
mod options;
mod signals;

use crate::record::encode::RecordBuilder;
use crate::record::level::severity_of;
use crate::record::value::Scalar;
use crate::record::{Header, Record, Signal};

/// 2026-11-21T10:11:12.345678901Z.
const TIME_UNIX_NANO: u64 = 1_795_255_872_345_678_901;

/// A log record of scope `scope`.
fn record(scope: u32, levelno: i32, level: &str, message: &str, attributes: &[(&str, Scalar<'_>)]) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.severity(severity_of(levelno), level);
    builder.body(message);
    for (key, value) in attributes {
        builder.attribute(key, *value);
    }
    builder.finish(header(scope, levelno), &[])
}

fn header(scope: u32, levelno: i32) -> Header {
    Header {
        signal: Signal::Log,
        severity: severity_of(levelno),
        flags: 0,
        time_unix_nano: TIME_UNIX_NANO,
        observed_unix_nano: TIME_UNIX_NANO + 1,
        id: [7; 16],
        trace_id: [0; 16],
        span_id: [0; 8],
        resource: 0,
        scope,
        levelno,
    }
}
