//! A partition for each day.

use crate::{DAY, Database, insert, partition};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use telesink_core::clock;
use telesink_core::sinks::postgres::maintenance::Made;
use tokio::runtime::Builder;

#[test]
fn today_and_the_next_days_have_a_partition_with_all_indexes_of_the_table() {
    let database = Database::with_tables();
    let maintenance = database.maintenance();

    let made = maintenance.make_ahead(clock::unix_nano(), 3).expect("partitions");
    let again = maintenance.make_ahead(clock::unix_nano(), 3).expect("nothing to do");

    assert_eq!(made, Made { partitions: 3, ..Made::default() });
    assert_eq!(again, Made::default());
    assert_eq!(database.partitions(), [partition(0), partition(1), partition(2)]);
    let indexes = format!("SELECT count(*) FROM pg_indexes WHERE tablename = '{}'", partition(0));
    assert_eq!(
        database.sql(&indexes),
        database.sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'telesink_logs'")
    );
}

#[test]
fn days_are_cut_in_utc_wherever_the_role_lives() {
    let database = Database::with_tables();
    for setting in ["timezone = 'Pacific/Kiritimati'", "datestyle = 'SQL, DMY'"] {
        database.sql(&format!("ALTER DATABASE {} SET {setting}", database.name));
    }

    let made = database.maintenance().make_ahead(1_795_305_599_999_999_999, 1).expect("a partition");
    let again = database.maintenance().make_ahead(1_795_219_200_000_000_000, 1).expect("nothing to do");
    database.add(1, "timestamptz '2026-11-21 00:00:00+00'");
    database.add(1, "timestamptz '2026-11-21 23:59:59.999999+00'");

    assert_eq!((made.partitions, again.partitions), (1, 0));
    assert_eq!(database.sql("SELECT count(*) FROM telesink_logs_p20261121"), "2");
}

#[test]
fn rows_of_the_days_a_writer_was_stopped_for_are_moved_to_their_partitions() {
    let database = Database::with_tables();
    let maintenance = database.maintenance();
    maintenance.make_ahead(clock::unix_nano() - 5 * DAY, 1).expect("the last one before it stopped");
    database.add(50, "now() - (n % 5) * interval '1 day'");
    assert_eq!(database.strays(), 50);

    let mut moved = 0;
    while database.strays() > 0 {
        moved += maintenance.make_ahead(clock::unix_nano(), 1).expect("partitions").moved_rows;
    }

    assert_eq!((moved, database.count("true")), (50, 50));
    assert_eq!(database.sql(&format!("SELECT count(*) FROM {}", partition(-4))), "10");
}

#[test]
fn no_write_fails_and_no_row_is_lost_while_partitions_are_made_under_it() {
    let database = Database::with_tables();
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (dsn, is_over) = (database.server.dsn(&database.name), Arc::clone(&is_over));
            crate::support::spawn(move || write_all_days(&dsn, writer, &is_over))
        })
        .collect();

    // Two that are in each other's way, until each of the twelve days has its partition.
    let makers: Vec<_> = (0..2)
        .map(|_| {
            let database = database.clone();
            crate::support::spawn(move || {
                let maintenance = database.maintenance();
                let end = clock::monotonic() + crate::support::LIMIT;
                while database.partitions().len() < 12 {
                    assert!(clock::monotonic() < end, "{:?}", database.partitions());
                    maintenance.make_ahead(clock::unix_nano(), 1).expect("no error");
                }
            })
        })
        .collect();
    for maker in makers {
        maker.join().expect("partitions");
    }
    is_over.store(true, Ordering::Relaxed);
    let written: u64 = writers.into_iter().map(|writer| writer.join().expect("no write fails")).sum();

    assert_eq!(database.count("true"), written);
    assert_eq!(database.strays(), 0);
}

/// Stores rows of the last twelve days, a transaction for each ten; answers how many.
fn write_all_days(dsn: &str, writer: u64, is_over: &AtomicBool) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(dsn, tokio_postgres::NoTls).await.expect("connected");
        let serving = tokio::spawn(connection);
        let mut written = 0;
        while !is_over.load(Ordering::Relaxed) {
            let days = (written / 10 + writer) % 12;
            let statement = insert(10, &format!("now() - {days} * interval '1 day'"));
            client.batch_execute(&format!("BEGIN;{statement};COMMIT")).await.expect("stored");
            written += 10;
        }
        drop(client);
        serving.await.expect("it ran").expect("no error");
        written
    })
}

#[test]
fn a_day_long_past_gets_a_partition_for_many_rows_only() {
    let database = Database::with_tables();
    database.add(10_000, "now() - interval '400 days'");
    database.add(9_999, "now() - interval '500 days'");
    database.add(1, "now() - interval '31 days'");

    let made = database.maintenance().make_ahead(clock::unix_nano(), 1).expect("partitions");

    assert_eq!(made, Made { partitions: 3, moved_rows: 10_001, ..Made::default() });
    assert_eq!(database.partitions(), [partition(-400), partition(-31), partition(0)]);
    assert_eq!(database.strays(), 9_999);
}

#[test]
fn one_call_makes_a_few_partitions_and_says_that_more_are_wanted() {
    let database = Database::with_tables();
    database.add(20, "now() - n * interval '1 day'");

    let made = database.maintenance().make_ahead(clock::unix_nano(), 1).expect("partitions");

    assert_eq!(made, Made { partitions: 4, moved_rows: 3, is_partial: true, ..Made::default() });
    assert_eq!(database.partitions(), [partition(-3), partition(-2), partition(-1), partition(0)]);
}

#[test]
fn a_partition_that_somebody_detached_to_keep_it_is_left_alone() {
    let database = Database::with_tables();
    let maintenance = database.maintenance();
    maintenance.make_ahead(clock::unix_nano(), 1).expect("a partition");
    database.add(3, "now()");
    database.sql(&format!("ALTER TABLE telesink_logs DETACH PARTITION {}", partition(0)));
    database.add(2, "now()");

    let made = maintenance.make_ahead(clock::unix_nano(), 1).expect("no error");

    assert_eq!(made, Made::default());
    assert_eq!((database.count("true"), database.strays()), (2, 2));
    assert_eq!(database.sql(&format!("SELECT count(*) FROM {}", partition(0))), "3");
}

#[test]
fn partitions_that_somebody_else_cut_count_as_well() {
    let database = Database::with_tables();
    database.sql(
        "CREATE TABLE all_to_come PARTITION OF telesink_logs FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)",
    );

    let made = database.maintenance().make_ahead(clock::unix_nano(), 3).expect("nothing to do");

    assert_eq!((made, database.partitions()), (Made::default(), vec!["all_to_come".to_owned()]));
}

#[test]
fn a_table_without_partitions_stays_as_it_is() {
    let database = Database::new();
    database.sql("CREATE TABLE telesink_logs (ts timestamptz, body text)");

    assert_eq!(database.maintenance().make_ahead(clock::unix_nano(), 3), Ok(Made::default()));
    assert_eq!(Database::new().maintenance().make_ahead(clock::unix_nano(), 3), Ok(Made::default()));
}

#[test]
fn whatever_users_added_to_the_table_survives_the_move() {
    let database = Database::with_tables();
    database.sql(
        "ALTER TABLE telesink_logs ADD COLUMN gone int, ADD COLUMN \"Tenant\" text DEFAULT 'nobody', \
         ADD COLUMN body_length int GENERATED ALWAYS AS (length(body)) STORED, ADD CHECK (body <> ''), ADD UNIQUE (id, ts);\
         ALTER TABLE telesink_logs DROP COLUMN gone",
    );
    database.add(7, "now()");
    database.sql("UPDATE telesink_logs SET \"Tenant\" = 'me'");

    let made = database.maintenance().make_ahead(clock::unix_nano(), 1).expect("a partition");

    assert_eq!(made, Made { partitions: 1, moved_rows: 7, ..Made::default() });
    let kept = "SELECT count(*) FROM telesink_logs WHERE \"Tenant\" = 'me' AND body_length = 6";
    assert_eq!((database.sql(kept).as_str(), database.strays()), ("7", 0));
}

#[test]
fn a_role_that_may_only_write_is_told_how_to_have_partitions_made_by_others() {
    let database = Database::with_tables();
    database.sql(&format!(
        "CREATE ROLE {0} LOGIN; GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA public TO {0}",
        database.name
    ));

    let error =
        database.maintenance_of(&database.name).make_ahead(clock::unix_nano(), 1).expect_err("no right");

    assert!(error.hint.contains("create_schema=false"), "{error}; {}", error.hint);
    assert_eq!(database.partitions(), [""; 0]);
}
