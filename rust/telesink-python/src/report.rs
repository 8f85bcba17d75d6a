//! Counters, receipts and stored records as plain Python objects; the typed classes are made in Python.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use telesink_core::record::Signal;
use telesink_core::record::id::format_uuid;
use telesink_core::record::tables::Tables;
use telesink_core::record::value::{DEPTH_MAX, Value, list, map};
use telesink_core::record::view::{LogView, MetricView, SpanView};
use telesink_core::sinks::Entry;
use telesink_core::stats::{Counts, LaneStats, PipelineStats, Receipt};

/// An id in the usual form.
pub(crate) fn uuid(id: &[u8; 16]) -> String {
    let mut buffer = [0; 36];
    format_uuid(id, &mut buffer);
    String::from_utf8_lossy(&buffer).into_owned()
}

fn counts<'py>(py: Python<'py>, counts: &Counts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (cause, count) in counts.nonzero() {
        dict.set_item(cause, count)?;
    }
    Ok(dict)
}

/// A receipt.
pub(crate) fn receipt<'py>(py: Python<'py>, receipt: &Receipt) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("delivered", receipt.delivered)?;
    dict.set_item("dropped", counts(py, &receipt.dropped)?)?;
    dict.set_item("pending", receipt.pending)?;
    dict.set_item("seconds", receipt.seconds)?;
    Ok(dict)
}

/// A lane's counters.
pub(crate) fn lane<'py>(py: Python<'py>, stats: &LaneStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &stats.name)?;
    dict.set_item("target", &stats.target)?;
    dict.set_item("offered", stats.offered)?;
    dict.set_item("routed", stats.routed)?;
    dict.set_item("rejected", counts(py, &stats.rejected)?)?;
    dict.set_item("delivered", stats.delivered)?;
    dict.set_item("dropped", counts(py, &stats.dropped)?)?;
    dict.set_item("pending", stats.pending)?;
    dict.set_item("bytes_pending", stats.bytes_pending)?;
    dict.set_item("retries", stats.retries)?;
    dict.set_item("batches", stats.batches)?;
    dict.set_item("duplicates_suppressed", stats.duplicates_suppressed)?;
    dict.set_item("mended", stats.mended)?;
    dict.set_item("server_rolled_back", stats.rolled_back)?;
    dict.set_item("loss_markers", stats.loss_markers)?;
    dict.set_item("sink_panics", stats.sink_panics)?;
    dict.set_item("state", stats.state.name())?;
    dict.set_item("last_error", &stats.last_error)?;
    Ok(dict)
}

/// A pipeline's counters and those of its lanes.
pub(crate) fn pipeline<'py>(py: Python<'py>, stats: &PipelineStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("offered", stats.offered)?;
    dict.set_item("accepted", stats.accepted)?;
    dict.set_item("rejected", counts(py, &stats.rejected)?)?;
    dict.set_item("turned_away", counts(py, &stats.turned_away)?)?;
    dict.set_item("late_pending", stats.late_pending)?;
    dict.set_item("sanitised", stats.sanitised)?;
    dict.set_item("truncated", stats.truncated)?;
    dict.set_item("format_errors", stats.format_errors)?;
    let lanes = stats.lanes.iter().map(|stats| lane(py, stats)).collect::<PyResult<Vec<_>>>()?;
    dict.set_item("lanes", lanes)?;
    dict.set_item("removed", stats.removed.as_ref().map(|removed| lane(py, removed)).transpose()?)?;
    Ok(dict)
}

/// Stored records as dicts, with the keys that `enqueue` takes and those of the tables. The name of a span or metric
/// is its body.
pub(crate) fn records<'py>(
    py: Python<'py>,
    entries: &[Entry],
    tables: &Tables,
) -> PyResult<Bound<'py, PyList>> {
    let scopes = tables.scopes();
    let records = PyList::empty(py);
    for entry in entries {
        let header = entry.record.header();
        let dict = PyDict::new(py);
        dict.set_item("seq", entry.seq)?;
        dict.set_item("id", uuid(&header.id))?;
        dict.set_item("time_unix_nano", header.time_unix_nano)?;
        dict.set_item("observed_unix_nano", header.observed_unix_nano)?;
        dict.set_item("severity", header.severity)?;
        dict.set_item("levelno", header.levelno)?;
        dict.set_item("logger", scopes.get(header.scope as usize).map_or("", |scope| &scope.name))?;
        dict.set_item("trace_id", hex(&header.trace_id))?;
        dict.set_item("span_id", hex(&header.span_id))?;
        match header.signal {
            Signal::Log => log(&dict, &entry.log())?,
            Signal::Span => span(&dict, &entry.span())?,
            Signal::Metric => metric(&dict, &entry.metric())?,
        }
        records.append(dict)?;
    }
    Ok(records)
}

fn log(dict: &Bound<'_, PyDict>, view: &LogView<'_>) -> PyResult<()> {
    dict.set_item("level", view.level())?;
    dict.set_item("body", view.message())?;
    dict.set_item("event_name", (!view.event_name.is_empty()).then_some(view.event_name))?;
    dict.set_item("attributes", attributes(dict.py(), view.attributes())?)
}

fn span(dict: &Bound<'_, PyDict>, view: &SpanView<'_>) -> PyResult<()> {
    let py = dict.py();
    dict.set_item("signal", "span")?;
    dict.set_item("level", "SPAN")?;
    dict.set_item("body", view.name)?;
    dict.set_item("event_name", py.None())?;
    dict.set_item("attributes", attributes(py, view.attributes())?)?;
    dict.set_item("kind", view.kind)?;
    dict.set_item("parent_span_id", hex(&view.parent_span_id))?;
    dict.set_item("end_unix_nano", view.end_unix_nano)?;
    dict.set_item("status_code", view.status_code)?;
    dict.set_item("status_message", view.status_message)?;
    let events = PyList::empty(py);
    for event in view.events() {
        let told = PyDict::new(py);
        told.set_item("name", event.name)?;
        told.set_item("time_unix_nano", event.time_unix_nano)?;
        told.set_item("attributes", attributes(py, event.attributes())?)?;
        events.append(told)?;
    }
    dict.set_item("events", events)
}

fn metric(dict: &Bound<'_, PyDict>, view: &MetricView<'_>) -> PyResult<()> {
    let py = dict.py();
    dict.set_item("signal", "metric")?;
    dict.set_item("level", "METRIC")?;
    dict.set_item("body", view.name)?;
    dict.set_item("event_name", py.None())?;
    dict.set_item("attributes", PyDict::new(py))?;
    dict.set_item("unit", view.unit)?;
    dict.set_item("points", view.points().count())
}

fn attributes<'py, 'a>(
    py: Python<'py>,
    pairs: impl Iterator<Item = (&'a str, Value<'a>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let attributes = PyDict::new(py);
    for (key, value) in pairs {
        // The first of a name that stands there twice, as in every other sink.
        if !attributes.contains(key)? {
            attributes.set_item(key, object(py, value, 0)?)?;
        }
    }
    Ok(attributes)
}

/// Records as they go on the wire: signal, resource and its schema, scope and its schema, message.
pub(crate) fn encoded<'py>(
    py: Python<'py>,
    entries: &[Entry],
    tables: &Tables,
) -> PyResult<Bound<'py, PyList>> {
    let (resources, scopes) = (tables.resources(), tables.scopes());
    let records = PyList::empty(py);
    for entry in entries {
        let header = entry.record.header();
        let resource = &resources[header.resource as usize];
        let scope = &scopes[header.scope as usize];
        records.append((
            header.signal as u8,
            PyBytes::new(py, &resource.encoded),
            &resource.schema_url,
            PyBytes::new(py, &scope.encoded),
            &scope.schema_url,
            PyBytes::new(py, &entry.message().concat()),
        ))?;
    }
    Ok(records)
}

/// Hex digits of an id; None if it is all zero.
fn hex(id: &[u8]) -> Option<String> {
    if id.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut out = Vec::with_capacity(id.len() * 2);
    telesink_core::record::json::write_hex(&mut out, id);
    String::from_utf8(out).ok()
}

/// A value that lies inside of `depth` others. Too deep is None, as in JSON.
fn object<'py>(py: Python<'py>, value: Value<'_>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::List(_) | Value::Map(_) if depth >= DEPTH_MAX => Ok(py.None().into_bound(py)),
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Str(text) => text.into_bound_py_any(py),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Int(value) => value.into_bound_py_any(py),
        Value::Double(value) => value.into_bound_py_any(py),
        Value::Bytes(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
        Value::List(inner) => {
            let items = list(inner).map(|item| object(py, item, depth + 1)).collect::<PyResult<Vec<_>>>()?;
            items.into_bound_py_any(py)
        }
        Value::Map(inner) => {
            let dict = PyDict::new(py);
            for (key, item) in map(inner) {
                if !dict.contains(key)? {
                    dict.set_item(key, object(py, item, depth + 1)?)?;
                }
            }
            Ok(dict.into_any())
        }
    }
}
