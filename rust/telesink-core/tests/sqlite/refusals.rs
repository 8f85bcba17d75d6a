//! Rows that the table refuses cost only themselves; a table that refuses every row is held.

use crate::support::records::{header_of, info, span_of, sum};
use crate::support::{assert_dropped, batches_of, flush, lane, offer, offer_all, pipeline, until};
use crate::{bodies, connect, database, plan_at};
use std::path::Path;
use telesink_core::record::tables::Resource;
use telesink_core::record::{Header, Signal};
use telesink_core::settings::Settings;
use telesink_core::sinks::sqlite::DDL;
use telesink_core::stats::{DropCause, State};

/// Tables of which the first refuses bodies, by a trigger that speaks like a constraint somebody added.
fn tables_refusing(path: &Path, condition: &str) {
    let trigger = format!(
        "{DDL} CREATE TRIGGER choosy BEFORE INSERT ON telesink_logs WHEN {condition} \
         BEGIN SELECT RAISE(ABORT, 'the auditors forbid it'); END;"
    );
    connect(path).execute_batch(&trigger).expect("tables");
}

/// Tables with a CHECK constraint on the body.
fn tables_with_check(path: &Path, check: &str) {
    let ddl = DDL.replacen("body        TEXT    NOT NULL", &format!("body TEXT NOT NULL CHECK ({check})"), 1);
    assert_ne!(ddl, DDL, "the column is written otherwise by now");
    connect(path).execute_batch(&ddl).expect("tables");
}

#[test]
fn a_check_constraint_refuses_its_rows_only_and_they_are_set_aside_with_the_reason() {
    let (folder, path) = database();
    tables_with_check(&path, "body NOT LIKE 'bad%'");
    let dead_letter = folder.path().join("refused.ndjson");
    let settings = Settings { dead_letter: Some(dead_letter.clone()), ..batches_of(6) };
    let pipeline = pipeline(plan_at(&path), settings);

    offer_all(&pipeline, ["bad 1", "good 2", "good 3", "bad 4", "good 5", "bad 6"]);
    flush(&pipeline);

    assert_eq!(bodies(&path), ["good 2", "good 3", "good 5"]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 3);
    let text = std::fs::read_to_string(dead_letter).expect("a file");
    let refused: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<&str> = refused.iter().map(|line| line["record"]["body"].as_str().expect("text")).collect();
    assert_eq!(told, ["bad 1", "bad 4", "bad 6"]);
    for line in &refused {
        assert_eq!(line["code"], "constraint");
        assert!(line["reason"].as_str().expect("text").contains("CHECK constraint failed"), "{line}");
    }
}

#[test]
fn a_trigger_that_raises_refuses_its_rows_only() {
    let (_folder, path) = database();
    tables_refusing(&path, "new.body LIKE 'bad%'");
    let pipeline = pipeline(plan_at(&path), batches_of(3));

    offer_all(&pipeline, ["good 1", "bad 2", "good 3"]);
    flush(&pipeline);

    assert_eq!(bodies(&path), ["good 1", "good 3"]);
    assert_eq!(lane(&pipeline).last_error, "the auditors forbid it");
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
}

#[test]
fn a_table_that_refuses_every_row_of_a_large_batch_is_held_and_nothing_is_given_up() {
    let (_folder, path) = database();
    tables_with_check(&path, "length(body) > 1000");
    let pipeline = pipeline(plan_at(&path), batches_of(40));

    offer_all(&pipeline, (0..40).map(|number| number.to_string()));
    until("the lane is held", || lane(&pipeline).state == State::Held);

    let held = lane(&pipeline);
    assert_eq!((held.pending, held.dropped.total()), (40, 0));
    assert!(held.last_error.contains("every record is refused: CHECK constraint failed"), "{held:?}");
}

#[test]
fn a_table_that_refuses_32_rows_one_after_another_is_held_and_works_once_it_is_mended() {
    let (_folder, path) = database();
    tables_refusing(&path, "true");
    let pipeline = pipeline(plan_at(&path), batches_of(1));

    offer_all(&pipeline, (0..100).map(|number| number.to_string()));
    until("the lane is held", || lane(&pipeline).state == State::Held);
    let held = lane(&pipeline);
    connect(&path).execute_batch("DROP TRIGGER choosy").expect("mended");
    flush(&pipeline);

    // Until there are 32 in a row nobody can tell a bad table from bad records.
    assert_dropped(&held, DropCause::Poison, 31);
    assert_eq!(held.pending, 69);
    let expected: Vec<String> = (31..100).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&path), expected);
}

#[test]
fn one_stored_row_between_refused_ones_shows_that_the_table_is_fine() {
    let (_folder, path) = database();
    tables_refusing(&path, "new.body LIKE 'bad%'");
    let pipeline = pipeline(plan_at(&path), batches_of(1));

    offer_all(&pipeline, (0..90).map(|number| if number % 20 == 19 { "good" } else { "bad" }));
    flush(&pipeline);

    assert_eq!(bodies(&path).len(), 4);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 86);
}

#[test]
fn a_row_that_is_refused_leaves_its_number_open() {
    let (_folder, path) = database();
    tables_refusing(&path, "new.body LIKE 'bad%'");
    let pipeline = pipeline(plan_at(&path), batches_of(2));

    offer_all(&pipeline, ["good 1", "bad 2", "good 3", "good 4"]);
    flush(&pipeline);

    let seqs = crate::texts(&path, "SELECT CAST(seq AS TEXT) FROM telesink_logs ORDER BY seq");
    assert_eq!(seqs, ["1", "3", "4"]);
    assert_eq!(crate::number(&path, "SELECT last_seq FROM telesink_ledger"), 4);
}

#[test]
fn a_refused_span_and_metric_are_set_aside_as_what_they_are() {
    let (folder, path) = database();
    let refuse = |table: &str| {
        format!(
            "CREATE TRIGGER no_{table} BEFORE INSERT ON telesink_{table} BEGIN SELECT RAISE(ABORT, 'no'); END;"
        )
    };
    connect(&path)
        .execute_batch(&(DDL.to_owned() + &refuse("spans") + &refuse("metrics")))
        .expect("triggers");
    let file = folder.path().join("refused.ndjson");
    let settings = Settings { dead_letter: Some(file.clone()), ..batches_of(3) };
    let pipeline = pipeline(plan_at(&path), settings);
    let named = Resource::new(&[("service.name".to_owned(), "billing".to_owned())]);
    let resource = pipeline.tables().resource_index(named);
    let refused = span_of("GET /cart", Header { resource, ..header_of(Signal::Span) });

    for record in [refused.clone(), sum("requests", &[1.0, 2.0]), info("good")] {
        assert!(offer(&pipeline, &record));
    }
    flush(&pipeline);

    let text = std::fs::read_to_string(&file).expect("a file");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, second] = &lines[..] else { panic!("{text}") };
    assert_eq!((&first["signal"], &first["seq"]), (&"span".into(), &1.into()));
    assert_eq!(first["resource"]["service.name"], "billing");
    let record = &first["record"];
    assert_eq!((&record["name"], &record["trace_id"]), (&"GET /cart".into(), &"ab".repeat(16).into()));
    assert_eq!(record["events"][0]["name"], "retry");
    let mut otlp = Vec::new();
    telesink_core::record::json::write_base64(&mut otlp, refused.body());
    assert_eq!(format!("{}", first["otlp"]).as_bytes(), otlp, "the exact bytes");
    assert_eq!((&second["signal"], &second["record"]["points"]), (&"metric".into(), &2.into()));
    assert_eq!(
        (&second["record"]["name"], &second["resource"]["service.name"]),
        (&"requests".into(), &"shop".into())
    );
}
