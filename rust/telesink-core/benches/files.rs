//! How fast the file lane is by itself: lines a second from records that are ready to lines in files, beside a loop that
//! calls `write` once for every ready-made line of the same bytes.
//!
//! `cargo bench -p telesink-core --bench files`. Both write into a folder of the temporary directory; the lines are counted there.

#![expect(clippy::print_stderr, reason = "a benchmark shows its figures")]

use std::fs::File;
use std::io::Write;
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

const LINES: usize = 500_000;

const RUNS: usize = 7;

/// A record as `logger.info("paid %s", invoice, extra={...})` makes it.
fn record(builder: &mut RecordBuilder, number: usize) -> Record {
    builder.start(1 << 20);
    builder.severity(9, "INFO");
    builder.body("paid invoice 2026-1187 in 3 parts");
    builder.attribute("customer", Scalar::Str("c-48213"));
    builder.attribute("number", Scalar::Int(number as i64));
    builder.attribute("code.file.path", Scalar::Str("/srv/shop/payments.py"));
    builder.attribute("code.function.name", Scalar::Str("pay"));
    builder.attribute("thread.name", Scalar::Str("MainThread"));
    builder.attribute("code.line.number", Scalar::Int(211));
    builder.attribute("thread.id", Scalar::Int(139_923_695_045_504));
    let header = Header {
        signal: Signal::Log,
        severity: 9,
        flags: 0,
        time_unix_nano: 1_795_255_872_345_678_901 + number as u64,
        observed_unix_nano: 1_795_255_872_345_679_902,
        id: [7; 16],
        trace_id: [3; 16],
        span_id: [4; 8],
        resource: 0,
        scope: 0,
        levelno: 20,
    };
    builder.finish(header, &[])
}

/// A pipeline with one lane that writes files.
fn pipeline(folder: &Path) -> Pipeline {
    let attributes = [("service.name".to_owned(), "shop".to_owned())];
    let pipeline = Pipeline::new(Resource::new(&attributes), Arc::new(Redaction::off()));
    let text = format!("file://{}?compress=none&rotate=100 MB", folder.display());
    let mut dsn = Dsn::parse(&text, &[], Path::new("/")).expect("a valid dsn");
    let plan = sinks::plan(&mut dsn).expect("a known sink");
    let settings =
        Settings { queue_records_max: 1 << 20, queue_bytes_max: 1 << 30, ..Settings::documented() };
    let spec = LaneSpec {
        name: "file".to_owned(),
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

/// Seconds from the first record to the last line.
fn through_lane(folder: &Path, records: Vec<Record>) -> f64 {
    let pipeline = pipeline(folder);
    let view = pipeline.view();
    let begin = clock::monotonic();
    for record in records {
        pipeline.offer_through(&view, 20, "shop", record, &Impatient);
    }
    pipeline.close(begin + Duration::from_mins(1), true);
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(pipeline.stats().rejected.total(), 0, "the queue was full");
    assert_eq!(lines_in(&folder.join("shop")), LINES, "every record is a line");
    seconds
}

/// Seconds for one `write` each.
fn by_hand(folder: &Path, lines: &[Vec<u8>]) -> f64 {
    let mut file = File::options().append(true).create(true).open(folder.join("lines")).expect("opened");
    let begin = clock::monotonic();
    for line in lines {
        assert_eq!(file.write(line).expect("written"), line.len());
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(lines_in(folder), LINES);
    seconds
}

fn lines_in(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let contents = files.filter_map(|file| std::fs::read(file.path()).ok());
    contents.map(|content| memchr::memchr_iter(b'\n', &content).count()).sum()
}

fn main() {
    let mut builder = RecordBuilder::new();
    let mut ratios = Vec::new();
    for _ in 0..RUNS {
        let records: Vec<Record> = (0..LINES).map(|number| record(&mut builder, number)).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let lane = through_lane(folder.path(), records);
        let path = std::fs::read_dir(folder.path().join("shop")).expect("files").flatten().next();
        let content = std::fs::read(path.expect("a file").path()).expect("readable");
        let line = content.split_inclusive(|byte| *byte == b'\n').next().expect("a line").to_vec();
        let lines = vec![line.clone(); LINES];
        let other = tempfile::tempdir().expect("a folder");
        let hand = by_hand(other.path(), &lines);
        let rate = |seconds: f64| LINES as f64 / seconds / 1_000.0;
        eprintln!(
            "{} bytes a line: lane {:.0} k lines/s, write for each line {:.0} k lines/s, ratio {:.2}",
            line.len(),
            rate(lane),
            rate(hand),
            hand / lane
        );
        ratios.push(hand / lane);
    }
    ratios.sort_by(f64::total_cmp);
    eprintln!("median ratio {:.2} of {RUNS} runs", ratios[RUNS / 2]);
}
