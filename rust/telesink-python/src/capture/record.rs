//! A stdlib `LogRecord` becomes a record.

use super::fields::{Fields, field};
use super::message::{self, Message};
use super::plain::format_plain;
use super::values::ValueReader;
use super::{Workbench, context, exception, otel, text};
use crate::ffi::{instance_dict, pairs};
use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Record, Signal, flag, level};
use telesink_core::redact::Redaction;

/// Names that structlog puts beside an event dict for its own formatter.
const STRUCTLOG_INTERNAL: [&str; 4] = ["_record", "_from_structlog", "_logger", "_name"];

/// Where structlog's event dicts hold the exception.
const EXC_INFO: &str = "exc_info";

/// Names of an event dict that are told elsewhere in the record.
const TOLD: &[&str] = &["event"];
const TOLD_WITH_EXCEPTION: &[&str] = &["event", EXC_INFO];

static LOG_RECORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// How records of a pipeline are captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaptureSettings {
    pub(crate) record_bytes_max: usize,
    pub(crate) urgent_level: i32,
    /// The process that the resource describes; records of others say so.
    pub(crate) process_id: i64,
    pub(crate) generation: u64,
}

/// A captured record, with what lanes filter on.
pub(crate) struct Captured<'t> {
    pub(crate) record: Record,
    pub(crate) levelno: i32,
    pub(crate) logger: Cow<'t, str>,
}

/// Bits of the header for a record of this level.
pub(crate) fn level_flags(levelno: i32, settings: CaptureSettings) -> u8 {
    let urgent = if levelno >= settings.urgent_level { flag::URGENT } else { 0 };
    let reserve = if levelno >= level::ERROR { flag::RESERVE } else { 0 };
    urgent | reserve
}

/// Captures a log record and hands it to `offer`. Answers without calling it if no lane wants the record.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(crate) fn capture_log_record<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    record: &Bound<'_, PyAny>,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Option<T>> {
    let py = record.py();
    // At the very end of a program nothing can be imported any more; the general way needs no class.
    let is_plain = plain_class(py).is_ok_and(|class| record.get_type().is(class));
    let dict = fields_of(record, is_plain)?;
    let fields = Fields::of(&dict);
    bench.builder.start(settings.record_bytes_max);
    let name = fields.text(field::NAME);
    let logger = name.map_or(Cow::Borrowed("root"), |name| text::read(name, 1_024, &mut bench.builder));
    let levelno = fields.levelno.unwrap_or(0).clamp(0, i64::from(i32::MAX)) as i32;
    if !view.wants(levelno, &logger) {
        return Ok(None);
    }
    let observed = clock::unix_nano();
    let scope = bench.scope(pipeline, &logger);
    let redaction = view.redaction();
    write_severity(bench, &fields, levelno);
    let structured = write_message(bench, &fields, record, is_plain, redaction)?;
    let raised = raised(&fields, structured.as_ref())?;
    let told = if raised.is_some() { TOLD_WITH_EXCEPTION } else { TOLD };
    let ids = write_attributes(
        bench,
        settings,
        &fields,
        structured.as_ref().map(|dict| (dict, told)),
        redaction,
        py,
    )?;
    if scope == 0 {
        bench.builder.attribute("logger.name", Scalar::Str(&logger));
    }
    bench.tail.clear();
    if let Some(raised) = raised {
        exception::capture(&raised, &mut bench.builder, &mut bench.tail, redaction)?;
    } else {
        if let Some(kind) = fields.get(field::EXC_INFO).and_then(exception::type_alone) {
            bench.builder.attribute("exception.type", Scalar::Str(&kind));
        }
        write_exc_text(bench, &fields, redaction);
    }
    let header = Header {
        signal: Signal::Log,
        severity: level::severity_of(levelno),
        flags: level_flags(levelno, settings),
        time_unix_nano: created(&fields).unwrap_or(observed),
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(observed, settings.generation),
        trace_id: ids.trace_id,
        span_id: ids.span_id,
        resource: 0,
        scope,
        levelno,
    };
    let record = bench.builder.finish(header, &bench.tail);
    Ok(Some(offer(Captured { record, levelno, logger })))
}

/// The exception that a record is about: its own, or the one in structlog's event dict.
fn raised<'py>(
    fields: &Fields<'py>,
    structured: Option<&Bound<'py, PyDict>>,
) -> PyResult<Option<Bound<'py, PyBaseException>>> {
    if let Some(exc_info) = fields.get(field::EXC_INFO) {
        return exception::of_exc_info(exc_info);
    }
    let Some(dict) = structured else { return Ok(None) };
    let py = dict.py();
    match text::unless_failed(py, dict.get_item(intern!(py, EXC_INFO)))?.flatten() {
        Some(exc_info) => exception::of_exc_info(&exc_info),
        None => Ok(None),
    }
}

/// `logging.LogRecord` itself: its methods are known, so what it would say can be read directly.
fn plain_class(py: Python<'_>) -> PyResult<&Py<PyType>> {
    LOG_RECORD.get_or_try_init(py, || {
        let class = py.import("logging")?.getattr("LogRecord")?;
        class.cast_into::<PyType>().map(Bound::unbind).map_err(PyErr::from)
    })
}

/// The record's `__dict__`; empty for objects without one.
fn fields_of<'py>(record: &Bound<'py, PyAny>, is_plain: bool) -> PyResult<Bound<'py, PyDict>> {
    let py = record.py();
    let dict = if is_plain { instance_dict(record) } else { record.getattr(intern!(py, "__dict__")) };
    let dict = text::unless_failed(py, dict)?.and_then(|dict| dict.cast_into().ok());
    Ok(dict.unwrap_or_else(|| PyDict::new(py)))
}

fn write_severity(bench: &mut Workbench, fields: &Fields<'_>, levelno: i32) {
    let severity = level::severity_of(levelno);
    match fields.text(field::LEVELNAME) {
        Some(name) => {
            let name = text::read(name, 256, &mut bench.builder);
            bench.builder.severity(severity, level::text_of(&name));
        }
        None => bench.builder.severity(severity, level::name_of(levelno)),
    }
}

/// Writes the body; answers the event dict if the message is one.
fn write_message<'py>(
    bench: &mut Workbench,
    fields: &Fields<'py>,
    record: &Bound<'py, PyAny>,
    is_plain: bool,
    redaction: &Redaction,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = record.py();
    let builder = &mut bench.builder;
    if is_plain && format_plain(&mut bench.text, fields) && bench.text.len() <= builder.room() {
        builder.body(&message::clean(&bench.text, redaction));
        return Ok(None);
    }
    match message::render(record, is_plain, fields, builder)? {
        Message::Text(text) => write_body(bench, &text, redaction),
        Message::Broken { template, error } => {
            write_body(bench, &template, redaction);
            message::put_broken(&mut bench.builder, fields, &error, redaction)?;
        }
        Message::Dict(dict) => {
            let event = text::unless_failed(py, dict.get_item(intern!(py, "event")))?.flatten();
            let shown = match &event {
                Some(event) => text::render(event, builder, pyo3::types::PyAnyMethods::str)?,
                None => text::render(dict.as_any(), builder, pyo3::types::PyAnyMethods::str)?,
            };
            write_body(bench, &shown, redaction);
            return Ok(Some(dict));
        }
    }
    Ok(None)
}

fn write_body(bench: &mut Workbench, body: &Bound<'_, PyString>, redaction: &Redaction) {
    let room = bench.builder.room();
    let body = text::read(body, room, &mut bench.builder);
    bench.builder.body(&message::clean(&body, redaction));
}

/// Writes everything that is not the message: `extra`, context, code, thread, process, task. Answers the ids of the
/// span it belongs to.
fn write_attributes(
    bench: &mut Workbench,
    settings: CaptureSettings,
    fields: &Fields<'_>,
    structured: Option<(&Bound<'_, PyDict>, &[&str])>,
    redaction: &Arc<Redaction>,
    py: Python<'_>,
) -> PyResult<otel::Ids> {
    let bound = context::current(py);
    let names = bound.is_some().then(SmallVec::new);
    let mut extras =
        Extras { bench, reader: ValueReader::new(redaction), names, ids: None, is_spreading: false };
    // Extra first: of a name that stands there twice the first is read.
    for (key, value) in &fields.extra {
        extras.one(key, value)?;
    }
    if let Some((dict, told)) = structured {
        extras.spread(dict, told)?;
    }
    let (names, ids) = (extras.names, extras.ids);
    let builder = &mut extras.bench.builder;
    if let (Some(bound), Some(names)) = (bound, names) {
        bound.get().append(py, redaction, builder, |name| {
            names.iter().any(|taken| taken.to_str().is_ok_and(|taken| taken == name))
        })?;
    }
    let bench = extras.bench;
    let builder = &mut bench.builder;
    bench.sites.append(builder, fields);
    if let Some(value) = fields.process.filter(|process| *process != settings.process_id) {
        builder.attribute("process.pid", Scalar::Int(value));
    }
    for (at, key, usual) in [
        (field::PROCESS_NAME, "process.name", "MainProcess"),
        (field::TASK_NAME, "asyncio.task.name", ""),
        (field::STACK_INFO, "code.stacktrace", ""),
    ] {
        if let Some(value) = fields.text(at) {
            let room = builder.room();
            let value = text::read(value, room, builder);
            if value != usual {
                builder.attribute(key, Scalar::Str(&redaction_for(at, redaction, &value)));
            }
        }
    }
    Ok(ids.unwrap_or_else(|| otel::current(py)))
}

/// Only the stack holds text that people wrote; names of threads and tasks are left alone.
fn redaction_for<'t>(at: usize, redaction: &Redaction, text: &'t str) -> Cow<'t, str> {
    if at == field::STACK_INFO { redaction.redact_text(text) } else { Cow::Borrowed(text) }
}

/// Reads what `extra` and structured messages carry.
struct Extras<'b, 'r, 'py> {
    bench: &'b mut Workbench,
    reader: ValueReader<'r>,
    /// Names written so far; kept only where there is a context that must not repeat them.
    names: Option<SmallVec<[Bound<'py, PyString>; 8]>>,
    ids: Option<otel::Ids>,
    /// Whether the pairs of a dict are being read: a dict below it is a value, or a cycle would have no end.
    is_spreading: bool,
}

impl<'py> Extras<'_, '_, 'py> {
    fn one(&mut self, key: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let rendered;
        let name = if let Ok(name) = key.cast::<PyString>() {
            name
        } else {
            rendered = text::render(key, &mut self.bench.builder, pyo3::types::PyAnyMethods::str)?;
            &rendered
        };
        let text = text::read(name, 256, &mut self.bench.builder);
        match &*text {
            // loguru hands its own extra over as one dict.
            "extra" if !self.is_spreading && value.is_instance_of::<PyDict>() => {
                return self.spread(value.cast::<PyDict>()?, &[]);
            }
            "otelTraceID" => {
                self.id(value, |ids, id| ids.trace_id = id);
                return Ok(());
            }
            "otelSpanID" => {
                self.id(value, |ids, id| ids.span_id = id);
                return Ok(());
            }
            "otelTraceSampled" | "otelServiceName" => return Ok(()),
            "otel.event.name" => {
                if let Ok(event) = value.cast::<PyString>() {
                    let event = text::read(event, 256, &mut self.bench.builder);
                    let event = text::callers_name(&event, &mut self.bench.builder);
                    self.bench.builder.event_name(&event);
                    return Ok(());
                }
            }
            internal if internal.starts_with('_') && STRUCTLOG_INTERNAL.contains(&internal) => return Ok(()),
            _ => {}
        }
        if let Some(names) = &mut self.names {
            names.push(name.clone());
        }
        self.reader.attribute(&mut self.bench.builder, &text, value)
    }

    /// Every pair of a dict as an attribute of its own, but for the names in `but`.
    fn spread(&mut self, dict: &Bound<'py, PyDict>, but: &[&str]) -> PyResult<()> {
        self.is_spreading = true;
        let done = self.each(dict, but);
        self.is_spreading = false;
        done
    }

    fn each(&mut self, dict: &Bound<'py, PyDict>, but: &[&str]) -> PyResult<()> {
        // A snapshot: values run Python code while they are read.
        for (key, value) in pairs(dict, usize::MAX) {
            let is_left_out =
                key.cast::<PyString>().is_ok_and(|key| key.to_str().is_ok_and(|key| but.contains(&key)));
            if !is_left_out {
                self.one(&key, &value)?;
            }
        }
        Ok(())
    }

    fn id<const N: usize>(&mut self, value: &Bound<'py, PyAny>, set: impl FnOnce(&mut otel::Ids, [u8; N])) {
        if let Some(id) = otel::parse_hex(value) {
            set(self.ids.get_or_insert_default(), id);
        }
    }
}

/// A traceback that somebody rendered already (a record that was pickled, or passed a `QueueHandler`).
fn write_exc_text(bench: &mut Workbench, fields: &Fields<'_>, redaction: &Redaction) {
    if let Some(rendered) = fields.text(field::EXC_TEXT) {
        let room = bench.builder.room();
        let rendered = text::read(rendered, room, &mut bench.builder);
        // loguru leaves a lone line break here when there was no exception.
        if !rendered.trim().is_empty() {
            bench.builder.attribute("exception.stacktrace", Scalar::Str(&redaction.redact_text(&rendered)));
        }
    }
}

/// The record's own time; none if it is missing, not finite or before the epoch.
fn created(fields: &Fields<'_>) -> Option<u64> {
    let seconds = fields.created?;
    // i64 nanoseconds end in the year 2262; what lies beyond is a clock gone wrong.
    (seconds.is_finite() && (0.0..9.2e9).contains(&seconds)).then_some((seconds * 1e9) as u64)
}
