//! What a file says about the columns of a table. `SQLite` has no types to speak of; the declared ones say what is meant.

use super::super::failure::Failure;
use crate::sinks::mapped::{Described, Kind, Source, TableMap};
use rusqlite::Connection;

/// The columns of a table, in its order; those that are computed are left out.
pub(super) fn columns(connection: &Connection, table: &str) -> Result<Vec<Described>, Failure> {
    let mut found = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1)",
    )?;
    let rows = found.query_map([table], |row| {
        let type_name: String = row.get(1)?;
        let hidden: i64 = row.get(5)?;
        let pk: i64 = row.get(4)?;
        // The row id fills such a column by itself.
        let is_row_id = pk == 1 && type_name.eq_ignore_ascii_case("INTEGER");
        let described = Described {
            name: row.get(0)?,
            kind: Some(kind(&type_name)),
            is_nullable: !row.get::<_, bool>(2)?,
            has_default: row.get::<_, bool>(3)? || is_row_id,
            type_name,
        };
        Ok((hidden == 0).then_some(described))
    })?;
    let columns: Vec<Option<Described>> = rows.collect::<Result<_, _>>()?;
    Ok(columns.into_iter().flatten().collect())
}

/// The kind of a declared type, by the rules that `SQLite` has for its affinity.
fn kind(declared: &str) -> Kind {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if has("BOOL") {
        Kind::Bool
    } else if has("TIME") || has("DATE") {
        Kind::TimeText
    } else if has("INT") {
        Kind::Integer { bits: 64 }
    } else if has("JSON") {
        Kind::Json { is_binary: false }
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Kind::Text { characters_max: length_of(&declared) }
    } else if has("REAL") || has("FLOA") || has("DOUBLE") || has("NUM") || has("DEC") {
        Kind::Double { is_single: false }
    } else if has("BLOB") {
        Kind::Bytes
    } else {
        Kind::Text { characters_max: None }
    }
}

/// The length in `VARCHAR(255)`. `SQLite` does not enforce it, and readers count on it.
fn length_of(declared: &str) -> Option<usize> {
    let (_, behind) = declared.split_once('(')?;
    behind.split_once(')')?.0.trim().parse().ok()
}

/// What a column is to hold: times in a column of numbers are seconds with a fraction, in one of text they are text.
pub(super) fn with_times(mut columns: Vec<Described>, map: &TableMap) -> Vec<Described> {
    for column in &mut columns {
        let mapped = map.columns.iter().find(|mapped| mapped.name == column.name);
        let is_time = mapped.is_some_and(|mapped| {
            mapped.sources.iter().any(|source| matches!(source, Source::Time | Source::ObservedTime))
        });
        if is_time {
            column.kind = match column.kind {
                Some(Kind::Integer { .. } | Kind::Double { .. }) => Some(Kind::Seconds),
                _ => Some(Kind::TimeText),
            };
        }
    }
    columns
}
