//! Columns of a table as a database describes them, and how they are bound to those of a map.

use super::map::TableMap;
use super::{Column, Misfit};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, of so many characters at most.
    Text { characters_max: Option<usize> },
    /// A whole number of so many bits.
    Integer { bits: u8 },
    /// A number with a fraction; single precision if it says so.
    Double { is_single: bool },
    /// An exact decimal number.
    Numeric,
    /// Yes or no.
    Bool,
    /// A moment.
    Time,
    /// A moment as seconds since the Unix epoch, with a fraction.
    Seconds,
    /// A moment as text, in UTC.
    TimeText,
    /// A UUID.
    Uuid,
    /// JSON, in binary form if it says so.
    Json { is_binary: bool },
    /// A list of texts.
    TextList,
    /// Bytes.
    Bytes,
}

/// A column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its name.
    pub(crate) name: String,
    /// What it holds; none if that is nothing telesink can write.
    pub(crate) kind: Option<Kind>,
    /// Its type in the database's words.
    pub(crate) type_name: String,
    /// Whether it can be empty.
    pub(crate) is_nullable: bool,
    /// Whether the database has a value for it where none is given.
    pub(crate) has_default: bool,
}

/// A column of a map, bound to that of a table.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// Where its values come from.
    pub(crate) column: Column,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Whether it can be empty.
    pub(crate) is_nullable: bool,
}

impl TableMap {
    /// Binds the columns to those that the table has.
    pub(crate) fn bind(&self, described: &[Described]) -> Result<Vec<Bound>, Misfit> {
        let find = |name: &str| described.iter().find(|found| found.name == name);
        let table = &self.table;
        let missing: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|name| find(name).is_none())
            .collect();
        if !missing.is_empty() {
            let has: Vec<&str> = described.iter().map(|found| found.name.as_str()).collect();
            return Err(Misfit {
                message: format!("table {table} has no column {}", listed(&missing)),
                hint: format!("it has: {}; add the column, or leave it out of the map", has.join(", ")),
            });
        }
        let unfilled: Vec<&str> = described
            .iter()
            .filter(|found| !found.is_nullable && !found.has_default)
            .map(|found| found.name.as_str())
            .filter(|name| !self.columns.iter().any(|column| column.name == *name))
            .collect();
        if !unfilled.is_empty() {
            return Err(Misfit {
                message: format!(
                    "table {table} wants a value for {}, which the map does not have",
                    listed(&unfilled)
                ),
                hint: "map the column, give it a default, or let it be NULL".to_owned(),
            });
        }
        self.columns
            .iter()
            .filter_map(|column| Some((column, find(&column.name)?)))
            .map(|(column, found)| {
                let kind = found.kind.ok_or_else(|| Misfit {
                    message: format!(
                        "column `{}` of table {table} is a {}, which telesink cannot write",
                        column.name, found.type_name
                    ),
                    hint: "use text, varchar, json, jsonb, uuid, an integer, real, double precision, numeric, boolean, \
                           timestamp, timestamptz, text[] or bytea"
                        .to_owned(),
                })?;
                Ok(Bound { column: column.clone(), kind, is_nullable: found.is_nullable })
            })
            .collect()
    }
}

/// `` `a` `` or `` `a`, `b` ``.
fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
