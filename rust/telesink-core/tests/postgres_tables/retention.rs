//! Old rows, and old rows of the ledger.

use crate::{DAY, Database, partition};
use std::time::Duration;
use telesink_core::clock;
use telesink_core::sinks::postgres::maintenance::Dropped;

const MONTH: Duration = Duration::from_hours(24 * 30);

/// Makes the partition of a day, counted from today.
fn make(database: &Database, days: i64) {
    let at = clock::unix_nano().saturating_add_signed(days * DAY as i64);
    assert_eq!(database.maintenance().make_ahead(at, 1).expect("a partition").partitions, 1);
}

#[test]
fn partitions_that_are_old_as_a_whole_are_dropped_and_other_old_rows_deleted() {
    let database = Database::with_tables();
    for days in [-40, -32, -29, 0] {
        make(&database, days);
    }
    database.add(100, "now() - n * interval '1 day'");

    let dropped = database.maintenance().drop_old(MONTH, clock::unix_nano()).expect("dropped");

    // 71 rows are older, the 30th by a moment: two were in partitions.
    assert_eq!(dropped, Dropped { partitions: 2, rows: 69, is_partial: false });
    assert_eq!(database.partitions(), [partition(-29), partition(0)]);
    assert_eq!((database.count("true"), database.count("ts < now() - interval '30 days'")), (29, 0));
}

#[test]
fn one_call_does_no_more_than_a_batch_can_wait_for() {
    let database = Database::with_tables();
    for days in 31..=36 {
        make(&database, -days);
    }
    database.add(25_000, "now() - interval '300 days'");
    let maintenance = database.maintenance();
    let call = || maintenance.drop_old(MONTH, clock::unix_nano()).expect("dropped");

    assert_eq!(call(), Dropped { partitions: 4, rows: 0, is_partial: true });
    assert_eq!(call(), Dropped { partitions: 2, rows: 20_000, is_partial: true });
    assert_eq!(call(), Dropped { partitions: 0, rows: 5_000, is_partial: false });
    assert_eq!(call(), Dropped::default());
}

#[test]
fn a_clock_that_runs_ahead_deletes_nothing() {
    let database = Database::with_tables();
    make(&database, 0);
    database.add(10, "now()");

    let dropped = database.maintenance().drop_old(MONTH, clock::unix_nano() + 3_650 * DAY).expect("nothing");

    assert_eq!((dropped, database.count("true")), (Dropped::default(), 10));
}

#[test]
fn a_partition_that_others_depend_on_is_told_and_does_not_keep_the_rest() {
    let database = Database::with_tables();
    for days in [-50, -40] {
        make(&database, days);
    }
    database.sql(&format!("CREATE VIEW precious AS SELECT * FROM {}", partition(-50)));

    let error = database.maintenance().drop_old(MONTH, clock::unix_nano()).expect_err("one is needed");

    assert!(error.message.contains(&partition(-50)), "{error}");
    assert_eq!(database.partitions(), [partition(-50)]);
}

#[test]
fn a_table_without_partitions_loses_its_old_rows() {
    let database = Database::new();
    database.sql("CREATE TABLE telesink_logs (ts timestamptz, body text)");
    database.sql(
        "INSERT INTO telesink_logs SELECT now() - n * interval '1 day', '' FROM generate_series(1, 100) AS n",
    );

    let dropped = database.maintenance().drop_old(MONTH, clock::unix_nano()).expect("deleted");

    assert_eq!((dropped.rows, database.count("true")), (71, 29));
}

#[test]
fn ledger_rows_that_have_not_moved_for_30_days_are_swept_but_never_ones_own() {
    let database = Database::with_tables();
    let own = "00000000-0000-7000-8000-000000000001";
    let rows = [
        (own, 99),
        ("00000000-0000-7000-8000-000000000002", 31),
        ("00000000-0000-7000-8000-000000000003", 29),
    ];
    for (instance, days) in rows {
        database.sql(&format!(
            "INSERT INTO telesink_ledger VALUES ('{instance}', 0, 5, now() - interval '{days} days')"
        ));
    }

    let swept = database.maintenance().sweep_ledger(own).expect("swept");

    assert_eq!(swept, 1);
    assert_eq!(
        database.sql("SELECT string_agg(right(instance::text, 1), ',' ORDER BY 1) FROM telesink_ledger"),
        "1,3"
    );
}
