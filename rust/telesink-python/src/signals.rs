//! The pipeline as OpenTelemetry's processors and exporters see it, and `telesink.span`.

use crate::capture::opentelemetry::{
    OwnSpan, capture_metrics, capture_otel_log, capture_own_span, capture_span,
};
use crate::capture::{self, Captured, Seen, Workbench};
use crate::edge::{edge, reach};
use crate::handle::Pipeline;
use crate::report;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::collections::HashMap;
use std::sync::Arc;
use telesink_core::lane::Lane;
use telesink_core::stats::RejectCause;

/// Takes what is no record of `logging` into a pipeline. Nothing here raises, but for what a value raises to end the
/// program.
#[pyclass(frozen, module = "telesink._native")]
pub(crate) struct Signals {
    pipeline: Py<Pipeline>,
}

#[pymethods]
impl Signals {
    #[new]
    fn new(pipeline: Py<Pipeline>) -> PyResult<Self> {
        edge("Signals", || Ok(Self { pipeline }))
    }

    /// Takes a `ReadableSpan` that has just ended; leaves it if it is not sampled.
    fn end_span(&self, span: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(span.py(), |bench, seen, py| {
            reach("Signals.end_span");
            take_span(bench, seen, py, span, true)
        })
        .map(drop)
    }

    /// Takes several, sampled or not. Answers whether all were accepted.
    fn export_spans(&self, spans: &Bound<'_, PyAny>) -> PyResult<bool> {
        each(spans, |span| {
            self.take(span.py(), |bench, seen, py| {
                reach("Signals.export_spans");
                take_span(bench, seen, py, span, false)
            })
        })
    }

    /// Takes a `ReadWriteLogRecord` or `ReadableLogRecord`.
    fn emit_log(&self, record: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(record.py(), |bench, seen, py| {
            reach("Signals.emit_log");
            take_log(bench, seen, py, record)
        })
        .map(drop)
    }

    /// Takes several. Answers whether all were accepted.
    fn export_logs(&self, records: &Bound<'_, PyAny>) -> PyResult<bool> {
        each(records, |record| {
            self.take(record.py(), |bench, seen, py| {
                reach("Signals.export_logs");
                take_log(bench, seen, py, record)
            })
        })
    }

    /// Takes a `MetricsData`. Answers whether all of its metrics were accepted.
    fn export_metrics(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.take(data.py(), |bench, seen, py| {
            reach("Signals.export_metrics");
            let process = &seen.process;
            let mut is_taken = true;
            let offer = |captured: Captured<'_>| is_taken &= process.offer(&seen.view, captured, py);
            capture_metrics(bench, &process.core, &seen.view, process.capture, data, offer)?;
            Ok(is_taken)
        })
    }

    /// Takes a span of `telesink.span`.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 makes it from a mapping and hands it over")]
    fn record_span(&self, py: Python<'_>, span: OwnSpan<'_>) -> PyResult<bool> {
        self.take(py, |bench, seen, py| {
            reach("Signals.record_span");
            let process = &seen.process;
            let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
            let taken = capture_own_span(bench, &process.core, &seen.view, process.capture, &span, offer)?;
            Ok(taken.unwrap_or(true))
        })
    }

    /// Counts so many records as refused, because whoever brought them was shut down.
    fn reject_closed(&self, count: u64) -> PyResult<()> {
        edge("Signals.reject_closed", || {
            let process = self.pipeline.get().process();
            (0..count).for_each(|_| process.core.reject(RejectCause::Closed));
            Ok(())
        })
    }

    /// How many records the queue of each sink holds at most, by the sinks' names.
    fn capacities(&self) -> PyResult<HashMap<String, usize>> {
        edge("Signals.capacities", || {
            let lanes = self.pipeline.get().process().core.lanes();
            let capacity =
                |lane: &Arc<Lane>| (lane.name().to_owned(), lane.spec().settings.queue_records_max);
            Ok(lanes.iter().map(capacity).collect())
        })
    }

    /// The records kept by a `memory://` sink as they go on the wire: signal, resource and its schema, scope and its
    /// schema, message. None if there is no such sink.
    fn encoded<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyList>>> {
        edge("Signals.encoded", || {
            let process = self.pipeline.get().process();
            let store = process
                .core
                .lanes()
                .iter()
                .find(|lane| lane.name() == name)
                .and_then(|lane| lane.spec().plan.memory.clone());
            store.map(|store| report::encoded(py, &store.entries(), process.core.tables())).transpose()
        })
    }
}

impl Signals {
    /// Runs a capture in the pipeline's guard. Answers whether what it brought was accepted.
    fn take(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Workbench, &Seen, Python<'_>) -> PyResult<bool>,
    ) -> PyResult<bool> {
        let pipeline = self.pipeline.get();
        match pipeline.guarded(py, work) {
            Ok(taken) => Ok(taken.unwrap_or(false)),
            Err(error) => {
                // What could not be read was to be replaced, and even that failed, as for want of memory.
                capture::text::pass_base_exceptions(py, error)?;
                pipeline.process().core.reject(RejectCause::EncodeError);
                Ok(false)
            }
        }
    }
}

fn take_span(
    bench: &mut Workbench,
    seen: &Seen,
    py: Python<'_>,
    span: &Bound<'_, PyAny>,
    sampled_only: bool,
) -> PyResult<bool> {
    let process = &seen.process;
    let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
    let taken = capture_span(bench, &process.core, &seen.view, process.capture, span, sampled_only, offer)?;
    // Without an answer no sink wants it, and nobody asked for it.
    Ok(taken.unwrap_or(true))
}

fn take_log(bench: &mut Workbench, seen: &Seen, py: Python<'_>, record: &Bound<'_, PyAny>) -> PyResult<bool> {
    let process = &seen.process;
    let offer = |captured: Captured<'_>| process.offer(&seen.view, captured, py);
    let taken = capture_otel_log(bench, &process.core, &seen.view, process.capture, record, offer)?;
    Ok(taken.unwrap_or(true))
}

/// Hands each item over. Answers whether all were accepted.
fn each(
    items: &Bound<'_, PyAny>,
    mut take: impl FnMut(&Bound<'_, PyAny>) -> PyResult<bool>,
) -> PyResult<bool> {
    let mut are_taken = true;
    let Some(items) = capture::text::unless_failed(items.py(), items.try_iter())? else {
        return Ok(false);
    };
    let py = items.py();
    for item in items {
        match capture::text::unless_failed(py, item)? {
            Some(item) => are_taken &= take(&item)?,
            None => return Ok(false),
        }
    }
    Ok(are_taken)
}
