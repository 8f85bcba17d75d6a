//! Spans of `telesink.span`, for programs without the SDK.

use super::span::NAME_BYTES_MAX;
use super::{ids, words, write_attributes};
use crate::capture::Workbench;
use crate::capture::record::{CaptureSettings, Captured};
use crate::capture::text;
use crate::capture::values::ValueReader;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::borrow::Cow;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::{SpanHead, SpanStatus};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Signal, level};

/// OTLP's kind of a span that is neither end of a call.
const INTERNAL: u8 = 1;

/// OTLP's status of a span that failed.
const ERROR: u8 = 2;

/// A finished span, as Python hands it over.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct OwnSpan<'py> {
    name: Bound<'py, PyAny>,
    scope: String,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_span_id: [u8; 8],
    start_unix_nano: u64,
    end_unix_nano: u64,
    /// Why it failed, if it did.
    error: Option<Bound<'py, PyString>>,
    attributes: Bound<'py, PyDict>,
    events: Vec<(Bound<'py, PyAny>, u64, Bound<'py, PyDict>)>,
}

/// Captures a span of telesink's own and hands it to `offer`. Answers without calling it if no lane wants the span.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(crate) fn capture_own_span<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    span: &OwnSpan<'_>,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Option<T>> {
    if !view.wants(level::ALWAYS, &span.scope) {
        return Ok(None);
    }
    let scope = bench.scope(pipeline, &span.scope);
    let redaction = view.redaction();
    let builder = &mut bench.builder;
    builder.start_span(settings.record_bytes_max);
    let name = words(Some(&span.name), NAME_BYTES_MAX, builder)?;
    builder.span_head(&SpanHead {
        name: &redaction.redact_text(&name),
        kind: INTERNAL,
        parent_span_id: span.parent_span_id,
        trace_state: "",
        end_unix_nano: span.end_unix_nano,
        flags: ids::NO_PARENT_FLAGS,
    });
    let mut reader = ValueReader::new(redaction).with_names(&mut bench.names);
    if scope == 0 {
        builder.attribute("otel.scope.name", Scalar::Str(&span.scope));
    }
    write_attributes(builder, &mut reader, Some(span.attributes.as_any()))?;
    let mut dropped = 0;
    for (name, time, attributes) in &span.events {
        let name = words(Some(name), NAME_BYTES_MAX, builder)?;
        let name = text::callers_name(&name, builder);
        if builder.open_event(*time, &redaction.redact_text(&name)) {
            write_attributes(builder, &mut reader, Some(attributes.as_any()))?;
            builder.close_child();
        } else {
            dropped += 1;
        }
    }
    builder.dropped_children(dropped, 0);
    let message = match &span.error {
        Some(error) => text::read(error, builder.room(), builder),
        None => Cow::Borrowed(""),
    };
    let code = if span.error.is_some() { ERROR } else { 0 };
    builder.span_status(SpanStatus { code, message: &redaction.redact_text(&message) });
    let observed = clock::unix_nano();
    let header = Header {
        signal: Signal::Span,
        severity: 0,
        flags: 0,
        time_unix_nano: span.start_unix_nano,
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(observed, settings.generation),
        trace_id: span.trace_id,
        span_id: span.span_id,
        resource: 0,
        scope,
        levelno: level::ALWAYS,
    };
    let record = bench.builder.finish_span(header);
    Ok(Some(offer(Captured { record, levelno: level::ALWAYS, logger: Cow::Borrowed(&span.scope) })))
}
