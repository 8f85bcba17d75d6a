//! Making the tables.

use crate::Database;
use std::sync::{Arc, Barrier};
use telesink_core::clock;
use telesink_core::sinks::postgres::schema::{VERSION, ddl};

/// Everything that the statements make, in words.
const SHAPE: &str = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (\
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line \
    FROM information_schema.columns WHERE table_name LIKE 'telesink%' \
    UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'telesink%' \
    UNION ALL SELECT relname || ' ' || coalesce(array_to_string(reloptions, ' '), '') FROM pg_class \
    WHERE relname LIKE 'telesink%') AS lines";

#[test]
fn starters_at_once_make_one_schema_and_each_partition_once() {
    for round in 0..5 {
        let database = Database::new();
        let start = Arc::new(Barrier::new(16));

        let starters: Vec<_> = (0..16)
            .map(|_| {
                let (database, start) = (database.clone(), Arc::clone(&start));
                crate::support::spawn(move || {
                    let maintenance = database.maintenance();
                    start.wait();
                    maintenance.prepare().expect("tables");
                    maintenance.make_ahead(clock::unix_nano(), 3).expect("partitions").partitions
                })
            })
            .collect();
        let made: usize = starters.into_iter().map(|starter| starter.join().expect("no error")).sum();

        assert_eq!((made, database.partitions().len()), (3, 3), "round {round}");
        assert_eq!(database.sql("SELECT key, value FROM telesink_meta"), format!("version|{VERSION}"));
    }
}

#[test]
fn whoever_had_to_wait_sees_what_was_made_meanwhile() {
    // A server remembers which names were missing, and asks again only when it has a reason to.
    let database = Database::new();
    let slow = ddl(None, None).expect("statements").replace("COMMIT;", "SELECT pg_sleep(1);COMMIT;");
    let other = database.clone();
    let at_work = crate::support::spawn(move || other.sql(&slow));
    crate::support::until("the lock is taken", || database.sql(crate::HELD_LOCKS) == "1");

    database.maintenance().prepare().expect("the tables are there");

    at_work.join().expect("made");
}

#[test]
fn the_printed_statements_make_the_same_tables_and_can_be_run_again() {
    let (by_hand, by_program) = (Database::new(), Database::with_tables());
    let statements = ddl(None, None).expect("statements");

    by_hand.sql(&statements);
    by_hand.sql(&statements);

    assert_eq!(by_hand.sql(SHAPE), by_program.sql(SHAPE));
    by_hand.maintenance_with("?create_schema=false").prepare().expect("nothing is missing");
}

#[test]
fn the_tables_lie_in_the_schema_that_is_named_whatever_its_name() {
    let database = Database::new();
    let names = [
        ("telemetry", "telemetry"),
        ("My \"own\" $$logs$$", "My%20%22own%22%20$$logs$$"),
        ("it's\\", "it's%5C"),
    ];
    for (schema, escaped) in names {
        let maintenance = database.maintenance_with(&format!("?schema={escaped}"));

        maintenance.prepare().expect("tables");
        maintenance.prepare().expect("tables that are there");
        let made = maintenance.make_ahead(clock::unix_nano(), 2).expect("partitions");

        assert_eq!(made.partitions, 2);
        let literal = schema.replace('\'', "''");
        let tables = format!(
            "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = \
             (SELECT oid FROM pg_namespace WHERE nspname = '{literal}')"
        );
        assert_eq!(database.sql(&tables), "11", "{schema}");
    }
    assert_eq!(database.sql("SELECT to_regclass('public.telesink_logs')"), "");
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    let database = Database::with_tables();
    database.sql("UPDATE telesink_meta SET value = '7'");

    let error = database.maintenance().prepare().expect_err("too new");
    database.sql(&ddl(None, None).expect("statements"));

    assert!(error.message.contains("the tables have version 7"), "{error}");
    assert!(error.hint.contains("upgrade telesink"), "{}", error.hint);
    assert_eq!(database.sql("SELECT value FROM telesink_meta"), "7", "older statements do not take it back");
}

#[test]
fn one_table_that_is_gone_is_not_made_behind_the_back_of_whoever_dropped_it() {
    let database = Database::with_tables();
    database.sql("DROP TABLE telesink_logs CASCADE");
    let maintenance = database.maintenance();

    let error = maintenance.prepare().expect_err("it is missing");
    database.sql(&ddl(None, None).expect("statements"));

    assert!(error.message.contains("telesink_logs is missing"), "{error}");
    assert!(error.hint.contains("telesink schema --dialect postgres"), "{}", error.hint);
    maintenance.prepare().expect("made again");
}

#[test]
fn an_older_table_of_the_same_name_is_told_and_nothing_is_half_made() {
    let database = Database::new();
    database.sql("CREATE TABLE telesink_logs (at timestamp, line text)");

    let error = database.maintenance().prepare().expect_err("another shape");

    assert!(error.message.contains("telesink_logs"), "{error}");
    assert_eq!(database.sql("SELECT to_regclass('telesink_meta')"), "");
}

#[test]
fn the_views_show_what_people_look_for() {
    let database = Database::with_tables();
    database.sql("INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, trace_id, \
                  resource_id, instance, seq) VALUES ('2026-11-21 10:11:12.345+00', now(), gen_random_uuid(), 17, 'ERROR', \
                  'shop', 'shop.cart', 'it broke', '4bf92f3577b34da6a3ce929d0e0e4736', 1, gen_random_uuid(), 1)");

    let line = database.sql("SELECT time AT TIME ZONE 'UTC', level, logger, body FROM telesink_log_lines");
    let panel = database.sql("SELECT level, body, \"traceID\" FROM telesink_grafana_logs");

    assert_eq!(line, "2026-11-21 10:11:12.345|ERROR|shop.cart|it broke");
    assert_eq!(panel, "ERROR|it broke|4bf92f3577b34da6a3ce929d0e0e4736");
}
