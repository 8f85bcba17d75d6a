//! The contract that every sink keeps, in both encodings, with and without compression.

use crate::support::contract::{self, Mend, SECRET, Subject};
use crate::support::http::{Received, Server, answer, ok};
use crate::{bodies, plan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

fn check(query: &str) {
    let is_broken = Arc::new(AtomicBool::new(false));
    let taken: Arc<Mutex<Vec<Received>>> = Arc::default();
    let (for_server, for_reading) = (Arc::clone(&taken), Arc::clone(&taken));
    let breaks = Arc::clone(&is_broken);
    let server = Server::start(move |received| {
        if breaks.load(Ordering::Acquire) {
            return answer("503 Service Unavailable", &[], format!("no room for {SECRET}").as_bytes());
        }
        for_server.lock().expect("no panic before").push(received.clone());
        ok()
    });
    let plan = plan(&server, &format!("&headers=authorization=Bearer {SECRET}{query}"));
    let read = move || for_reading.lock().expect("no panic before").iter().flat_map(bodies).collect();
    let break_it = move || {
        is_broken.store(true, Ordering::Release);
        let mended = Arc::clone(&is_broken);
        Box::new(move || mended.store(false, Ordering::Release)) as Mend
    };

    contract::check(Subject {
        plan,
        read: Some(Box::new(read)),
        count: None,
        break_it: Some(Box::new(break_it)),
        has_ledger: false,
    });
    assert!(!taken.lock().expect("no panic before").is_empty());
}

#[test]
fn the_otlp_sink_keeps_the_contract() {
    check("");
}

#[test]
fn the_otlp_sink_keeps_the_contract_in_json() {
    check("&encoding=json");
}

#[test]
fn the_otlp_sink_keeps_the_contract_with_compression() {
    check("&compression=gzip");
}
