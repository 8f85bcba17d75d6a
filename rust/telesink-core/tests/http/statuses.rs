//! What each status means, for each kind of server: a table to read.

use std::fmt::Write;
use std::path::Path;
use telesink_core::http::{Action, StatusTable};
use telesink_core::sinks::otlp;

/// One line for each run of statuses with one action.
fn runs(table: &StatusTable) -> String {
    let mut text = String::new();
    let mut first = 200;
    for status in 200..=599 {
        let (action, next) = (table.action(status), table.action(status + 1));
        if status == 599 || action != next {
            let range = if first == status { first.to_string() } else { format!("{first}-{status}") };
            writeln!(text, "{range} {}", word(action)).expect("text");
            first = status + 1;
        }
    }
    text
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Accept => "accept",
        Action::Retry => "retry",
        Action::Hold => "hold",
        Action::Reject => "reject",
    }
}

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(path).expect("a golden file").replace("\r\n", "\n")
}

#[test]
fn h1_every_status_of_an_otlp_receiver_has_the_action_of_the_golden_file() {
    assert_eq!(runs(&otlp::STATUSES), golden("otlp_statuses.txt"));
}
