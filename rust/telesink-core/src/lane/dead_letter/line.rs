//! A refused record as a line of JSON: what was refused, why, and the exact bytes.

use super::{Verdict, clean_reason};
use crate::record::Signal;
use crate::record::id::format_uuid;
use crate::record::json::{
    write_attributes, write_base64, write_events, write_hex, write_links, write_object, write_str,
};
use crate::record::letter::first_place;
use crate::sinks::Entry;

/// The line of a record, with its end.
pub(super) fn line(entry: &Entry, verdict: &Verdict<'_>) -> Vec<u8> {
    let header = entry.record.header();
    let mut out = Vec::with_capacity(512);
    uuid(&mut out, "{\"id\":", &header.id);
    text(&mut out, ",\"sink\":", verdict.sink);
    text(&mut out, ",\"code\":", verdict.code);
    text(&mut out, ",\"reason\":", &clean_reason(verdict.reason));
    number(&mut out, ",\"refused_unix_nano\":", verdict.now_unix_nano);
    // One that was replayed and is refused again keeps the place whose hole it explains.
    let first = if header.signal == Signal::Log { first_place(&entry.log()) } else { None };
    let (instance, seq) = first.unwrap_or((*verdict.instance, entry.seq));
    uuid(&mut out, ",\"instance\":", &instance);
    number(&mut out, ",\"seq\":", seq);
    out.extend_from_slice(b",\"resource\":");
    out.extend_from_slice(verdict.resource.as_bytes());
    match header.signal {
        Signal::Log => {}
        Signal::Span => text(&mut out, ",\"signal\":", "span"),
        Signal::Metric => text(&mut out, ",\"signal\":", "metric"),
    }
    number(&mut out, ",\"record\":{\"time_unix_nano\":", header.time_unix_nano);
    number(&mut out, ",\"observed_unix_nano\":", header.observed_unix_nano);
    match header.signal {
        Signal::Log => put_log(&mut out, entry, verdict.logger),
        Signal::Span => put_span(&mut out, entry, verdict.logger),
        Signal::Metric => put_metric(&mut out, entry, verdict.logger),
    }
    // The exact bytes as well: offering the record again must not depend on what JSON can hold.
    out.extend_from_slice(b"},\"otlp\":");
    write_base64(&mut out, &entry.message().concat());
    out.extend_from_slice(b"}\n");
    out
}

fn put_log(out: &mut Vec<u8>, entry: &Entry, logger: &str) {
    let view = entry.log();
    number(out, ",\"severity\":", u64::from(view.header.severity));
    text(out, ",\"level\":", view.level());
    text(out, ",\"logger\":", logger);
    text(out, ",\"body\":", &view.message());
    hex(out, ",\"trace_id\":\"", &view.header.trace_id);
    hex(out, ",\"span_id\":\"", &view.header.span_id);
    out.extend_from_slice(b",\"attributes\":");
    write_attributes(out, &view);
}

fn put_span(out: &mut Vec<u8>, entry: &Entry, tracer: &str) {
    let view = entry.span();
    number(out, ",\"end_unix_nano\":", view.end_unix_nano);
    text(out, ",\"logger\":", tracer);
    text(out, ",\"name\":", view.name);
    number(out, ",\"kind\":", u64::from(view.kind));
    number(out, ",\"status\":", u64::from(view.status_code));
    text(out, ",\"status_message\":", view.status_message);
    hex(out, ",\"trace_id\":\"", &view.header.trace_id);
    hex(out, ",\"span_id\":\"", &view.header.span_id);
    hex(out, ",\"parent_span_id\":\"", &view.parent_span_id);
    out.extend_from_slice(b",\"attributes\":");
    write_object(out, view.attributes());
    for (key, write) in
        [(",\"events\":", write_events as fn(&mut Vec<u8>, &_) -> bool), (",\"links\":", write_links)]
    {
        let before = out.len();
        out.extend_from_slice(key.as_bytes());
        if !write(out, &view) {
            out.truncate(before);
        }
    }
}

fn put_metric(out: &mut Vec<u8>, entry: &Entry, meter: &str) {
    let view = entry.metric();
    text(out, ",\"logger\":", meter);
    text(out, ",\"name\":", view.name);
    text(out, ",\"unit\":", view.unit);
    number(out, ",\"kind\":", view.data as u64);
    number(out, ",\"points\":", view.points().count() as u64);
}

fn text(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    write_str(out, value);
}

fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn uuid(out: &mut Vec<u8>, key: &str, id: &[u8; 16]) {
    let mut buffer = [0; 36];
    format_uuid(id, &mut buffer);
    text(out, key, std::str::from_utf8(&buffer).unwrap_or_default());
}

/// An id, unless it is all zero.
fn hex(out: &mut Vec<u8>, key: &str, id: &[u8]) {
    if id.iter().any(|byte| *byte != 0) {
        out.extend_from_slice(key.as_bytes());
        write_hex(out, id);
        out.push(b'"');
    }
}
