//! However slow or talkative a server is, a request takes no longer and no more memory than its limits.

use crate::support::http::{Reaction, Server, answer};
use crate::{SHORT, client, client_within, post};
use std::io::Write;
use std::net::TcpListener;
use telesink_core::clock;
use telesink_core::error::WriteErrorKind;

/// What a limit may be late by on a busy machine.
const LATE: std::time::Duration = std::time::Duration::from_secs(5);

#[test]
fn h9_a_server_that_drips_its_answer_does_not_outlast_the_limit() {
    // 200 bytes at 50 a second.
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(150));
    let server = Server::start(move |_| Reaction::Drip(head.clone().into_bytes()));

    let begun = clock::monotonic();
    let error = post(&mut client_within(SHORT), &server, b"body").expect_err("too slow");

    assert!(begun.elapsed() < LATE);
    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, true));
}

#[test]
fn h9_a_server_that_drips_the_body_has_given_its_status_in_time() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let server = Server::start(move |_| Reaction::Endless(head.clone(), Vec::new()));

    let begun = clock::monotonic();
    let reply = post(&mut client_within(SHORT), &server, b"body").unwrap();

    assert!(begun.elapsed() < LATE);
    assert_eq!((reply.status, reply.is_whole), (200, false));
}

#[test]
fn h9_a_server_that_does_not_read_the_request_does_not_outlast_the_limit() {
    // The system takes the connection; nobody reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = crate::address(&format!("http://{}", listener.local_addr().unwrap()));
    let body = vec![0; 32 << 20];

    let begun = clock::monotonic();
    let error = crate::post_to(&mut client_within(SHORT), &endpoint, &[], &body).expect_err("unread");

    assert!(begun.elapsed() < LATE);
    // Not all of it was sent, so it cannot have been taken.
    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, false), "{error}");
}

#[test]
fn h9_a_handshake_that_stalls_does_not_outlast_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = crate::address(&format!("https://{}", listener.local_addr().unwrap()));

    let begun = clock::monotonic();
    let error = crate::post_to(&mut client_within(SHORT), &endpoint, &[], b"body").expect_err("stalled");

    assert!(begun.elapsed() < LATE);
    assert!(error.message.contains("TLS handshake"), "{error}");
    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, false));
}

#[test]
fn h5_a_body_without_end_is_read_to_its_bound() {
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    for head in heads {
        let mut piece = if head.contains("chunked") { b"10000\r\n".to_vec() } else { Vec::new() };
        piece.extend_from_slice(&vec![b'x'; 0x10000]);
        piece.extend_from_slice(if head.contains("chunked") { b"\r\n" } else { b"" });
        let server = Server::start(move |_| Reaction::Endless(head.as_bytes().to_vec(), piece.clone()));

        let reply = post(&mut client(), &server, b"body").unwrap();

        assert_eq!((reply.status, reply.is_whole, reply.body.len()), (200, false, 4 << 20), "{head}");
        // What lies in the buffers of the system beside it.
        assert!(server.bytes_sent() < 64 << 20, "{}", server.bytes_sent());
    }
}

#[test]
fn h5_the_body_of_an_error_is_read_to_a_smaller_bound() {
    let body = vec![b'x'; 1 << 20];
    let server = Server::start(move |_| answer("500 Internal Server Error", &[], &body));

    let reply = post(&mut client(), &server, b"body").unwrap();

    assert_eq!((reply.is_whole, reply.body.len()), (false, 64 << 10));
    assert_eq!(reply.text().chars().count(), 512);
}

#[test]
fn h5_header_fields_without_end_are_not_kept() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let server = Server::start(move |_| {
        Reaction::Endless(head.clone(), format!("x-{}: y\r\n", "x".repeat(1_000)).into_bytes())
    });

    let error = post(&mut client(), &server, b"body").expect_err("no end");

    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Hold, true), "{error}");
    assert!(server.bytes_sent() < 64 << 20, "{}", server.bytes_sent());
}

#[test]
fn h5_a_compressed_answer_is_kept_as_it_came() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let length = bomb.len();
    let server = Server::start(move |_| answer("200 OK", &[("content-encoding", "gzip")], &bomb));

    let reply = post(&mut client(), &server, b"body").unwrap();

    assert_eq!((reply.is_whole, reply.body.len()), (true, length));
    assert!(length < 1 << 20);
}
