//! Where an OTLP sink sends what, by DSN, options and environment.

use super::options::Options;
use super::request::Encoding;
use super::signal::SignalOptions;
use crate::dsn::Dsn;
use crate::dsn::variables::Variables;
use crate::error::ConfigError;
use crate::record::Signal;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// Variables by name.
type Environment = [(&'static str, &'static str)];

const SIGNALS: [Signal; 3] = [Signal::Log, Signal::Span, Signal::Metric];

fn options(dsn: &str, environment: &Environment) -> Result<Options, ConfigError> {
    let pairs = environment.to_vec();
    let variables = Variables::new(move |name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    });
    let mut dsn = Dsn::parse(dsn, &[], Path::new("/srv/app"))?;
    let options = Options::take_from(&mut dsn, &variables)?;
    dsn.finish()?;
    Ok(options)
}

fn endpoints(dsn: &str, environment: &Environment) -> [String; 3] {
    let options = options(dsn, environment).expect(dsn);
    SIGNALS.map(|signal| options.signal(signal).endpoint.to_string())
}

fn logs(dsn: &str, environment: &Environment) -> SignalOptions {
    options(dsn, environment).expect(dsn).signal(Signal::Log).clone()
}

fn header_names(options: &SignalOptions) -> Vec<&str> {
    options.headers.iter().map(crate::http::Header::name).collect()
}

fn at(base: &str) -> [String; 3] {
    ["logs", "traces", "metrics"].map(|name| format!("{base}/v1/{name}"))
}

#[test]
fn the_standard_paths_stand_behind_that_of_the_dsn() {
    for (dsn, base) in [
        ("otlp://collector", "http://collector:4318"),
        ("otlp://collector:80/", "http://collector:80"),
        ("otlps://collector/base/", "https://collector:4318/base"),
        ("otlp://", "http://localhost:4318"),
        ("otlps://", "https://localhost:4318"),
    ] {
        assert_eq!(endpoints(dsn, &[]), at(base), "{dsn}");
    }
}

#[test]
fn a_bare_dsn_takes_the_endpoint_from_the_environment() {
    let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://vendor.example/otlp");
    assert_eq!(endpoints("otlp://", &[general]), at("https://vendor.example:443/otlp"));
    assert_eq!(endpoints("otlps://", &[general]), at("https://vendor.example:443/otlp"));
    assert_eq!(endpoints("otlp://collector", &[general]), at("http://collector:4318"));

    // That of one signal is used as it is.
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces.example:1/own");
    let expected = [
        "https://vendor.example:443/otlp/v1/logs",
        "http://traces.example:1/own",
        "https://vendor.example:443/otlp/v1/metrics",
    ];
    assert_eq!(endpoints("otlp://", &[general, own]), expected);
    assert_eq!(endpoints("otlp://", &[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://a:1")])[0], "http://a:1/");
}

#[test]
fn an_endpoint_for_one_signal_goes_before_everything() {
    let environment = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://other:1/x")];

    let found = endpoints("otlp://collector?logs_endpoint=https://logs.example/in", &environment);

    assert_eq!(found[0], "https://logs.example:443/in");
    assert_eq!(found[1..], at("http://collector:4318")[1..]);
}

#[test]
fn empty_variables_count_as_not_set_and_tls_that_was_asked_for_is_not_given_up() {
    assert_eq!(endpoints("otlp://", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), at("http://localhost:4318"));
    let plain = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")];
    assert!(options("otlps://", &plain).unwrap_err().message.contains("means TLS"));
}

#[test]
fn headers_come_from_the_option_or_the_variable_of_the_signal_or_that_of_all() {
    let general = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret%2C1, x-b = two ");
    let own = ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-own=1");

    assert_eq!(header_names(&logs("otlps://a", &[general])), ["api-key", "x-b"]);
    assert_eq!(header_names(&logs("otlps://a", &[general, own])), ["x-own"]);
    assert_eq!(header_names(&logs("otlps://a?headers=x-mine=1,,X-Mine=2", &[general, own])), ["x-mine"]);
    assert_eq!(header_names(&logs("otlps://u:p@a?headers=x-mine=1", &[])), ["x-mine", "authorization"]);
    assert_eq!(header_names(&logs("otlps://u:p@a?headers=Authorization=1", &[])), ["authorization"]);
}

#[test]
fn credentials_do_not_go_out_in_plain_text_beyond_this_machine() {
    for dsn in ["otlp://u:hunter2@collector", "otlp://collector?headers=api-key=hunter2"] {
        let error = options(dsn, &[]).expect_err(dsn);
        assert!(
            error.message.contains("without TLS") && !format!("{error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
    for dsn in [
        "otlp://u:p@localhost",
        "otlp://u:p@127.0.0.1",
        "otlps://u:p@collector",
        "otlp://u:p@collector?insecure_ok=true",
        "otlp://collector?headers=x-tenant=shop",
    ] {
        assert!(options(dsn, &[]).is_ok(), "{dsn}");
    }
}

#[test]
fn encoding_compression_and_time_out_follow_the_same_order() {
    let json = ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON");
    assert_eq!(logs("otlp://", &[]).encoding, Encoding::Protobuf);
    assert_eq!(logs("otlp://", &[json]).encoding, Encoding::Json);
    assert_eq!(logs("otlp://?encoding=protobuf", &[json]).encoding, Encoding::Protobuf);

    let gzip = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    assert!(!logs("otlp://", &[]).is_gzip);
    assert!(logs("otlp://", &[gzip]).is_gzip);
    assert!(!logs("otlp://", &[gzip, ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none")]).is_gzip);
    assert!(!logs("otlp://?compression=none", &[gzip]).is_gzip);

    let (default, changed) = (Duration::from_secs(15), Duration::from_secs(3));
    let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "2.5");
    assert_eq!(logs("otlp://", &[]).total(default), default);
    assert_eq!(logs("otlp://", &[timeout]).total(default), Duration::from_millis(2_500));
    assert_eq!(logs("otlp://", &[timeout]).total(changed), changed);
    assert_eq!(logs("otlp://?timeout=200 ms", &[timeout]).total(changed), Duration::from_millis(200));
}

#[test]
fn certificates_are_named_by_option_or_variable() {
    let environment = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/etc/app.pem"),
        ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/etc/app.key"),
    ];

    let found = logs("otlps://a?certificate=own.pem", &environment).transport;

    assert_eq!(found.certificate.as_deref(), Some(Path::new("/srv/app/own.pem")));
    assert_eq!(found.client_certificate.as_deref(), Some(Path::new("/etc/app.pem")));
    assert_eq!(found.client_key.as_deref(), Some(Path::new("/etc/app.key")));
}

#[test]
fn options_and_variables_that_cannot_be_used_are_refused_by_name() {
    let table: [(&str, &Environment, &str); 11] = [
        ("otlp://?encoding=xml", &[], "`encoding`"),
        ("otlp://?timeout=0", &[], "`timeout` is 0"),
        ("otlp://?request_bytes_max=65 MiB", &[], "`request_bytes_max`"),
        ("otlp://?signals=logs,spans", &[], "`signals`"),
        ("otlp://?headers=hunter2", &[], "has no `=`"),
        ("otlp://?logs_endpoint=collector:4318", &[], "`logs_endpoint` does not begin with `http://`"),
        ("otlp://?endpoint=x", &[], "unknown option `endpoint`"),
        ("otlp://", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "app:hunter2@host")], "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("otlp://", &[("OTEL_EXPORTER_OTLP_TIMEOUT", "ten")], "OTEL_EXPORTER_OTLP_TIMEOUT"),
        (
            "otlp://",
            &[("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=hunter2%0A")],
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        ),
        ("otlp://", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "gRPC"),
    ];
    for (dsn, environment, words) in table {
        let error = options(dsn, environment).expect_err(dsn);

        assert!(error.message.contains(words), "{dsn}: {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    assert!(options("otlp://collector", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_ok());
}

#[test]
fn signals_that_were_not_asked_for_are_not_taken() {
    let options = options("otlp://?signals=Traces", &[]).unwrap();

    assert_eq!(SIGNALS.map(|signal| options.takes(signal)), [false, true, false]);
}
