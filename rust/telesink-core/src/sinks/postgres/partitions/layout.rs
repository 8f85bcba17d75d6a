//! What the server says about a table of records and its partitions.

use super::super::failure::{Failure, Phase};
use super::super::schema::{ServerLimits, literal};
use super::super::session::run;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// A table of records as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Layout {
    /// Schema of the table, quoted: the search path may have found it anywhere.
    pub(in super::super) schema: String,
    /// The table itself, quoted, without its schema.
    pub(in super::super) name: String,
    /// The server's clock, seconds since the Unix epoch.
    pub(in super::super) now: f64,
    /// Whether it is a table, and no view or foreign table.
    pub(in super::super) is_table: bool,
    /// Whether the table is made of partitions; somebody may have made a plain one.
    pub(in super::super) is_partitioned: bool,
    /// Whether its partitions are ranges of the time that was asked for.
    pub(in super::super) is_by_time: bool,
    /// Those with bounds.
    pub(in super::super) partitions: Vec<Partition>,
    /// The one for all other rows.
    pub(in super::super) default: Option<DefaultPartition>,
}

/// A partition with bounds, whoever made it and whatever its name.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Partition {
    /// Quoted and qualified.
    pub(in super::super) name: String,
    /// As it was named.
    pub(in super::super) shown: String,
    /// First moment, seconds since the Unix epoch.
    pub(in super::super) from: f64,
    /// The moment behind the last.
    pub(in super::super) to: f64,
    /// Whether it is a plain table, from which rows can be taken.
    pub(in super::super) is_plain: bool,
    /// Rows, as the server estimates them; none if it never looked.
    pub(in super::super) rows: Option<u64>,
}

/// The default partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct DefaultPartition {
    /// Quoted and qualified.
    pub(in super::super) name: String,
    /// Bytes on the disk; 0 only if it has never held a row, or not for long.
    pub(in super::super) bytes: u64,
    /// Whether it is a plain table, from which rows can be taken.
    pub(in super::super) is_plain: bool,
}

impl Layout {
    /// Whether anybody writes to it: it holds rows that have no partition yet, or somebody has made partitions.
    pub(in super::super) fn is_used(&self) -> bool {
        !self.partitions.is_empty() || self.default.as_ref().is_some_and(|default| default.bytes > 0)
    }

    /// Whether a partition has part of the time from `from` to `to`: then another one for that time is impossible.
    pub(in super::super) fn covers(&self, from: f64, to: f64) -> bool {
        self.partitions.iter().any(|partition| partition.from < to && from < partition.to)
    }
}

/// One row for each partition, or a single one without. Partition bounds are read as text, which is UTC and ISO under
/// these limits; brackets for what regular expressions treat specially, because backslashes are not always plain.
///
/// Bounds are times only where the table is divided by time: `{key}` is the column.
const LOOK: &str = "
SELECT quote_ident(ns.nspname) AS schema, quote_ident(logs.relname) AS table_name, extract(epoch FROM now()) AS now,
       logs.relkind AS kind, keys.is_by_time,
       quote_ident(part_ns.nspname) || '.' || quote_ident(part.relname) AS name, part.relname AS shown,
       part.relkind AS part_kind, part.bound = 'DEFAULT' AS is_default,
       CASE WHEN keys.is_by_time
            THEN extract(epoch FROM substring(part.bound from 'FROM [(]''([^'']+)''')::timestamptz) END AS low,
       CASE WHEN keys.is_by_time
            THEN extract(epoch FROM substring(part.bound from 'TO [(]''([^'']+)''')::timestamptz) END AS high,
       part.reltuples AS tuples, CASE WHEN part.bound = 'DEFAULT' THEN pg_relation_size(part.oid) END AS bytes
FROM pg_class AS logs
JOIN pg_namespace AS ns ON ns.oid = logs.relnamespace
CROSS JOIN LATERAL (
  SELECT coalesce(pg_get_partkeydef(logs.oid) = 'RANGE (' || quote_ident({key}) || ')', false) AS is_by_time
) AS keys
LEFT JOIN (
  SELECT inherits.inhparent, class.*, pg_get_expr(class.relpartbound, class.oid) AS bound
  FROM pg_inherits AS inherits JOIN pg_class AS class ON class.oid = inherits.inhrelid
) AS part ON part.inhparent = logs.oid
LEFT JOIN pg_namespace AS part_ns ON part_ns.oid = part.relnamespace
WHERE logs.oid = to_regclass(";

/// Looks at a table, by its quoted name, which may be divided by the column `key`; `None` if there is none.
pub(in super::super) async fn look(
    client: &Client,
    table: &str,
    key: &str,
    limits: ServerLimits,
) -> Result<Option<Layout>, Failure> {
    let sql = format!("{}{}{})", limits.sql(), LOOK.replace("{key}", &literal(key)), literal(table));
    let answer = run(client, Phase::Schema, &sql).await?;
    let mut layout: Option<Layout> = None;
    for message in &answer {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let layout = layout.get_or_insert_with(|| Layout {
            schema: text(row, "schema").to_owned(),
            name: text(row, "table_name").to_owned(),
            is_by_time: text(row, "is_by_time") == "t",
            now: number(row, "now").unwrap_or(0.0),
            is_table: matches!(text(row, "kind"), "r" | "p"),
            is_partitioned: text(row, "kind") == "p",
            partitions: Vec::new(),
            default: None,
        });
        let name = text(row, "name").to_owned();
        if name.is_empty() {
            continue;
        }
        if text(row, "is_default") == "t" {
            let bytes = number(row, "bytes").unwrap_or(0.0) as u64;
            layout.default = Some(DefaultPartition { name, bytes, is_plain: text(row, "part_kind") == "r" });
        } else {
            layout.partitions.push(Partition {
                name,
                shown: text(row, "shown").to_owned(),
                // MINVALUE, MAXVALUE, or no range at all.
                from: number(row, "low").unwrap_or(f64::NEG_INFINITY),
                to: number(row, "high").unwrap_or(f64::INFINITY),
                is_plain: text(row, "part_kind") == "r",
                // -1: never looked at. Before Postgres 14 that is 0.
                rows: number(row, "tuples").filter(|rows| *rows >= 1.0).map(|rows| rows as u64),
            });
        }
    }
    Ok(layout)
}

fn text<'r>(row: &'r SimpleQueryRow, column: &str) -> &'r str {
    row.try_get(column).ok().flatten().unwrap_or_default()
}

fn number(row: &SimpleQueryRow, column: &str) -> Option<f64> {
    text(row, column).parse().ok()
}
