//! What the server says about the columns of a table.

use super::super::failure::{Failure, Phase};
use super::super::schema::literal;
use super::super::session::run;
use crate::sinks::mapped::{Described, Kind};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// Bytes that the server keeps in front of a length.
const LENGTH_OFFSET: i64 = 4;

/// The columns of a table, in its order; those that the server fills itself are left out.
pub(super) async fn columns(client: &Client, table: &str) -> Result<Vec<Described>, Failure> {
    let sql = format!(
        "SELECT a.attname, coalesce(b.typname, t.typname), t.typtype, \
         CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, a.attnotnull OR t.typnotnull, \
         a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, format_type(a.atttypid, a.atttypmod) \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype \
         WHERE a.attrelid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
         ORDER BY a.attnum",
        literal(table)
    );
    let rows = run(client, Phase::Schema, &sql).await?;
    Ok(rows
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => column(row),
            _ => None,
        })
        .collect())
}

fn column(row: &SimpleQueryRow) -> Option<Described> {
    let text = |index: usize| row.try_get(index).ok().flatten();
    let is = |index: usize| text(index) == Some("t");
    let modifier: i64 = text(3).and_then(|number| number.parse().ok()).unwrap_or(-1);
    let kind = if text(2) == Some("e") {
        // The server takes the label, and knows which there are.
        Some(Kind::Text { characters_max: None })
    } else {
        kind(text(1)?, modifier)
    };
    Some(Described {
        name: text(0)?.to_owned(),
        kind,
        type_name: text(6)?.to_owned(),
        is_nullable: !is(4),
        has_default: is(5),
    })
}

fn kind(name: &str, modifier: i64) -> Option<Kind> {
    let characters_max = usize::try_from(modifier - LENGTH_OFFSET).ok().filter(|_| modifier > 0);
    Some(match name {
        "varchar" | "bpchar" => Kind::Text { characters_max },
        "text" | "citext" => Kind::Text { characters_max: None },
        "int2" => Kind::Integer { bits: 16 },
        "int4" => Kind::Integer { bits: 32 },
        "int8" => Kind::Integer { bits: 64 },
        "float4" => Kind::Double { is_single: true },
        "float8" => Kind::Double { is_single: false },
        "numeric" => Kind::Numeric,
        "bool" => Kind::Bool,
        "timestamp" | "timestamptz" => Kind::Time,
        "uuid" => Kind::Uuid,
        "json" => Kind::Json { is_binary: false },
        "jsonb" => Kind::Json { is_binary: true },
        "_text" => Kind::TextList,
        "bytea" => Kind::Bytes,
        _ => return None,
    })
}
