//! Every cause of a loss has a test that produces it.
//!
//! A test produces a cause by asserting how many records were lost for it, with `assert_dropped` or
//! `assert_rejected`, which do not take none for an answer. A cause that nobody asserts is one that nobody has seen.

use std::path::Path;
use telesink_core::stats::{DropCause, RejectCause};

/// The text of all tests, with each call on one line.
fn tests() -> String {
    let mut text = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut text);
    assert!(text.len() > 10_000, "the tests are elsewhere by now");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("causes.rs")
        {
            text.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// Whether some call of `assertion` names `cause` among its arguments.
fn is_asserted(tests: &str, assertion: &str, cause: &str) -> bool {
    let calls = tests.split(assertion).skip(1);
    calls.filter_map(|call| call.split_once(';')).any(|(arguments, _)| arguments.contains(cause))
}

#[test]
fn q3_every_cause_of_a_drop_is_produced_by_a_test() {
    let tests = tests();
    for cause in DropCause::ALL {
        let name = format!("DropCause::{cause:?},");
        assert!(is_asserted(&tests, "assert_dropped(", &name), "no test drops a record as {}", cause.name());
    }
}

#[test]
fn q3_every_cause_of_a_rejection_is_produced_by_a_test() {
    let tests = tests();
    for cause in RejectCause::ALL {
        let name = format!("RejectCause::{cause:?},");
        assert!(
            is_asserted(&tests, "assert_rejected(", &name),
            "no test rejects a record as {}",
            cause.name()
        );
    }
}

#[test]
fn names_of_causes_are_distinct_words() {
    let drops = DropCause::ALL.iter().map(|cause| cause.name());
    let rejections = RejectCause::ALL.iter().map(|cause| cause.name());
    let mut names: Vec<&str> = drops.chain(rejections).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

#[test]
fn a_cause_that_nobody_asserts_would_be_noticed() {
    let tests = "assert_dropped(&lane, DropCause::Evicted, 1); let cause = DropCause::Poison, 2;";

    assert!(is_asserted(tests, "assert_dropped(", "DropCause::Evicted,"));
    assert!(!is_asserted(tests, "assert_dropped(", "DropCause::Poison,"));
}
