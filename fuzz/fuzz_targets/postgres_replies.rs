//! A server that says anything: before the log-in, or after it to each of our requests. The sink answers with an error
//! on one line, within its limits, and goes on living.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use telesink_core::dsn::Dsn;
use telesink_core::fuzzing;
use telesink_core::record::tables::{Resource, Tables};
use telesink_core::sinks::{self, Batch, Entry, Limits, Route, SinkPlan, Spent};

/// Far above what an answer takes that is there already: a target that waits is one that hangs.
const LIMITS: Limits = Limits { connect: Duration::from_secs(5), write: Duration::from_secs(5) };

/// A log-in without a password, the server's version, and readiness.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0017.2\0Z\0\0\0\x05I";

static LISTENER: LazyLock<TcpListener> = LazyLock::new(|| TcpListener::bind("127.0.0.1:0").expect("a port"));

static PLAN: LazyLock<SinkPlan> = LazyLock::new(|| {
    let port = LISTENER.local_addr().expect("an address").port();
    let text = format!("postgresql://app:c4naryPassw0rd@127.0.0.1:{port}/app?sslmode=disable");
    sinks::plan(&mut Dsn::parse(&text, &[], Path::new("/")).expect("a dsn")).expect("a plan")
});

/// Says the same to each client, whatever that says, and waits until it has gone; until all is over.
fn serve(greeting: &[u8], said: &[u8], is_over: &AtomicBool) {
    loop {
        let (mut stream, _) = LISTENER.accept().expect("a client");
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        // A client that does not like what it reads may be gone before the end of it.
        let _ = stream.write_all(greeting).and_then(|()| stream.write_all(said));
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, said)) = input.split_first() else { return };
    let greeting = if kind % 4 == 0 { &b""[..] } else { WELCOME };
    let entries = [Entry::new(1, fuzzing::record(b"\x2a\x04\x0a\x02hi", &[]))];
    let tables = Tables::new(Resource::new(&[("service.name".to_owned(), "fuzz".to_owned())]));
    let spent = Spent::default();
    let batch = Batch {
        instance: [3; 16],
        lane: 0,
        previous_seq: 0,
        route: Route::Logs,
        entries: &entries,
        tables: &tables,
        now_unix_nano: 1_795_255_872_345_678_901,
        spent: &spent,
    };
    let plan = &*PLAN;

    let is_over = AtomicBool::new(false);
    let answer = std::thread::scope(|threads| {
        threads.spawn(|| serve(greeting, said, &is_over));
        let mut sink = (plan.factory)(LIMITS);
        let answer = sink.write(&batch);
        drop(sink);
        is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(LISTENER.local_addr().expect("an address")).expect("one more client"));
        answer
    });

    if let Err(error) = answer {
        let text = error.full_text();
        assert!(!text.contains("c4nary") || String::from_utf8_lossy(said).contains("c4nary"), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.len() <= 4_096, "{} bytes", text.len());
    }
});
