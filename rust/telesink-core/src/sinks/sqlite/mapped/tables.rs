//! The tables of others in a file: found, made where that was asked for, and described.

use super::super::failure::Failure;
use super::super::{Options, schema};
use super::describe;
use crate::sinks::mapped::chronicle::{CLOCKS, Thing};
use crate::sinks::mapped::{Bound, Kind, Layout, Misfit};
use crate::sinks::prune::{AgedTable, TimeForm};
use rusqlite::Connection;

/// The tables as they were when the file was opened.
#[derive(Debug)]
pub(in super::super) struct Mapped {
    /// The statement that inserts a row.
    pub(super) insert: String,
    /// The columns, in the order of its parameters.
    pub(super) bound: Vec<Bound>,
}

/// Finds the tables; makes those that are missing, unless somebody else is to do that.
pub(in super::super) fn prepare(
    connection: &Connection,
    options: &Options,
    layout: &Layout,
    now_unix_nano: u64,
) -> Result<Mapped, Failure> {
    let mut wanted = vec!["telesink_ledger", layout.rows.table.as_str()];
    if layout.has_runs {
        wanted.extend([Thing::Run.table(), Thing::Step.table(), CLOCKS]);
    }
    if !missing(connection, &wanted)?.is_empty() && options.creates_schema {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let made = connection.execute_batch(&ddl(layout));
        connection.execute_batch(if made.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        made?;
    }
    let missing = missing(connection, &wanted)?;
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let hint = if options.creates_schema {
            "create it, or correct the name; telesink makes only its own tables and those of presets"
        } else {
            "create them, or leave create_schema on"
        };
        return Err(Failure::Tables {
            message: format!("{} {verb} missing", missing.join(", ")),
            hint: hint.to_owned(),
        });
    }
    schema::sweep(connection, now_unix_nano)?;
    if layout.has_runs {
        // As old as rows of the ledger: what comes later than that counts as news.
        let oldest = schema::oldest(now_unix_nano);
        connection.execute(&format!("DELETE FROM {CLOCKS} WHERE updated_at < ?1"), [oldest])?;
    }
    let table = &layout.rows.table;
    let described = describe::with_times(describe::columns(connection, table)?, &layout.rows);
    let bound = layout.rows.bind(&described).map_err(misfit)?;
    if layout.has_runs {
        for thing in [Thing::Run, Thing::Step] {
            thing.check(thing.table(), &describe::columns(connection, thing.table())?).map_err(misfit)?;
        }
    }
    let columns: Vec<String> = bound.iter().map(|bound| identifier(&bound.column.name)).collect();
    let places: Vec<String> = (1..=bound.len()).map(|place| format!("?{place}")).collect();
    let insert = format!(
        "INSERT INTO {} ({}) VALUES ({}){}",
        identifier(table),
        columns.join(", "),
        places.join(", "),
        if layout.rows.ignores_known_ids { " ON CONFLICT (id) DO NOTHING" } else { "" },
    );
    Ok(Mapped { insert, bound })
}

/// The tables of a layout with the form in which each keeps its time.
///
/// A table that is not there is a failure that names it.
pub(in super::super) fn declared(
    connection: &Connection,
    layout: &Layout,
    tables: Vec<AgedTable>,
) -> Result<Vec<AgedTable>, Failure> {
    let names: Vec<&str> = tables.iter().map(|table| table.table.as_str()).collect();
    let missing = missing(connection, &names)?;
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        return Err(Failure::Tables {
            message: format!("{} {verb} missing", missing.join(", ")),
            hint: "name the file that a program with telesink writes".to_owned(),
        });
    }
    let mut declared = tables;
    for table in &mut declared {
        check_kind(connection, &table.table)?;
        let columns = describe::with_times(describe::columns(connection, &table.table)?, &layout.rows);
        if layout.has_runs {
            continue;
        }
        // In double quotes, what is no column would be a text to SQLite.
        let used = [Some(&table.time), table.level.as_ref(), table.logger.as_ref()];
        for name in used.into_iter().flatten() {
            if !columns.iter().any(|column| identifier(&column.name) == *name) {
                let has: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return Err(Failure::Tables {
                    message: format!("table {} has no column {name}", table.table),
                    hint: format!("it has: {}", has.join(", ")),
                });
            }
        }
        if table.form == TimeForm::Declared {
            let time = columns.iter().find(|column| identifier(&column.name) == table.time);
            let is_number = time.is_some_and(|column| column.kind == Some(Kind::Seconds));
            table.form = if is_number { TimeForm::Seconds } else { TimeForm::Text };
        }
    }
    Ok(declared)
}

/// Refuses what has no row ids to go by.
fn check_kind(connection: &Connection, table: &str) -> Result<(), Failure> {
    let sql = "SELECT type, wr FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND schema = 'main'";
    let (kind, is_without): (String, bool) =
        connection.query_row(sql, [table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if kind == "table" && !is_without {
        return Ok(());
    }
    let what = if is_without { "is a table without row ids".to_owned() } else { format!("is a {kind}") };
    Err(Failure::Tables {
        message: format!("{table} {what}, from which rows cannot be deleted piece by piece"),
        hint: "delete old rows with what you write it with".to_owned(),
    })
}

fn missing<'t>(connection: &Connection, tables: &[&'t str]) -> Result<Vec<&'t str>, Failure> {
    let mut found = connection.prepare(
        "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE",
    )?;
    let mut missing = Vec::new();
    for table in tables {
        if !found.exists([table])? {
            missing.push(*table);
        }
    }
    Ok(missing)
}

/// The statements that make telesink's own tables and those of the preset.
pub(in super::super) fn ddl(layout: &Layout) -> String {
    let mut sql = include_str!("ledger.sql").to_owned();
    if layout.has_runs {
        sql.push_str(include_str!("clocks.sql"));
        sql.push_str(include_str!("chronicle.sql"));
    } else if layout.rows.is_preset {
        sql.push_str(include_str!("systemprompt.sql"));
    }
    sql
}

/// A name in double quotes.
pub(in super::super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn misfit(misfit: Misfit) -> Failure {
    Failure::Tables { message: misfit.message, hint: misfit.hint }
}
