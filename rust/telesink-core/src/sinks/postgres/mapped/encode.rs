//! Rows of any table in the form that binary COPY takes.

use super::super::copy::{EPOCH_MICROS, HEADER, TRAILER, put, put_null, put_with};
use crate::record::json;
use crate::sinks::mapped::{Bound, Fields, Fitted, Kind, TableMap, Unfit, fit, numeric_digits};

pub(super) use super::super::copy::CHUNK_BYTES;

/// The number of the type `text`, which the elements of a list have.
const TEXT_OID: i32 = 25;

pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER);
}

pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&TRAILER);
}

/// Appends a row. Answers whether a value had to be mended.
pub(super) fn row(
    out: &mut Vec<u8>,
    fields: &Fields<'_>,
    table: &TableMap,
    columns: &[Bound],
) -> Result<bool, Unfit> {
    out.extend_from_slice(&(columns.len() as i16).to_be_bytes());
    let mut is_mended = false;
    for bound in columns {
        let (value, was_mended) = fit(fields, table, bound)?;
        is_mended |= was_mended;
        put_value(out, &value, bound.kind);
    }
    Ok(is_mended)
}

fn put_value(out: &mut Vec<u8>, value: &Fitted<'_>, kind: Kind) {
    match value {
        Fitted::Null => put_null(out),
        Fitted::Text(text) => put(out, text.as_bytes()),
        Fitted::Integer(number) => match kind {
            Kind::Integer { bits: 16 } => put(out, &(*number as i16).to_be_bytes()),
            Kind::Integer { bits: 32 } => put(out, &(*number as i32).to_be_bytes()),
            _ => put(out, &number.to_be_bytes()),
        },
        Fitted::Double(number) => match kind {
            Kind::Double { is_single: true } => put(out, &(*number as f32).to_be_bytes()),
            _ => put(out, &number.to_be_bytes()),
        },
        Fitted::Numeric(text) => put_numeric(out, text),
        Fitted::Bool(truth) => put(out, &[u8::from(*truth)]),
        Fitted::Micros(micros) => put(out, &(micros - EPOCH_MICROS).to_be_bytes()),
        Fitted::Uuid(id) => put(out, id),
        Fitted::Json(text) => put_json(out, kind, |out| out.extend_from_slice(text.as_bytes())),
        Fitted::Value(value) => put_json(out, kind, |out| json::write_value(out, *value)),
        Fitted::List(texts) => put_with(out, |out| {
            let dimensions = i32::from(!texts.is_empty());
            for number in [dimensions, 0, TEXT_OID] {
                out.extend_from_slice(&number.to_be_bytes());
            }
            if !texts.is_empty() {
                out.extend_from_slice(&(texts.len() as i32).to_be_bytes());
                out.extend_from_slice(&1_i32.to_be_bytes());
            }
            for text in texts {
                put(out, text.as_bytes());
            }
        }),
        Fitted::Bytes(bytes) => put(out, bytes),
    }
}

fn put_json(out: &mut Vec<u8>, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
    put_with(out, |out| {
        if matches!(kind, Kind::Json { is_binary: true }) {
            // Version of the binary form.
            out.push(1);
        }
        write(out);
    });
}

fn put_numeric(out: &mut Vec<u8>, text: &str) {
    const NEGATIVE: u16 = 0x4000;
    let Some(digits) = numeric_digits(text) else { return put_null(out) };
    put_with(out, |out| {
        out.extend_from_slice(&(digits.groups.len() as i16).to_be_bytes());
        out.extend_from_slice(&digits.weight.to_be_bytes());
        out.extend_from_slice(&(if digits.is_negative { NEGATIVE } else { 0 }).to_be_bytes());
        out.extend_from_slice(&digits.scale.to_be_bytes());
        for group in &digits.groups {
            out.extend_from_slice(&group.to_be_bytes());
        }
    });
}
