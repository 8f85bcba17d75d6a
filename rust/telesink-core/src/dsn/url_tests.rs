//! DSNs of HTTP servers: user, server and path.

use super::{Dsn, Secret};
use std::path::Path;

fn parse(text: &str) -> Result<Dsn, crate::error::ConfigError> {
    Dsn::parse(text, &[], Path::new("/srv/app"))
}

#[test]
fn user_server_and_path_are_read_apart() {
    let dsn = parse("otlps://pk-lf:s%40k%2F@Collector.example:4318/base/?encoding=json").unwrap();

    let url = dsn.url();
    assert_eq!(url.user.as_ref().map(Secret::reveal), Some("pk-lf"));
    assert_eq!(url.password.as_ref().map(Secret::reveal), Some("s@k/"));
    assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("collector.example", Some(4318), "/base"));
    assert_eq!(dsn.masked(), "otlps://pk-lf:***@collector.example:4318/base?encoding=json");
}

#[test]
fn a_server_is_a_name_an_address_or_nothing() {
    let table = [
        ("otlp://", "", None, "otlp://"),
        ("otlp://localhost", "localhost", None, "otlp://localhost"),
        ("otlp://[::1]:4318", "::1", Some(4318), "otlp://[::1]:4318"),
        ("otlp://[::1]", "::1", None, "otlp://[::1]"),
        ("otlps://token@host", "host", None, "otlps://***@host"),
        ("langfuse://pk:sk@localhost:3000", "localhost", Some(3000), "langfuse://pk:***@localhost:3000"),
    ];
    for (text, host, port, shown) in table {
        let dsn = parse(text).unwrap();

        assert_eq!((dsn.url().host.as_str(), dsn.url().port), (host, port), "{text}");
        assert_eq!(dsn.masked(), shown);
    }
}

#[test]
fn what_makes_a_server_another_one_counts_for_the_identity() {
    let identity = |text: &str| parse(text).unwrap().identity();
    let one = identity("otlp://a:b@host:1/x");

    assert_eq!(identity("otlp://a:b@HOST:1/x/"), one);
    for other in
        ["otlps://a:b@host:1/x", "otlp://c:b@host:1/x", "otlp://a:c@host:1/x", "otlp://a:b@host2:1/x"]
    {
        assert_ne!(identity(other), one, "{other}");
    }
    for other in ["otlp://a:b@host:2/x", "otlp://a:b@host:1/y", "otlp://a:b@host:1", "otlp://a@host:1/x"] {
        assert_ne!(identity(other), one, "{other}");
    }
}

#[test]
fn an_address_that_cannot_be_meant_is_refused_without_being_shown() {
    let table = [
        ("otlp://app:hunter2", "port that is no number"),
        ("otlp://host:0", "port that is no number"),
        ("otlp://host:65536", "port that is no number"),
        ("otlp://:4318", "a port without a host"),
        ("otlp://app:hunter2@", "names no host"),
        ("otlp://app:hun@ter2@host", "holds two `@`"),
        ("otlp://app:a/hunter2@host", "holds an `@` behind a slash"),
        ("otlp://app:hunter2%zz@host", "invalid percent escape"),
        ("otlp://host1:1,host2:2", "port that is no number"),
        ("otlp://h\u{f6}st", "other characters than names have"),
        ("otlp://hunter2 host", "other characters than names have"),
        ("otlp://[::1", "not closed"),
        ("otlp://[hunter2]", "without an IPv6 address"),
        ("otlp://[::1]hunter2", "between `]` and the port"),
        ("otlp://host/a b", "have to be escaped"),
        ("otlp://host/#hunter2", "holds a `#`"),
    ];
    for (text, words) in table {
        let error = parse(text).expect_err(text);

        assert!(error.message.contains(words), "{text}: {error}");
        assert!(!error.hint.is_empty() && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
