//! Connections are kept, and replaced when a server no longer wants them.

use crate::support::http::{Reaction, Server, answer, ok};
use crate::{SHORT, client, client_within, post};
use std::net::TcpListener;
use telesink_core::error::WriteErrorKind;

#[test]
fn requests_share_a_connection() {
    let server = Server::answering([]);
    let mut client = client();

    for _ in 0..5 {
        post(&mut client, &server, b"body").unwrap();
    }

    assert_eq!((server.received().len(), server.connections()), (5, 1));
}

#[test]
fn a_server_that_closes_after_each_answer_is_dialled_anew() {
    let server = Server::start(|_| {
        Reaction::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec())
    });
    let mut client = client();

    for _ in 0..5 {
        post(&mut client, &server, b"body").unwrap();
    }

    assert_eq!((server.received().len(), server.connections()), (5, 5));
}

#[test]
fn h7_a_connection_closed_while_it_was_idle_is_replaced_at_once_with_the_same_bytes() {
    // Closed as soon as the second request arrives: the client cannot have known.
    let server = Server::start(|received| match received.connection {
        0 if received.body == b"second" => Reaction::SendAndClose(Vec::new()),
        _ => ok(),
    });
    let mut client = client();

    post(&mut client, &server, b"first").unwrap();
    let reply = post(&mut client, &server, b"second").unwrap();

    assert_eq!(reply.status, 200);
    let bodies: Vec<_> = server.received().iter().map(|one| (one.connection, one.body.clone())).collect();
    assert_eq!(bodies, [(0, b"first".to_vec()), (0, b"second".to_vec()), (1, b"second".to_vec())]);
}

#[test]
fn h7_a_server_that_closes_fresh_connections_too_is_asked_once_and_no_more() {
    let server = Server::start(|_| Reaction::SendAndClose(Vec::new()));

    let error = post(&mut client(), &server, b"body").expect_err("no answer");

    assert_eq!(error.kind, WriteErrorKind::Retry);
    assert!(error.is_unresolved, "{error}");
    assert_eq!(server.received().len(), 1);
}

#[test]
fn h8_an_answer_that_never_came_leaves_the_request_unresolved() {
    let server = Server::start(|_| Reaction::Hang);

    let error = post(&mut client_within(SHORT), &server, b"body").expect_err("no answer");

    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, true));
    assert!(error.message.contains("has not answered within 150ms"), "{error}");
}

#[test]
fn h8_a_request_that_found_nobody_is_not_unresolved() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = crate::address(&format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);

    let error = crate::post_to(&mut client(), &address, &[], b"body").expect_err("nobody is there");

    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Retry, false), "{error}");
}

#[test]
fn a_connection_on_which_the_server_says_something_unasked_is_not_used_again() {
    let mut farewell = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    farewell.extend_from_slice(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
    let server = Server::answering([Reaction::Send(farewell), answer("202 Accepted", &[], b"")]);
    let mut client = client();

    post(&mut client, &server, b"first").unwrap();
    let reply = post(&mut client, &server, b"second").unwrap();

    assert_eq!((reply.status, server.connections()), (202, 2));
}
