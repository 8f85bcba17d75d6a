//! What is on the wire: groups, every field of every signal, both encodings, and where requests are cut.

use crate::support::http::Server;
use crate::support::records::{Draft, info};
use crate::support::{assert_dropped, batches_of, flush, lane, offer};
use crate::{all_bodies, bodies, logs, pipeline, plan};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use telesink_core::record::encode::{
    Exemplar, ExponentialBuckets, LinkHead, MetricKind, Number, Point, RecordBuilder, SpanHead, SpanStatus,
    Temporality,
};
use telesink_core::record::tables::{Resource, Scope, Tables};
use telesink_core::record::value::{self, Scalar};
use telesink_core::record::{Header, Record, Signal, level};
use telesink_core::sinks::{Batch, Entry, Outcome, Route, Spent};
use telesink_core::stats::DropCause;

const START: u64 = 1_795_255_872_345_678_901;

fn header(signal: Signal) -> Header {
    Header {
        signal,
        severity: 17,
        flags: 0,
        time_unix_nano: START,
        observed_unix_nano: START + 2_000,
        id: [0x11; 16],
        trace_id: *b"0123456789abcdef",
        span_id: *b"01234567",
        resource: 0,
        scope: 0,
        levelno: level::ALWAYS,
    }
}

fn values(builder: &mut RecordBuilder) {
    builder.attribute("text \"quoted\"\u{1}", Scalar::Str("\u{1f980}\n"));
    for (name, number) in [("half", 0.5), ("least", 5e-324), ("most", f64::MIN), ("zero", -0.0)] {
        builder.attribute(name, Scalar::Double(number));
    }
    builder.attribute("large", Scalar::Int(i64::MIN));
    builder.attribute("yes", Scalar::Bool(true));
    builder.attribute("bytes", Scalar::Bytes(&[0, 255, 7]));
    let tag = builder.attribute_tag();
    let out = builder.buffer();
    let pair = value::begin_pair(out, tag, "list");
    let list = value::begin_list(out, 0x12);
    value::put_scalar(out, 0x0a, Scalar::Int(1));
    value::put_scalar(out, 0x0a, Scalar::Null);
    value::end_container(out, list);
    telesink_core::record::wire::end_nested(out, pair);
}

fn log_record() -> Record {
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.severity(17, "ERROR");
    builder.body("paid");
    values(&mut builder);
    builder.event_name("order.paid");
    builder.note_dropped_attributes(3);
    builder.trace_flags(1);
    builder.finish(header(Signal::Log), &[])
}

fn span() -> Record {
    let mut builder = RecordBuilder::new();
    builder.start_span(1 << 20);
    builder.span_head(&SpanHead {
        name: "GET /cart",
        kind: 2,
        parent_span_id: *b"76543210",
        trace_state: "a=1",
        end_unix_nano: START + 1_000,
        flags: 0x300,
    });
    values(&mut builder);
    assert!(builder.open_event(START + 10, "retry"));
    builder.attribute("number", Scalar::Int(2));
    builder.close_child();
    assert!(builder.open_link(&LinkHead {
        trace_id: [7; 16],
        span_id: [8; 8],
        trace_state: "c=3",
        flags: 1
    }));
    builder.close_child();
    builder.span_status(SpanStatus { code: 2, message: "no such cart" });
    builder.dropped_children(4, 5);
    builder.finish_span(header(Signal::Span))
}

fn metrics() -> Vec<Record> {
    let delta = Temporality::Delta;
    let exemplar =
        Exemplar { time_unix_nano: START, value: Number::Int(-4), trace_id: [1; 16], span_id: [2; 8] };
    let buckets = |offset, counts| ExponentialBuckets { offset, counts };
    let points: [(MetricKind, Point<'_>); 4] = [
        (MetricKind::Gauge, Point::Number(Number::Double(1e300))),
        (MetricKind::Sum { temporality: delta, is_monotonic: true }, Point::Number(Number::Int(-7))),
        (
            MetricKind::Histogram(delta),
            Point::Histogram {
                count: 3,
                sum: Some(0.25),
                min: Some(-1.0),
                max: None,
                bucket_counts: &[1, 2],
                explicit_bounds: &[0.5],
            },
        ),
        (
            MetricKind::ExponentialHistogram(Temporality::Cumulative),
            Point::Exponential {
                count: 9,
                sum: None,
                min: None,
                max: Some(2.0),
                scale: -3,
                zero_count: 1,
                zero_threshold: 0.5,
                positive: buckets(-2, &[1, 300]),
                negative: buckets(5, &[]),
            },
        ),
    ];
    let metric = |(kind, point): &(MetricKind, Point<'_>)| {
        let mut builder = RecordBuilder::new();
        builder.start_metric(1 << 20, "latency", "how long", "ms", *kind);
        assert!(builder.open_point(*kind, START, START + 5, 1, point));
        builder.attribute("route", Scalar::Str("/cart"));
        assert!(builder.open_exemplar(*kind, &exemplar));
        builder.close_child();
        builder.close_child();
        builder.finish_metric(header(Signal::Metric))
    };
    points.iter().map(metric).collect()
}

/// Writes records of one route directly, without a lane.
fn write(server: &Server, query: &str, route: Route, tables: &Tables, records: Vec<Record>) -> Outcome {
    let mut sink = (plan(server, query).factory)(crate::support::eager().limits());
    let entries: Vec<Entry> = (1..).zip(records).map(|(seq, record)| Entry::new(seq, record)).collect();
    let batch = Batch {
        instance: [7; 16],
        lane: 0,
        previous_seq: 0,
        route,
        entries: &entries,
        tables,
        now_unix_nano: START,
        spent: &Spent::default(),
    };
    sink.write(&batch).expect("written")
}

fn tables() -> Tables {
    Tables::new(Resource::new(&[("service.name".to_owned(), "shop \"x\"".to_owned())]))
}

#[test]
fn the_bytes_of_a_record_go_on_the_wire_as_they_are() {
    let server = Server::answering([]);
    let record = log_record();
    let body = record.body().to_vec();

    write(&server, "", Route::Logs, &tables(), vec![record]);

    let content = server.received()[0].content();
    assert!(content.windows(body.len()).any(|window| window == body));
}

#[test]
fn json_says_of_a_log_record_what_protobuf_says() {
    let server = Server::answering([]);

    write(&server, "", Route::Logs, &tables(), vec![log_record()]);
    write(&server, "&encoding=json", Route::Logs, &tables(), vec![log_record()]);

    let received = server.received();
    assert_eq!(received[0].path(), "/v1/logs");
    assert_same(&format!("{:?}", logs(&received[0])), &format!("{:?}", logs(&received[1])));
}

#[test]
fn json_says_of_spans_and_metrics_what_protobuf_says() {
    let server = Server::answering([]);

    for query in ["", "&encoding=json"] {
        write(&server, query, Route::Traces, &tables(), vec![span()]);
        write(&server, query, Route::Metrics, &tables(), metrics());
    }

    let received = server.received();
    let paths: Vec<&str> = received.iter().map(crate::support::http::Received::path).collect();
    assert_eq!(paths, ["/v1/traces", "/v1/metrics", "/v1/traces", "/v1/metrics"]);
    let spans = ExportTraceServiceRequest::decode(&received[0].body[..]).expect("spans");
    let spans_json: ExportTraceServiceRequest = serde_json::from_slice(&received[2].body).expect("spans");
    assert_same(&format!("{spans:?}"), &format!("{spans_json:?}"));
    let points = ExportMetricsServiceRequest::decode(&received[1].body[..]).expect("metrics");
    let text = String::from_utf8(received[3].body.clone()).expect("text");
    let points_json: ExportMetricsServiceRequest =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_same(&format!("{points:?}"), &format!("{points_json:?}"));
}

#[track_caller]
fn assert_same(protobuf: &str, json: &str) {
    assert!(protobuf.len() > 500, "{protobuf}");
    assert_eq!(protobuf, json);
}

#[test]
fn doubles_that_json_cannot_hold_are_written_by_their_names() {
    let server = Server::answering([]);
    let mut builder = RecordBuilder::new();
    builder.start(1 << 20);
    builder.body("odd");
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        builder.attribute("x", Scalar::Double(number));
    }
    let record = builder.finish(header(Signal::Log), &[]);

    write(&server, "&encoding=json", Route::Logs, &tables(), vec![record]);

    let text = String::from_utf8(server.received()[0].body.clone()).expect("text");
    for name in ["NaN", "Infinity", "-Infinity"] {
        assert!(
            text.contains(&format!("{{\"key\":\"x\",\"value\":{{\"doubleValue\":\"{name}\"}}}}")),
            "{text}"
        );
    }
}

/// Name, schema and number of records.
type FoundScope = (String, String, usize);

#[test]
fn records_are_grouped_by_resource_and_scope_in_the_order_of_first_sight() {
    let server = Server::answering([]);
    let tables = tables();
    let second = tables.resource_index(Resource::new(&[("service.name".to_owned(), "cart".to_owned())]));
    let scopes = [tables.scope_index("a"), tables.scope_index("b")];
    let schema = tables.scope_index_of(Scope { schema_url: "https://s".to_owned(), ..Scope::named("a") });
    let record = |body: &str, resource: u32, scope: u32| {
        let mut builder = RecordBuilder::new();
        builder.start(1 << 20);
        builder.body(body);
        builder.finish(Header { resource, scope, ..header(Signal::Log) }, &[])
    };
    let records = vec![
        record("1", 0, scopes[0]),
        record("2", second, scopes[0]),
        record("3", 0, scopes[1]),
        record("4", 0, scopes[0]),
        record("5", second, schema),
    ];

    for query in ["", "&encoding=json"] {
        write(&server, query, Route::Logs, &tables, records.clone());
    }

    let received = server.received();
    let request = logs(&received[0]);
    let name = |group: &opentelemetry_proto::tonic::logs::v1::ResourceLogs| {
        format!("{:?}", group.resource.as_ref().expect("a resource").attributes[0].value)
    };
    let found: Vec<(bool, Vec<FoundScope>)> = request
        .resource_logs
        .iter()
        .map(|group| {
            let scopes = group.scope_logs.iter().map(|scope| {
                let named = scope.scope.as_ref().expect("a scope").name.clone();
                (named, scope.schema_url.clone(), scope.log_records.len())
            });
            (name(group).contains("cart"), scopes.collect())
        })
        .collect();
    let group = |name: &str, url: &str, count| (name.to_owned(), url.to_owned(), count);
    let expected = [
        (false, vec![group("a", "", 2), group("b", "", 1)]),
        (true, vec![group("a", "", 1), group("a", "https://s", 1)]),
    ];
    assert_eq!(found, expected);
    assert_eq!(bodies(&received[0]), ["1", "4", "3", "2", "5"]);
    assert_eq!(format!("{request:?}"), format!("{:?}", logs(&received[1])));
}

#[test]
fn h16_a_batch_is_cut_by_its_encoded_bytes_and_the_rest_goes_next_without_a_pause() {
    for query in ["&request_bytes_max=10 KiB", "&request_bytes_max=10 KiB&encoding=json"] {
        let server = Server::answering([]);
        let settings = telesink_core::settings::Settings {
            retry_initial: crate::support::NEVER,
            retry_max: crate::support::NEVER,
            ..batches_of(100)
        };
        let pipeline = pipeline(&server, query, settings);
        let expected: Vec<String> =
            (0..100).map(|number| format!("{number} {}", "x".repeat(1_000))).collect();

        for body in &expected {
            assert!(offer(&pipeline, &info(body)));
        }
        flush(&pipeline);

        let received = server.received();
        assert!(received.iter().all(|one| one.body.len() <= 10 << 10), "{query}");
        assert!((10..=20).contains(&received.len()), "{}", received.len());
        assert_eq!(all_bodies(&server), expected);
        assert_eq!((lane(&pipeline).delivered, lane(&pipeline).retries), (100, 0));
    }
}

#[test]
fn h16_a_record_above_the_cut_goes_alone_and_one_above_the_limit_of_otlp_is_counted() {
    let server = Server::answering([]);
    let settings = telesink_core::settings::Settings { queue_bytes_max: 512 << 20, ..batches_of(3) };
    let pipeline = pipeline(&server, "&request_bytes_max=1 KiB", settings);

    for body in ["small", &"x".repeat(100_000), &"y".repeat(80 << 20)] {
        let mut builder = RecordBuilder::new();
        builder.start(256 << 20);
        builder.body(body);
        assert!(offer(&pipeline, &builder.finish(header(Signal::Log), &[])));
    }
    flush(&pipeline);

    assert_eq!(all_bodies(&server).iter().map(String::len).collect::<Vec<_>>(), [5, 100_000]);
    assert_dropped(&lane(&pipeline), DropCause::Poison, 1);
    assert!(lane(&pipeline).last_error.contains("67108864 bytes"), "{}", lane(&pipeline).last_error);
}

#[test]
fn each_signal_goes_to_its_path_and_one_that_is_not_wanted_is_counted() {
    let server = Server::answering([]);
    let pipeline = pipeline(&server, "&signals=logs,traces", batches_of(4));

    for record in [log_record(), span(), Draft::new("second").build(), metrics().remove(0)] {
        assert!(offer(&pipeline, &record));
    }
    flush(&pipeline);

    let paths: Vec<String> = server.received().iter().map(|one| one.path().to_owned()).collect();
    assert_eq!(paths, ["/v1/logs", "/v1/traces"]);
    assert_eq!(bodies(&server.received()[0]), ["paid", "second"]);
    assert_dropped(&lane(&pipeline), DropCause::Unrouted, 1);
}

#[test]
fn an_empty_batch_is_not_sent() {
    let server = Server::answering([]);

    write(&server, "", Route::Logs, &tables(), Vec::new());

    assert_eq!(server.connections(), 0);
}
