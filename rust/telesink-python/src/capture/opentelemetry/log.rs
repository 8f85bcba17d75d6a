//! A `ReadWriteLogRecord` or `ReadableLogRecord` becomes a record.

use super::{Owner, ids, numbers, origin, own, read, words, write_attributes};
use crate::capture::Workbench;
use crate::capture::record::{CaptureSettings, Captured, level_flags};
use crate::capture::text;
use crate::capture::values::ValueReader;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::borrow::Cow;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::value::{Scalar, put_scalar};
use telesink_core::record::{Header, Signal, level};
use telesink_core::redact::Redaction;

/// Tag of `LogRecord.body`.
const BODY_TAG: u8 = 0x2a;

/// Longest severity text or event name that is read, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// OTLP's highest severity.
const SEVERITY_MAX: i64 = 24;

/// What lanes filter a record by that has no severity: events have none, and are meant to be kept.
const LEVEL_DEFAULT: i32 = 20;

/// Captures a log record and hands it to `offer`. Answers without calling it if no lane wants the record.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(crate) fn capture_otel_log<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    readable: &Bound<'_, PyAny>,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Option<T>> {
    let log = read!(readable, "log_record", "log_record")?.unwrap_or_else(|| readable.clone());
    let log = &Owner::of(&log);
    let scope = read!(readable, "instrumentation_scope", "instrumentation_scope")?;
    let resource = read!(readable, "resource", "resource")?;
    let origin = origin::find(bench, pipeline, view, resource.as_ref(), scope.as_ref(), readable.py())?;
    let severity = bench.members.number(own!(log, "severity_number", "severity_number")?.as_ref())?;
    let severity = severity.unwrap_or(0).clamp(0, SEVERITY_MAX) as u8;
    let levelno = if severity == 0 { LEVEL_DEFAULT } else { level::levelno_of(severity) };
    if !view.wants(levelno, &origin.name) {
        return Ok(None);
    }
    let redaction = view.redaction();
    let builder = &mut bench.builder;
    builder.start(settings.record_bytes_max);
    let severity_text = own!(log, "severity_text", "severity_text")?;
    let severity_text = words(severity_text.as_ref(), NAME_BYTES_MAX, builder)?;
    builder.severity(severity, &severity_text);
    write_name(builder, log)?;
    let mut reader = ValueReader::exact(redaction).with_names(&mut bench.names);
    write_body(builder, &mut reader, own!(log, "body", "body")?.as_ref(), redaction)?;
    if origin.scope == 0 {
        builder.attribute("logger.name", Scalar::Str(&origin.name));
    }
    write_attributes(builder, &mut reader, own!(log, "attributes", "attributes")?.as_ref())?;
    let header = header(bench, settings, log, &origin, levelno, severity)?;
    let (time, observed) = times(log)?;
    let record = bench.builder.finish_with_times(header, time, observed, &[]);
    Ok(Some(offer(Captured { record, levelno, logger: Cow::Borrowed(&origin.name) })))
}

fn header(
    bench: &mut Workbench,
    settings: CaptureSettings,
    log: &Owner<'_, '_>,
    origin: &origin::Origin,
    levelno: i32,
    severity: u8,
) -> PyResult<Header> {
    let flags = numbers::unsigned(own!(log, "trace_flags", "trace_flags")?.as_ref());
    if flags != 0 {
        bench.builder.trace_flags(flags as u32);
    }
    let now = clock::unix_nano();
    let (time, observed) = times(log)?;
    let observed = if observed == 0 { now } else { observed };
    Ok(Header {
        signal: Signal::Log,
        severity,
        flags: level_flags(levelno, settings),
        time_unix_nano: if time == 0 { observed } else { time },
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(now, settings.generation),
        trace_id: ids::trace_id(own!(log, "trace_id", "trace_id")?.as_ref()),
        span_id: ids::span_id(own!(log, "span_id", "span_id")?.as_ref()),
        resource: origin.resource,
        scope: origin.scope,
        levelno,
    })
}

/// When it happened and when it was seen; 0 for what nobody knows.
fn times(log: &Owner<'_, '_>) -> PyResult<(u64, u64)> {
    let time = numbers::unsigned(own!(log, "timestamp", "timestamp")?.as_ref());
    let observed = numbers::unsigned(own!(log, "observed_timestamp", "observed_timestamp")?.as_ref());
    Ok((time, observed))
}

fn write_name(builder: &mut RecordBuilder, log: &Owner<'_, '_>) -> PyResult<()> {
    let name = own!(log, "event_name", "event_name")?;
    let name = words(name.as_ref(), NAME_BYTES_MAX, builder)?;
    if !name.is_empty() {
        let name = text::callers_name(&name, builder);
        builder.event_name(&name);
    }
    Ok(())
}

/// A body of any kind; without one an empty value, as the SDK's own exporter sends it.
fn write_body(
    builder: &mut RecordBuilder,
    reader: &mut ValueReader<'_>,
    body: Option<&Bound<'_, PyAny>>,
    redaction: &Redaction,
) -> PyResult<()> {
    let Some(body) = body else {
        put_scalar(builder.buffer(), BODY_TAG, Scalar::Null);
        return Ok(());
    };
    match body.cast::<PyString>() {
        Ok(body) => {
            let room = builder.room();
            let body = text::read(body, room, builder);
            builder.body(&redaction.redact_text(&body));
            Ok(())
        }
        Err(_) => reader.value(builder, BODY_TAG, body),
    }
}
