//! What the server's answers say of each entry.

use super::super::reply::{self, ClassicReply};
use crate::sinks::{Outcome, Refusal};
use serde_json::{Value, json};

fn items(ids: &[&str]) -> Vec<(String, usize)> {
    ids.iter().enumerate().map(|(index, id)| ((*id).to_owned(), index)).collect()
}

fn classic(answer: &Value, ids: &[&str]) -> ClassicReply {
    reply::classic(answer.to_string().as_bytes(), &items(ids), ids.len()).expect("an answer that can be read")
}

fn refused(index: usize, code: &str, text: &str) -> Refusal {
    Refusal { index, code: code.to_owned(), text: text.to_owned() }
}

#[test]
fn h3_items_are_settled_one_by_one() {
    let answer = json!({
        "successes": [{"id": "a", "status": 201}],
        "errors": [
            {"id": "b", "status": 400, "message": "Invalid request data", "error": "name: too long"},
            {"id": "c", "status": 500, "message": "oops"},
            {"id": "d", "status": 429},
            {"id": "e", "status": 404, "error": {"what": "trace"}},
            {"id": "f", "status": 400, "message": "Event type not accepted"},
        ],
        "_deprecation": {"at": "soon"},
    });

    let reply = classic(&answer, &["a", "b", "c", "d", "e", "f"]);

    assert_eq!(
        reply.outcome,
        Outcome {
            refused: vec![
                refused(1, "http_400", "Invalid request data: name: too long"),
                refused(4, "http_404", "{\"what\":\"trace\"}"),
            ],
            retry: vec![2, 3],
            notice: Some("item with status 500: oops".to_owned()),
            ..Outcome::default()
        }
    );
    assert_eq!(reply.not_accepted, [5]);
}

#[test]
fn h3_errors_of_ids_that_nobody_sent_count_for_entries_that_are_not_mentioned() {
    let answer = json!({
        "successes": [{"id": "a", "status": 201}],
        "errors": [{"id": "x", "status": 400}, {"id": "y", "status": 400}, {"status": 400}, {"id": "z", "status": 500}],
    });

    let reply = classic(&answer, &["a", "b", "c"]);

    assert_eq!(reply.outcome, Outcome { rejected_by_server: 2, ..Outcome::default() });
}

#[test]
fn h3_entries_that_are_not_mentioned_at_all_are_taken() {
    // SDK logs never stand among the successes.
    assert_eq!(classic(&json!({"successes": [], "errors": []}), &["a", "b"]).outcome, Outcome::default());
    assert_eq!(classic(&json!({"errors": []}), &["a"]).outcome, Outcome::default());
}

#[test]
fn h3_an_entry_of_two_items_ends_as_the_worse_of_them() {
    let answer = json!({"successes": [{"id": "t", "status": 201}], "errors": [{"id": "o", "status": 503}]});
    let items = [("t".to_owned(), 0), ("o".to_owned(), 0)];

    let reply = reply::classic(answer.to_string().as_bytes(), &items, 1).expect("readable");

    assert_eq!(reply.outcome.retry, [0]);
}

#[test]
fn h3_two_entries_with_one_id_share_its_fate() {
    let reply = classic(&json!({"errors": [{"id": "a", "status": 400}]}), &["a", "a"]);

    assert_eq!(reply.outcome.refused.iter().map(|one| one.index).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn h4_an_answer_that_is_cut_anywhere_is_not_taken_for_one() {
    let whole = json!({"successes": [{"id": "a", "status": 201}], "errors": []}).to_string();

    for end in 0..whole.len() {
        assert_eq!(reply::classic(&whole.as_bytes()[..end], &items(&["a"]), 1), None, "{end}");
    }
    for other in ["", "<html>", "[]", "{}", "7", "null", "{\"successes\": 3}"] {
        assert_eq!(reply::classic(other.as_bytes(), &items(&["a"]), 1), None, "{other}");
    }
}

#[test]
fn what_the_server_says_is_kept_to_a_thousand_and_twenty_four_characters() {
    let answer = json!({"errors": [{"id": "a", "status": 400, "message": "é".repeat(5_000)}]});

    assert_eq!(classic(&answer, &["a"]).outcome.refused[0].text, "é".repeat(1_024));
}

#[test]
fn h3_scores_are_counted_because_they_have_no_ids() {
    let read = |answer: &str| reply::scores(answer.as_bytes());

    assert_eq!(read("{\"accepted\": 2}"), Some((0, String::new())));
    assert_eq!(
        read("{\"accepted\": 1, \"rejected\": 2, \"errors\": [{\"message\": \"no such trace\"}]}"),
        Some((2, "no such trace".to_owned()))
    );
    assert_eq!(read("[]"), Some((0, String::new())));
    assert_eq!(read("<html>"), None);
}

#[test]
fn h3_spans_are_taken_unless_a_partial_success_says_otherwise() {
    let read = |answer: &[u8]| reply::spans(answer);

    assert_eq!(read(b""), Some((0, String::new())));
    assert_eq!(read(b"{}"), Some((0, String::new())));
    let partial = br#"{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "odd"}}"#;
    assert_eq!(read(partial), Some((3, "odd".to_owned())));
    // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "odd" } }
    assert_eq!(read(b"\x0a\x07\x08\x02\x12\x03odd"), Some((2, "odd".to_owned())));
    assert_eq!(read(b"\x0a\x00"), Some((0, String::new())));
    for other in [&b"<html>"[..], b"\x0a\x07\x08", b"[]", b"\"fine\""] {
        assert_eq!(read(other), None, "{other:?}");
    }
}
