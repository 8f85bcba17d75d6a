//! What redaction promises.

mod hidden;
mod hostile;
mod names;
mod rules;
mod shown;

use std::borrow::Cow;

use super::{REDACTED, Redaction, RedactionSpec};

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn build(spec: RedactionSpec) -> Redaction {
    Redaction::build(spec).expect("the rules are valid")
}

fn message_of(spec: RedactionSpec) -> String {
    let error = Redaction::build(spec).expect_err("the rules are invalid");
    format!("{error}; {}", error.hint)
}

fn redacted(text: &str) -> String {
    Redaction::default_set().redact_text(text).into_owned()
}

/// Each text, and what the default set makes of it; `*` stands for the mark.
fn assert_redacted(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(expected.replace('*', REDACTED), redacted(text), "text: {text}");
    }
}

fn assert_unchanged(texts: &[&str]) {
    for text in texts {
        assert!(
            matches!(Redaction::default_set().redact_text(text), Cow::Borrowed(same) if same == *text),
            "{text}"
        );
    }
}

#[test]
fn a_set_that_is_off_hides_nothing() {
    let off = Redaction::off();

    assert!(off.is_off() && !off.hides_text());
    assert!(!off.hides_name("password"));
    assert_eq!("password=x", off.redact_text("password=x"));
    assert!(!Redaction::default_set().is_off());
    assert!(
        !build(RedactionSpec { names: strings(&["a"]), defaults: false, ..RedactionSpec::default() })
            .is_off()
    );
    assert!(
        !build(RedactionSpec { secrets: strings(&["a"]), defaults: false, ..RedactionSpec::default() })
            .is_off()
    );
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let spec = RedactionSpec {
        secrets: strings(&["hunter2"]),
        patterns: strings(&["hunter2+", "(hunter2)"]),
        ..RedactionSpec::default()
    };

    let printed = format!("{spec:?} {:?}", build(spec.clone()));

    assert!(!printed.contains("hunter"), "{printed}");
}
