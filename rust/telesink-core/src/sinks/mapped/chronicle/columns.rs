//! The columns of runs and steps that are written to.

use super::change::Thing;
use crate::sinks::mapped::{Described, Misfit};

const OF_RUNS: [&str; 14] = [
    "id",
    "name",
    "description",
    "application",
    "environment",
    "input",
    "output",
    "status",
    "trace_id",
    "span_id",
    "tags",
    "info",
    "updated_at",
    "created_at",
];

const OF_STEPS: [&str; 13] = [
    "id",
    "run_id",
    "type",
    "parent_step",
    "name",
    "input",
    "output",
    "status",
    "tags",
    "info",
    "span_id",
    "start_time",
    "end_time",
];

impl Thing {
    /// Whether a table has the columns, and no others that must be filled.
    pub(crate) fn check(self, table: &str, described: &[Described]) -> Result<(), Misfit> {
        let columns: &[&str] = if self == Thing::Run { &OF_RUNS } else { &OF_STEPS };
        if let Some(name) = columns.iter().find(|name| !described.iter().any(|found| found.name == **name)) {
            return Err(Misfit {
                message: format!("table {table} has no column `{name}`"),
                hint: "add the column, or write to another schema or file".to_owned(),
            });
        }
        let unknown = described.iter().find(|found| {
            !found.is_nullable && !found.has_default && !columns.contains(&found.name.as_str())
        });
        unknown.map_or(Ok(()), |unknown| {
            Err(Misfit {
                message: format!(
                    "table {table} wants a value for `{}`, which telesink does not know",
                    unknown.name
                ),
                hint: "let the column be NULL, or give it a default".to_owned(),
            })
        })
    }
}
