//! The tables, and how a database comes to have them.
//!
//! Everything goes by the simple protocol and inside of one transaction, with nothing set beyond it: a pooler may hand
//! out another server connection after each. An advisory lock makes 32 starters take turns.

mod migrations;
mod names;
mod transaction;

pub(super) use migrations::make_schema;
pub use migrations::{VERSION, ddl};
pub use names::Names;
pub(super) use names::{RecordTable, literal};
pub(super) use transaction::{ServerLimits, Turn, alone, code_of};

use super::failure::{Cause, Failure, Phase};
use super::session::{first_value, run};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};

/// For looking at the tables, and for making them while others wait for their turn to look again.
pub(super) const LIMITS: ServerLimits =
    ServerLimits { lock: Duration::from_secs(10), statement: Duration::from_secs(10) };

/// Oldest server that can do what the tables need: partitions attached while others write came with 12.
const SERVER_MIN: i64 = 120_000;

/// How the server says that the very thing was just made by somebody without the lock: duplicate table, duplicate
/// object (both also of a type), and the unique index of a catalogue, which IF NOT EXISTS does not prevent.
const MADE_BY_OTHERS: [&str; 4] = ["42P07", "42710", "23505", "42P06"];

/// Makes sure that the tables are there and of a version that this program knows. Looks without a lock first, so that
/// it takes no more than two answers of the server where all is well.
pub(super) async fn prepare(client: &Client, names: &Names, creates: bool) -> Result<(), Failure> {
    let found = look(client, names).await?;
    match found.next_step(creates) {
        Ok(Step::None) => Ok(()),
        Err(failure) if !creates => Err(failure),
        // What is missing may be on its way.
        _ => create(client, names).await,
    }
}

async fn create(client: &Client, names: &Names) -> Result<(), Failure> {
    let mut is_again = false;
    loop {
        let work = async || match look(client, names).await?.next_step(true)? {
            Step::None => Ok(()),
            Step::Migrate { from } => {
                run(client, Phase::Schema, &migrations::after(from, names)).await.map(|_| ())
            }
        };
        match alone(client, Turn::Wait, LIMITS, work).await {
            Err(failure) if !is_again && MADE_BY_OTHERS.contains(&code_of(&failure)) => is_again = true,
            done => return done.map(|_| ()),
        }
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    server: i64,
    /// As `telesink_meta` says; none if there is no such table or no such row.
    version: Option<i64>,
    missing: Vec<&'static str>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    Migrate { from: i64 },
}

impl Found {
    fn next_step(&self, creates: bool) -> Result<Step, Failure> {
        if self.server < SERVER_MIN {
            let message = format!("the server has version {}, too old for the tables", self.server / 10_000);
            return Err(config(message, "use Postgres 12 or newer"));
        }
        match self.version {
            Some(version) if version > VERSION => {
                let message = format!("the tables have version {version}, this telesink knows {VERSION}");
                Err(config(message, "upgrade telesink, or choose another `schema`"))
            }
            Some(VERSION) if self.missing.is_empty() => Ok(Step::None),
            Some(VERSION) => {
                let message =
                    format!("telesink_meta says that the tables are there, but {} missing", self.are());
                Err(config(message, "create them again: `telesink schema --dialect postgres | psql`"))
            }
            _ if creates => Ok(Step::Migrate { from: self.version.unwrap_or(0) }),
            Some(version) => {
                let message =
                    format!("the tables have version {version}, not {VERSION}, and create_schema=false");
                Err(config(message, "bring them up to date: `telesink schema --dialect postgres | psql`"))
            }
            None => {
                let message = if self.missing.is_empty() {
                    "telesink_meta holds no version and create_schema=false".to_owned()
                } else {
                    format!("{} missing and create_schema=false", self.are())
                };
                Err(config(message, "create them: `telesink schema --dialect postgres | psql`"))
            }
        }
    }

    /// `telesink_logs is`, `telesink_logs, telesink_meta are`.
    fn are(&self) -> String {
        let verb = if self.missing.len() == 1 { "is" } else { "are" };
        format!("{} {verb}", self.missing.join(", "))
    }
}

fn config(message: String, hint: &str) -> Failure {
    Failure::new(Phase::Schema, Cause::Config { message, hint: hint.to_owned() })
}

/// The tables are asked for and there are none.
pub(super) fn no_tables() -> Failure {
    let message = "the telesink tables are not there".to_owned();
    config(message, "name the database, and the `schema`, that a program with telesink writes to")
}

/// Somebody else is at work on the tables and does not end.
pub(super) fn taken() -> Failure {
    let message = "another process is at work on the tables".to_owned();
    config(message, "try again later, or look for it in pg_stat_activity")
}

/// Two statements in one message are one transaction, so the limits hold for the second. It reads a catalogue, because
/// only then the server looks whether names that it remembers as missing are there by now.
async fn look(client: &Client, names: &Names) -> Result<Found, Failure> {
    let [logs, spans, metrics] = RecordTable::ALL.map(|table| names.of(table));
    let tables = [logs, spans, metrics, names.ledger(), names.resources(), names.meta()];
    let found = tables.map(|table| format!(", to_regclass({})", literal(table))).concat();
    let sql = format!(
        "{}SELECT current_setting('server_version_num'){found} FROM pg_class WHERE oid = 'pg_class'::regclass",
        LIMITS.sql()
    );
    let answer = run(client, Phase::Schema, &sql).await?;
    let [logs, spans, metrics] = RecordTable::ALL.map(RecordTable::name);
    let tables = [logs, spans, metrics, "telesink_ledger", "telesink_resources", "telesink_meta"];
    let is_missing = |index: usize| value(&answer, index + 1).is_none();
    let missing: Vec<&str> =
        tables.iter().enumerate().filter(|(index, _)| is_missing(*index)).map(|(_, table)| *table).collect();
    let server = first_value(&answer).and_then(|text| text.parse().ok()).unwrap_or(0);
    let version = if missing.contains(&"telesink_meta") { None } else { version(client, names).await? };
    Ok(Found { server, version, missing })
}

async fn version(client: &Client, names: &Names) -> Result<Option<i64>, Failure> {
    let sql = format!("{}SELECT value FROM {} WHERE key = 'version'", LIMITS.sql(), names.meta());
    let answer = run(client, Phase::Schema, &sql).await?;
    let Some(text) = first_value(&answer) else { return Ok(None) };
    let number = text.parse().map_err(|_| {
        config(format!("telesink_meta holds the version `{text}`, which is no number"), "correct it")
    })?;
    Ok(Some(number))
}

/// The row of a resource, made if it is new.
pub(super) async fn resource_id(client: &Client, names: &Names, json: &str) -> Result<i64, Failure> {
    let table = names.resources();
    let json = literal(json);
    let hash = format!("sha256(convert_to({json}, 'UTF8'))");
    let limits = LIMITS.sql();
    // Looked up first: an INSERT that finds its row takes a number from the sequence all the same.
    let select = format!("{limits}SELECT id FROM {table} WHERE hash = {hash}");
    let insert = format!(
        "{limits}INSERT INTO {table} (hash, attributes) VALUES ({hash}, {json}) \
         ON CONFLICT (hash) DO NOTHING RETURNING id"
    );
    for sql in [&select, &insert, &select] {
        let answer = run(client, Phase::Schema, sql).await?;
        if let Some(id) = first_value(&answer).and_then(|text| text.parse().ok()) {
            return Ok(id);
        }
    }
    let text = format!("a row of {table} came and went while it was looked for");
    Err(Failure::new(Phase::Schema, Cause::Lost(text)))
}

/// A column of the first row, if there is a row and it is not NULL.
pub(super) fn value(messages: &[SimpleQueryMessage], column: usize) -> Option<&str> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(column).ok().flatten(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 6] = [
        "telesink_logs",
        "telesink_spans",
        "telesink_metrics",
        "telesink_ledger",
        "telesink_resources",
        "telesink_meta",
    ];

    fn found(version: Option<i64>, missing: &[&'static str]) -> Found {
        Found { server: 150_000, version, missing: missing.to_vec() }
    }

    fn words(answer: Result<Step, Failure>) -> String {
        match answer.expect_err("a failure").cause {
            Cause::Config { message, hint } => format!("{message}; {hint}"),
            cause => panic!("{cause:?}"),
        }
    }

    #[test]
    fn tables_are_made_or_brought_up_to_date_where_that_is_allowed() {
        assert_eq!(found(None, &ALL).next_step(true), Ok(Step::Migrate { from: 0 }));
        assert_eq!(found(Some(0), &[]).next_step(true), Ok(Step::Migrate { from: 0 }));
        assert_eq!(found(Some(1), &ALL[1..3]).next_step(true), Ok(Step::Migrate { from: 1 }));
        assert_eq!(found(Some(VERSION), &[]).next_step(true), Ok(Step::None));
        assert_eq!(found(Some(VERSION), &[]).next_step(false), Ok(Step::None));
    }

    #[test]
    fn what_somebody_else_has_to_do_is_said() {
        let table = [
            (found(Some(VERSION + 1), &[]), true, "upgrade telesink"),
            (
                found(None, &ALL),
                false,
                "telesink_logs, telesink_spans, telesink_metrics, telesink_ledger, telesink_resources, telesink_meta are \
                 missing and",
            ),
            (
                found(None, &["telesink_meta"]),
                false,
                "telesink_meta is missing and create_schema=false; create them: `telesink schema",
            ),
            (found(None, &[]), false, "holds no version"),
            (found(Some(1), &ALL[1..3]), false, "the tables have version 1, not 2, and create_schema=false"),
            (found(Some(VERSION), &["telesink_logs"]), true, "telesink_logs is missing; create them again"),
            (Found { server: 90_624, ..found(None, &ALL) }, true, "version 9, too old"),
        ];
        for (found, creates, expected) in table {
            let words = words(found.next_step(creates));
            assert!(words.contains(expected), "{words}");
        }
    }
}
