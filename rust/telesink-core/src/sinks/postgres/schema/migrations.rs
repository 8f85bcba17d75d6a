//! The tables, version by version. A migration only adds: an older telesink goes on writing beside a newer one.
//!
//! Every statement leaves alone what is there already, so that the same text makes the tables, mends what is missing and
//! can be run twice.

use super::super::mapped;
use super::names::{Names, RecordTable, literal};
use super::transaction::LOCK_KEY;
use crate::error::ConfigError;
use crate::sinks::mapped::Layout;
use std::fmt::Write;

/// The migrations in order: the first makes version 1.
const MIGRATIONS: [&str; 2] = [include_str!("version_1.sql"), include_str!("version_2.sql")];

/// The version of the tables, kept in `telesink_meta`.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// The statements that make telesink's own tables, or those of a preset, as `psql` takes them.
///
/// # Errors
/// The name of the schema is none, or there is no such preset.
pub fn ddl(schema: Option<&str>, preset: Option<&str>) -> Result<String, ConfigError> {
    let names = Names::new(schema)?;
    if let Some(preset) = preset {
        let tables = mapped::ddl(&Layout::preset(preset)?).replace("{prefix}", names.prefix());
        return Ok(format!(
            "-- The tables of preset={preset}, for Postgres. They can be run again.\n\
             BEGIN;\n\
             SELECT pg_advisory_xact_lock({LOCK_KEY});\n\
             \n\
             {}{tables}\
             COMMIT;\n",
            make_schema(&names)
        ));
    }
    Ok(format!(
        "-- The tables of telesink, version {VERSION}, for Postgres. They can be run again, and bring older tables to\n\
         -- this version.\n\
         BEGIN;\n\
         \n\
         -- One at a time; telesink itself takes the same lock.\n\
         SELECT pg_advisory_xact_lock({LOCK_KEY});\n\
         \n\
         {}\n\
         COMMIT;\n",
        after(0, &names)
    ))
}

/// The statement that makes the schema, if one was named and it is not there.
pub(in super::super) fn make_schema(names: &Names) -> String {
    // Not IF NOT EXISTS, which asks for the right to create a schema even if it is there.
    names.schema().map_or_else(String::new, |schema| {
        format!(
            "DO {quote}\nBEGIN\n  IF to_regnamespace({}) IS NULL THEN\n    CREATE SCHEMA {schema};\n  END IF;\nEND\n{quote};\n\n",
            literal(schema),
            quote = dollar_quote(names),
        )
    })
}

/// The statements that bring tables of `version` to the newest.
pub(super) fn after(version: i64, names: &Names) -> String {
    let mut sql = make_schema(names);
    let first = usize::try_from(version).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(first) {
        sql.push_str(&fill(migration, names));
        sql.push('\n');
    }
    let _ = writeln!(
        sql,
        "INSERT INTO {meta} AS meta (key, value) VALUES ('version', '{VERSION}')\n  \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value::bigint < excluded.value::bigint;",
        meta = names.meta(),
    );
    sql
}

/// A migration with its placeholders filled in. One pass: a schema may be called like a placeholder.
fn fill(template: &str, names: &Names) -> String {
    let mut sql = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        sql.push_str(before);
        let (placeholder, behind) = match behind.split_once('}') {
            Some((placeholder, behind)) if is_placeholder(placeholder) => (placeholder, behind),
            // JSON's braces.
            _ => {
                sql.push('{');
                rest = behind;
                continue;
            }
        };
        match placeholder {
            "prefix" => sql.push_str(names.prefix()),
            "logs_literal" => sql.push_str(&literal(names.logs())),
            "spans_literal" => sql.push_str(&literal(names.of(RecordTable::Spans))),
            "metrics_literal" => sql.push_str(&literal(names.of(RecordTable::Metrics))),
            _ => sql.push_str(&dollar_quote(names)),
        }
        rest = behind;
    }
    sql.push_str(rest);
    sql
}

fn is_placeholder(text: &str) -> bool {
    matches!(text, "prefix" | "logs_literal" | "spans_literal" | "metrics_literal" | "quote")
}

/// A dollar quote that no name holds.
fn dollar_quote(names: &Names) -> String {
    let mut quote = "$$".to_owned();
    while names.prefix().contains(&quote) {
        // Longer than the name in the end.
        quote.insert(1, 'q');
    }
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_json_stays() {
        let sql = ddl(Some("telemetry"), None).expect("a schema");

        assert!(sql.contains("CREATE TABLE IF NOT EXISTS \"telemetry\".telesink_logs ("), "{sql}");
        assert!(sql.contains("DEFAULT '{}'"), "{sql}");
        for placeholder in ["{prefix}", "{quote}", "_literal}"] {
            assert!(!sql.contains(placeholder), "{placeholder}");
        }
    }

    #[test]
    fn a_schema_that_looks_like_sql_stays_a_name() {
        for schema in ["{prefix}", "a$$b", "$q$", "x'y", "back\\slash", "$$q$$"] {
            let names = Names::new(Some(schema)).expect("a name");

            let sql = ddl(Some(schema), None).expect("a schema");

            assert!(
                sql.contains(&format!("CREATE TABLE IF NOT EXISTS {}telesink_meta", names.prefix())),
                "{sql}"
            );
            let quote = dollar_quote(&names);
            assert_eq!(sql.matches(&quote).count(), 6, "{schema}: {quote} ends where it should");
        }
    }

    #[test]
    fn an_older_version_gets_the_later_migrations_only() {
        let names = Names::new(None).expect("no name");

        let sql = after(VERSION, &names);

        assert!(!sql.contains("CREATE TABLE"), "{sql}");
        assert!(sql.contains(&format!("'{VERSION}'")), "{sql}");
        let from_first = after(1, &names);
        assert!(from_first.contains("telesink_spans ("), "{from_first}");
        assert!(!from_first.contains("telesink_logs"), "{from_first}");
    }
}
