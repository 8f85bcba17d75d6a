//! A value in the form that a column takes: cut, converted or left out, and whether that was a mending.

use super::column::{Bound, Kind};
use super::fields::{Cell, Fields};
use super::map::{Source, TableMap};
use crate::record::id::{format_uuid, parse_uuid};
use crate::record::value::{Value, list};
use crate::record::{iso, json};
use std::borrow::Cow;

/// A value as a column takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fitted<'a> {
    /// None.
    Null,
    /// Text without NUL.
    Text(Cow<'a, str>),
    /// A whole number that the column can hold.
    Integer(i64),
    /// A number.
    Double(f64),
    /// The digits of a decimal number.
    Numeric(String),
    /// Yes or no.
    Bool(bool),
    /// Microseconds since the Unix epoch.
    Micros(i64),
    /// A UUID.
    Uuid([u8; 16]),
    /// JSON text.
    Json(Cow<'a, str>),
    /// What is to be written as JSON.
    Value(Value<'a>),
    /// Texts.
    List(Vec<String>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The codes of what telesink itself refuses, before the table sees it.
pub(crate) const UNFIT_CODES: [&str; 2] = ["required", "not_null"];

/// Why a record cannot stand in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// For programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) text: String,
}

/// The value of a column for a record, and whether it had to be mended.
pub(crate) fn fit<'a>(
    fields: &Fields<'a>,
    table: &TableMap,
    bound: &'a Bound,
) -> Result<(Fitted<'a>, bool), Unfit> {
    let Bound { column, kind, is_nullable } = bound;
    let kind = &match (kind, column.bits_max) {
        (Kind::Integer { bits }, Some(most)) => Kind::Integer { bits: (*bits).min(most) },
        // SQLite declares it as text.
        (Kind::Text { .. }, _) if column.is_json => Kind::Json { is_binary: false },
        (Kind::Text { characters_max: None }, _) => Kind::Text { characters_max: column.characters_max },
        (kind, _) => *kind,
    };
    let found = column.sources.iter().find_map(|source| fields.cell(source, table));
    // An id that is none: the record's own stands in its place.
    let mut is_mended = column.sources.contains(&Source::EventId)
        && fields.attribute("id").is_some()
        && fields.given_id().is_none();
    let mut value = match found {
        Some(cell) => {
            let is_bad = column.is_uuid && !is_uuid(&cell);
            let made = if is_bad { None } else { convert(cell, *kind, &mut is_mended) };
            is_mended |= made.is_none();
            made
        }
        None => None,
    };
    if value.is_none()
        && let Some(default) = &column.default
    {
        value = match kind {
            // Written as JSON where it can be read as such.
            Kind::Json { .. } if serde_json::from_str::<serde_json::Value>(default).is_ok() => {
                Some(Fitted::Json(Cow::Borrowed(default)))
            }
            _ => convert(Cell::Text(Cow::Borrowed(default)), *kind, &mut false),
        };
    }
    if value.is_none() && column.is_required {
        let text = format!("column `{}` is required, and the record has nothing for it", column.name);
        return Err(Unfit { code: UNFIT_CODES[0], text });
    }
    match value {
        Some(value) => Ok((value, is_mended)),
        None if *is_nullable => Ok((Fitted::Null, is_mended)),
        None => nothing(*kind).map(|value| (value, is_mended)).ok_or_else(|| Unfit {
            code: UNFIT_CODES[1],
            text: format!("column `{}` cannot be NULL, and the record has nothing for it", column.name),
        }),
    }
}

/// What stands for nothing where NULL cannot.
fn nothing(kind: Kind) -> Option<Fitted<'static>> {
    match kind {
        Kind::Text { .. } => Some(Fitted::Text(Cow::Borrowed(""))),
        Kind::Json { .. } => Some(Fitted::Json(Cow::Borrowed("null"))),
        Kind::TextList => Some(Fitted::List(Vec::new())),
        _ => None,
    }
}

fn is_uuid(cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Uuid(_) => true,
        Cell::Text(text) => parse_uuid(text).is_some(),
        Cell::Value(value) => value.as_str().and_then(parse_uuid).is_some(),
        Cell::Time(_) | Cell::Json(_) => false,
    }
}

fn convert<'a>(cell: Cell<'a>, kind: Kind, is_mended: &mut bool) -> Option<Fitted<'a>> {
    match kind {
        Kind::Text { characters_max } => {
            let text = without_nul(text_of(cell), is_mended);
            Some(Fitted::Text(cut(text, characters_max, is_mended)))
        }
        Kind::Json { .. } => Some(match cell {
            Cell::Value(value) => Fitted::Value(value),
            other => Fitted::Json(json_of(other)),
        }),
        Kind::Uuid => match cell {
            Cell::Uuid(id) => Some(Fitted::Uuid(id)),
            other => parse_uuid(&text_of(other)).map(Fitted::Uuid),
        },
        Kind::Bool => truth(&cell).map(Fitted::Bool),
        Kind::Integer { bits } => integer(&cell).map(|number| {
            let (least, most) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
            *is_mended |= number < least || number > most;
            Fitted::Integer(number.clamp(least, most))
        }),
        Kind::Double { .. } => double(&cell).map(Fitted::Double),
        Kind::Numeric => numeric(&cell).map(Fitted::Numeric),
        Kind::Time => micros(&cell).map(Fitted::Micros),
        Kind::Seconds => micros(&cell).map(|micros| Fitted::Double(micros as f64 / 1e6)),
        Kind::TimeText => {
            let micros = micros(&cell)?;
            let nanos = u64::try_from(micros).ok()?.checked_mul(1_000)?;
            let mut text = Vec::with_capacity(30);
            iso::write_utc_micros(&mut text, nanos);
            Some(Fitted::Text(Cow::Owned(String::from_utf8(text).unwrap_or_default())))
        }
        Kind::TextList => Some(Fitted::List(texts(cell, is_mended))),
        Kind::Bytes => match cell {
            Cell::Value(Value::Bytes(bytes)) => Some(Fitted::Bytes(bytes)),
            Cell::Value(Value::Str(text)) => Some(Fitted::Bytes(text.as_bytes())),
            _ => None,
        },
    }
}

/// The value as text: containers as JSON.
fn text_of(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Text(text) => text,
        Cell::Value(Value::Str(text)) => Cow::Borrowed(text),
        Cell::Value(value) => Cow::Owned(json_text(value)),
        Cell::Time(nanos) => Cow::Owned(iso::text(nanos)),
        Cell::Uuid(id) => {
            let mut buffer = [0; 36];
            format_uuid(&id, &mut buffer);
            Cow::Owned(String::from_utf8_lossy(&buffer).into_owned())
        }
        Cell::Json(text) => Cow::Owned(text),
    }
}

fn json_of(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Json(text) => Cow::Owned(text),
        other => {
            let mut out = Vec::new();
            json::write_str(&mut out, &text_of(other));
            Cow::Owned(String::from_utf8(out).unwrap_or_default())
        }
    }
}

fn json_text(value: Value<'_>) -> String {
    let mut out = Vec::new();
    json::write_value(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

/// No database holds a NUL in text; capture takes it out of all but names.
fn without_nul<'a>(text: Cow<'a, str>, is_mended: &mut bool) -> Cow<'a, str> {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        return text;
    }
    *is_mended = true;
    Cow::Owned(text.replace('\0', "\u{2400}"))
}

/// The text, cut to so many characters.
fn cut<'a>(text: Cow<'a, str>, characters_max: Option<usize>, is_mended: &mut bool) -> Cow<'a, str> {
    let Some(most) = characters_max.filter(|most| text.len() > *most) else { return text };
    let Some((end, _)) = text.char_indices().nth(most) else { return text };
    *is_mended = true;
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn truth(cell: &Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Value(Value::Bool(truth)) => Some(*truth),
        Cell::Value(Value::Int(number)) => Some(*number != 0),
        Cell::Value(Value::Str(text)) => word_of_truth(text),
        Cell::Text(text) => word_of_truth(text),
        _ => None,
    }
}

fn word_of_truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn integer(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Value(Value::Int(number)) => Some(*number),
        Cell::Value(Value::Bool(truth)) => Some(i64::from(*truth)),
        // Saturates; a fraction of a millisecond is none.
        Cell::Value(Value::Double(number)) if number.is_finite() => Some(number.round() as i64),
        Cell::Value(Value::Str(text)) => text.trim().parse().ok(),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Time(nanos) => Some((nanos / 1_000_000_000) as i64),
        _ => None,
    }
}

fn double(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Value(Value::Double(number)) => Some(*number),
        Cell::Value(Value::Int(number)) => Some(*number as f64),
        Cell::Value(Value::Bool(truth)) => Some(f64::from(u8::from(*truth))),
        Cell::Value(Value::Str(text)) => text.trim().parse().ok(),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Time(nanos) => Some(*nanos as f64 / 1e9),
        _ => None,
    }
}

fn numeric(cell: &Cell<'_>) -> Option<String> {
    let text = match cell {
        Cell::Value(Value::Double(number)) if number.is_finite() => format!("{number}"),
        Cell::Value(Value::Int(number)) => number.to_string(),
        Cell::Value(Value::Str(text)) => text.trim().to_owned(),
        Cell::Text(text) => text.trim().to_owned(),
        _ => return None,
    };
    super::numeric::digits(&text).map(|_| text)
}

fn micros(cell: &Cell<'_>) -> Option<i64> {
    let nanos = match cell {
        Cell::Time(nanos) => *nanos,
        Cell::Value(Value::Str(text)) => iso::unix_nano(text)?,
        Cell::Text(text) => iso::unix_nano(text)?,
        Cell::Value(Value::Int(nanos)) => u64::try_from(*nanos).ok()?,
        _ => return None,
    };
    Some((nanos / 1_000) as i64)
}

fn texts(cell: Cell<'_>, is_mended: &mut bool) -> Vec<String> {
    match cell {
        Cell::Value(Value::List(inner)) => list(inner)
            .map(|value| without_nul(text_of(Cell::Value(value)), is_mended).into_owned())
            .collect(),
        other => vec![without_nul(text_of(other), is_mended).into_owned()],
    }
}
