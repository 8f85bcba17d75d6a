//! `null://`: takes every record and keeps none. For measuring, and for switching telemetry off in one place.

use super::{Batch, Outcome, Route, Sink, SinkPlan};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::record::Record;
use std::sync::Arc;

struct NullSink;

impl Sink for NullSink {
    fn route(&self, _record: &Record) -> Option<Route> {
        Some(Route::All)
    }

    fn write(&mut self, _batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        Ok(Outcome::default())
    }
}

/// Plans the sink; it has no options.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every planner")]
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let plan = SinkPlan::new("null", dsn.masked(), Arc::new(|_| Box::new(NullSink)));
    Ok(SinkPlan { stores_logs: false, ..plan })
}
