//! The tables in Postgres: how they are made, how they are cut into days, and how old rows leave them.
#![cfg(unix)]

mod partitions;
mod prune;
mod retention;
mod schema;
mod signals;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use support::postgres::Server;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::settings::Settings;
use telesink_core::sinks::postgres::maintenance::Maintenance;

/// A day in nanoseconds.
const DAY: u64 = 86_400 * 1_000_000_000;

/// One server for all tests that run at the same time; it ends with the last of them.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// How many hold the lock on the tables of this database.
const HELD_LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database of a test's own.
#[derive(Clone)]
struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    /// An empty one.
    fn new() -> Self {
        let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| Arc::new(Server::start()));
        *shared = Arc::downgrade(&server);
        let name = format!("tables_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.sql("postgres", &format!("CREATE DATABASE {name}")).expect("a database");
        Self { server, name }
    }

    /// One with the tables.
    fn with_tables() -> Self {
        let database = Self::new();
        database.maintenance().prepare().expect("tables");
        database
    }

    /// What a statement answers with.
    fn sql(&self, statement: &str) -> String {
        self.server.sql(&self.name, statement).expect("it runs")
    }

    fn dsn(&self, options: &str) -> Dsn {
        let text = format!("{}{options}", self.server.dsn(&self.name));
        Dsn::parse(&text, &[], Path::new("/")).expect("a DSN")
    }

    fn maintenance(&self) -> Maintenance {
        self.maintenance_with("")
    }

    fn maintenance_with(&self, options: &str) -> Maintenance {
        connect(&mut self.dsn(options))
    }

    /// With the rights of another role.
    fn maintenance_of(&self, role: &str) -> Maintenance {
        let text = self.server.dsn(&self.name).replace("postgres@", &format!("{role}@"));
        connect(&mut Dsn::parse(&text, &[], Path::new("/")).expect("a DSN"))
    }

    /// Stores rows; `time` is an expression in which `n` counts them from 1.
    fn add(&self, rows: u32, time: &str) {
        self.sql(&insert(rows, time));
    }

    fn count(&self, condition: &str) -> u64 {
        let count = self.sql(&format!("SELECT count(*) FROM telesink_logs WHERE {condition}"));
        count.parse().expect("a number")
    }

    /// The partitions of the table, by name, without the default one.
    fn partitions(&self) -> Vec<String> {
        let names = self.sql(
            "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'telesink_logs'::regclass \
             AND inhrelid <> to_regclass('telesink_logs_default') ORDER BY inhrelid::regclass::text",
        );
        names.lines().map(str::to_owned).collect()
    }

    /// How many rows lie in the default partition.
    fn strays(&self) -> u64 {
        self.sql("SELECT count(*) FROM ONLY telesink_logs_default").parse().expect("a number")
    }
}

fn connect(dsn: &mut Dsn) -> Maintenance {
    let connected = Maintenance::connect(dsn, Settings::documented().limits());
    connected.expect("options").expect("a connection")
}

/// The statement that stores rows.
fn insert(rows: u32, time: &str) -> String {
    format!(
        "INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, resource_id, instance, \
         seq) SELECT {time}, now(), gen_random_uuid(), 9, 'INFO', 'shop', 'shop.cart', 'paid ' || n, 1, \
         gen_random_uuid(), n FROM generate_series(1, {rows}) AS n"
    )
}

/// The name of a day's partition, counted from today.
fn partition(days: i64) -> String {
    let moment = clock::unix_nano() as i64 + days * DAY as i64;
    let date = jiff::Timestamp::from_nanosecond(i128::from(moment)).expect("a time");
    date.to_zoned(jiff::tz::TimeZone::UTC).strftime("telesink_logs_p%Y%m%d").to_string()
}
