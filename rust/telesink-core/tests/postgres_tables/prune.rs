//! Pruning: the same from outside, step by step.

use crate::{DAY, Database, partition};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::settings::Settings;
use telesink_core::sinks::prune::{self, Age, OldPartition, Piece, Prune};

fn open(database: &Database) -> Result<Box<dyn Prune>, WriteError> {
    let age = Age { older_than: Duration::from_hours(24 * 30), now_unix_nano: clock::unix_nano() };
    prune::plan(&mut database.dsn("")).expect("a plan").open(Settings::documented().limits(), age)
}

#[test]
fn what_is_old_is_counted_first_and_then_deleted_step_by_step() {
    let database = Database::with_tables();
    let at = clock::unix_nano() - 40 * DAY;
    database.maintenance().make_ahead(at, 1).expect("a partition");
    database.add(500, "now() - interval '40 days'");
    database.add(12_000, "now() - (100 + n % 50) * interval '1 day'");
    database.add(10, "now()");
    database.sql("ANALYZE telesink_logs");

    let mut prune = open(&database).expect("opened");
    let scope = prune.scope().clone();
    let mut pieces = Vec::new();
    while let Some(piece) = prune.step().expect("a step") {
        pieces.push(piece);
    }

    assert_eq!(scope.partitions, [OldPartition { name: partition(-40), rows: Some(500) }]);
    assert_eq!(scope.rows, 12_000);
    assert_eq!(pieces, [Piece::Partition(partition(-40)), Piece::Rows(10_000), Piece::Rows(2_000)]);
    assert_eq!(database.count("true"), 10);
}

#[test]
fn whoever_works_on_the_tables_is_waited_for() {
    let database = Database::with_tables();
    database.maintenance().make_ahead(clock::unix_nano() - 40 * DAY, 1).expect("a partition");
    let mut prune = open(&database).expect("opened");
    // As the lock is told in the documentation of the statements.
    let lock = "SELECT pg_advisory_lock(8387229064031202923); SELECT pg_sleep(1)";
    let other = database.clone();
    let at_work = crate::support::spawn(move || other.sql(lock));
    crate::support::until("the lock is taken", || database.sql(crate::HELD_LOCKS) == "1");

    let first = prune.step().expect("a step");
    let mut next = prune.step().expect("a step");
    while next == Some(Piece::Wait) {
        next = prune.step().expect("a step");
    }

    assert_eq!((first, next), (Some(Piece::Wait), Some(Piece::Partition(partition(-40)))));
    at_work.join().expect("it ended");
}

#[test]
fn a_partition_that_others_depend_on_is_told_at_the_end() {
    let database = Database::with_tables();
    for days in [50, 40] {
        database.maintenance().make_ahead(clock::unix_nano() - days * DAY, 1).expect("a partition");
    }
    database.add(5, "now() - interval '100 days'");
    database.sql(&format!("CREATE VIEW precious AS SELECT * FROM {}", partition(-50)));
    let mut prune = open(&database).expect("opened");

    assert_eq!(prune.step(), Ok(Some(Piece::Partition(partition(-40)))));
    assert_eq!(prune.step(), Ok(Some(Piece::Rows(5))));
    let error = prune.step().expect_err("one is left");

    assert!(error.message.contains(&partition(-50)), "{error}");
    assert_eq!(prune.step(), Ok(None));
}

#[test]
fn a_database_without_the_tables_is_told() {
    let error = open(&Database::new()).err().expect("nothing to prune");

    assert!(error.message.contains("the telesink tables are not there"), "{error}");
}
