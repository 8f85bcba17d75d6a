//! `null://`: takes every record and keeps none. For measuring, and for switching telemetry off in one place.

use super::{Batch, Outcome, Route, Sink, SinkPlan};
use crate::dsn::Dsn;
use crate::error::{ConfigError, WriteError};
use crate::record::{Record, Signal};
use std::sync::Arc;
use std::time::Duration;

struct NullSink;

impl Sink for NullSink {
    fn route(&self, record: &Record) -> Option<Route> {
        Some(match record.header().signal {
            Signal::Log => Route::Logs,
            Signal::Span => Route::Traces,
            Signal::Metric => Route::Metrics,
        })
    }

    fn write(&mut self, _batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        Ok(Outcome::default())
    }
}

/// Plans the sink; it has no options.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every planner")]
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    Ok(SinkPlan {
        kind: "null",
        target: dsn.masked(),
        linger_default: Duration::from_millis(20),
        stores_logs: false,
        factory: Arc::new(|_| Box::new(NullSink)),
        coalesce: None,
        memory: None,
    })
}
