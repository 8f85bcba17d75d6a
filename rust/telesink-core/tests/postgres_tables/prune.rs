//! Pruning: the same from outside, step by step.

use crate::{DAY, Database, partition};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::error::WriteError;
use telesink_core::settings::Settings;
use telesink_core::sinks::prune::{self, OldPartition, Piece, Policy, Prune, Retention};

fn open(database: &Database) -> Result<Box<dyn Prune>, WriteError> {
    open_with(database, Retention::older_than(days(30), clock::unix_nano()))
}

fn open_with(database: &Database, retention: Retention) -> Result<Box<dyn Prune>, WriteError> {
    let plan = prune::plan(&mut database.dsn("")).expect("a plan");
    plan.open(Settings::documented().limits(), retention)
}

fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
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
    let (scope, rows) = (prune.scope().clone(), prune.count().expect("counted"));
    let mut pieces = Vec::new();
    while let Some(piece) = prune.step().expect("a step") {
        pieces.push(piece);
    }

    assert_eq!(scope.partitions, [OldPartition { name: partition(-40), rows: Some(500) }]);
    assert_eq!(rows, [12_000]);
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

#[test]
fn a_policy_of_a_level_goes_through_partitions_and_touches_nothing_else() {
    let database = Database::with_tables();
    for days in [10, 40] {
        database.maintenance().make_ahead(clock::unix_nano() - days * DAY, 1).expect("a partition");
    }
    for age in [10, 40, 100] {
        database.add(3_000, &format!("now() - interval '{age} days'"));
    }
    database.sql("UPDATE telesink_logs SET level = 'DEBUG' WHERE seq % 3 = 0");
    let debug = Policy { level: Some("debug".to_owned()), keep: Some(days(20)), ..Policy::default() };
    let retention = Retention { policies: vec![debug], now_unix_nano: clock::unix_nano() };

    let mut prune = open_with(&database, retention).expect("opened");
    let rows = prune.count().expect("counted");
    let mut deleted = 0;
    while let Some(piece) = prune.step().expect("a step") {
        match piece {
            Piece::Rows(rows) => deleted += rows,
            piece => panic!("{piece:?}"),
        }
    }

    assert_eq!((rows, deleted), (vec![2_000], 2_000));
    assert_eq!(database.count("level = 'DEBUG'"), 1_000);
    assert_eq!(database.count("level <> 'DEBUG'"), 6_000);
}

#[test]
fn partitions_go_as_a_whole_when_the_longest_policy_has_passed() {
    let database = Database::with_tables();
    for days in [40, 60] {
        database.maintenance().make_ahead(clock::unix_nano() - days * DAY, 1).expect("a partition");
    }
    database.add(100, "now() - interval '60 days'");
    database.add(100, "now() - interval '40 days'");
    database.sql("UPDATE telesink_logs SET level = 'ERROR' WHERE seq % 2 = 0");
    let errors = Policy { level: Some("ERROR".to_owned()), keep: Some(days(50)), ..Policy::default() };
    let rest = Policy { keep: Some(days(7)), ..Policy::default() };
    let retention = Retention { policies: vec![errors, rest], now_unix_nano: clock::unix_nano() };

    let mut prune = open_with(&database, retention).expect("opened");
    let mut pieces = Vec::new();
    while let Some(piece) = prune.step().expect("a step") {
        pieces.push(piece);
    }

    assert_eq!(pieces, [Piece::Partition(partition(-60)), Piece::Rows(50)]);
    assert_eq!((database.count("level = 'ERROR'"), database.count("true")), (50, 50));
}

#[test]
fn a_partition_of_which_a_part_is_old_loses_that_part() {
    let database = Database::with_tables();
    database.maintenance().make_ahead(clock::unix_nano(), 1).expect("a partition");
    database.add(100, "date_trunc('day', now(), 'UTC')");
    database.add(10, "now()");

    let mut prune = open_with(&database, Retention::older_than(Duration::from_millis(1), clock::unix_nano()))
        .expect("opened");
    let mut pieces = Vec::new();
    while let Some(piece) = prune.step().expect("a step") {
        pieces.push(piece);
    }

    assert_eq!(pieces, [Piece::Rows(110)]);
    assert_eq!(database.count("true"), 0);
}

#[test]
fn partitions_of_partitions_lose_their_old_rows_too() {
    let database = Database::with_tables();
    let (from, to) =
        ("date_trunc('day', now(), 'UTC')", "date_trunc('day', now(), 'UTC') + interval '1 day'");
    let bounds = database.sql(&format!("SELECT format('FROM (%L) TO (%L)', {from}, {to})"));
    database.sql(&format!(
        "CREATE TABLE today PARTITION OF telesink_logs FOR VALUES {bounds} PARTITION BY LIST (level); \
         CREATE TABLE today_info PARTITION OF today FOR VALUES IN ('INFO'); \
         CREATE TABLE today_rest PARTITION OF today DEFAULT"
    ));
    database.add(100, from);
    database.sql("UPDATE telesink_logs SET level = 'DEBUG' WHERE seq <= 30");
    let debug =
        Policy { level: Some("DEBUG".to_owned()), keep: Some(Duration::from_millis(1)), ..Policy::default() };

    let retention = Retention { policies: vec![debug], now_unix_nano: clock::unix_nano() };
    let mut prune = open_with(&database, retention).expect("opened");
    let rows = prune.count().expect("counted");
    while prune.step().expect("a step").is_some() {}

    assert_eq!((rows, database.count("true")), (vec![30], 70));
}
