//! A dead letter becomes a record again. The file may come from anywhere, so that nothing in it is taken for granted:
//! sinks read records without looking twice.

use super::encode::ATTRIBUTE_TAG;
use super::id::{format_uuid, parse_uuid};
use super::level;
use super::value::{Scalar, Value, pair, put_pair};
use super::view::{ATTRIBUTES, LogView};
use super::wire::{Fields, Wire};
use super::{HEADER_BYTES, Header, Record, Signal};

/// Longest letter: twice the longest record, because the text of an exception is added to it on its way.
pub const BYTES_MAX: usize = 128 << 20;

/// Deepest nesting of values: protobuf's own limit for messages. Capture stops at 64.
const DEPTH_MAX: usize = 100;

/// Under which names a replayed record keeps where it once stood.
pub const ORIGINAL_INSTANCE: &str = "telesink.original_instance";
/// See [`ORIGINAL_INSTANCE`].
pub const ORIGINAL_SEQ: &str = "telesink.original_seq";

const NO_FIRST_PLACE: &str = "where it stood first is malformed";

/// What a line of the file says beside the message.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The OTLP `LogRecord`.
    pub otlp: &'a [u8],
    /// The record's id, which it keeps.
    pub id: [u8; 16],
    /// Which pipeline numbered it.
    pub instance: [u8; 16],
    /// Its number there.
    pub seq: u64,
    /// Its time, by which it is looked for before it is stored.
    pub time_unix_nano: u64,
}

/// Where a record stood first: its pipeline and its number there. None for one that was never replayed.
pub fn first_place(view: &LogView<'_>) -> Option<([u8; 16], u64)> {
    let Some(Value::Str(instance)) = view.attribute(ORIGINAL_INSTANCE) else { return None };
    let Some(Value::Int(seq)) = view.attribute(ORIGINAL_SEQ) else { return None };
    Some((parse_uuid(instance)?, u64::try_from(seq).ok()?))
}

/// Reads a letter. The record has the id, the times and the contents that it had; where it stood is added as two
/// attributes, unless it was replayed before. `scope` is the index of its logger; `logger` is kept as an attribute where
/// there is no index for it.
///
/// # Errors
/// Says what is wrong with it.
pub fn read(letter: &Letter<'_>, scope: u32, logger: &str) -> Result<Record, &'static str> {
    if letter.otlp.len() > BYTES_MAX {
        return Err("the record is longer than any that telesink makes");
    }
    let mut header = Header {
        signal: Signal::Log,
        severity: 0,
        flags: 0,
        time_unix_nano: 0,
        observed_unix_nano: 0,
        id: letter.id,
        trace_id: [0; 16],
        span_id: [0; 8],
        resource: 0,
        scope,
        levelno: 0,
    };
    let is_replayed = check(letter.otlp, &mut header)?;
    // It is looked for by the time of its line; another one would store it a second time.
    if header.time_unix_nano != letter.time_unix_nano {
        return Err("its line says another time than the record");
    }
    header.levelno = level::levelno_of(header.severity);
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(letter.otlp);
    if !is_replayed {
        let mut instance = [0; 36];
        format_uuid(&letter.instance, &mut instance);
        let instance = Scalar::Str(std::str::from_utf8(&instance).unwrap_or_default());
        put_pair(&mut bytes, ATTRIBUTE_TAG, ORIGINAL_INSTANCE, instance);
        put_pair(&mut bytes, ATTRIBUTE_TAG, ORIGINAL_SEQ, Scalar::Int(letter.seq as i64));
    }
    if scope == 0 {
        put_pair(&mut bytes, ATTRIBUTE_TAG, "logger.name", Scalar::Str(logger));
    }
    let body_len = (bytes.len() - HEADER_BYTES) as u32;
    header.write(body_len, &mut bytes[..HEADER_BYTES]);
    Ok(Record::from_encoded(&bytes))
}

/// Walks the whole message and fills the header. Answers whether it was replayed before.
fn check(message: &[u8], header: &mut Header) -> Result<bool, &'static str> {
    let (mut has_instance, mut has_seq) = (false, false);
    let (mut has_time, mut has_body) = (false, false);
    let mut fields = Fields::new(message);
    for (number, wire) in fields.by_ref() {
        match (number, wire) {
            (1, Wire::Fixed64(time)) => {
                header.time_unix_nano = check_time(time)?;
                has_time = true;
            }
            (2, Wire::Varint(severity)) => {
                header.severity = u8::try_from(severity)
                    .ok()
                    .filter(|number| *number <= 24)
                    .ok_or("its severity is past 24")?;
            }
            (3 | 12, Wire::Bytes(bytes)) => check_text(bytes)?,
            (5, Wire::Bytes(value)) => {
                check_value(value, 0)?;
                has_body = true;
            }
            (ATTRIBUTES, Wire::Bytes(bytes)) => {
                check_pair(bytes, 0)?;
                match pair(bytes) {
                    (ORIGINAL_INSTANCE, Value::Str(instance)) if parse_uuid(instance).is_some() => {
                        has_instance = true;
                    }
                    (ORIGINAL_SEQ, Value::Int(0..)) => has_seq = true,
                    (ORIGINAL_INSTANCE | ORIGINAL_SEQ, _) => return Err(NO_FIRST_PLACE),
                    _ => {}
                }
            }
            (9, Wire::Bytes(id)) => {
                header.trace_id = id.try_into().map_err(|_| "its trace id has no 16 bytes")?;
            }
            (10, Wire::Bytes(id)) => {
                header.span_id = id.try_into().map_err(|_| "its span id has no 8 bytes")?;
            }
            (11, Wire::Fixed64(time)) => header.observed_unix_nano = check_time(time)?,
            (1..=3 | 5 | ATTRIBUTES | 9..=12, _) => return Err("a field has another type than in OTLP"),
            // Counts, flags, and whatever OTLP will have: nobody looks at it.
            _ => {}
        }
    }
    if !fields.is_at_end() {
        return Err("the message is cut or malformed");
    }
    if !has_time || !has_body {
        return Err("it has no time or no body");
    }
    if has_instance == has_seq { Ok(has_seq) } else { Err(NO_FIRST_PLACE) }
}

/// Tables hold nanoseconds in 63 bits.
fn check_time(time: u64) -> Result<u64, &'static str> {
    if i64::try_from(time).is_ok() { Ok(time) } else { Err("its time is past 2262") }
}

fn check_text(bytes: &[u8]) -> Result<(), &'static str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err("a text holds NUL"),
        Ok(_) => Ok(()),
        Err(_) => Err("a text is no UTF-8"),
    }
}

fn check_value(message: &[u8], depth: usize) -> Result<(), &'static str> {
    if depth > DEPTH_MAX {
        return Err("its values are nested too deep");
    }
    let mut fields = Fields::new(message);
    for (number, wire) in fields.by_ref() {
        match (number, wire) {
            (1, Wire::Bytes(text)) => check_text(text)?,
            (2 | 3, Wire::Varint(_)) | (4, Wire::Fixed64(_)) | (7, Wire::Bytes(_)) => {}
            (5, Wire::Bytes(list)) => check_each(list, |item| check_value(item, depth + 1))?,
            (6, Wire::Bytes(map)) => check_each(map, |item| check_pair(item, depth + 1))?,
            _ => return Err("a value is of no known kind"),
        }
    }
    if fields.is_at_end() { Ok(()) } else { Err("a value is cut or malformed") }
}

fn check_pair(message: &[u8], depth: usize) -> Result<(), &'static str> {
    let mut fields = Fields::new(message);
    for (number, wire) in fields.by_ref() {
        match (number, wire) {
            (1, Wire::Bytes(key)) => check_text(key)?,
            (2, Wire::Bytes(value)) => check_value(value, depth)?,
            _ => return Err("an attribute is malformed"),
        }
    }
    if fields.is_at_end() { Ok(()) } else { Err("an attribute is cut or malformed") }
}

/// The elements of a list or a map: field 1, nothing else.
fn check_each(message: &[u8], check: impl Fn(&[u8]) -> Result<(), &'static str>) -> Result<(), &'static str> {
    let mut fields = Fields::new(message);
    for (number, wire) in fields.by_ref() {
        match (number, wire) {
            (1, Wire::Bytes(item)) => check(item)?,
            _ => return Err("a list or a map is malformed"),
        }
    }
    if fields.is_at_end() { Ok(()) } else { Err("a list or a map is cut or malformed") }
}

#[cfg(test)]
mod tests;
