//! Rows that the table refuses cost only themselves; a table that refuses every row is held.

use crate::support::{assert_dropped, batches_of, flush, lane, offer_all, pipeline, until};
use crate::{bodies, connect, database, plan_at};
use std::path::Path;
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
