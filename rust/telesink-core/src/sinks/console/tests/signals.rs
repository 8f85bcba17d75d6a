//! Exact lines of spans and metrics.

use super::super::format::Layout;
use super::super::style::Style;
use super::{TIME_UNIX_NANO, header};
use crate::record::encode::{MetricKind, Number, Point, RecordBuilder, SpanHead, SpanStatus, Temporality};
use crate::record::value::Scalar;
use crate::record::view::{MetricView, SpanView};
use crate::record::{Header, Record, Signal};
use jiff::tz::{TimeZone, offset};

fn pretty() -> Layout {
    let style = Style { has_color: false, has_unicode: true };
    Layout::Pretty { zone: TimeZone::fixed(offset(2)), style }
}

fn span(status: SpanStatus<'_>) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start_span(1 << 20);
    builder.span_head(&SpanHead {
        name: "GET /cart",
        kind: 2,
        parent_span_id: [0; 8],
        trace_state: "",
        end_unix_nano: TIME_UNIX_NANO + 12_500_000,
        flags: 0,
    });
    builder.attribute("http.route", Scalar::Str("/cart"));
    builder.span_status(status);
    let ids = ([0xab; 16], [0x0f; 8]);
    builder.finish_span(Header { signal: Signal::Span, trace_id: ids.0, span_id: ids.1, ..header(0, 20) })
}

fn metric(kind: MetricKind, points: &[Point<'_>]) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start_metric(1 << 20, "latency", "", "ms", kind);
    for point in points {
        assert!(builder.open_point(kind, 0, TIME_UNIX_NANO, 0, point));
        builder.attribute("host", Scalar::Str("a"));
        builder.close_child();
    }
    builder.finish_metric(Header { signal: Signal::Metric, ..header(0, 20) })
}

fn text_of_span(layout: &Layout, record: &Record) -> String {
    let mut out = Vec::new();
    layout.write_span(&mut out, &SpanView::new(record, &[]), "shop");
    String::from_utf8(out).expect("text")
}

fn text_of_metric(layout: &Layout, record: &Record) -> String {
    let mut out = Vec::new();
    layout.write_metric(&mut out, &MetricView::new(record), "shop");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_span_is_a_line_with_name_duration_status_and_ids() {
    let record = span(SpanStatus { code: 2, message: "no such\ncart" });

    let expected = concat!(
        "12:11:12.345 ✖ SPAN  shop GET /cart 12.5 ms ERROR no such\\ncart trace_id=abababababababababababababababab ",
        "span_id=0f0f0f0f0f0f0f0f http.route=/cart\n"
    );
    assert_eq!(text_of_span(&pretty(), &record), expected);
}

#[test]
fn a_plain_span_has_its_date() {
    let record = span(SpanStatus { code: 0, message: "" });

    let line = text_of_span(&Layout::Plain, &record);

    assert!(
        line.starts_with("2026-11-21T10:11:12.345Z SPAN  shop GET /cart 12.5 ms UNSET trace_id="),
        "{line}"
    );
}

#[test]
fn a_span_as_json_has_all_that_is_known_of_it() {
    let record = span(SpanStatus { code: 1, message: "" });

    let line: serde_json::Value =
        serde_json::from_str(&text_of_span(&Layout::Json, &record)).expect("one object");

    let expected = serde_json::json!({
        "ts": "2026-11-21T10:11:12.345678901Z", "signal": "span", "scope": "shop", "name": "GET /cart",
        "duration_ns": 12_500_000, "kind": 2, "status": "OK", "trace_id": "ab".repeat(16),
        "span_id": "0f".repeat(8), "attributes": { "http.route": "/cart" },
    });
    assert_eq!(line, expected);
}

#[test]
fn each_point_of_a_metric_is_a_line_with_name_value_and_unit() {
    let record =
        metric(MetricKind::Gauge, &[Point::Number(Number::Double(1.5)), Point::Number(Number::Int(-3))]);

    let expected =
        "12:11:12.345 • METRIC shop latency 1.5 ms host=a\n12:11:12.345 • METRIC shop latency -3 ms host=a\n";
    assert_eq!(text_of_metric(&pretty(), &record), expected);
}

#[test]
fn a_distribution_has_its_numbers_in_the_line_and_its_buckets_in_json() {
    let point = Point::Histogram {
        count: 3,
        sum: Some(f64::INFINITY),
        min: None,
        max: Some(2.5),
        bucket_counts: &[1, 2],
        explicit_bounds: &[1.0],
    };
    let record = metric(MetricKind::Histogram(Temporality::Delta), &[point]);

    let line = text_of_metric(&pretty(), &record);
    let json: serde_json::Value =
        serde_json::from_str(&text_of_metric(&Layout::Json, &record)).expect("one object");

    assert_eq!(line, "12:11:12.345 • METRIC shop latency count=3 sum=inf max=2.5 ms host=a\n");
    let expected = serde_json::json!({
        "ts": "2026-11-21T10:11:12.345678901Z", "signal": "metric", "scope": "shop", "name": "latency",
        "kind": "histogram", "unit": "ms", "count": 3, "sum": "Infinity", "max": 2.5,
        "buckets": { "bounds": [1.0], "counts": [1, 2] }, "attributes": { "host": "a" },
    });
    assert_eq!(json, expected);
}
