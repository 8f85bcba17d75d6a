//! Values of a row, bound to the statement that inserts it.

use super::super::failure::Failure;
use super::{Mapped, Stored};
use crate::record::id::format_uuid;
use crate::record::json;
use crate::sinks::mapped::{Fields, Fitted, TableMap, fit};
use rusqlite::Statement;
use rusqlite::types::Null;

/// Inserts a row.
pub(super) fn insert(
    insert: &mut Statement<'_>,
    fields: &Fields<'_>,
    table: &TableMap,
    mapped: &Mapped,
) -> Result<Stored, Failure> {
    let mut is_mended = false;
    for (index, bound) in mapped.bound.iter().enumerate() {
        let (value, was_mended) = fit(fields, table, bound)
            .map_err(|unfit| Failure::Unfit { code: unfit.code, text: unfit.text })?;
        is_mended |= was_mended;
        bind(insert, index + 1, &value)?;
    }
    let count = insert.raw_execute()?;
    Ok(Stored { is_mended, was_there: count == 0 })
}

fn bind(insert: &mut Statement<'_>, index: usize, value: &Fitted<'_>) -> Result<(), Failure> {
    match value {
        Fitted::Null => insert.raw_bind_parameter(index, Null)?,
        Fitted::Text(text) | Fitted::Json(text) => insert.raw_bind_parameter(index, text.as_ref())?,
        Fitted::Value(value) => {
            let mut out = Vec::new();
            json::write_value(&mut out, *value);
            insert.raw_bind_parameter(index, std::str::from_utf8(&out).unwrap_or("null"))?;
        }
        Fitted::Integer(number) | Fitted::Micros(number) => insert.raw_bind_parameter(index, number)?,
        Fitted::Double(number) => insert.raw_bind_parameter(index, number)?,
        Fitted::Numeric(text) => insert.raw_bind_parameter(index, text)?,
        Fitted::Bool(truth) => insert.raw_bind_parameter(index, truth)?,
        Fitted::Uuid(id) => {
            let mut buffer = [0; 36];
            format_uuid(id, &mut buffer);
            insert.raw_bind_parameter(index, std::str::from_utf8(&buffer).unwrap_or_default())?;
        }
        Fitted::List(texts) => insert.raw_bind_parameter(index, texts.join("|"))?,
        Fitted::Bytes(bytes) => insert.raw_bind_parameter(index, bytes)?,
    }
    Ok(())
}
