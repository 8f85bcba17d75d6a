//! The tables of a server looked at from outside of any sink, over a connection of its own.

mod count;

use super::Options;
use super::connect::Wire;
use super::failure::{Failure, Phase};
use super::maintenance::Maintenance;
use super::schema::{self, LIMITS, Names, RecordTable, literal};
use super::session::{rows_touched, run};
use crate::clock;
use crate::error::WriteError;
use crate::record::id::{format_uuid, parse_uuid};
use crate::sinks::Limits;
use crate::sinks::inspect::{Book, Fact, Facts, Inspect, Interrupt, Wanted};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// Longest time that counting, and looking for records, may take; whoever waits can end it sooner.
const COUNT_MAX: Duration = Duration::from_hours(24);

/// Around the times of the records that are looked for: the table has microseconds, and clocks differ.
const SLACK_SECONDS: f64 = 1.0;

/// Around the moment since which records are looked for that were stored just now; it is this machine's, and they have
/// its times.
const RECENT_SECONDS: f64 = 5.0;

struct TableInspect {
    options: Arc<Options>,
    limits: Limits,
    maintenance: Maintenance,
    /// The process of the server that counts or looks, 0 for none.
    counting: Arc<AtomicI32>,
}

/// Connects.
pub(super) fn open(options: Options, limits: Limits) -> Result<Box<dyn Inspect>, WriteError> {
    let options = Arc::new(options);
    let maintenance = Maintenance::open(Arc::clone(&options), limits)?;
    Ok(Box::new(TableInspect { options, limits, maintenance, counting: Arc::default() }))
}

impl Inspect for TableInspect {
    fn facts(&mut self) -> Result<Facts, WriteError> {
        let connected = &self.maintenance.connected;
        let names = &self.options.names;
        let mut facts = vec![
            ("host", Fact::Text(connected.host.clone())),
            ("is_local", Fact::Is(connected.is_local)),
            ("sslmode", Fact::text(Some(connected.ssl_mode.word()))),
            ("encryption", Fact::text(Some(word_of(connected.wire)))),
            ("creates_schema", Fact::Is(self.options.creates_schema)),
            ("tables_version_known", Fact::Count(schema::VERSION)),
        ];
        self.maintenance.run(async || {
            let client = &connected.client;
            // The first answer pays for what both sides do once.
            let answer = run(client, Phase::Schema, &about(names)).await?;
            facts.extend(read_about(&answer));
            facts.extend(clock_skew(client).await?);
            facts.push(("missing_rights", Fact::List(missing_rights(client, names).await?)));
            facts.push(("tables_version", tables_version(client, names).await?));
            Ok(())
        })?;
        Ok(facts)
    }

    fn count(&mut self, book: &mut Book, say: &dyn Fn(&'static str)) -> Result<(), WriteError> {
        let (client, names) = (&self.maintenance.connected.client, &self.options.names);
        let counting = &self.counting;
        self.maintenance.run_for(COUNT_MAX, async || count::count(client, names, counting, book, say).await)
    }

    fn stored(&mut self, wanted: &[Wanted]) -> Result<Vec<[u8; 16]>, WriteError> {
        let times = || wanted.iter().map(|(_, time)| *time as f64 / 1e9);
        let (from, to) = (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max));
        let mut ids = String::with_capacity(wanted.len() * 37);
        for (id, _) in wanted {
            ids.push_str(if ids.is_empty() { "" } else { "," });
            push_uuid(&mut ids, id);
        }
        // The times come first, so that only the partitions in question are read. Tables may be large and hold no index
        // of ids: whoever waits ends it, and no limit of ours.
        let sql = format!(
            "SELECT DISTINCT id FROM {} WHERE ts BETWEEN to_timestamp({:.6}) AND to_timestamp({:.6}) \
             AND id = ANY ('{{{ids}}}'::uuid[])",
            self.options.names.logs(),
            from - SLACK_SECONDS,
            to + SLACK_SECONDS,
        );
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (client, counting) = (&self.maintenance.connected.client, &self.counting);
        let answer = self.maintenance.run_for(COUNT_MAX, async || {
            begin(client, "BEGIN READ ONLY", counting).await?;
            let answer = run(client, Phase::Schema, &sql).await;
            counting.store(0, Ordering::Release);
            // Should it fail, the connection is gone, and the answer says why.
            drop(run(client, Phase::Schema, "ROLLBACK").await);
            answer
        })?;
        Ok(rows(&answer).filter_map(|row| parse_uuid(row.get(0)?)).collect())
    }

    fn recent(&mut self, instance: &[u8; 16], since_unix_nano: u64) -> Result<Vec<String>, WriteError> {
        let sql = format!(
            "{}SELECT body FROM {} WHERE {}",
            LIMITS.sql(),
            self.options.names.logs(),
            of_instance(instance, since_unix_nano)
        );
        let client = &self.maintenance.connected.client;
        let answer = self.maintenance.run(async || run(client, Phase::Schema, &sql).await)?;
        Ok(rows(&answer).filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }

    fn forget(&mut self, instance: &[u8; 16], since_unix_nano: u64) -> Result<u64, WriteError> {
        let names = &self.options.names;
        let mut id = String::new();
        push_uuid(&mut id, instance);
        // One message is one transaction; the last count is the one that is read.
        let sql = format!(
            "{}DELETE FROM {} WHERE instance = '{id}';DELETE FROM {} WHERE {}",
            LIMITS.sql(),
            names.ledger(),
            names.logs(),
            of_instance(instance, since_unix_nano)
        );
        let client = &self.maintenance.connected.client;
        let answer = self.maintenance.run(async || run(client, Phase::Schema, &sql).await)?;
        Ok(rows_touched(&answer))
    }

    fn interrupt(&self) -> Interrupt {
        let (options, limits, counting) =
            (Arc::clone(&self.options), self.limits, Arc::clone(&self.counting));
        Arc::new(move || {
            let process = counting.load(Ordering::Acquire);
            if process == 0 {
                return;
            }
            // Should it fail, the server ends the statement when it has something to send.
            if let Ok(other) = Maintenance::open(Arc::clone(&options), limits) {
                let sql = format!("SELECT pg_cancel_backend({process})");
                let client = &other.connected.client;
                drop(other.run(async || run(client, Phase::Schema, &sql).await));
                other.close();
            }
        })
    }
}

fn word_of(wire: Wire) -> &'static str {
    match wire {
        Wire::Plain => "none",
        Wire::Encrypted => "unverified",
        Wire::Verified => "verified",
    }
}

fn push_uuid(out: &mut String, id: &[u8; 16]) {
    let mut buffer = [0; 36];
    format_uuid(id, &mut buffer);
    out.push_str(std::str::from_utf8(&buffer).unwrap_or_default());
}

fn of_instance(instance: &[u8; 16], since_unix_nano: u64) -> String {
    let mut id = String::new();
    push_uuid(&mut id, instance);
    let since = since_unix_nano as f64 / 1e9 - RECENT_SECONDS;
    format!("ts >= to_timestamp({since:.6}) AND instance = '{id}'")
}

fn rows(messages: &[SimpleQueryMessage]) -> impl Iterator<Item = &SimpleQueryRow> {
    messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

/// What one question tells, in the order of [`read_about`].
fn about(names: &Names) -> String {
    let logs = literal(names.logs());
    format!(
        "{}SELECT current_setting('server_version'), current_user, current_database(), \
         pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', \
         (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), \
         (SELECT quote_ident(nspname) FROM pg_class AS class JOIN pg_namespace AS ns ON ns.oid = relnamespace \
          WHERE class.oid = to_regclass({logs})), \
         (SELECT sum(greatest(reltuples, 0))::bigint FROM pg_inherits JOIN pg_class ON oid = inhrelid \
          WHERE inhparent = to_regclass({logs}))",
        LIMITS.sql()
    )
}

fn read_about(answer: &[SimpleQueryMessage]) -> Facts {
    let value = |index| schema::value(answer, index);
    let is = |index| Fact::Is(value(index) == Some("t"));
    vec![
        ("server_version", Fact::text(value(0))),
        ("user", Fact::text(value(1))),
        ("database", Fact::text(value(2))),
        ("is_standby", is(3)),
        ("is_read_only", is(4)),
        ("tls_protocol", Fact::text(value(5))),
        ("schema", Fact::text(value(6))),
        ("rows_about", value(7).and_then(|text| text.parse().ok()).map_or(Fact::None, Fact::Count)),
    ]
}

/// How far the server's clock is ahead of ours, and how exact that is: half of the way there and back.
async fn clock_skew(client: &Client) -> Result<Facts, Failure> {
    let before = clock::unix_nano();
    let answer = run(client, Phase::Schema, "SELECT extract(epoch FROM clock_timestamp())").await?;
    let after = clock::unix_nano();
    let server = schema::value(&answer, 0).and_then(|text| text.parse::<f64>().ok());
    let way = after.saturating_sub(before) as f64 / 1e9;
    let skew = server.map(|server| server - (before as f64 / 1e9 + way / 2.0));
    Ok(vec![
        ("clock_skew_seconds", skew.map_or(Fact::None, Fact::Real)),
        ("clock_uncertainty_seconds", Fact::Real(way / 2.0)),
    ])
}

/// What a writer needs, and what reading back, deleting and making tables take: by the words of the answer.
async fn missing_rights(client: &Client, names: &Names) -> Result<Vec<String>, Failure> {
    let records = |table| (names.of(table), table.name(), &["INSERT", "SELECT", "DELETE"][..]);
    let [logs, spans, metrics] = RecordTable::ALL.map(records);
    let wanted = [
        logs,
        spans,
        metrics,
        (names.ledger(), "telesink_ledger", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
        (names.resources(), "telesink_resources", &["SELECT", "INSERT"]),
        (names.meta(), "telesink_meta", &["SELECT"]),
    ];
    let mut sql = format!("{}SELECT words FROM (VALUES ", LIMITS.sql());
    for (table, shown, rights) in wanted {
        for right in rights {
            // Writing to a String cannot fail.
            let _ = write!(
                sql,
                "('{right} on {shown}', has_table_privilege(to_regclass({}), '{right}')), ",
                literal(table)
            );
        }
    }
    let schema = names.schema().map_or_else(|| "quote_ident(current_schema())".to_owned(), literal);
    let _ = write!(
        sql,
        "('CREATE in the schema', coalesce(has_schema_privilege(to_regnamespace({schema}), 'CREATE'), \
         has_database_privilege(current_database(), 'CREATE')))) AS rights (words, is_there) WHERE NOT is_there"
    );
    let answer = run(client, Phase::Schema, &sql).await?;
    Ok(rows(&answer).filter_map(|row| row.get(0).map(str::to_owned)).collect())
}

async fn tables_version(client: &Client, names: &Names) -> Result<Fact, Failure> {
    let there =
        format!("SELECT to_regclass({}), to_regclass({})", literal(names.logs()), literal(names.meta()));
    let answer = run(client, Phase::Schema, &there).await?;
    if schema::value(&answer, 0).is_none() || schema::value(&answer, 1).is_none() {
        return Ok(Fact::None);
    }
    let sql = format!("SELECT value FROM {} WHERE key = 'version'", names.meta());
    match run(client, Phase::Schema, &sql).await {
        Ok(answer) => {
            Ok(schema::value(&answer, 0).and_then(|text| text.parse().ok()).map_or(Fact::None, Fact::Count))
        }
        // Told among the rights.
        Err(failure) if schema::code_of(&failure) == "42501" => Ok(Fact::None),
        Err(failure) => Err(failure),
    }
}

/// Begins a transaction that may take as long as the table is large, whatever limits the role has, and notes the process
/// of the server for whoever wants to end it.
async fn begin(client: &Client, how: &str, counting: &AtomicI32) -> Result<(), Failure> {
    let sql =
        format!("{how};SET LOCAL statement_timeout = 0;SET LOCAL lock_timeout = 0;SELECT pg_backend_pid()");
    let answer = run(client, Phase::Schema, &sql).await?;
    let process = schema::value(&answer, 0).and_then(|text| text.parse().ok()).unwrap_or(0);
    counting.store(process, Ordering::Release);
    Ok(())
}
