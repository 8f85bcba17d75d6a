//! The tables of others: found, made where that was asked for, and described.

use super::super::Options;
use super::super::failure::{Cause, Failure, Phase};
use super::super::schema::{LIMITS, Turn, alone, literal, make_schema};
use super::super::session::{first_value, run};
use super::describe;
use crate::sinks::mapped::chronicle::{CLOCKS, Thing};
use crate::sinks::mapped::{Bound, Described, Kind, Layout, Misfit};
use tokio_postgres::Client;

/// The tables as they were when the connection was made.
#[derive(Debug)]
pub(in super::super) struct Mapped {
    /// The table of rows, as SQL takes it.
    pub(super) rows: String,
    /// Its columns.
    pub(super) bound: Vec<Bound>,
    /// The tables of runs and of steps; none without them.
    pub(super) changed: Option<Changed>,
}

/// The tables in which records change rows.
#[derive(Debug)]
pub(super) struct Changed {
    /// The table of runs, as SQL takes it.
    pub(super) runs: String,
    /// That of steps.
    pub(super) steps: String,
    /// That of the clocks.
    pub(super) clocks: String,
    /// What the columns of runs and of steps hold.
    pub(super) limits: [Vec<Limit>; 2],
}

/// What a column of runs or steps holds.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) column: String,
    pub(super) is_nullable: bool,
    pub(super) characters_max: Option<usize>,
}

impl Mapped {
    /// The table with the clocks of runs and steps, if there is one.
    pub(in super::super) fn clocks(&self) -> Option<&str> {
        self.changed.as_ref().map(|changed| changed.clocks.as_str())
    }

    /// The columns in the order in which they are written.
    pub(super) fn columns(&self) -> String {
        self.bound.iter().map(|bound| identifier(&bound.column.name)).collect::<Vec<_>>().join(", ")
    }
}

/// What telesink writes to in the tables of runs and of steps.
const RUN_COLUMNS: [&str; 14] = [
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
const STEP_COLUMNS: [&str; 13] = [
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

/// Finds the tables; makes those that are missing, unless somebody else is to do that.
pub(in super::super) async fn prepare(
    client: &Client,
    options: &Options,
    layout: &Layout,
) -> Result<Mapped, Failure> {
    let prefix = options.names.prefix();
    let wanted = wanted(options, layout);
    let mut missing = find_missing(client, &wanted).await?;
    if !missing.is_empty() && options.creates_schema {
        let sql = make_schema(&options.names) + &ddl(layout).replace("{prefix}", prefix);
        let work = async || run(client, Phase::Schema, &sql).await.map(|_| ());
        alone(client, Turn::Wait, LIMITS, work).await?;
        missing = find_missing(client, &wanted).await?;
    }
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let hint = if options.creates_schema {
            "create it, or correct the name; telesink makes only its own tables and those of presets"
                .to_owned()
        } else {
            "create them, or leave create_schema on".to_owned()
        };
        return Err(config(format!("{} {verb} missing", missing.join(", ")), hint));
    }
    // As the server writes it: a name may be a word of SQL, or stand in any schema.
    let sql = format!("SELECT to_regclass({})::text", literal(&qualified(prefix, &layout.rows.table)));
    let found = run(client, Phase::Schema, &sql).await?;
    let rows = first_value(&found).unwrap_or(&layout.rows.table).to_owned();
    let described = describe::columns(client, &rows).await?;
    let bound = layout.rows.bind(&described).map_err(misfit)?;
    let changed = if layout.has_runs { Some(changed(client, prefix).await?) } else { None };
    Ok(Mapped { rows, bound, changed })
}

async fn changed(client: &Client, prefix: &str) -> Result<Changed, Failure> {
    let described = |thing: Thing| {
        let table = format!("{prefix}{}", thing.table());
        async move {
            let columns: &[&str] = if thing == Thing::Run { &RUN_COLUMNS } else { &STEP_COLUMNS };
            let described = describe::columns(client, &table).await?;
            check(&table, columns, &described).map_err(misfit)
        }
    };
    let limits = [described(Thing::Run).await?, described(Thing::Step).await?];
    Ok(Changed {
        runs: format!("{prefix}{}", Thing::Run.table()),
        steps: format!("{prefix}{}", Thing::Step.table()),
        clocks: format!("{prefix}{CLOCKS}"),
        limits,
    })
}

/// Whether a table has the columns, and no others that must be filled. Answers what its columns hold.
fn check(table: &str, columns: &[&str], described: &[Described]) -> Result<Vec<Limit>, Misfit> {
    for name in columns {
        if !described.iter().any(|found| found.name == *name) {
            return Err(Misfit {
                message: format!("table {table} has no column `{name}`"),
                hint: "add the column, or write to another `schema`".to_owned(),
            });
        }
    }
    for found in described {
        if !found.is_nullable && !found.has_default && !columns.contains(&found.name.as_str()) {
            return Err(Misfit {
                message: format!(
                    "table {table} wants a value for `{}`, which telesink does not know",
                    found.name
                ),
                hint: "let the column be NULL, or give it a default".to_owned(),
            });
        }
    }
    let limit = |found: &Described| Limit {
        column: found.name.clone(),
        is_nullable: found.is_nullable,
        characters_max: match found.kind {
            Some(Kind::Text { characters_max }) => characters_max,
            _ => None,
        },
    };
    Ok(described.iter().map(limit).collect())
}

fn wanted(options: &Options, layout: &Layout) -> Vec<String> {
    let prefix = options.names.prefix();
    let mut wanted = vec![options.names.ledger().to_owned(), qualified(prefix, &layout.rows.table)];
    if layout.has_runs {
        let others = [Thing::Run.table(), Thing::Step.table(), CLOCKS];
        wanted.extend(others.map(|name| format!("{prefix}{name}")));
    }
    wanted
}

/// Looks in the catalogue, because only then the server looks whether names that it remembers as missing are there by now.
async fn find_missing(client: &Client, tables: &[String]) -> Result<Vec<String>, Failure> {
    let mut missing = Vec::new();
    for table in tables {
        let sql = format!(
            "{}SELECT to_regclass({}) FROM pg_class WHERE oid = 'pg_class'::regclass",
            LIMITS.sql(),
            literal(table)
        );
        if first_value(&run(client, Phase::Schema, &sql).await?).is_none() {
            missing.push(table.clone());
        }
    }
    Ok(missing)
}

/// The statements that make telesink's own tables and those of the preset.
fn ddl(layout: &Layout) -> String {
    let mut sql = include_str!("ledger.sql").to_owned();
    if layout.has_runs {
        sql.push_str(include_str!("clocks.sql"));
        sql.push_str(include_str!("chronicle.sql"));
    } else if layout.rows.is_preset {
        sql.push_str(include_str!("systemprompt.sql"));
    }
    sql
}

/// The name of a table as SQL takes it: with the schema that was given, unless it names one itself.
fn qualified(prefix: &str, table: &str) -> String {
    if table.contains('.') { table.to_owned() } else { format!("{prefix}{table}") }
}

/// A name in double quotes.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn config(message: String, hint: String) -> Failure {
    Failure::new(Phase::Schema, Cause::Config { message, hint })
}

fn misfit(misfit: Misfit) -> Failure {
    config(misfit.message, misfit.hint)
}
