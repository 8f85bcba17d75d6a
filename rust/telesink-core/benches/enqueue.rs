//! What a log call costs the program in the core: encoding a record, and handing it over to a lane.
//!
//! `cargo bench -p telesink-core`. The figures of the whole call, Python included, are in `docs/benchmarks.md`.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use telesink_core::clock;
use telesink_core::dsn::Dsn;
use telesink_core::lane::{Impatient, LaneSpec};
use telesink_core::pipeline::Pipeline;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::tables::Resource;
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Record, Signal};
use telesink_core::redact::Redaction;
use telesink_core::settings::Settings;
use telesink_core::sinks;

/// A record as `logger.info("paid %s", invoice, extra={...})` makes it.
fn encode(builder: &mut RecordBuilder) -> Record {
    builder.start(1 << 20);
    builder.severity(9, "INFO");
    builder.body("paid invoice 2026-1187 in 3 parts");
    builder.attribute("customer", Scalar::Str("c-48213"));
    builder.attribute("parts", Scalar::Int(3));
    builder.attribute("code.file.path", Scalar::Str("/srv/shop/payments.py"));
    builder.attribute("code.line.number", Scalar::Int(211));
    let header = Header {
        signal: Signal::Log,
        severity: 9,
        flags: 0,
        time_unix_nano: 1_795_255_872_345_678_901,
        observed_unix_nano: 1_795_255_872_345_679_902,
        id: [7; 16],
        trace_id: [0; 16],
        span_id: [0; 8],
        resource: 0,
        scope: 0,
        levelno: 20,
    };
    builder.finish(header, &[])
}

/// A pipeline with one lane that keeps nothing.
fn pipeline() -> Pipeline {
    let pipeline = Pipeline::new(Resource::new(&[]), Arc::new(Redaction::off()));
    let mut dsn = Dsn::parse("null://", &[], Path::new("/")).expect("a valid dsn");
    let plan = sinks::plan(&mut dsn).expect("a known sink");
    let settings = Settings { queue_records_max: 1 << 20, ..Settings::documented() };
    let spec = LaneSpec {
        name: "null".to_owned(),
        index: 0,
        plan,
        settings,
        level: 0,
        include: Vec::new(),
        exclude: Vec::new(),
    };
    pipeline.add_lane(spec).expect("a fresh name");
    pipeline
}

fn benches(criterion: &mut Criterion) {
    let mut builder = RecordBuilder::new();
    criterion.bench_function("encode", |bencher| bencher.iter(|| encode(black_box(&mut builder))));

    let pipeline = pipeline();
    let view = pipeline.view();
    criterion.bench_function("enqueue", |bencher| {
        bencher.iter_batched(
            || encode(&mut builder),
            |record| pipeline.offer_through(&view, 20, "shop", record, &Impatient),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("encode and enqueue", |bencher| {
        bencher.iter(|| {
            let record = encode(black_box(&mut builder));
            pipeline.offer_through(&view, 20, "shop", record, &Impatient)
        });
    });
    pipeline.close(clock::monotonic() + Duration::from_secs(5), true);
    // A refused record costs less than one that is taken; the figures are of the latter.
    assert_eq!(pipeline.stats().rejected.total(), 0, "the queue was full");
}

criterion_group!(group, benches);
criterion_main!(group);
