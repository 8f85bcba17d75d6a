//! Exact text of the three layouts.

use super::super::format::{Layout, VALUE_CHARS_MAX};
use super::super::style::Style;
use super::{header, record};
use crate::record::Record;
use crate::record::encode::{ATTRIBUTE_TAG, RecordBuilder};
use crate::record::value::{Scalar, begin_list, begin_pair, end_container, put_scalar};
use crate::record::view::LogView;
use crate::record::wire::end_nested;
use jiff::tz::{TimeZone, offset};

const COLOR: Style = Style { has_color: true, has_unicode: true };
const NO_COLOR: Style = Style { has_color: false, has_unicode: true };
const ASCII: Style = Style { has_color: false, has_unicode: false };

const SKU: (&str, Scalar<'_>) = ("sku", Scalar::Str("A7"));
const LEFT: (&str, Scalar<'_>) = ("left", Scalar::Int(2));

/// Two hours east of UTC, whatever zone the machine is in.
fn pretty(style: Style) -> Layout {
    Layout::Pretty { zone: TimeZone::fixed(offset(2)), style }
}

fn text(layout: &Layout, record: &Record) -> String {
    let mut out = Vec::new();
    layout.write(&mut out, &LogView::new(record, &[]), "shop");
    String::from_utf8(out).expect("text")
}

#[test]
fn pretty_is_local_time_symbol_level_logger_message_and_extras() {
    let warning = record(1, 30, "WARN", "low stock", &[SKU, LEFT]);

    assert_eq!(text(&pretty(NO_COLOR), &warning), "12:11:12.345 ▲ WARN  shop low stock sku=A7 left=2\n");
}

#[test]
fn colours_mark_the_level_and_dim_all_but_the_message() {
    let warning = record(1, 30, "WARN", "low stock", &[SKU, LEFT]);

    let expected = concat!(
        "\x1b[2m12:11:12.345\x1b[0m \x1b[33m▲ WARN \x1b[0m \x1b[2mshop\x1b[0m low stock ",
        "\x1b[2msku=A7 left=2\x1b[0m\n"
    );
    assert_eq!(text(&pretty(COLOR), &warning), expected);
}

#[test]
fn without_colour_the_symbol_still_tells_the_level_in_ascii_too() {
    let table = [
        (5, "TRACE", "· TRACE", ". TRACE"),
        (10, "DEBUG", "· DEBUG", ". DEBUG"),
        (20, "INFO", "• INFO ", "i INFO "),
        (30, "WARN", "▲ WARN ", "! WARN "),
        (40, "ERROR", "✖ ERROR", "x ERROR"),
        (50, "FATAL", "■ FATAL", "# FATAL"),
        (25, "SUCCESS", "• SUCCESS", "i SUCCESS"),
    ];
    for (levelno, level, unicode, ascii) in table {
        let any = record(1, levelno, level, "m", &[]);
        assert_eq!(text(&pretty(NO_COLOR), &any), format!("12:11:12.345 {unicode} shop m\n"));
        assert_eq!(text(&pretty(ASCII), &any), format!("12:11:12.345 {ascii} shop m\n"));
    }
}

#[test]
fn plain_is_utc_without_colour() {
    let warning = record(1, 30, "WARN", "low stock", &[SKU, LEFT]);

    assert_eq!(
        text(&Layout::Plain, &warning),
        "2026-11-21T10:11:12.345Z WARN  shop low stock sku=A7 left=2\n"
    );
}

#[test]
fn json_is_one_object_with_all_digits_of_the_time_and_all_attributes() {
    let mut builder = RecordBuilder::new();
    builder.start(4_096);
    builder.severity(13, "WARN");
    builder.body("low \u{9b}31m \"stock\"\n");
    builder.event_name("stock.low");
    builder.attribute("level", Scalar::Double(0.5));
    builder.attribute("user_id", Scalar::Str("system"));
    builder.attribute("code.line.number", Scalar::Int(7));
    let mut header = header(1, 30);
    header.trace_id = [0xab; 16];
    header.span_id = [0x01; 8];
    let record = builder.finish(header, &[]);

    let expected = concat!(
        r#"{"ts":"2026-11-21T10:11:12.345678901Z","level":"WARN","logger":"shop","#,
        r#""msg":"low \u009b31m \"stock\"\n","event_name":"stock.low","#,
        r#""trace_id":"abababababababababababababababab","span_id":"0101010101010101","#,
        r#""attributes":{"level":0.5,"user_id":"system","code.line.number":7}}"#,
        "\n"
    );
    assert_eq!(text(&Layout::Json, &record), expected);
    assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
}

#[test]
fn nothing_in_a_record_adds_a_line_or_reaches_the_terminal_raw() {
    // S0-25.
    let evil = "a\nb\x1b[2J\u{9b}31m\u{2028}\u{202e}";
    let hostile = record(1, 20, evil, evil, &[(evil, Scalar::Str(evil)), ("b", Scalar::Bytes(&[27, 10]))]);

    for layout in [pretty(NO_COLOR), pretty(ASCII), Layout::Plain, Layout::Json] {
        let mut out = Vec::new();
        layout.write(&mut out, &LogView::new(&hostile, &[]), evil);
        let shown = String::from_utf8(out).expect("text");

        let line = shown.strip_suffix('\n').expect("a line end");
        assert!(!line.chars().any(super::super::text::is_unsafe), "{line:?}");
    }
    let expected = r"a\nb\u{001b}[2J\u{009b}31m\u{2028}\u{202e}";
    let shown = text(&Layout::Plain, &hostile);
    assert!(shown.contains(&format!("shop {expected} \"{expected}\"=\"{expected}\"")), "{shown}");
}

#[test]
fn where_a_record_came_from_is_not_repeated_but_what_is_missing_is_told() {
    let attributes = [
        ("code.function.name", Scalar::Str("f")),
        ("thread.name", Scalar::Str("MainThread")),
        ("process.pid", Scalar::Int(1)),
        ("asyncio.task.name", Scalar::Str("Task-1")),
        ("telesink.sanitised", Scalar::Bool(true)),
        ("telesink.format_error", Scalar::Str("not all arguments converted")),
        ("telesink.truncated_from", Scalar::Int(9)),
        ("codec", Scalar::Str("x")),
    ];
    let noisy = record(1, 20, "INFO", "m", &attributes);

    let expected = concat!(
        "2026-11-21T10:11:12.345Z INFO  shop m telesink.format_error=\"not all arguments converted\" ",
        "telesink.truncated_from=9 codec=x\n"
    );
    assert_eq!(text(&Layout::Plain, &noisy), expected);
}

#[test]
fn system_is_hidden_as_an_attribution_only() {
    let names = ["user_id", "session_id", "task_id", "trace_id", "context_id", "client_id", "os"];
    let attributes: Vec<_> = names.iter().map(|name| (*name, Scalar::Str("system"))).collect();
    let own = record(1, 20, "INFO", "m", &attributes);
    let person = record(1, 20, "INFO", "m", &[("user_id", Scalar::Str("u-1"))]);

    assert_eq!(text(&pretty(NO_COLOR), &own), "12:11:12.345 • INFO  shop m os=system\n");
    assert_eq!(text(&pretty(NO_COLOR), &person), "12:11:12.345 • INFO  shop m user_id=u-1\n");
}

#[test]
fn long_values_are_cut_in_pretty_only() {
    let long = "ä".repeat(VALUE_CHARS_MAX + 1);
    let cut = "ä".repeat(VALUE_CHARS_MAX);
    let verbose = record(1, 20, "INFO", "m", &[("v", Scalar::Str(&long))]);

    assert_eq!(text(&pretty(NO_COLOR), &verbose), format!("12:11:12.345 • INFO  shop m v={cut}…\n"));
    assert_eq!(text(&pretty(ASCII), &verbose), format!("12:11:12.345 i INFO  shop m v={cut}...\n"));
    assert_eq!(text(&Layout::Plain, &verbose), format!("2026-11-21T10:11:12.345Z INFO  shop m v={long}\n"));
}

#[test]
fn lists_are_shown_as_json() {
    let mut builder = RecordBuilder::new();
    builder.start(4_096);
    builder.severity(9, "INFO");
    builder.body("m");
    let out = builder.buffer();
    let pair = begin_pair(out, ATTRIBUTE_TAG, "tags");
    let list = begin_list(out, 0x12);
    put_scalar(out, 0x0a, Scalar::Str("a b"));
    put_scalar(out, 0x0a, Scalar::Null);
    put_scalar(out, 0x0a, Scalar::Bool(true));
    end_container(out, list);
    end_nested(out, pair);
    let listed = builder.finish(header(1, 20), &[]);

    assert_eq!(
        text(&Layout::Plain, &listed),
        "2026-11-21T10:11:12.345Z INFO  shop m tags=[\"a b\",null,true]\n"
    );
}

#[test]
fn an_exception_follows_moved_in_and_its_fields_are_not_repeated() {
    let attributes = [
        ("exception.type", Scalar::Str("OSError")),
        ("exception.message", Scalar::Str("no route")),
        (
            "exception.stacktrace",
            Scalar::Str(
                "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nOSError: no\x1b route\n",
            ),
        ),
        SKU,
    ];
    let failed = record(1, 40, "ERROR", "failed", &attributes);

    let trace = concat!(
        "    Traceback (most recent call last):\n",
        "      File \"a.py\", line 1, in f\n",
        "    OSError: no\\u{001b} route\n"
    );
    assert_eq!(
        text(&Layout::Plain, &failed),
        format!("2026-11-21T10:11:12.345Z ERROR shop failed sku=A7\n{trace}")
    );
    assert_eq!(text(&pretty(NO_COLOR), &failed), format!("12:11:12.345 ✖ ERROR shop failed sku=A7\n{trace}"));
}

#[test]
fn an_exception_without_a_trace_is_still_told() {
    let attributes =
        [("exception.type", Scalar::Str("OSError")), ("exception.message", Scalar::Str("no route"))];
    let failed = record(1, 40, "ERROR", "failed", &attributes);

    let expected = "2026-11-21T10:11:12.345Z ERROR shop failed\n    OSError: no route\n";
    assert_eq!(text(&Layout::Plain, &failed), expected);
}

#[test]
fn an_event_without_a_message_is_its_name_and_attributes() {
    let mut builder = RecordBuilder::new();
    builder.start(4_096);
    builder.severity(9, "");
    builder.event_name("run.started");
    builder.attribute("run_id", Scalar::Str("r1"));
    let event = builder.finish(header(1, 20), &[]);

    let expected = "2026-11-21T10:11:12.345Z INFO  shop event_name=run.started run_id=r1\n";
    assert_eq!(text(&Layout::Plain, &event), expected);
}
