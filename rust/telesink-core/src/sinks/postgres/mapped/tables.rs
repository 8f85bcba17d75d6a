//! The tables of others: found, made where that was asked for, and described.

use super::super::Options;
use super::super::failure::{Cause, Failure, Phase};
use super::super::schema::{LIMITS, Turn, alone, literal, make_schema};
use super::super::session::{first_value, run};
use super::describe;
use crate::sinks::mapped::chronicle::{CLOCKS, Thing};
use crate::sinks::mapped::{Bound, Described, Kind, Layout, Misfit};
use crate::sinks::prune::AgedTable;
use tokio_postgres::Client;

/// The tables as they were when the connection was made.
#[derive(Debug)]
pub(in super::super) struct Mapped {
    /// The table of rows, as SQL takes it.
    pub(super) rows: String,
    /// Its columns.
    pub(super) bound: Vec<Bound>,
    /// What becomes of a row whose id is there.
    pub(super) on_conflict: &'static str,
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
    /// What becomes of a row of either whose id is there.
    pub(super) on_conflict: [&'static str; 2],
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
    let on_conflict = on_conflict(client, &rows).await?;
    Ok(Mapped { rows, bound, on_conflict, changed })
}

async fn changed(client: &Client, prefix: &str) -> Result<Changed, Failure> {
    let described = |thing: Thing| {
        let table = format!("{prefix}{}", thing.table());
        async move {
            let described = describe::columns(client, &table).await?;
            thing.check(&table, &described).map_err(misfit)?;
            Ok::<_, Failure>((limits(&described), on_conflict(client, &table).await?))
        }
    };
    let (runs, steps) = (described(Thing::Run).await?, described(Thing::Step).await?);
    Ok(Changed {
        runs: format!("{prefix}{}", Thing::Run.table()),
        steps: format!("{prefix}{}", Thing::Step.table()),
        clocks: format!("{prefix}{CLOCKS}"),
        on_conflict: [runs.1, steps.1],
        limits: [runs.0, steps.0],
    })
}

/// A row whose id is there changes nothing; one that meets another unique column is refused, where ids are unique by
/// themselves.
async fn on_conflict(client: &Client, table: &str) -> Result<&'static str, Failure> {
    let name = literal(table);
    let sql = format!(
        "SELECT 1 FROM pg_index WHERE indrelid = {name}::regclass AND indisunique AND indisvalid AND indpred IS NULL \
         AND indnkeyatts = 1 AND indkey[0] = (SELECT attnum FROM pg_attribute \
         WHERE attrelid = {name}::regclass AND attname = 'id')"
    );
    let found = run(client, Phase::Schema, &sql).await?;
    Ok(if first_value(&found).is_some() { "ON CONFLICT (id) DO NOTHING" } else { "ON CONFLICT DO NOTHING" })
}

/// What the columns of a table hold.
fn limits(described: &[Described]) -> Vec<Limit> {
    let limit = |found: &Described| Limit {
        column: found.name.clone(),
        is_nullable: found.is_nullable,
        characters_max: match found.kind {
            Some(Kind::Text { characters_max }) => characters_max,
            _ => None,
        },
    };
    described.iter().map(limit).collect()
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

/// Makes sure that a table is there, and has a time by which its rows can grow old; answers with that as SQL. What
/// happens never is not old, and a day is over with its last moment.
pub(in super::super) async fn checked_time(
    client: &Client,
    name: &str,
    table: &AgedTable,
) -> Result<String, Failure> {
    if let Some(missing) = find_missing(client, &[name.to_owned()]).await?.pop() {
        let hint = "name the database, and the `schema`, that a program with telesink writes to";
        return Err(config(format!("{missing} is missing"), hint.to_owned()));
    }
    if table.key.is_empty() {
        return Ok(table.time.clone());
    }
    let columns = describe::columns(client, name).await?;
    let Some(time) = columns.iter().find(|column| column.name == table.key) else {
        let has: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let message = format!("table {name} has no column `{}`", table.key);
        return Err(config(message, format!("it has: {}", has.join(", "))));
    };
    if time.kind == Some(Kind::Time) {
        return Ok(format!("nullif({}, '-infinity')", table.time));
    }
    if time.type_name == "date" {
        return Ok(format!("(nullif({}, '-infinity') + 1)", table.time));
    }
    let message =
        format!("column `{}` of table {name} is a {}, and rows have no age by it", time.name, time.type_name);
    Err(config(
        message,
        "use timestamptz, timestamp or date for it, or delete with what you read it with".to_owned(),
    ))
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

/// The name of a table as SQL takes it: with the schema that was given, unless it names one itself.
pub(in super::super) fn qualified(prefix: &str, table: &str) -> String {
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
