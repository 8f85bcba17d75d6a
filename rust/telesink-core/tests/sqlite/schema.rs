//! The tables: made once, private, and as documented.

use crate::support::records::{Draft, info};
use crate::support::{batches_of, close, eager, flush, lane, offer, offer_all, pipeline, plan, spawn, until};
use crate::{bodies, connect, database, number, plan_at, texts};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Barrier};
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, flag};
use telesink_core::sinks::sqlite::{DDL, VERSION};
use telesink_core::stats::State;

#[test]
fn eight_starters_at_once_create_one_schema_and_lose_nothing() {
    let (_folder, path) = database();
    let start = Arc::new(Barrier::new(8));

    let starters: Vec<_> = (0..8)
        .map(|starter| {
            let (start, plan) = (Arc::clone(&start), plan_at(&path));
            spawn(move || {
                let pipeline = pipeline(plan, eager());
                start.wait();
                offer_all(&pipeline, (0..10).map(|number| format!("{starter}/{number}")));
                close(&pipeline);
                assert_eq!(lane(&pipeline).delivered, 10);
            })
        })
        .collect();
    for starter in starters {
        starter.join().expect("delivered");
    }

    assert_eq!(bodies(&path).len(), 80);
    assert_eq!(texts(&path, "SELECT value FROM telesink_meta WHERE key = 'version'"), [VERSION.to_string()]);
    assert_eq!(number(&path, "SELECT count(*) FROM telesink_resources"), 1);
    assert_eq!(number(&path, "SELECT count(*) FROM telesink_ledger"), 8);
}

#[test]
fn a_row_holds_what_the_record_holds() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());
    let scope = pipeline.tables().scope_index("shop.cart");
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.severity(17, "ERROR");
    builder.body("it broke");
    builder.event_name("shop.broken");
    builder.attribute("user", Scalar::Str("Åsa \"A\""));
    builder.attribute("count", Scalar::Int(3));
    let header = Header {
        trace_id: [0xab; 16],
        span_id: [0x0f; 8],
        scope,
        severity: 17,
        levelno: 40,
        flags: flag::RESERVE,
        ..info("").header()
    };
    let record = builder.finish(header, &[]);

    assert!(offer(&pipeline, &record));
    flush(&pipeline);

    let sql = "SELECT json_object('ts', ts, 'observed', observed_ts, 'id', id, 'severity', severity, 'level', level, \
               'service', service, 'logger', logger, 'body', body, 'event', event_name, 'trace', trace_id, \
               'span', span_id, 'attributes', json(attributes), 'instance', instance, 'seq', seq) FROM telesink_logs";
    let row: serde_json::Value = serde_json::from_str(&texts(&path, sql)[0]).expect("JSON");
    let expected = serde_json::json!({
        "ts": header.time_unix_nano, "observed": header.observed_unix_nano,
        "id": uuid::Uuid::from_bytes(header.id).to_string(),
        "severity": 17, "level": "ERROR", "service": "shop", "logger": "shop.cart", "body": "it broke",
        "event": "shop.broken", "trace": "ab".repeat(16), "span": "0f".repeat(8),
        "attributes": { "user": "Åsa \"A\"", "count": 3 },
        "instance": uuid::Uuid::from_bytes(pipeline.instance()).to_string(), "seq": 1,
    });
    assert_eq!(row, expected);
    let resource = texts(
        &path,
        "SELECT r.attributes FROM telesink_resources r JOIN telesink_logs l ON l.resource_id = r.id",
    );
    assert_eq!(resource, ["{\"service.name\":\"shop\"}"]);
}

#[test]
fn what_a_record_lacks_is_null() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["plain"]);
    flush(&pipeline);

    let nulls = "SELECT count(*) FROM telesink_logs WHERE event_name IS NULL AND trace_id IS NULL AND span_id IS NULL";
    assert_eq!(number(&path, nulls), 1);
}

#[test]
fn the_view_shows_lines_for_people() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    assert!(offer(&pipeline, &Draft::new("hello").observed(1_795_255_872_345_000_000).build()));
    flush(&pipeline);

    let lines = texts(&path, "SELECT time || ' ' || level || ' ' || body FROM telesink_log_lines");
    assert_eq!(lines, ["2026-11-21T10:11:12.345Z INFO hello"]);
}

#[test]
fn the_file_and_its_companions_are_private() {
    let (folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["a"]);
    flush(&pipeline);

    let names = std::fs::read_dir(folder.path()).expect("a folder");
    for file in names.map(|file| file.expect("a file")) {
        let mode = file.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?} has mode {mode:o}", file.path());
    }
}

#[test]
fn a_file_that_exists_keeps_its_mode() {
    let (_folder, path) = database();
    std::fs::write(&path, b"").expect("an empty file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("its mode");
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["a"]);
    flush(&pipeline);

    assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o640);
}

#[test]
fn the_file_is_in_wal_mode_and_gives_pages_back() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), eager());

    offer_all(&pipeline, ["a"]);
    flush(&pipeline);

    assert_eq!(texts(&path, "SELECT * FROM pragma_journal_mode"), ["wal"]);
    assert_eq!(number(&path, "SELECT * FROM pragma_auto_vacuum"), 2);
}

#[test]
fn the_log_table_has_partial_indexes_only_and_none_on_the_id() {
    let (_folder, path) = database();
    connect(&path).execute_batch(DDL).expect("the documented tables");

    let sql =
        "SELECT coalesce(sql, name) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'telesink_logs'";
    let indexes = texts(&path, sql);

    assert_eq!(indexes.len(), 2);
    assert!(
        indexes.iter().all(|index| index.contains(" WHERE ") && !index.contains("UNIQUE")),
        "{indexes:?}"
    );
}

#[test]
fn all_tables_are_strict() {
    let (_folder, path) = database();
    connect(&path).execute_batch(DDL).expect("the documented tables");

    let sql =
        "SELECT name FROM pragma_table_list WHERE name LIKE 'telesink%' AND type = 'table' AND NOT strict";

    assert_eq!(texts(&path, sql), [""; 0]);
}

#[test]
fn tables_made_by_hand_from_the_documented_ddl_are_used() {
    let (_folder, path) = database();
    connect(&path).execute_batch(DDL).expect("the documented tables");
    let plan = plan(&format!("sqlite:///{}?create_schema=false", path.display()));
    let pipeline = pipeline(plan, eager());

    offer_all(&pipeline, ["a"]);
    flush(&pipeline);

    assert_eq!(bodies(&path), ["a"]);
}

#[test]
fn without_the_right_to_create_tables_missing_ones_hold_the_records() {
    let (_folder, path) = database();
    let plan = plan(&format!("sqlite:///{}?create_schema=false", path.display()));
    let pipeline = pipeline(plan, eager());

    offer_all(&pipeline, ["a"]);
    until("the lane is held", || lane(&pipeline).state == State::Held);
    let held = lane(&pipeline);
    connect(&path).execute_batch(DDL).expect("somebody creates them");
    flush(&pipeline);

    assert!(held.last_error.contains("the telesink tables are missing and create_schema=false"), "{held:?}");
    assert_eq!(bodies(&path), ["a"]);
}

#[test]
fn the_bundled_sqlite_has_no_known_write_ahead_log_bug() {
    // 3.51.3 mends a race in resetting the log that could corrupt a database.
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[test]
fn ten_thousand_records_arrive_in_order_and_without_gaps() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), batches_of(997));

    offer_all(&pipeline, (0..10_000).map(|number| number.to_string()));
    flush(&pipeline);

    let in_order =
        "SELECT count(*) FROM telesink_logs WHERE seq = row_id AND body = CAST(row_id - 1 AS TEXT)";
    assert_eq!(number(&path, in_order), 10_000);
}

#[test]
fn s2_the_sqlite_that_runs_is_newer_than_the_bug_that_corrupts_files() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}
