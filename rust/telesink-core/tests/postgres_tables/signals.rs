//! Spans and metrics: their rows, their partitions, and how old tables come to have them.

use crate::support::records::{bare_span, exponential, header_of, histogram, info, span, span_of, sum};
use crate::support::{batches_of, flush, lane, offer, pipeline, plan};
use crate::{DAY, Database, insert, partition};
use std::path::Path;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::pipeline::Pipeline;
use telesink_core::record::tables::Resource;
use telesink_core::record::{Header, Record, Signal};
use telesink_core::sinks::inspect::{self, Account, Book};
use telesink_core::sinks::postgres::maintenance::Dropped;

/// The statements of version 1, on the search path.
fn version_1() -> String {
    let statements = include_str!("../../src/sinks/postgres/schema/version_1.sql")
        .replace("{prefix}", "")
        .replace("{logs_literal}", "'telesink_logs'")
        .replace("{quote}", "$$");
    format!("{statements}\nINSERT INTO telesink_meta VALUES ('version', '1');")
}

fn open(database: &Database, options: &str, records: usize) -> Pipeline {
    let dsn = format!("{}{options}", database.server.dsn(&database.name));
    pipeline(plan(&dsn), batches_of(records))
}

/// Offers records as one batch, and waits for it.
fn store(database: &Database, options: &str, records: &[Record]) {
    let pipeline = open(database, options, records.len());
    for record in records {
        assert!(offer(&pipeline, record));
    }
    flush(&pipeline);
    let lane = lane(&pipeline);
    assert_eq!((lane.delivered, lane.batches), (records.len() as u64, 1), "{lane:?}");
    crate::support::close(&pipeline);
}

/// What `telesink check` learns of the only process.
fn account(database: &Database) -> Account {
    let mut dsn = Dsn::parse(&database.server.dsn(&database.name), &[], Path::new("/")).expect("a DSN");
    let plan = inspect::plan(&mut dsn).expect("planned");
    let mut open = plan.open(crate::support::eager().limits()).expect("open");
    let mut book = Book::new(true);
    open.count(&mut book, &|_| {}).expect("counted");
    book.close().pop().expect("an account").1
}

fn json(database: &Database, sql: &str) -> serde_json::Value {
    serde_json::from_str(&database.sql(sql)).expect("JSON")
}

#[test]
fn a_row_holds_what_the_span_holds() {
    let database = Database::new();
    let header = Header { time_unix_nano: 1_795_255_872_345_678_901, ..header_of(Signal::Span) };

    store(&database, "", &[span_of("GET /cart", header), bare_span("root")]);

    let row = json(
        &database,
        "SELECT to_jsonb(s) - 'instance' - 'resource_id' FROM telesink_spans AS s WHERE seq = 1",
    );
    let expected = serde_json::json!({
        "ts": "2026-11-21T10:11:12.345678+00:00", "end_ts": "2026-11-21T10:11:12.347178+00:00",
        "duration_ns": 1_500_000, "trace_id": uuid::Uuid::from_bytes([0xab; 16]).to_string(),
        "span_id": "0f".repeat(8), "parent_span_id": "0e".repeat(8), "name": "GET /cart", "kind": 2, "status": 2,
        "status_message": "no such cart", "service": "shop", "scope": "telesink.scope_overflow",
        "attributes": { "http.route": "/cart" },
        "events": [{ "time_unix_nano": 1_795_255_872_345_678_911_u64, "name": "retry", "attributes": { "number": 2 } }],
        "links": [{ "trace_id": "07".repeat(16), "span_id": "08".repeat(8), "attributes": {} }], "seq": 1,
    });
    assert_eq!(row, expected);
    let nulls = "SELECT count(*) FROM telesink_spans WHERE parent_span_id IS NULL AND status_message IS NULL \
                 AND events IS NULL AND links IS NULL AND seq = 2";
    assert_eq!(database.sql(nulls), "1");
}

#[test]
fn each_point_of_a_metric_is_a_row_and_values_that_are_no_numbers_stay() {
    let database = Database::new();

    store(
        &database,
        "",
        &[
            sum("odd", &[1.5, f64::INFINITY, f64::NAN]),
            histogram("latency"),
            exponential("size"),
            sum("none", &[]),
        ],
    );

    let rows = database.sql(
        "SELECT seq, name, kind, unit, temporality, is_monotonic, value, attributes FROM telesink_metrics \
         WHERE seq = 1 ORDER BY attributes ->> 'number'",
    );
    let expected = "1|odd|7|ms|2|t|1.5|{\"number\": 0}\n1|odd|7|ms|2|t|Infinity|{\"number\": 1}\n\
                    1|odd|7|ms|2|t|NaN|{\"number\": 2}";
    assert_eq!(rows, expected);
    let rows = json(
        &database,
        "SELECT jsonb_agg(jsonb_build_array(kind, value, count, sum::text, min, max, buckets) ORDER BY seq) \
         FROM telesink_metrics WHERE seq > 1",
    );
    let expected = serde_json::json!([
        [9, null, 6, "7.5", 0.25, null, { "bounds": [0.5, 1.0], "counts": [1, 2, 3] }],
        [10, null, 3, "Infinity", null, null, {
            "scale": -1, "zero_count": 1, "zero_threshold": 0.0, "positive": { "offset": 2, "counts": [1, 1] },
            "negative": { "offset": 0, "counts": [] },
        }],
        [7, null, null, null, null, null, null],
    ]);
    assert_eq!(rows, expected);
}

#[test]
fn records_of_another_program_have_its_service_and_resource() {
    let database = Database::new();
    let pipeline = open(&database, "", 2);
    let resource =
        pipeline.tables().resource_index(Resource::new(&[("service.name".to_owned(), "billing".to_owned())]));

    for resource in [resource, 0] {
        assert!(offer(&pipeline, &span_of("work", Header { resource, ..header_of(Signal::Span) })));
    }
    flush(&pipeline);
    // Known by now.
    for resource in [resource, 0] {
        assert!(offer(&pipeline, &span_of("more", Header { resource, ..header_of(Signal::Span) })));
    }
    flush(&pipeline);

    let rows = database.sql(
        "SELECT service, r.attributes ->> 'service.name' FROM telesink_spans JOIN telesink_resources AS r \
         ON r.id = resource_id ORDER BY seq",
    );
    assert_eq!(rows, "billing|billing\nshop|shop\nbilling|billing\nshop|shop");
}

#[test]
fn a_table_gets_its_partitions_when_its_signal_is_written_first() {
    let database = Database::new();
    let pipeline = open(&database, "", 1);
    let of = |table: &str| {
        database.sql(&format!(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass \
             AND inhrelid <> '{table}_default'::regclass"
        ))
    };

    assert!(offer(&pipeline, &info("a log")));
    flush(&pipeline);
    let before = (of("telesink_logs"), of("telesink_spans"), of("telesink_metrics"));
    assert!(offer(&pipeline, &span("a span")));
    flush(&pipeline);

    assert_eq!(before, ("3".to_owned(), "0".to_owned(), "0".to_owned()));
    assert_eq!((of("telesink_spans").as_str(), of("telesink_metrics").as_str()), ("3", "0"));
    assert_eq!(database.sql("SELECT count(*) FROM telesink_spans_default"), "0");
    let day = partition(0).replace("logs", "spans");
    assert_eq!(database.sql(&format!("SELECT count(*) FROM {day}")), "1");
}

#[test]
fn the_indexes_of_spans_and_metrics_are_those_that_are_documented() {
    let database = Database::with_tables();

    let indexes = database.sql(
        "SELECT indexname || ' ' || regexp_replace(indexdef, '.* USING ', '') FROM pg_indexes \
         WHERE tablename IN ('telesink_spans', 'telesink_metrics') ORDER BY 1",
    );

    let brin = "brin (ts) WITH (pages_per_range='32', autosummarize='on')";
    let expected = format!(
        "telesink_metrics_ts {brin}\ntelesink_spans_trace_id btree (trace_id)\ntelesink_spans_ts {brin}"
    );
    assert_eq!(indexes, expected);
}

#[test]
fn tables_of_version_1_get_the_new_ones_and_keep_their_rows() {
    let database = Database::new();
    database.sql(&version_1());
    database.sql(&insert(7, "now()"));

    let error = database.maintenance_with("?create_schema=false").prepare().expect_err("an older version");
    store(&database, "", &[span("new"), info("new")]);

    assert!(error.message.contains("version 1, not 2"), "{error}");
    assert_eq!(database.count("true"), 8);
    assert_eq!(database.sql("SELECT name FROM telesink_spans"), "new");
    assert_eq!(database.sql("SELECT value FROM telesink_meta"), "2");
}

#[test]
fn a_repeated_batch_is_stored_once_by_unique_indexes_as_well() {
    let database = Database::new();
    let records = [info("a log"), span("a span"), sum("m", &[1.0, 2.0]), histogram("h")];

    // Under other numbers, as after a restart: a point of a metric has nothing else to be known by.
    store(&database, "?dedupe=id", &records);
    store(&database, "?dedupe=id", &records[..2]);

    let rows = ["logs", "spans", "metrics"]
        .map(|table| database.sql(&format!("SELECT count(*) FROM telesink_{table}")));
    assert_eq!(rows, ["1", "1", "3"]);
}

#[test]
fn numbers_in_three_tables_are_dense_together_and_losses_and_copies_are_found() {
    let database = Database::new();
    store(&database, "", &[info("1"), span("2"), sum("3", &[1.0, 2.0]), info("4")]);
    let whole = account(&database);

    let columns = "ts, start_ts, name, kind, unit, temporality, is_monotonic, value, service, attributes, \
                   resource_id, instance, seq";
    database.sql(&format!(
        "DELETE FROM telesink_spans; INSERT INTO telesink_metrics ({columns}) SELECT {columns} FROM telesink_metrics"
    ));
    let tampered = account(&database);

    assert_eq!((whole.rows, whole.missing, whole.duplicates), (4, 0, 0));
    assert_eq!((tampered.missing, tampered.duplicates, tampered.shown), (1, 1, vec![(2, 2)]));
}

#[test]
fn old_partitions_and_rows_of_all_tables_are_dropped() {
    let database = Database::with_tables();
    let old = clock::unix_nano() - 40 * DAY;
    let at = |days: u64| Header { time_unix_nano: old - days * DAY, ..header_of(Signal::Span) };
    store(&database, "", &[span_of("old", at(0)), span_of("older", at(50)), span("new")]);
    database.maintenance().make_ahead(old, 1).expect("partitions for one of them");

    let dropped = database.maintenance().drop_old(Duration::from_nanos(30 * DAY), clock::unix_nano());

    assert_eq!(dropped, Ok(Dropped { partitions: 2, rows: 1, is_partial: false }));
    assert_eq!(database.sql("SELECT name FROM telesink_spans"), "new");
}

#[test]
fn grafana_finds_traces_with_tags_events_and_milliseconds() {
    let database = Database::new();
    store(
        &database,
        "",
        &[span_of(
            "GET /cart",
            Header { time_unix_nano: 1_795_255_872_345_000_000, ..header_of(Signal::Span) },
        )],
    );

    let row = json(&database, "SELECT to_jsonb(t) FROM telesink_grafana_traces AS t");

    let expected = serde_json::json!({
        "traceID": "ab".repeat(16), "spanID": "0f".repeat(8), "parentSpanID": "0e".repeat(8),
        "operationName": "GET /cart", "serviceName": "shop", "startTime": 1_795_255_872_345.0, "duration": 1.5,
        "tags": [{ "key": "http.route", "value": "/cart" }],
        "serviceTags": [{ "key": "service.name", "value": "shop" }],
        "logs": [{ "timestamp": 1_795_255_872_345.0, "name": "retry", "fields": [{ "key": "number", "value": 2 }] }],
        "statusCode": 2, "statusMessage": "no such cart", "kind": "server",
    });
    let mut row = row;
    let timestamp = row["logs"][0]["timestamp"].as_f64().expect("a number").floor();
    row["logs"][0]["timestamp"] = timestamp.into();
    row["startTime"] = row["startTime"].as_f64().expect("a number").into();
    assert_eq!(row, expected);
}
