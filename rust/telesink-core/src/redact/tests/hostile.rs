//! Texts made to break redaction.

use std::time::Duration;

use proptest::prelude::*;

use super::{build, redacted, strings};
use crate::redact::{REDACTED, Redaction, RedactionSpec};

#[test]
fn hostile_texts_take_linear_time() {
    let redaction = build(RedactionSpec { secrets: strings(&["zzzzzzzzzy"]), ..RedactionSpec::default() });
    // A release build needs a few milliseconds. Quadratic work on 1 MiB would take minutes, so a slow machine passes.
    let at_most = Duration::from_secs(2);

    for piece in [
        "password=",
        "password= ",
        "password=, ",
        "Bearer ",
        "Bearer Bearer: ",
        "bearer",
        "rer ",
        "token=1 ",
        "token=::: ",
        "token=\"",
        "token='\\",
        "token=[",
        "token=(\"",
        "token:: ",
        "= ",
        "=",
        ":",
        "://",
        "://a:b@",
        "://a:",
        "\"=",
        "]=",
        "s =  ",
        "\\\":",
        "key",
        "b\" ",
        "[REDACTED]",
        "token=[REDACTED]",
        "Authorization: ",
        "é=",
        "zzzzzzzzz",
        "token",
        "token=)",
        "token:\" ",
        "password=b'",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());

        let start = crate::clock::monotonic();
        let once = redaction.redact_text(&text);
        let took = crate::clock::monotonic().duration_since(start);

        assert!(took < at_most, "{piece:?} took {took:?}");
        assert_eq!(once, redaction.redact_text(&once), "{piece:?}");
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "password",
        "token",
        "tokens",
        "Authorization",
        "Bearer",
        "bearer ",
        "api",
        "key",
        "secret",
        "=",
        ":",
        ": ",
        " ",
        "  ",
        "\t",
        "\n",
        "\"",
        "'",
        "\\",
        "\\\"",
        "b'",
        "://",
        "@",
        "/",
        ",",
        ";",
        "&",
        ")",
        "]",
        "}",
        "(",
        "[",
        "{",
        ">",
        "42",
        ".",
        "abc",
        "Basic ",
        "Basic",
        "é",
        "日",
        "x",
        "[REDACTED]",
        "[",
        "REDACTED",
        "]",
        "https",
        "::",
        "=>",
        "==",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_second_pass_changes_nothing(text in fragments()) {
        let redaction = Redaction::default_set();

        let once = redaction.redact_text(&text).into_owned();

        prop_assert_eq!(&once, &redaction.redact_text(&once));
    }

    #[test]
    fn a_second_pass_changes_nothing_beside_secrets(text in fragments()) {
        let redaction = build(RedactionSpec { secrets: strings(&["x", "abc", "ED", " é", "日"]), ..RedactionSpec::default() });

        let once = redaction.redact_text(&text).into_owned();

        prop_assert_eq!(&once, &redaction.redact_text(&once));
        for piece in once.split(REDACTED) {
            prop_assert!(!piece.contains(['x', '日']) && !piece.contains("abc"), "{}", once);
        }
    }

    #[test]
    fn any_text_is_redacted_without_a_panic(text in "\\PC*") {
        let redaction = Redaction::default_set();

        let _ = redaction.redact_text(&text);
        let _ = redaction.redact_text(&format!("password={text} token: \"{text}"));
    }

    #[test]
    fn a_canary_after_a_trigger_never_survives(
        before in fragments(),
        trigger in prop::sample::select(vec!["password=", " token: ", "\"secret\": \"", " Bearer ", "api-key='", "passwd=\""]),
        after in fragments(),
    ) {
        let text = format!("{before} {trigger}canary7{after}");

        let once = redacted(&text);

        prop_assert!(!once.contains("canary7"), "{} -> {}", text, once);
    }
}
