//! Verdicts; the exact words are in `words`, what is read from the client library in `wire` and `tls`.

mod tls;
mod wire;
mod words;

use super::*;
use crate::error::WriteErrorKind::{self, Hold, Reject, Retry};
use std::time::Duration;

/// As `Target::masked` shows it.
const TARGET: &str = "postgresql://app:***@db/app";

const LIMIT: Duration = Duration::from_secs(5);

fn answer(code: &str, message: &str) -> Answer {
    Answer { code: code.to_owned(), message: message.to_owned(), ..Answer::default() }
}

fn failed(phase: Phase, answer: Answer) -> Failure {
    Failure::new(phase, Cause::Answer(Box::new(answer)))
}

fn said(phase: Phase, code: &str, message: &str) -> Failure {
    failed(phase, answer(code, message))
}

/// Kind and text behind the target.
fn judged(failure: Failure) -> (WriteErrorKind, String) {
    let error = failure.judge(TARGET);
    let text = error.full_text();
    assert!(!text.contains('\n'), "{text}");
    (error.kind, text.strip_prefix("postgresql://app:***@db/app: ").expect(&text).to_owned())
}

fn kind(phase: Phase, code: &str) -> WriteErrorKind {
    said(phase, code, "").judge(TARGET).kind
}

#[test]
fn a_refused_record_keeps_its_detail_and_nothing_else_shows_it() {
    let detail = "Failing row contains (secret-of-a-row).";
    let with_detail = |code: &str| {
        let message = "new row for relation \"telesink_logs\" violates check constraint \"short\"";
        let detail = detail.to_owned();
        Answer { detail, constraint: "short".to_owned(), ..answer(code, message) }
    };

    let text = "new row for relation \"telesink_logs\" violates check constraint \"short\" (23514)";
    let refused = failed(Phase::Copy, with_detail("23514")).judge(TARGET);
    assert_eq!((refused.code.as_str(), refused.detail.as_str()), ("23514", detail));
    assert_eq!(judged(failed(Phase::Copy, with_detail("23514"))), (Reject, text.to_owned()));
    for (phase, code) in
        [(Phase::Guard, "23514"), (Phase::Copy, "42501"), (Phase::Copy, "XX000"), (Phase::Commit, "57014")]
    {
        let (kind, text) = judged(failed(phase, with_detail(code)));
        assert_ne!(kind, Reject);
        assert!(!text.contains("secret-of-a-row"), "{text}");
    }
}

#[test]
fn a_record_is_only_blamed_when_the_server_has_records_before_it() {
    for code in ["22001", "23505", "23502", "54000", "44000", "P0001"] {
        assert_eq!(kind(Phase::Copy, code), Reject, "{code}");
        assert_eq!(kind(Phase::Commit, code), Reject, "{code}");
        assert_eq!(kind(Phase::Guard, code), Hold, "{code}");
    }
    assert_eq!(kind(Phase::Schema, "22023"), Hold);
    assert_eq!(
        judged(said(Phase::Guard, "23514", "no")).1,
        "while beginning the transaction: no (23514); \
               compare the table with `telesink schema --dialect postgres`"
    );
}

#[test]
fn two_who_make_the_same_tables_at_the_same_time_try_again() {
    for code in ["23505", "42P07", "42710", "42P06"] {
        assert_eq!(kind(Phase::Schema, code), Retry, "{code}");
    }
    assert_eq!(kind(Phase::Copy, "42P07"), Hold);
}

#[test]
fn a_missing_partition_is_a_hold_in_every_language() {
    let missing =
        Answer { table: "telesink_logs".to_owned(), ..answer("23514", "keine Partition von Relation") };
    let check = Answer { constraint: "short".to_owned(), ..missing.clone() };
    // Raised by a trigger: it names neither.
    let raised = answer("23514", "too short");

    let hint =
        "make the partition for this day, or a default partition; telesink makes both with create_schema on";
    let error = failed(Phase::Copy, missing).judge(TARGET);
    assert_eq!((error.kind, error.hint.as_str()), (Hold, hint));
    assert_eq!(kind(Phase::Copy, "23514"), Reject);
    assert_eq!(failed(Phase::Copy, check).judge(TARGET).kind, Reject);
    assert_eq!(failed(Phase::Copy, raised).judge(TARGET).kind, Reject);
    let english = said(Phase::Copy, "23514", "no partition of relation \"telesink_logs\" found for row");
    assert_eq!(english.judge(TARGET).kind, Hold);
}

#[test]
fn a_partition_that_was_attached_meanwhile_is_no_fault_of_the_record() {
    let moved = Answer {
        table: "telesink_logs_default".to_owned(),
        routine: "ExecPartitionCheckEmitError".to_owned(),
        ..answer("23514", "new row violates partition constraint")
    };
    assert_eq!(failed(Phase::Copy, moved).judge(TARGET).kind, Retry);
}

#[test]
fn a_column_of_another_type_is_a_hold_that_names_the_column() {
    let narrow = Answer { column: "severity".to_owned(), ..answer("22P03", "incorrect binary data format") };
    let wide =
        Answer { column: "severity".to_owned(), ..answer("08P01", "insufficient data left in message") };

    let text = "while sending rows: incorrect binary data format (22P03), column `severity`; compare the table with \
                `telesink schema --dialect postgres`";
    assert_eq!(judged(failed(Phase::Copy, narrow)), (Hold, text.to_owned()));
    assert_eq!(failed(Phase::Copy, wide.clone()).judge(TARGET).kind, Hold);
    // Then it is the conversation that went wrong, not a value.
    assert_eq!(failed(Phase::Copy, Answer { is_fatal: true, ..wide }).judge(TARGET).kind, Retry);
}

#[test]
fn a_server_without_transaction_ids_does_not_blame_the_record() {
    let message = "database is not accepting commands to avoid wraparound data loss in database \"app\"";
    for phase in [Phase::Guard, Phase::Copy] {
        let error = said(phase, "54000", message).judge(TARGET);
        assert_eq!(error.kind, Retry);
        assert!(error.hint.contains("VACUUM"), "{}", error.hint);
    }
}

#[test]
fn the_outcome_of_a_commit_is_open_unless_the_server_has_decided() {
    let is_unresolved = |failure: Failure| failure.judge(TARGET).is_unresolved;
    for code in ["23514", "23505", "40001", "40P01", "55P03", "42501", "P0001"] {
        assert!(!is_unresolved(said(Phase::Commit, code, "")), "{code}");
    }
    for code in
        ["57P01", "57P02", "57014", "08006", "08007", "08P01", "40003", "58030", "53100", "XX000", "12345"]
    {
        let error = said(Phase::Commit, code, "").judge(TARGET);
        assert_eq!((error.kind, error.is_unresolved), (Retry, true), "{code}");
    }
    assert!(is_unresolved(Failure::new(Phase::Commit, Cause::Lost("gone".to_owned()))));
    assert!(is_unresolved(Failure::new(Phase::Commit, Cause::Timeout(LIMIT))));
    for phase in [Phase::Guard, Phase::Copy] {
        assert!(!is_unresolved(Failure::new(phase, Cause::Lost("gone".to_owned()))));
        assert!(!is_unresolved(said(phase, "57P01", "")));
    }
}

#[test]
fn a_server_that_ends_the_connection_never_blames_the_record() {
    let fatal = Answer { is_fatal: true, ..answer("23514", "") };

    let error = failed(Phase::Commit, fatal.clone()).judge(TARGET);
    assert_eq!((error.kind, error.is_unresolved), (Retry, true));
    assert!(!failed(Phase::Copy, fatal).spares_connection());
}

#[test]
fn a_connection_is_used_again_only_if_its_state_is_known() {
    for (phase, code) in [
        (Phase::Copy, "23514"),
        (Phase::Copy, "40001"),
        (Phase::Copy, "57014"),
        (Phase::Guard, "55P03"),
        (Phase::Commit, "23505"),
    ] {
        assert!(said(phase, code, "").spares_connection(), "{code}");
    }
    for (phase, code) in [
        // After a Hold, tables, rights and settings are looked at anew.
        (Phase::Guard, "23514"),
        (Phase::Copy, "42P01"),
        (Phase::Copy, "22P03"),
        // Another server may answer.
        (Phase::Guard, "25006"),
        (Phase::Guard, "26000"),
        (Phase::Copy, "08P01"),
        (Phase::Copy, "57P01"),
        (Phase::Commit, "57014"),
        (Phase::Copy, "12345"),
        (Phase::Authenticate, "53400"),
    ] {
        assert!(!said(phase, code, "").spares_connection(), "{code}");
    }
    assert!(!Failure::new(Phase::Copy, Cause::Timeout(LIMIT)).spares_connection());
}
