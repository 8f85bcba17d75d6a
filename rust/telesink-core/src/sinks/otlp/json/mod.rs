//! OTLP's JSON, made from the protobuf bytes of the records by tables of their fields.
//!
//! The rules are those of the OTLP specification: names in lower camel case, ids in hex, 64-bit numbers as text, enums
//! as numbers, doubles that JSON cannot hold by their names.

mod fields;

use crate::record::Signal;
use crate::record::json::{write_base64, write_hex, write_str};
use crate::record::wire::{Fields, Wire};
use fields::{Field, Kind, LOG_RECORD, METRIC, Message, RESOURCE, SCOPE, SPAN};
use std::io::Write;

/// Deepest nesting that is followed; capture goes no deeper than 64 containers, each of which is three messages.
const DEPTH_MAX: usize = 256;

/// What the lists of a request are called.
pub(super) struct Names {
    pub(super) resources: &'static [u8],
    pub(super) scopes: &'static [u8],
    pub(super) records: &'static [u8],
}

impl Names {
    pub(super) fn of(signal: Signal) -> Self {
        match signal {
            Signal::Log => Self { resources: b"resourceLogs", scopes: b"scopeLogs", records: b"logRecords" },
            Signal::Span => Self { resources: b"resourceSpans", scopes: b"scopeSpans", records: b"spans" },
            Signal::Metric => {
                Self { resources: b"resourceMetrics", scopes: b"scopeMetrics", records: b"metrics" }
            }
        }
    }
}

/// Writes a record whose message stands in two parts.
pub(super) fn write_record(out: &mut Vec<u8>, signal: Signal, parts: [&[u8]; 2]) {
    let message = match signal {
        Signal::Log => LOG_RECORD,
        Signal::Span => SPAN,
        Signal::Metric => METRIC,
    };
    write_message(out, message, parts, 0);
}

pub(super) fn write_resource(out: &mut Vec<u8>, bytes: &[u8]) {
    write_message(out, RESOURCE, [bytes, &[]], 0);
}

pub(super) fn write_scope(out: &mut Vec<u8>, bytes: &[u8]) {
    write_message(out, SCOPE, [bytes, &[]], 0);
}

/// Writes the last field of a group, if there is anything in it.
pub(super) fn write_schema_url(out: &mut Vec<u8>, url: &str) {
    if !url.is_empty() {
        out.extend_from_slice(b",\"schemaUrl\":");
        write_str(out, url);
    }
}

/// Separates the elements of a list.
pub(super) fn comma(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}

/// Writes the fields in the order of the table. One that stands there twice without being a list counts as protobuf
/// says: the last one.
fn write_message(out: &mut Vec<u8>, message: Message, parts: [&[u8]; 2], depth: usize) {
    out.push(b'{');
    if depth < DEPTH_MAX {
        let mut written = 0;
        for field in message {
            written += usize::from(write_field(out, field, parts, written, depth));
        }
    }
    out.push(b'}');
}

/// Answers whether there was anything to write.
fn write_field(out: &mut Vec<u8>, field: &Field, parts: [&[u8]; 2], written: usize, depth: usize) -> bool {
    let found = || {
        let all = parts.into_iter().flat_map(Fields::new);
        all.filter(|(number, _)| *number == field.number).map(|(_, wire)| wire)
    };
    if field.is_list {
        let mut values = found().peekable();
        if values.peek().is_none() {
            return false;
        }
        write_name(out, field, written);
        out.push(b'[');
        let mut count = 0;
        for value in values {
            write_elements(out, field, value, &mut count, depth);
        }
        out.push(b']');
        return true;
    }
    let Some(value) = found().last() else { return false };
    write_name(out, field, written);
    write_value(out, field.kind, value, depth);
    true
}

fn write_name(out: &mut Vec<u8>, field: &Field, written: usize) {
    comma(out, written);
    out.push(b'"');
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Writes an element of a list, or a packed run of them.
fn write_elements(out: &mut Vec<u8>, field: &Field, value: Wire<'_>, count: &mut usize, depth: usize) {
    let Wire::Bytes(packed) = value else {
        comma(out, *count);
        *count += 1;
        write_value(out, field.kind, value, depth);
        return;
    };
    if !field.kind.is_packed() {
        comma(out, *count);
        *count += 1;
        write_value(out, field.kind, value, depth);
        return;
    }
    if field.kind.is_varint() {
        // Read as fields would need a tag before each.
        let mut rest = packed;
        while let Some((number, behind)) = read_varint(rest) {
            comma(out, *count);
            *count += 1;
            write_value(out, field.kind, Wire::Varint(number), depth);
            rest = behind;
        }
        return;
    }
    for chunk in packed.as_chunks::<8>().0 {
        comma(out, *count);
        *count += 1;
        write_value(out, field.kind, Wire::Fixed64(u64::from_le_bytes(*chunk)), depth);
    }
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn write_value(out: &mut Vec<u8>, kind: Kind, value: Wire<'_>, depth: usize) {
    match (kind, value) {
        (Kind::Text, Wire::Bytes(bytes)) => write_str(out, &String::from_utf8_lossy(bytes)),
        (Kind::Hex, Wire::Bytes(bytes)) => {
            out.push(b'"');
            write_hex(out, bytes);
            out.push(b'"');
        }
        (Kind::Base64, Wire::Bytes(bytes)) => write_base64(out, bytes),
        (Kind::Of(message), Wire::Bytes(bytes)) => write_message(out, message(), [bytes, &[]], depth + 1),
        (Kind::Bool, Wire::Varint(number)) => {
            out.extend_from_slice(if number == 0 { b"false" } else { b"true" });
        }
        (Kind::Number, Wire::Varint(number)) => write_number(out, number as u32, ""),
        (Kind::Number, Wire::Fixed32(number)) => write_number(out, number, ""),
        // Zigzag: sint32.
        (Kind::Signed, Wire::Varint(number)) => {
            write_number(out, (number >> 1) as i32 ^ -((number & 1) as i32), "");
        }
        (Kind::Varint64, Wire::Varint(number)) | (Kind::Fixed64, Wire::Fixed64(number)) => {
            write_number(out, number, "\"");
        }
        (Kind::Int64, Wire::Varint(number)) | (Kind::SignedFixed64, Wire::Fixed64(number)) => {
            write_number(out, number as i64, "\"");
        }
        (Kind::Double, Wire::Fixed64(bits)) => write_double(out, f64::from_bits(bits)),
        // Not the wire type of the field: nothing that telesink has written.
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_number(out: &mut Vec<u8>, number: impl std::fmt::Display, quote: &str) {
    // Memory takes every write.
    let _ = write!(out, "{quote}{number}{quote}");
}

fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else {
        out.extend_from_slice(if number > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
}
