//! A `ReadableSpan` becomes a record.

use super::defaults::Silent;
use super::ids::{Context, NO_PARENT_FLAGS};
use super::members::Members;
use super::{Owner, children, numbers, origin, own, read, words, write_attributes};
use crate::capture::Workbench;
use crate::capture::record::{CaptureSettings, Captured};
use crate::capture::text;
use crate::capture::values::ValueReader;
use pyo3::prelude::*;
use std::borrow::Cow;
use telesink_core::clock;
use telesink_core::pipeline::{Pipeline, View};
use telesink_core::record::encode::{LinkHead, RecordBuilder, SpanHead, SpanStatus};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Signal, level};
use telesink_core::redact::Redaction;

/// Longest name that is read, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 1_024;

/// Longest description of a status that is read, in bytes.
const STATUS_BYTES_MAX: usize = 16 * 1024;

/// Kinds in OTLP: those of the SDK plus one.
const KIND_MAX: i64 = 5;

/// Captures a span and hands it to `offer`. Answers without calling it if no lane wants the span, or if only sampled
/// ones are asked for and it is none.
///
/// # Errors
/// Only what must reach the program: `KeyboardInterrupt`, `SystemExit` and their like, raised by a value.
pub(crate) fn capture_span<T>(
    bench: &mut Workbench,
    pipeline: &Pipeline,
    view: &View,
    settings: CaptureSettings,
    span: &Bound<'_, PyAny>,
    sampled_only: bool,
    offer: impl FnOnce(Captured<'_>) -> T,
) -> PyResult<Option<T>> {
    let span = &Owner::of(span);
    let context = match own!(span, "_context", "context")? {
        Some(context) => Some(Context::read(&context)?),
        None => None,
    };
    if sampled_only && !context.as_ref().is_some_and(|context| context.is_sampled) {
        return Ok(None);
    }
    let resource = own!(span, "_resource", "resource")?;
    let scope = own!(span, "_instrumentation_scope", "instrumentation_scope")?;
    let origin = origin::find(bench, pipeline, view, resource.as_ref(), scope.as_ref(), span.object.py())?;
    if !view.wants(level::ALWAYS, &origin.name) {
        return Ok(None);
    }
    let redaction = view.redaction();
    let builder = &mut bench.builder;
    builder.start_span(settings.record_bytes_max);
    let kind = bench.members.number(own!(span, "_kind", "kind")?.as_ref())?;
    let trace_state = match &context {
        Some(context) => context.trace_state(&mut bench.defaults.trace_state)?,
        None => String::new(),
    };
    write_head(builder, span, kind, &trace_state, redaction)?;
    let mut reader = ValueReader::exact(redaction).with_names(&mut bench.names);
    if origin.scope == 0 {
        builder.attribute("otel.scope.name", Scalar::Str(&origin.name));
    }
    write_attributes(builder, &mut reader, own!(span, "_attributes", "attributes")?.as_ref())?;
    let events = write_events(builder, &mut reader, own!(span, "_events", "events")?.as_ref(), redaction)?;
    let links = write_links(builder, &mut reader, own!(span, "_links", "links")?.as_ref())?;
    builder.dropped_children(events, links);
    if let Some(status) = own!(span, "_status", "status")? {
        write_status(builder, &mut bench.members, &mut bench.defaults.status, &status, redaction)?;
    }
    let observed = clock::unix_nano();
    let header = Header {
        signal: Signal::Span,
        severity: 0,
        flags: 0,
        time_unix_nano: numbers::unsigned(own!(span, "_start_time", "start_time")?.as_ref()),
        observed_unix_nano: observed,
        id: bench.ids.next_uuid7(observed, settings.generation),
        trace_id: context.as_ref().map_or([0; 16], |context| context.trace_id),
        span_id: context.as_ref().map_or([0; 8], |context| context.span_id),
        resource: origin.resource,
        scope: origin.scope,
        levelno: level::ALWAYS,
    };
    let record = bench.builder.finish_span(header);
    Ok(Some(offer(Captured { record, levelno: level::ALWAYS, logger: Cow::Borrowed(&origin.name) })))
}

fn write_head(
    builder: &mut RecordBuilder,
    span: &Owner<'_, '_>,
    kind: Option<i64>,
    trace_state: &str,
    redaction: &Redaction,
) -> PyResult<()> {
    let (parent_span_id, flags) = match own!(span, "_parent", "parent")? {
        Some(parent) => {
            let parent = Context::read(&parent)?;
            (parent.span_id, parent.flags())
        }
        None => ([0; 8], NO_PARENT_FLAGS),
    };
    let name = own!(span, "_name", "name")?;
    let name = words(name.as_ref(), NAME_BYTES_MAX, builder)?;
    builder.span_head(&SpanHead {
        name: &redaction.redact_text(&name),
        kind: kind.map_or(0, |kind| kind.saturating_add(1).clamp(0, KIND_MAX) as u8),
        parent_span_id,
        trace_state,
        end_unix_nano: numbers::unsigned(own!(span, "_end_time", "end_time")?.as_ref()),
        flags,
    });
    Ok(())
}

/// Answers how many events are missing, here or where the span comes from.
fn write_events(
    builder: &mut RecordBuilder,
    reader: &mut ValueReader<'_>,
    events: Option<&Bound<'_, PyAny>>,
    redaction: &Redaction,
) -> PyResult<u32> {
    let (events, mut dropped) = children(events)?;
    for event in events {
        let time = numbers::unsigned(read!(&event, "_timestamp", "timestamp")?.as_ref());
        let name = read!(&event, "_name", "name")?;
        let name = words(name.as_ref(), NAME_BYTES_MAX, builder)?;
        let name = text::callers_name(&name, builder);
        if builder.open_event(time, &redaction.redact_text(&name)) {
            write_attributes(builder, reader, read!(&event, "_attributes", "attributes")?.as_ref())?;
            builder.close_child();
        } else {
            dropped = dropped.saturating_add(1);
        }
    }
    Ok(dropped)
}

fn write_links(
    builder: &mut RecordBuilder,
    reader: &mut ValueReader<'_>,
    links: Option<&Bound<'_, PyAny>>,
) -> PyResult<u32> {
    let (links, mut dropped) = children(links)?;
    for link in links {
        let Some(context) = read!(&link, "_context", "context")? else { continue };
        let context = Context::read(&context)?;
        // The SDK's own exporter sends no trace state of a link.
        let head = LinkHead {
            trace_id: context.trace_id,
            span_id: context.span_id,
            trace_state: "",
            flags: context.flags(),
        };
        if builder.open_link(&head) {
            write_attributes(builder, reader, read!(&link, "_attributes", "attributes")?.as_ref())?;
            builder.close_child();
        } else {
            dropped = dropped.saturating_add(1);
        }
    }
    Ok(dropped)
}

fn write_status(
    builder: &mut RecordBuilder,
    members: &mut Members,
    unset: &mut Silent,
    status: &Bound<'_, PyAny>,
    redaction: &Redaction,
) -> PyResult<()> {
    if unset.is(status) {
        builder.span_status(SpanStatus { code: 0, message: "" });
        return Ok(());
    }
    let code = members.number(read!(status, "_status_code", "status_code")?.as_ref())?;
    let message = read!(status, "_description", "description")?;
    let message = words(message.as_ref(), STATUS_BYTES_MAX, builder)?;
    let message = redaction.redact_text(&message);
    let code = code.unwrap_or(0).clamp(0, 2) as u8;
    builder.span_status(SpanStatus { code, message: &message });
    if code == 0 && message.is_empty() {
        unset.remember(status);
    }
    Ok(())
}
