//! What is inside a span and a metric: every field as an independent decoder reads it, and as the views read it.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, exponential_histogram_data_point::Buckets};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use telesink_core::record::encode::{
    Exemplar, ExponentialBuckets, LinkHead, MetricKind, Number, Point, RecordBuilder, SpanHead, SpanStatus,
    Temporality,
};
use telesink_core::record::value::{Scalar, Value};
use telesink_core::record::view::{MetricData, MetricView, PointData, SpanView};
use telesink_core::record::{Header, Record, Signal, flag, level};

const START: u64 = 1_795_255_872_345_678_901;

fn header(signal: Signal) -> Header {
    Header {
        signal,
        severity: 0,
        flags: 0,
        time_unix_nano: START,
        observed_unix_nano: START + 2_000,
        id: [0x11; 16],
        trace_id: *b"0123456789abcdef",
        span_id: *b"01234567",
        resource: 1,
        scope: 2,
        levelno: level::ALWAYS,
    }
}

fn span(builder: &mut RecordBuilder) -> Record {
    builder.start_span(1 << 20);
    builder.span_head(&SpanHead {
        name: "GET /cart",
        kind: 2,
        parent_span_id: *b"76543210",
        trace_state: "a=1,b=2",
        end_unix_nano: START + 1_000,
        flags: 0x300,
    });
    builder.attribute("http.route", Scalar::Str("/cart"));
    builder.note_dropped_attributes(3);
    assert!(builder.open_event(START + 10, "retry"));
    builder.attribute("number", Scalar::Int(2));
    builder.note_dropped_attributes(1);
    builder.close_child();
    let link = LinkHead { trace_id: [7; 16], span_id: [8; 8], trace_state: "c=3", flags: 0x100 };
    assert!(builder.open_link(&link));
    builder.attribute("why", Scalar::Str("batch"));
    builder.close_child();
    builder.span_status(SpanStatus { code: 2, message: "no such cart" });
    builder.dropped_children(4, 5);
    builder.finish_span(header(Signal::Span))
}

#[expect(clippy::unnecessary_wraps, reason = "compared with fields that may be missing")]
fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Decoded::StringValue(value.to_owned())) })
}

fn pairs(pairs: &[KeyValue]) -> Vec<(&str, &Option<AnyValue>)> {
    pairs.iter().map(|pair| (pair.key.as_str(), &pair.value)).collect()
}

#[test]
fn a_span_decodes_to_what_was_written() {
    let record = span(&mut RecordBuilder::new());

    let decoded = Span::decode(record.body()).expect("an OTLP span");
    assert_eq!(decoded.trace_id, b"0123456789abcdef");
    assert_eq!(decoded.span_id, b"01234567");
    assert_eq!(decoded.parent_span_id, b"76543210");
    assert_eq!((decoded.name.as_str(), decoded.kind, decoded.flags), ("GET /cart", 2, 0x300));
    assert_eq!(decoded.trace_state, "a=1,b=2");
    assert_eq!((decoded.start_time_unix_nano, decoded.end_time_unix_nano), (START, START + 1_000));
    assert_eq!(pairs(&decoded.attributes), [("http.route", &text("/cart"))]);
    assert_eq!(
        (decoded.dropped_attributes_count, decoded.dropped_events_count, decoded.dropped_links_count),
        (3, 4, 5)
    );
    let status = decoded.status.expect("a status");
    assert_eq!((status.code, status.message.as_str()), (2, "no such cart"));
    let [event] = decoded.events.as_slice() else { panic!("one event") };
    assert_eq!((event.name.as_str(), event.time_unix_nano), ("retry", START + 10));
    assert_eq!((event.attributes.len(), event.dropped_attributes_count), (1, 1));
    let [link] = decoded.links.as_slice() else { panic!("one link") };
    assert_eq!((link.trace_id.as_slice(), link.span_id.as_slice()), (&[7; 16][..], &[8; 8][..]));
    assert_eq!((link.trace_state.as_str(), link.flags), ("c=3", 0x100));
    assert_eq!(pairs(&link.attributes), [("why", &text("batch"))]);
}

#[test]
fn a_span_is_read_as_it_was_written() {
    let record = span(&mut RecordBuilder::new());

    let view = SpanView::new(&record, &[]);

    assert_eq!((view.name, view.kind, view.flags, view.trace_state), ("GET /cart", 2, 0x300, "a=1,b=2"));
    assert_eq!((view.parent_span_id, view.duration_nano()), (*b"76543210", 1_000));
    assert_eq!((view.status_code, view.status_message), (2, "no such cart"));
    assert_eq!((view.dropped_attributes, view.dropped_events, view.dropped_links), (3, 4, 5));
    assert_eq!(view.attributes().collect::<Vec<_>>(), [("http.route", Value::Str("/cart"))]);
    let event = view.events().next().expect("an event");
    assert_eq!((event.name, event.time_unix_nano, event.dropped_attributes), ("retry", START + 10, 1));
    assert_eq!(event.attributes().collect::<Vec<_>>(), [("number", Value::Int(2))]);
    let link = view.links().next().expect("a link");
    assert_eq!((link.trace_id, link.span_id, link.trace_state, link.flags), ([7; 16], [8; 8], "c=3", 0x100));
    assert_eq!(link.attributes().collect::<Vec<_>>(), [("why", Value::Str("batch"))]);
}

#[test]
fn a_builder_that_has_built_a_span_builds_a_log_record_as_ever() {
    let mut builder = RecordBuilder::new();
    span(&mut builder);

    builder.start(1 << 20);
    builder.severity(9, "INFO");
    builder.body("paid");
    builder.attribute("amount", Scalar::Int(12));
    let record = builder.finish(header(Signal::Log), &[]);

    let decoded = opentelemetry_proto::tonic::logs::v1::LogRecord::decode(record.body()).expect("a record");
    assert_eq!(decoded.body, text("paid"));
    assert_eq!((decoded.attributes.len(), decoded.dropped_attributes_count), (1, 0));
}

#[test]
fn an_event_that_has_no_room_is_refused_and_the_span_stays_whole() {
    let mut builder = RecordBuilder::new();
    builder.start_span(512);
    builder.span_head(&SpanHead {
        name: "busy",
        kind: 1,
        parent_span_id: [0; 8],
        trace_state: "",
        end_unix_nano: START,
        flags: 0x100,
    });

    let mut written = 0;
    while builder.open_event(START, "tick") {
        builder.close_child();
        written += 1;
    }
    builder.dropped_children(1, 0);
    let record = builder.finish_span(header(Signal::Span));

    let decoded = Span::decode(record.body()).expect("an OTLP span");
    assert_eq!((decoded.events.len(), decoded.dropped_events_count), (written, 1));
    assert!((1..20).contains(&written));
}

#[test]
fn what_had_to_be_mended_in_a_span_is_marked_among_its_own_attributes() {
    let mut builder = RecordBuilder::new();
    builder.start_span(1 << 16);
    builder.attribute("text", Scalar::Str("a\0b"));
    let record = builder.finish_span(header(Signal::Span));

    assert!(record.has(flag::SANITISED));
    let view = SpanView::new(&record, &[]);
    let mark = view.attributes().find(|(key, _)| *key == "telesink.sanitised");
    assert_eq!(mark, Some(("telesink.sanitised", Value::Bool(true))));
}

fn point(builder: &mut RecordBuilder, kind: MetricKind, point: &Point<'_>) -> Record {
    builder.start_metric(1 << 20, "queue.size", "how long", "{record}", kind);
    assert!(builder.open_point(kind, START, START + 5, 0, point));
    builder.attribute("lane", Scalar::Str("sqlite"));
    let exemplar = Exemplar {
        time_unix_nano: START + 1,
        value: Number::Double(0.5),
        trace_id: [7; 16],
        span_id: [8; 8],
    };
    assert!(builder.open_exemplar(kind, &exemplar));
    builder.attribute("left.out", Scalar::Bool(true));
    builder.close_child();
    builder.close_child();
    builder.finish_metric(header(Signal::Metric))
}

#[test]
fn sums_and_gauges_decode_to_what_was_written() {
    let sum = MetricKind::Sum { temporality: Temporality::Cumulative, is_monotonic: true };
    let record = point(&mut RecordBuilder::new(), sum, &Point::Number(Number::Int(-3)));

    let decoded = Metric::decode(record.body()).expect("an OTLP metric");
    assert_eq!(
        (decoded.name.as_str(), decoded.description.as_str(), decoded.unit.as_str()),
        ("queue.size", "how long", "{record}")
    );
    let Some(Data::Sum(data)) = decoded.data else { panic!("a sum") };
    assert_eq!((data.aggregation_temporality, data.is_monotonic), (2, true));
    let [found] = data.data_points.as_slice() else { panic!("one point") };
    assert_eq!(found.value, Some(NumberValue::AsInt(-3)));
    assert_eq!((found.start_time_unix_nano, found.time_unix_nano), (START, START + 5));
    assert_eq!(pairs(&found.attributes), [("lane", &text("sqlite"))]);
    let [exemplar] = found.exemplars.as_slice() else { panic!("one exemplar") };
    assert_eq!((exemplar.trace_id.as_slice(), exemplar.span_id.as_slice()), (&[7; 16][..], &[8; 8][..]));
    assert_eq!(exemplar.filtered_attributes.len(), 1);

    let gauge =
        point(&mut RecordBuilder::new(), MetricKind::Gauge, &Point::Number(Number::Double(f64::INFINITY)));
    let view = MetricView::new(&gauge);
    assert_eq!((view.data, view.name, view.unit), (MetricData::Gauge, "queue.size", "{record}"));
    let found = view.points().next().expect("a point");
    assert_eq!(found.data, PointData::Double(f64::INFINITY));
    assert_eq!(found.attributes().collect::<Vec<_>>(), [("lane", Value::Str("sqlite"))]);
}

#[test]
fn a_histogram_decodes_to_what_was_written() {
    let kind = MetricKind::Histogram(Temporality::Delta);
    let data = Point::Histogram {
        count: 6,
        sum: Some(1.5),
        min: Some(0.0),
        max: None,
        bucket_counts: &[1, 2, 3],
        explicit_bounds: &[0.5, 1.0],
    };
    let record = point(&mut RecordBuilder::new(), kind, &data);

    let decoded = Metric::decode(record.body()).expect("an OTLP metric");
    let Some(Data::Histogram(histogram)) = decoded.data else { panic!("a histogram") };
    let [found] = histogram.data_points.as_slice() else { panic!("one point") };
    assert_eq!(histogram.aggregation_temporality, 1);
    assert_eq!((found.count, found.sum, found.min, found.max), (6, Some(1.5), Some(0.0), None));
    assert_eq!(
        (found.bucket_counts.as_slice(), found.explicit_bounds.as_slice()),
        (&[1, 2, 3][..], &[0.5, 1.0][..])
    );
    assert_eq!((found.attributes.len(), found.exemplars.len()), (1, 1));
    let view = MetricView::new(&record);
    let found = view.points().next().expect("a point");
    assert_eq!(found.buckets().collect::<Vec<_>>(), [(Some(0.5), 1), (Some(1.0), 2), (None, 3)]);
    let PointData::Distribution { count, sum, min, max, .. } = found.data else { panic!("a distribution") };
    assert_eq!((count, sum, min, max), (6, Some(1.5), Some(0.0), None));
}

#[test]
fn an_exponential_histogram_decodes_to_what_was_written() {
    let kind = MetricKind::ExponentialHistogram(Temporality::Cumulative);
    let data = Point::Exponential {
        count: 10,
        sum: Some(-1.0),
        min: None,
        max: Some(9.0),
        scale: -3,
        zero_count: 1,
        zero_threshold: 0.25,
        positive: ExponentialBuckets { offset: -2, counts: &[4, 300] },
        negative: ExponentialBuckets { offset: 7, counts: &[] },
    };
    let record = point(&mut RecordBuilder::new(), kind, &data);

    let decoded = Metric::decode(record.body()).expect("an OTLP metric");
    let Some(Data::ExponentialHistogram(histogram)) = decoded.data else { panic!("such a histogram") };
    let [found] = histogram.data_points.as_slice() else { panic!("one point") };
    assert_eq!((found.count, found.sum, found.min, found.max), (10, Some(-1.0), None, Some(9.0)));
    assert_eq!((found.scale, found.zero_count, found.zero_threshold.to_bits()), (-3, 1, 0.25_f64.to_bits()));
    assert_eq!(found.positive, Some(Buckets { offset: -2, bucket_counts: vec![4, 300] }));
    assert_eq!(found.negative, None, "a half without buckets is left out");
    assert_eq!((found.attributes.len(), found.exemplars.len()), (1, 1));
    assert_eq!(MetricView::new(&record).points().count(), 1);
}
