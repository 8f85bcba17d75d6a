//! Whom a client trusts, and that nothing ever goes out in plain text instead.

use crate::support::authority::Authority;
use crate::support::http::{Server, ok};
use crate::{LONG, SHORT, address, post_to};
use std::path::{Path, PathBuf};
use telesink_core::error::{WriteError, WriteErrorKind};
use telesink_core::http::{Client, Endpoint, Reply, Transport};

fn trusting(certificate: PathBuf) -> Transport {
    Transport { certificate: Some(certificate), ..Transport::default() }
}

fn endpoint(server: &Server, host: &str) -> Endpoint {
    address(&format!("https://{host}:{}", server.address.port()))
}

fn post(transport: Transport, endpoint: &Endpoint) -> Result<Reply, WriteError> {
    post_to(&mut Client::new(transport, LONG, LONG), endpoint, &[], b"body")
}

/// Asserts that somebody has to act, and that not one byte of the request reached the server.
#[track_caller]
fn assert_refused(answer: Result<Reply, WriteError>, server: &Server, words: &str) {
    let error = answer.expect_err(words);
    assert_eq!((error.kind, error.is_unresolved), (WriteErrorKind::Hold, false), "{error}");
    assert!(error.message.contains(words), "{error}");
    assert!(!error.hint.is_empty());
    assert_eq!(server.received().len(), 0);
}

#[test]
fn a_server_that_a_trusted_authority_has_signed_is_sent_requests_on_one_connection() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("shop"));
    let server = Server::with_tls(authority.issue(&["localhost", "127.0.0.1"]).server(), |_| ok());
    for host in ["localhost", "127.0.0.1"] {
        let mut client = Client::new(trusting(authority.file(folder.path())), LONG, LONG);

        for _ in 0..3 {
            post_to(&mut client, &endpoint(&server, host), &[], b"body").unwrap();
        }
    }

    assert_eq!((server.received().len(), server.connections()), (6, 2));
}

#[test]
fn h10_a_certificate_that_proves_nothing_holds_and_says_why() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("shop"));
    let roots = authority.file(folder.path());
    let stranger = Authority::new("stranger");
    let table = [
        (authority.issue_expired(&["localhost"]), "has expired"),
        (authority.issue(&["shop.example"]), "is valid for shop.example, not for localhost"),
        (stranger.issue(&["localhost"]), "is signed by an authority that is not trusted"),
    ];
    for (identity, words) in table {
        let server = Server::with_tls(identity.server(), |_| ok());

        assert_refused(post(trusting(roots.clone()), &endpoint(&server, "localhost")), &server, words);
    }
}

#[test]
fn h10_an_authority_of_ones_own_is_not_trusted_without_a_word() {
    let server = Server::with_tls(Authority::new("shop").issue(&["localhost"]).server(), |_| ok());

    let answer = post(Transport::default(), &endpoint(&server, "localhost"));

    assert_refused(answer, &server, "is signed by an authority that is not trusted");
}

#[test]
fn h10_a_server_without_tls_is_told_nothing() {
    let server = Server::answering([]);

    let mut client = Client::new(Transport::default(), SHORT, SHORT);
    let error = post_to(&mut client, &endpoint(&server, "localhost"), &[], b"body").expect_err("no TLS");

    assert!(!error.is_unresolved, "{error}");
    assert_eq!(server.received().len(), 0);
}

#[test]
fn h10_a_file_of_authorities_that_is_missing_holds_and_names_it() {
    let server = Server::with_tls(Authority::new("shop").issue(&["localhost"]).server(), |_| ok());

    let answer = post(trusting(Path::new("/missing.pem").to_owned()), &endpoint(&server, "localhost"));

    assert_refused(answer, &server, "certificate=/missing.pem cannot be read");
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_the_one_that_was_given() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("shop"));
    let server = Server::with_tls(authority.demanded_by(&authority.issue(&["localhost"])), |_| ok());
    let (certificate, key) = authority.issue(&["app"]).files(folder.path());
    let with_identity = Transport {
        client_certificate: Some(certificate),
        client_key: Some(key),
        ..trusting(authority.file(folder.path()))
    };

    let reply = post(with_identity, &endpoint(&server, "localhost")).unwrap();

    assert_eq!((reply.status, server.received().len()), (200, 1));
}

#[test]
fn h10_a_server_that_refuses_the_client_holds_and_says_so() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("shop"));
    let server = Server::with_tls(authority.demanded_by(&authority.issue(&["localhost"])), |_| ok());

    let answer = post(trusting(authority.file(folder.path())), &endpoint(&server, "localhost"));

    let error = answer.expect_err("refused");
    assert_eq!(error.kind, WriteErrorKind::Hold, "{error}");
    assert!(error.message.contains("refuses the client certificate"), "{error}");
    assert_eq!(server.received().len(), 0);
}
