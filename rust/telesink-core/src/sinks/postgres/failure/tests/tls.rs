//! What becomes of TLS's own errors. Real handshakes are tried where connections are made.

use super::*;
use crate::sinks::postgres::failure::reading::by_words;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible};
use std::io;
use std::sync::Arc;

const HANDSHAKE: &str = "error performing TLS handshake";

/// As it comes out of a handshake: the error of a socket, which leaves it out of its chain of sources.
fn wrapped(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn of(phase: Phase, error: rustls::Error) -> Failure {
    by_words(phase, HANDSHAKE, Some(&wrapped(error)))
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_the_reason() {
    let expected = ServerName::try_from("db").unwrap();
    let for_names = |names: &[&str]| {
        let presented = names.iter().map(|name| format!("DnsName(\"{name}\")")).collect();
        CertificateError::NotValidForNameContext { expected: expected.clone(), presented }
    };
    let other = |text: &str| CertificateError::Other(OtherError(Arc::new(io::Error::other(text.to_owned()))));
    for (reason, text) in [
        (CertificateError::UnknownIssuer, "is signed by an authority that is not trusted"),
        (CertificateError::Expired, "has expired"),
        (CertificateError::NotValidYet, "is not valid yet; compare the clocks"),
        (CertificateError::Revoked, "has been revoked"),
        (CertificateError::BadSignature, "carries a wrong signature"),
        (CertificateError::InvalidPurpose, "is not meant for a server (extendedKeyUsage)"),
        (for_names(&[]), "has no subjectAltName, and so is not valid for db"),
        (for_names(&["a", "b"]), "is valid for a, b, not for db"),
        (for_names(&["a", "b", "c", "d", "e"]), "is valid for a, b, c, d, ..., not for db"),
        (
            other("UnsupportedCertVersion"),
            "has version 1; issue it again with version 3 and a subjectAltName",
        ),
        (
            other("CaUsedAsEndEntity"),
            "is that of an authority, and is not itself in the file of trusted ones",
        ),
        (CertificateError::BadEncoding, "cannot be used: BadEncoding"),
    ] {
        let failure = of(Phase::Tls, rustls::Error::InvalidCertificate(reason));
        assert_eq!(failure, Failure::new(Phase::Tls, Cause::Untrusted(format!("its certificate {text}"))));
    }
}

#[test]
fn a_client_certificate_that_the_server_refuses_is_told_as_such_even_after_the_handshake() {
    for alert in [AlertDescription::CertificateRequired, AlertDescription::UnknownCA] {
        let broken = wrapped(rustls::Error::AlertReceived(alert));

        let failure = by_words(Phase::Authenticate, "error communicating with the server", Some(&broken));

        assert_eq!(failure.phase, Phase::Tls);
        let error = failure.judge(TARGET);
        assert_eq!(error.kind, Hold);
        assert!(error.message.contains("the server refuses the client certificate ("), "{}", error.message);
        assert!(error.hint.contains("sslcert="), "{}", error.hint);
    }
}

#[test]
fn a_handshake_that_fails_otherwise_is_told_in_words() {
    let lost = |text: &str| {
        (Retry, format!("while setting up TLS: {text}; is this a Postgres server? look at its log"))
    };
    for (error, expected) in [
        (
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            lost("the server broke off TLS (handshake failure)"),
        ),
        (
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
            lost("the server says something that is not TLS"),
        ),
        (rustls::Error::DecryptError, lost("TLS failed: cannot decrypt peer's message")),
        (
            rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            (
                Hold,
                "while setting up TLS: the TLS of the server has nothing in common with this one \
                 (NoCipherSuitesInCommon); let the server speak TLS 1.2 or 1.3: ssl_min_protocol_version, ssl_ciphers"
                    .to_owned(),
            ),
        ),
    ] {
        assert_eq!(judged(of(Phase::Tls, error)), expected);
    }
    let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    let failure = by_words(Phase::Tls, HANDSHAKE, Some(&eof));
    assert_eq!(judged(failure), lost("the server broke off the TLS handshake (tls handshake eof)"));
}

#[test]
fn tls_that_breaks_during_a_write_is_a_lost_connection_in_that_phase() {
    let broken = wrapped(rustls::Error::AlertReceived(AlertDescription::InternalError));

    let failure = by_words(Phase::Commit, "error communicating with the server", Some(&broken));

    assert_eq!(failure.phase, Phase::Commit);
    assert!(failure.judge(TARGET).is_unresolved);
}

#[test]
fn what_the_client_library_misses_has_a_cause_of_its_own() {
    let below = |text: &str| io::Error::other(text.to_owned());
    let table = [
        (HANDSHAKE, "server does not support TLS", Cause::NoTls),
        ("invalid configuration", "password missing", Cause::NoPassword),
        (
            "authentication error",
            "server did not use channel binding",
            Cause::Config {
                message: "server did not use channel binding".to_owned(),
                hint: "channel_binding=require needs TLS, and scram-sha-256 in pg_hba.conf of the server; or leave it \
                       out"
                    .to_owned(),
            },
        ),
        (
            "authentication error",
            "unsupported SASL mechanism",
            Cause::Config {
                message: "unsupported SASL mechanism".to_owned(),
                hint: "check that this is the right server, and that its pg_hba.conf asks this role for scram-sha-256"
                    .to_owned(),
            },
        ),
    ];
    for (words, text, cause) in table {
        assert_eq!(
            by_words(Phase::Authenticate, words, Some(&below(text))),
            Failure::new(Phase::Authenticate, cause)
        );
    }
}
