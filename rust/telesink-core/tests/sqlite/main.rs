//! The promises of the `SQLite` sink, with real files.
#![cfg(unix)]

mod faults;
mod ledger;
mod refusals;
mod schema;
mod signals;
#[path = "../support/mod.rs"]
mod support;

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use support::records::info;
use telesink_core::error::WriteError;
use telesink_core::record::tables::{Resource, Tables};
use telesink_core::sinks::{Batch, Entry, Outcome, Route, Sink, SinkPlan, Spent};
use tempfile::TempDir;

/// A folder and the path of a database in it that does not exist yet.
fn database() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs.db");
    (folder, path)
}

fn plan_at(path: &Path) -> SinkPlan {
    support::plan(&format!("sqlite:///{}", path.display()))
}

fn connect(path: &Path) -> Connection {
    Connection::open(path).expect("open")
}

fn bodies(path: &Path) -> Vec<String> {
    texts(path, "SELECT body FROM telesink_logs ORDER BY row_id")
}

/// One column of text, in order.
fn texts(path: &Path, sql: &str) -> Vec<String> {
    let connection = connect(path);
    let mut statement = connection.prepare(sql).expect("prepare");
    let rows = statement.query_map([], |row| row.get(0)).expect("query");
    rows.collect::<Result<_, _>>().expect("text")
}

fn number(path: &Path, sql: &str) -> i64 {
    connect(path).query_row(sql, [], |row| row.get(0)).expect("one number")
}

/// A sink without a lane: what it says to one batch after another.
struct Direct {
    sink: Box<dyn Sink>,
    tables: Tables,
}

impl Direct {
    fn at(path: &Path) -> Self {
        Self {
            sink: (plan_at(path).factory)(support::eager().limits()),
            tables: Tables::new(Resource::new(&[])),
        }
    }

    /// Offers INFO records with these numbers, after `previous_seq`.
    fn write(
        &mut self,
        previous_seq: u64,
        seqs: std::ops::RangeInclusive<u64>,
    ) -> Result<Outcome, WriteError> {
        let record = |seq: u64| info(&format!("number {seq}"));
        let entries: Vec<Entry> = seqs.map(|seq| Entry::new(seq, record(seq))).collect();
        self.sink.write(&Batch {
            instance: [9; 16],
            lane: 0,
            previous_seq,
            route: Route::All,
            entries: &entries,
            tables: &self.tables,
            now_unix_nano: telesink_core::clock::unix_nano(),
            spent: &Spent::default(),
        })
    }
}
