//! What users' rules hide, and which are refused.

use super::{build, message_of, strings};
use crate::redact::RedactionSpec;

#[test]
fn exact_secrets_are_hidden_anywhere_and_the_longest_wins() {
    let redaction = build(RedactionSpec {
        secrets: strings(&["abc", "", "abcdef", "abc", "пароль", "file\r\n", "\n"]),
        ..RedactionSpec::default()
    });

    assert_eq!(
        "x[REDACTED]y [REDACTED]! [REDACTED]ü ABC [REDACTED]",
        redaction.redact_text("xabcdefy abcde! парольü ABC file").replace("[REDACTED]de", "[REDACTED]")
    );
}

#[test]
fn secrets_that_overlap_other_rules_leave_nothing_readable() {
    let redaction = build(RedactionSpec {
        secrets: strings(&["b c", "d] x"]),
        patterns: strings(&["c d"]),
        ..RedactionSpec::default()
    });

    assert_eq!("password=[REDACTED]!", redaction.redact_text("password=ab c d!"));
    assert_eq!("[REDACTED] x", redaction.redact_text("[REDACTED] x"));
}

#[test]
fn a_pattern_hides_its_match_or_its_first_group() {
    let redaction = build(RedactionSpec {
        patterns: strings(&[
            r"\b\d{4}-\d{4}\b",
            r"(?i)iban[ :]+(\w+)",
            r"x(é)?z",
            r"\S+@\S+",
            "日.語",
            r"n=(\d*)",
            r"\b",
        ]),
        defaults: false,
        ..RedactionSpec::default()
    });

    assert_eq!("card [REDACTED].", redaction.redact_text("card 1234-5678."));
    assert_eq!("IBAN: [REDACTED] ok", redaction.redact_text("IBAN: DE89 ok"));
    assert_eq!("x[REDACTED]z [REDACTED]", redaction.redact_text("xéz xz"));
    assert_eq!("mail [REDACTED] now", redaction.redact_text("mail é@ü.org now"));
    assert_eq!("[REDACTED]", redaction.redact_text("日本語"));
    assert_eq!("n= n=[REDACTED]", redaction.redact_text("n= n=5"));
    assert_eq!("12345-67890 password=x", redaction.redact_text("12345-67890 password=x"));
}

#[test]
fn every_pattern_sees_what_another_has_matched_but_not_hidden() {
    let redaction = build(RedactionSpec {
        patterns: strings(&["id=([0-9]+).*", "key=([a-z]+)"]),
        defaults: false,
        ..RedactionSpec::default()
    });

    assert_eq!("id=[REDACTED] key=[REDACTED]", redaction.redact_text("id=5 key=abc"));
}

#[test]
fn escapes_keep_their_meaning_beside_ascii_classes() {
    let redaction = build(RedactionSpec {
        patterns: strings(&[r"\\d", r"[\w.]+\.com", r"#[^\d\s]+", r"\x41\W\D\S"]),
        defaults: false,
        ..RedactionSpec::default()
    });

    assert_eq!("5 [REDACTED] d", redaction.redact_text(r"5 \d d"));
    assert_eq!("ü[REDACTED]", redaction.redact_text("üa_b.c.com"));
    assert_eq!("[REDACTED]1", redaction.redact_text("#aé1"));
    assert_eq!("[REDACTED]", redaction.redact_text("A-éé"));
}

#[test]
fn a_bad_pattern_is_named_by_number_and_cause_and_never_shown() {
    let spec = |pattern: &str| RedactionSpec {
        patterns: strings(&["fine", pattern]),
        secrets: strings(&["hunter2"]),
        ..RedactionSpec::default()
    };

    for (pattern, cause) in [
        ("hunter2(", "could not compile redact pattern 2: unclosed group"),
        ("hunter2(?=x)", "could not compile redact pattern 2: look-around"),
        (r"hunter2[\b]", "could not compile redact pattern 2: "),
        (r"hunter2\", "could not compile redact pattern 2: incomplete escape"),
        ("(hunter2{1000}){1000}", "could not compile redact pattern 2: it needs more than 1048576 bytes"),
        ("(hunter2)*", "redact pattern 2 matches an empty text"),
    ] {
        let message = message_of(spec(pattern));

        assert!(message.starts_with(cause), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn too_many_patterns_or_secrets_are_refused() {
    let many = message_of(RedactionSpec { patterns: vec!["x".into(); 101], ..RedactionSpec::default() });
    let large = message_of(RedactionSpec { secrets: vec!["x".repeat(262_145)], ..RedactionSpec::default() });

    assert!(many.starts_with("redact has 101 patterns; allowed are 100"), "{many}");
    assert!(large.starts_with("redact secrets have 262145 bytes together; allowed are 262144"), "{large}");
}
