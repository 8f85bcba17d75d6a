//! What the built-in rules leave readable in a text.

use super::{assert_redacted, assert_unchanged};

#[test]
fn texts_without_secrets_are_borrowed() {
    assert_unchanged(&[
        "",
        "user bob logged in after 3 ms",
        "status=200 duration=0.3 path=/a:b",
        "https://example.org:8443/path?a=b@c",
        "https://bob@example.org/",
        "mail bob@example.org at 12:00:01",
        "the password is not shown",
        "secretary=bob tokenizer: fast passwords_seen=1 monkey=x keyboard: y",
        "telesink::token::Kind",
        "heartbeat error: referer missing; the bearer",
        "Bearer",
        "Bearer ",
        "token=",
        "password:   ",
        "password: \n next line",
        "f(password=)",
        "password=\"\" user=''",
        "token=b''",
        "=",
        ":",
        "://",
        "://:@",
        "s=",
        "'=",
        "]=",
        "\":",
    ]);
}

#[test]
fn a_bare_number_after_token_is_a_count() {
    assert_unchanged(&[
        "tokens=42",
        "input_tokens: 9, output",
        "\"total_tokens\": 1.5}",
        "token=42)",
        "tokens='42'",
    ]);
    assert_redacted(&[
        ("token=42abc", "token=*"),
        ("password=42", "password=*"),
        ("api_key: 42", "api_key: *"),
    ]);
}

#[test]
fn a_quote_that_closes_before_the_value_opens_none() {
    assert_unchanged(&["shown 'enter password:' to bob's client", "\"token:\", \"x\"", r#"\"password:\" x"#]);
}

#[test]
fn a_value_already_hidden_is_left_alone() {
    assert_unchanged(&[
        "password=[REDACTED]",
        "{\"password\": \"[REDACTED]\", \"n\": 1}",
        "Authorization: [REDACTED] next words",
        "x://u:[REDACTED]@h",
        "Bearer [REDACTED]",
    ]);
}
