//! Which field names are hidden.

use proptest::prelude::*;

use super::{build, message_of, strings};
use crate::redact::{Redaction, RedactionSpec};

#[test]
fn names_that_say_secret_are_hidden_in_any_case() {
    let redaction = Redaction::default_set();

    for name in [
        "password",
        "db_password",
        "PASSWORD_HASH",
        "userPasswd",
        "client_secret",
        "token",
        "access_token",
        "oauth_tokens",
        "tokenizer",
        "Cookie",
        "set-cookie",
        "Authorization",
        "proxy-authorization",
        "credentials",
        "api_key",
        "X-Api-Key",
        "apiKey",
        "http.request.header.x-api-key",
        "private_key",
        "privateKey",
        "bearer",
        "csrf",
        "x-csrf-token",
        "csrfmiddlewaretoken",
        "credit_card",
        "creditCardNumber",
        "tls_cert",
        "client-pem",
        "user_ssn",
        "auth",
        "AUTH",
        "cert",
        "pem",
        "ssn",
        "é_token",
        "tokené",
    ] {
        assert!(redaction.hides_name(name), "{name}");
    }
}

#[test]
fn harmless_names_are_shown() {
    let redaction = Redaction::default_set();

    for name in [
        "",
        "user_id",
        "session_id",
        "session",
        "author",
        "authority",
        "x_auth",
        "classname",
        "certificate",
        "pems",
        "certs",
        "concert",
        "stem",
        "passenger",
        "toke",
        "secre",
        "api",
        "key",
        "primary_key",
        "keyboard",
        "duration",
        "cookbook",
        "bear",
        "é",
        "message",
        "status",
        "trace_id",
        "to_ken",
        "pem_x",
    ] {
        assert!(!redaction.hides_name(name), "{name}");
    }
}

#[test]
fn every_name_rule_is_found_at_the_start_inside_and_at_the_end_of_a_long_name() {
    let redaction = build(RedactionSpec {
        names: strings(&["iban", "zz", "q", "*_dob", "*x", "=pin"]),
        defaults: false,
        ..RedactionSpec::default()
    });

    for name in
        ["iban", "my_iban_no", "ibanlong", "zz", "azzb", "azz", "q", "aqb", "_dob", "a_dob", "x", "ax", "PIN"]
    {
        assert!(redaction.hides_name(name), "{name}");
    }
    for name in ["", "iba", "z", "zaz", "dob", "a_dob_", "xa", "pins", "apin"] {
        assert!(!redaction.hides_name(name), "{name}");
    }
}

#[test]
fn kept_names_win_over_every_rule_but_are_exact() {
    let redaction = build(RedactionSpec {
        names: strings(&["iban"]),
        keep: strings(&["page-token", "iban"]),
        ..RedactionSpec::default()
    });

    assert!(!redaction.hides_name("PAGE_TOKEN"));
    assert!(!redaction.hides_name("iban"));
    assert!(redaction.hides_name("next_page_token"));
    assert_eq!("page_token=abc", redaction.redact_text("page_token=abc"));
    assert_eq!("next.page_token=[REDACTED]", redaction.redact_text("next.page_token=abc"));
}

#[test]
fn a_name_that_could_hide_everything_is_refused() {
    for name in ["", "*", "=", " word", "word ", "w*", "**w", "*=w", "\t"] {
        let message = message_of(RedactionSpec { names: strings(&[name]), ..RedactionSpec::default() });

        assert!(message.starts_with(&format!("redact name {name:?} ")), "{message}");
        assert!(message.contains("`*word`"), "{message}");
    }
    let long = message_of(RedactionSpec { names: vec!["n".repeat(257)], ..RedactionSpec::default() });
    assert!(long.starts_with("redact name is 257 bytes long; allowed are 256"), "{long}");
    let many = message_of(RedactionSpec { names: vec!["n".into(); 1_001], ..RedactionSpec::default() });
    assert!(many.starts_with("redact has 1001 names"), "{many}");
}

proptest! {
    #[test]
    fn the_name_filter_never_loses_a_name(
        entries in prop::collection::vec("[*=]?[ab_-]{1,6}", 1..40),
        name in "[abAB_-]{0,12}",
    ) {
        let redaction = build(RedactionSpec { names: entries.clone(), defaults: false, ..RedactionSpec::default() });
        let fold = |text: &str| text.to_ascii_lowercase().replace('-', "_");
        let plain = fold(&name);

        let expected = entries.iter().any(|entry| match (entry.as_bytes()[0], fold(&entry[1..])) {
            (b'*', word) => plain.ends_with(&word),
            (b'=', word) => plain == word,
            _ => plain.contains(&fold(entry)),
        });

        prop_assert_eq!(expected, redaction.hides_name(&name));
    }
}
