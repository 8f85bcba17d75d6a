//! A receiver that answers anything: in the place of a reply, or as the body of one. The sink answers with what became
//! of its records, or with an error on one line, within its limits, and goes on living.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use telesink_core::dsn::Dsn;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::tables::{Resource, Tables};
use telesink_core::record::value::{Scalar, begin_map, end_container, put_pair};
use telesink_core::record::{Header, Record, Signal};
use telesink_core::sinks::{self, Batch, Entry, Limits, Outcome, Route, SinkPlan, Spent};

/// Far above what an answer takes that is there already: a target that waits is one that hangs.
const LIMITS: Limits = Limits { connect: Duration::from_secs(5), write: Duration::from_secs(5) };

/// Where to, beside the port, and with which statuses: the ones by which the sinks decide.
const SINKS: [&str; 4] = [
    "otlp://127.0.0.1:{port}/?headers=api-key=c4naryPassw0rd",
    "otlp://127.0.0.1:{port}/?protocol=http/json&headers=api-key=c4naryPassw0rd",
    "langfuse://pk:c4naryPassw0rd@127.0.0.1:{port}?mode=legacy",
    "langfuse://pk:c4naryPassw0rd@127.0.0.1:{port}?mode=otlp",
];
const STATUSES: [u16; 8] = [200, 207, 202, 400, 401, 404, 413, 429];

static LISTENER: LazyLock<TcpListener> = LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("a port"));

static PLANS: LazyLock<Vec<SinkPlan>> = LazyLock::new(|| {
    let port = LISTENER.local_addr().expect("an address").port().to_string();
    let plan = |text: &str| {
        let mut dsn = Dsn::parse(&text.replace("{port}", &port), &[], Path::new("/")).expect("a dsn");
        sinks::plan(&mut dsn).expect("a plan")
    };
    SINKS.into_iter().map(plan).collect()
});

static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| ["e-1", "e-2"].iter().zip(1..).map(|(id, seq)| Entry::new(seq, event(id))).collect());

/// An event, which every one of the sinks takes.
fn event(id: &str) -> Record {
    let mut builder = RecordBuilder::new();
    builder.start(4_096);
    let body = begin_map(builder.buffer(), 0x2a);
    put_pair(builder.buffer(), 0x0a, "id", Scalar::Str(id));
    end_container(builder.buffer(), body);
    builder.event_name("span-create");
    builder.attribute("langfuse.envelope.id", Scalar::Str(id));
    let header = Header {
        signal: Signal::Log,
        severity: 9,
        flags: 0,
        time_unix_nano: 1_795_255_872_345_678_901,
        observed_unix_nano: 1_795_255_872_345_678_902,
        id: [7; 16],
        trace_id: [1; 16],
        span_id: [2; 8],
        resource: 0,
        scope: 0,
        levelno: 20,
    };
    builder.finish(header, &[])
}

/// Says the same to each client, whatever that sends, and waits until it has gone; until all is over.
fn serve(head: &[u8], said: &[u8], is_over: &AtomicBool) {
    loop {
        let (mut stream, _) = LISTENER.accept().expect("a client");
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        // A client that does not like what it reads may be gone before the end of it.
        let _ = stream.write_all(head).and_then(|()| stream.write_all(said));
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// What stands in front of the body; nothing where the input is the whole reply.
fn head(kind: u8, length: usize) -> Vec<u8> {
    if kind & 0x80 != 0 {
        return Vec::new();
    }
    let status = STATUSES[usize::from(kind >> 2) % STATUSES.len()];
    format!("HTTP/1.1 {status} Any\r\nContent-Length: {length}\r\nRetry-After: 1\r\n\r\n").into_bytes()
}

/// What is counted is no more than what was offered.
fn check(outcome: &Outcome, offered: usize) {
    let indexes = outcome.retry.iter().copied().chain(outcome.refused.iter().map(|refusal| refusal.index));
    let mut indexes: Vec<usize> = indexes.collect();
    let told = indexes.len();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), told, "an entry has two fates");
    assert!(indexes.iter().all(|index| *index < offered - outcome.unsent));
    assert!(told + outcome.unsent + outcome.rejected_by_server <= offered, "{outcome:?}");
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, said)) = input.split_first() else { return };
    let tables = Tables::new(Resource::new(&[("service.name".to_owned(), "fuzz".to_owned())]));
    let spent = Spent::default();
    let plan = &PLANS[usize::from(kind % 4)];
    let batch = Batch {
        instance: [3; 16],
        lane: 0,
        previous_seq: 0,
        route: if kind % 4 < 2 { Route::Logs } else { Route::Traces },
        entries: &ENTRIES,
        tables: &tables,
        now_unix_nano: 1_795_255_872_345_678_901,
        spent: &spent,
    };
    let head = head(*kind, said.len());

    let is_over = AtomicBool::new(false);
    let answer = std::thread::scope(|threads| {
        threads.spawn(|| serve(&head, said, &is_over));
        let mut sink = (plan.factory)(LIMITS);
        let answer = sink.write(&batch);
        drop(sink);
        is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(LISTENER.local_addr().expect("an address")).expect("one more client"));
        answer
    });

    match answer {
        Ok(outcome) => check(&outcome, ENTRIES.len()),
        Err(error) => {
            let text = error.full_text();
            assert!(!text.contains("c4nary") || String::from_utf8_lossy(said).contains("c4nary"), "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(text.len() <= 8_192, "{} bytes", text.len());
        }
    }
});
