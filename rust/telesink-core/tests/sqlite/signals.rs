//! Spans and metrics: their rows, beside the log records and with numbers of the same kind.

use crate::support::records::{
    Draft, TRACE_ID, bare_span, exponential, header_of, histogram, info, span, span_of, sum,
};
use crate::support::{batches_of, close, eager, flush, lane, offer, pipeline, plan, until};
use crate::{bodies, connect, database, number, plan_at, texts};
use std::path::Path;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::record::tables::Resource;
use telesink_core::record::{Header, Record, Signal};
use telesink_core::sinks::inspect::{self, Account, Book};
use telesink_core::sinks::prune::{self, Piece, Retention};
use telesink_core::sinks::sqlite::DDL;
use telesink_core::stats::State;

/// The tables of version 1, with a row.
const VERSION_1: &str = concat!(
    include_str!("../../src/sinks/sqlite/version_1.sql"),
    "INSERT INTO telesink_logs (ts, observed_ts, id, severity, level, service, logger, body, resource_id, instance, seq) \
     VALUES (1, 1, 'x', 9, 'INFO', 'shop', 'shop', 'old', 1, '019aaaaa-0000-7000-8000-000000000001', 1);"
);

/// Offers records as one batch, and waits for it.
fn store(path: &Path, records: &[Record]) {
    let pipeline = pipeline(plan_at(path), batches_of(records.len()));
    for record in records {
        assert!(offer(&pipeline, record));
    }
    flush(&pipeline);
    assert_eq!((lane(&pipeline).delivered, lane(&pipeline).batches), (records.len() as u64, 1));
    close(&pipeline);
}

fn json(path: &Path, sql: &str) -> serde_json::Value {
    serde_json::from_str(&texts(path, sql)[0]).expect("JSON")
}

fn dsn(path: &Path) -> Dsn {
    Dsn::parse(&format!("sqlite:///{}", path.display()), &[], Path::new("/")).expect("a DSN")
}

/// What `telesink check` learns of the only process.
fn account(path: &Path) -> Account {
    let plan = inspect::plan(&mut dsn(path)).expect("planned");
    let mut open = plan.open(eager().limits()).expect("open");
    let mut book = Book::new(true);
    open.count(&mut book, &|_| {}).expect("counted");
    book.close().pop().expect("an account").1
}

#[test]
fn a_row_holds_what_the_span_holds() {
    let (_folder, path) = database();
    let record = span("GET /cart");
    let header = record.header();

    store(&path, &[record]);

    let row = json(
        &path,
        "SELECT json_object('ts', ts, 'end', end_ts, 'ns', duration_ns, 'trace', trace_id, 'span', span_id, \
         'parent', parent_span_id, 'name', name, 'kind', kind, 'status', status, 'message', status_message, \
         'service', service, 'scope', scope, 'attributes', json(attributes), 'events', json(events), \
         'links', json(links), 'seq', seq) FROM telesink_spans",
    );
    let start = header.time_unix_nano;
    let expected = serde_json::json!({
        "ts": start, "end": start + 1_500_000, "ns": 1_500_000, "trace": "ab".repeat(16), "span": "0f".repeat(8),
        "parent": "0e".repeat(8), "name": "GET /cart", "kind": 2, "status": 2, "message": "no such cart",
        "service": "shop", "scope": "telesink.scope_overflow", "attributes": { "http.route": "/cart" },
        "events": [{ "time_unix_nano": start + 10, "name": "retry", "attributes": { "number": 2 } }],
        "links": [{ "trace_id": "07".repeat(16), "span_id": "08".repeat(8), "attributes": {} }], "seq": 1,
    });
    assert_eq!(row, expected);
}

#[test]
fn what_a_span_lacks_is_null() {
    let (_folder, path) = database();

    store(&path, &[bare_span("root")]);

    let nulls = "SELECT count(*) FROM telesink_spans WHERE parent_span_id IS NULL AND status_message IS NULL \
                 AND events IS NULL AND links IS NULL AND attributes = '{}' AND status = 0 AND duration_ns = 0";
    assert_eq!(number(&path, nulls), 1);
}

#[test]
fn each_point_of_a_metric_is_a_row_of_the_same_number() {
    let (_folder, path) = database();

    store(&path, &[sum("requests", &[1.5, 2.5])]);

    let rows = texts(
        &path,
        "SELECT seq || ' ' || name || ' ' || value || ' ' || unit || ' ' || kind || ' ' || temporality || ' ' || \
         is_monotonic || ' ' || attributes || ' ' || (ts - start_ts) FROM telesink_metrics ORDER BY row_id",
    );
    assert_eq!(
        rows,
        ["1 requests 1.5 ms 7 2 1 {\"number\":0} 1000", "1 requests 2.5 ms 7 2 1 {\"number\":1} 1000"]
    );
    assert_eq!(
        number(&path, "SELECT count(*) FROM telesink_metrics WHERE count IS NULL AND buckets IS NULL"),
        2
    );
}

#[test]
fn distributions_have_counts_and_buckets() {
    let (_folder, path) = database();

    store(&path, &[histogram("latency"), exponential("size")]);

    let rows = json(
        &path,
        "SELECT json_group_array(json_array(kind, value, count, sum = 9e999, min, max, json(buckets))) \
         FROM telesink_metrics ORDER BY row_id",
    );
    let expected = serde_json::json!([
        [9, null, 6, 0, 0.25, null, { "bounds": [0.5, 1.0], "counts": [1, 2, 3] }],
        [10, null, 3, 1, null, null, {
            "scale": -1, "zero_count": 1, "zero_threshold": 0.0, "positive": { "offset": 2, "counts": [1, 1] },
            "negative": { "offset": 0, "counts": [] },
        }],
    ]);
    assert_eq!(rows, expected);
}

#[test]
fn infinite_values_stay_and_what_is_no_number_is_null() {
    let (_folder, path) = database();

    store(&path, &[sum("odd", &[f64::INFINITY, f64::NEG_INFINITY, f64::NAN])]);

    let rows =
        texts(&path, "SELECT coalesce(CAST(value AS TEXT), 'null') FROM telesink_metrics ORDER BY row_id");
    assert_eq!(rows, ["Inf", "-Inf", "null"]);
}

#[test]
fn a_metric_without_points_has_a_row_so_that_its_number_is_no_loss() {
    let (_folder, path) = database();

    store(&path, &[sum("silent", &[]), info("a log")]);

    assert_eq!(number(&path, "SELECT count(*) FROM telesink_metrics WHERE value IS NULL AND ts > 0"), 1);
    assert_eq!(account(&path).missing, 0);
}

#[test]
fn records_of_another_program_have_its_service_and_resource_in_every_table() {
    let (_folder, path) = database();
    let pipeline = pipeline(plan_at(&path), batches_of(4));
    let named = Resource::new(&[("service.name".to_owned(), "billing".to_owned())]);
    let resource = pipeline.tables().resource_index(named);
    let foreign = |record: Record| Header { resource, ..record.header() };
    let mut builder = telesink_core::record::encode::RecordBuilder::new();
    builder.start(1 << 10);
    builder.body("of another");
    let log = builder.finish(foreign(info("")), &[]);
    builder.start_metric(1 << 10, "m", "", "", telesink_core::record::encode::MetricKind::Gauge);
    let metric = builder.finish_metric(Header { resource, ..header_of(Signal::Metric) });

    let spanned = span_of("of another", Header { resource, ..header_of(Signal::Span) });
    for record in [log, spanned, metric, info("our own")] {
        assert!(offer(&pipeline, &record));
    }
    flush(&pipeline);

    for table in ["telesink_logs", "telesink_spans", "telesink_metrics"] {
        let sql = format!(
            "SELECT service || ' ' || r.attributes FROM {table} t JOIN telesink_resources r ON r.id = t.resource_id \
             WHERE seq < 4"
        );
        assert_eq!(texts(&path, &sql), ["billing {\"service.name\":\"billing\"}"], "{table}");
    }
    assert_eq!(texts(&path, "SELECT service FROM telesink_logs WHERE seq = 4"), ["shop"]);
}

#[test]
fn log_records_and_spans_of_a_trace_can_be_joined() {
    let (_folder, path) = database();
    let mut builder = telesink_core::record::encode::RecordBuilder::new();
    builder.start(1 << 10);
    builder.body("inside");
    let header = Header { trace_id: TRACE_ID, span_id: [0x0f; 8], ..info("").header() };

    store(&path, &[builder.finish(header, &[]), span("outside")]);

    let joined = "SELECT l.body || ' in ' || s.name FROM telesink_logs l JOIN telesink_spans s \
                  ON s.trace_id = l.trace_id AND s.span_id = l.span_id";
    assert_eq!(texts(&path, joined), ["inside in outside"]);
}

#[test]
fn the_spans_of_a_trace_are_found_by_an_index() {
    let (_folder, path) = database();
    store(&path, &[span("one")]);

    let connection = connect(&path);
    let sql = "EXPLAIN QUERY PLAN SELECT * FROM telesink_spans WHERE trace_id = 'x'";
    let detail: String = connection.query_row(sql, [], |row| row.get(3)).expect("a plan");

    assert!(detail.contains("telesink_spans_trace_id"), "{detail}");
}

#[test]
fn a_refused_point_takes_its_whole_metric_and_nothing_else_with_it() {
    let (_folder, path) = database();
    store(&path, &[info("makes the tables")]);
    connect(&path)
        .execute_batch(
            "CREATE TRIGGER pick BEFORE INSERT ON telesink_metrics WHEN NEW.value = 2.0 \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .expect("a trigger");
    let pipeline = pipeline(plan_at(&path), batches_of(3));

    for record in [sum("good", &[1.0]), sum("bad", &[1.0, 2.0]), span("good")] {
        assert!(offer(&pipeline, &record));
    }
    flush(&pipeline);

    assert_eq!((lane(&pipeline).delivered, lane(&pipeline).dropped.total()), (2, 1));
    assert_eq!(texts(&path, "SELECT name FROM telesink_metrics"), ["good"]);
    assert_eq!(texts(&path, "SELECT name FROM telesink_spans"), ["good"]);
}

#[test]
fn a_file_of_version_1_gets_the_new_tables_and_keeps_its_rows() {
    let (_folder, path) = database();
    connect(&path).execute_batch(VERSION_1).expect("version 1");

    store(&path, &[span("new"), info("new")]);

    assert_eq!(bodies(&path), ["old", "new"]);
    assert_eq!(texts(&path, "SELECT name FROM telesink_spans"), ["new"]);
    assert_eq!(texts(&path, "SELECT value FROM telesink_meta WHERE key = 'version'"), ["2"]);
}

#[test]
fn a_file_that_grew_has_the_same_tables_as_a_new_one() {
    let (_folder, grown) = database();
    connect(&grown).execute_batch(VERSION_1).expect("version 1");
    let (_other, fresh) = database();

    store(&grown, &[info("a")]);
    store(&fresh, &[info("a")]);

    let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    assert_eq!(texts(&grown, schema), texts(&fresh, schema));
}

#[test]
fn a_file_of_version_1_holds_the_records_if_tables_may_not_be_made() {
    let (_folder, path) = database();
    connect(&path).execute_batch(VERSION_1).expect("version 1");
    let plan = plan(&format!("sqlite:///{}?create_schema=false", path.display()));
    let pipeline = pipeline(plan, eager());

    assert!(offer(&pipeline, &info("a")));
    until("the lane is held", || lane(&pipeline).state == State::Held);
    let held = lane(&pipeline);
    connect(&path).execute_batch(include_str!("../../src/sinks/sqlite/version_2.sql")).expect("version 2");
    flush(&pipeline);

    assert!(held.last_error.contains("version 1, not 2, and create_schema=false"), "{held:?}");
    assert_eq!(bodies(&path), ["old", "a"]);
}

#[test]
fn numbers_in_three_tables_are_dense_together() {
    let (_folder, path) = database();

    store(&path, &[info("1"), span("2"), sum("3", &[1.0, 2.0]), info("4"), histogram("5")]);

    let found = account(&path);
    assert_eq!((found.rows, found.first, found.last), (5, 1, 5));
    assert_eq!((found.missing, found.duplicates), (0, 0));
}

#[test]
fn a_span_that_is_gone_and_a_metric_that_is_there_twice_are_found() {
    let (_folder, path) = database();
    store(&path, &[info("1"), span("2"), sum("3", &[1.0, 2.0]), info("4")]);
    let columns = "ts, start_ts, name, kind, unit, temporality, is_monotonic, value, service, attributes, \
                   resource_id, instance, seq";
    let twice = format!("INSERT INTO telesink_metrics ({columns}) SELECT {columns} FROM telesink_metrics");

    connect(&path).execute_batch(&format!("DELETE FROM telesink_spans; {twice}")).expect("tampered");

    let found = account(&path);
    assert_eq!((found.missing, found.duplicates, found.shown), (1, 1, vec![(2, 2)]));
}

#[test]
fn a_file_of_version_1_can_be_looked_at_as_it_is() {
    let (_folder, path) = database();
    connect(&path).execute_batch(VERSION_1).expect("version 1");

    assert_eq!((account(&path).rows, account(&path).missing), (1, 0));
    assert_eq!(texts(&path, "SELECT value FROM telesink_meta WHERE key = 'version'"), ["1"]);
}

#[test]
fn old_rows_leave_all_tables() {
    let (_folder, path) = database();
    let old = Draft::new("old").observed(clock::unix_nano() - 3 * 86_400 * 1_000_000_000);
    let times = old.build().header();
    let old_span = span_of("old", Header { time_unix_nano: times.time_unix_nano, ..header_of(Signal::Span) });
    store(&path, &[old.build(), old_span, span("new"), sum("new", &[1.0]), info("new")]);
    connect(&path).execute_batch("UPDATE telesink_metrics SET ts = 1").expect("old, too");
    let retention = Retention::older_than(Duration::from_hours(24), clock::unix_nano());

    let plan = prune::plan(&mut dsn(&path)).expect("planned");
    let mut open = plan.open(eager().limits(), retention).expect("open");
    let rows = open.count().expect("counted");
    let mut deleted = 0;
    while let Some(piece) = open.step().expect("a step") {
        deleted += if let Piece::Rows(rows) = piece { rows } else { 0 };
    }

    assert_eq!((rows, deleted), (vec![3], 3));
    assert_eq!(
        (bodies(&path), texts(&path, "SELECT name FROM telesink_spans")),
        (vec!["new".to_owned()], vec!["new".to_owned()])
    );
    assert_eq!(number(&path, "SELECT count(*) FROM telesink_metrics"), 0);
}

#[test]
fn the_views_show_spans_and_points_for_people() {
    let (_folder, path) = database();

    store(&path, &[span("GET /cart"), histogram("latency")]);

    let spans = "SELECT name || ' ' || duration_ms || ' ' || status FROM telesink_span_lines";
    assert_eq!(texts(&path, spans), ["GET /cart 1.5 ERROR"]);
    let points = "SELECT name || ' ' || kind || ' ' || count || ' ' || unit FROM telesink_metric_lines";
    assert_eq!(texts(&path, points), ["latency histogram 6 ms"]);
}

#[test]
fn the_documented_statements_bring_an_older_file_up_to_date_and_can_be_run_again() {
    let (_folder, path) = database();
    connect(&path).execute_batch(VERSION_1).expect("version 1");

    connect(&path).execute_batch(DDL).expect("brought up to date");
    connect(&path).execute_batch(DDL).expect("nothing to do");

    assert_eq!(texts(&path, "SELECT value FROM telesink_meta WHERE key = 'version'"), ["2"]);
    assert_eq!(
        (bodies(&path), number(&path, "SELECT count(*) FROM telesink_spans")),
        (vec!["old".to_owned()], 0)
    );
}
