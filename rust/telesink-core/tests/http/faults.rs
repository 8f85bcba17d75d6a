//! Answers that are no answers.

use crate::support::http::{Reaction, Server};
use crate::{client, post};
use telesink_core::error::WriteErrorKind;

#[test]
fn what_is_not_http_holds_and_says_which_port_may_be_meant() {
    // A gRPC server begins with settings of HTTP/2.
    for answer in [
        &b"\0\0\x18\x04\0\0\0\0\0\0\x04\0\x40\0\0"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/9 what\r\n\r\n",
    ] {
        let server = Server::start(|_| Reaction::SendAndClose(answer.to_vec()));

        let error = post(&mut client(), &server, b"body").expect_err("no HTTP");

        assert_eq!(error.kind, WriteErrorKind::Hold, "{error}");
        assert!(error.hint.contains("4317"), "{}", error.full_text());
    }
}

#[test]
fn h4_an_answer_cut_at_any_byte_is_taken_for_what_its_status_says_or_for_none() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"partialSuccess\":{}";
    let head = whole.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in 0..whole.len() {
        let server = Server::start(move |_| Reaction::SendAndClose(whole[..cut].to_vec()));

        match post(&mut client(), &server, b"body") {
            Ok(reply) => {
                assert!(cut >= head, "{cut}");
                assert_eq!((reply.status, reply.is_whole), (200, false), "{cut}");
            }
            Err(error) => {
                assert!(cut < head, "{cut}: {error}");
                assert_eq!(
                    (error.kind, error.is_unresolved),
                    (WriteErrorKind::Retry, true),
                    "{cut}: {error}"
                );
            }
        }
    }
}
