//! Every mode against every kind of server and certificate.

use super::server::{LogIn, Script, Server, TlsAnswer};
use super::{LIMIT, Wire, at, failure, target, text, try_out};
use crate::dsn::postgres::{RootCertificates, SslMode, Target};
use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use crate::sinks::postgres::tls::tests::authority::{Authority, Identity, file};
use std::path::Path;
use tempfile::TempDir;

use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};

/// The host that the right certificates are for.
const NAME: &str = "db.test";

fn with_tls(identity: &Identity) -> Script {
    Script { tls: TlsAnswer::Yes(identity.server()), ..Script::default() }
}

/// A target of one host, with a file of roots or without.
fn asking(server: &Server, mode: SslMode, roots: Option<&Path>) -> Target {
    let roots = roots.map(|path| RootCertificates::File(path.to_owned()));
    Target { ssl_mode: Some(mode), root_certificates: roots, ..target(&[at(NAME, server.port)]) }
}

/// What becomes of a connection, in few words.
fn outcome(script: &Script, mode: SslMode, roots: Option<&Path>) -> String {
    let server = Server::start(script.clone());
    let answer = try_out(&asking(&server, mode, roots), LIMIT);
    assert!(server.finish().iter().all(|seen| seen.is_closed));
    match answer {
        Ok((_, wire)) => format!("{wire:?}"),
        Err(Failure { phase: Phase::Tls, cause: Cause::NoTls }) => "no TLS".to_owned(),
        Err(Failure { phase: Phase::Tls, cause: Cause::Untrusted(text) }) => {
            let words =
                ["has expired", "not trusted", "not for db.test", "version 1", "is that of an authority"];
            words.into_iter().find(|words| text.contains(words)).unwrap_or(&text).to_owned()
        }
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn p18_every_mode_against_every_certificate() {
    let folder = TempDir::new().unwrap();
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let own = Identity::of_itself(&[NAME]);
    let roots = file(folder.path(), "roots.crt", &format!("{}{}", ours.pem(), own.pem));
    let servers = [
        Script::default(),
        with_tls(&ours.issue(&[NAME])),
        with_tls(&own),
        with_tls(&ours.issue(&["other.test"])),
        with_tls(&ours.issue_expired(&[NAME])),
        with_tls(&others.issue(&[NAME])),
        with_tls(&Identity::of_version_1()),
    ];
    let (plain, encrypted, verified) = ("Plain", "Encrypted", "Verified");
    let (none, expired, version) = ("no TLS", "has expired", "version 1");
    let (unknown, other) = ("not trusted", "not for db.test");
    // In the order of the servers: no TLS, right, its own authority and listed as such, for another host, expired,
    // by an unknown authority, of version 1.
    let with_roots = [
        (Disable, [plain; 7]),
        (Allow, [plain; 7]),
        (Prefer, [plain, encrypted, encrypted, encrypted, encrypted, encrypted, encrypted]),
        (Require, [none, verified, verified, verified, expired, unknown, version]),
        (VerifyCa, [none, verified, verified, verified, expired, unknown, version]),
        (VerifyFull, [none, verified, verified, other, expired, unknown, version]),
    ];
    for (mode, expected) in with_roots {
        let found = servers.each_ref().map(|server| outcome(server, mode, Some(&roots)));
        assert_eq!(found, expected, "{mode:?}");
    }
    // Without a file only the authorities of the web are trusted, which have signed none of these.
    let own = "is that of an authority";
    let without_roots = [
        (Require, [none, encrypted, encrypted, encrypted, encrypted, encrypted, encrypted]),
        (VerifyCa, [none, unknown, own, unknown, expired, unknown, version]),
        (VerifyFull, [none, unknown, own, unknown, expired, unknown, version]),
    ];
    for (mode, expected) in without_roots {
        let found = servers.each_ref().map(|server| outcome(server, mode, None));
        assert_eq!(found, expected, "{mode:?}");
    }
}

#[test]
fn a_name_of_its_own_is_asked_for_by_address_and_verified_by_name() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let roots = file(folder.path(), "roots.crt", &authority.pem());
    let server = Server::start(with_tls(&authority.issue(&["127.0.0.1"])));
    let by_name = asking(&server, VerifyFull, Some(&roots));
    assert!(text(&failure(&by_name)).contains("127.0.0.1, not for db.test"), "{:?}", failure(&by_name));
    let by_address = Target { hosts: vec![at("127.0.0.1", server.port)], ..by_name.clone() };
    assert_eq!(try_out(&by_address, LIMIT).unwrap().1, Wire::Verified);
    let nameless = Target { hosts: vec![at("", server.port)], ..by_name };
    assert_eq!(try_out(&nameless, LIMIT).unwrap().0, format!("127.0.0.1:{}", server.port));
    server.finish();
}

#[test]
fn a_host_that_no_certificate_can_be_for_is_told_before_anything_is_sent() {
    let server = Server::start(Script::default());
    let hosts = vec![at("not a name", server.port)];
    let verified = failure(&Target { hosts: hosts.clone(), ..asking(&server, VerifyFull, None) });
    assert!(text(&verified).contains("`not a name`"), "{verified:?}");
    let unverified = failure(&Target { hosts, ..asking(&server, Require, None) });
    assert_eq!(unverified.cause, Cause::NoTls);
    assert_eq!(server.finish().len(), 1);
}

#[test]
fn roots_that_were_exchanged_are_seen_by_the_next_connection() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = Server::start(with_tls(&new.issue(&[NAME])));
    let roots = file(folder.path(), "roots.crt", &old.pem());
    let target = asking(&server, VerifyFull, Some(&roots));
    assert!(matches!(failure(&target).cause, Cause::Untrusted(_)));
    file(folder.path(), "roots.crt", &new.pem());
    assert!(try_out(&target, LIMIT).is_ok());
    server.finish();
}

#[test]
fn a_server_that_refuses_one_way_is_asked_the_other_way_where_both_will_do() {
    let identity = Identity::of_itself(&[NAME]);
    let refusing = |log_in| Script { log_in, ..with_tls(&identity) };
    let only_tls = refusing([LogIn::Refuse("28000"), LogIn::Welcome]);
    let only_plain = refusing([LogIn::Welcome, LogIn::Refuse("28000")]);
    assert_eq!(outcome(&only_tls, Allow, None), "Encrypted");
    assert_eq!(outcome(&only_plain, Prefer, None), "Plain");
    for (script, mode) in [(&only_tls, Disable), (&only_plain, Require)] {
        assert!(outcome(script, mode, None).contains("28000"), "{mode:?}");
    }
}

#[test]
fn p19_a_wrong_password_is_not_tried_again_in_clear_text() {
    let identity = Identity::of_itself(&[NAME]);
    let server = Server::start(Script { log_in: [LogIn::Refuse("28P01"); 2], ..with_tls(&identity) });
    assert!(text(&failure(&asking(&server, Prefer, None))).contains("not you"));
    let seen = server.finish();
    assert_eq!(seen.iter().map(|seen| seen.is_encrypted).collect::<Vec<_>>(), [true]);
}

#[test]
fn a_server_that_refuses_both_ways_is_quoted_once() {
    let identity = Identity::of_itself(&[NAME]);
    let closed = Script { log_in: [LogIn::Refuse("28000"); 2], ..with_tls(&identity) };
    for (mode, order) in [(Allow, [false, true]), (Prefer, [true, false])] {
        let server = Server::start(closed.clone());
        let failure = failure(&asking(&server, mode, None));
        assert!(matches!(&failure.cause, Cause::Answer(answer) if answer.code == "28000"), "{failure:?}");
        let seen = server.finish();
        assert_eq!(seen.iter().map(|seen| seen.is_encrypted).collect::<Vec<_>>(), order, "{mode:?}");
    }
    let no_tls = Script { log_in: [LogIn::Refuse("28000"); 2], ..Script::default() };
    assert!(outcome(&no_tls, Allow, None).contains("28000"));
}

#[test]
fn p19_a_broken_handshake_ends_in_plain_text_only_under_prefer() {
    // Somebody has slipped plain text in behind the answer, too.
    for bytes in [&b"S"[..], b"Snonsense", b"SR\0\0\0\x08\0\0\0\0"] {
        let script = Script { tls: TlsAnswer::Say(bytes), ..Script::default() };
        let server = Server::start(script.clone());
        // A server that says no more is given up by its limit, which is what `limits` is about.
        if bytes.len() > 1 {
            let failure = failure(&asking(&server, Require, None));
            assert!(matches!(failure, Failure { phase: Phase::Tls, cause: Cause::Lost(_) }), "{failure:?}");
            assert_eq!(outcome(&script, Allow, None), "Plain");
        }
        assert!(server.finish().iter().all(|seen| !seen.is_encrypted));
    }
}

#[test]
fn what_is_no_postgres_is_told_as_such() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not speak the protocol of Postgres"),
        (b"Ecould not fork new process for connection\n\0", "could not start a session"),
    ] {
        let script =
            Script { tls: TlsAnswer::Say(bytes), log_in: [LogIn::Say(bytes); 2], ..Script::default() };
        for mode in [Disable, Prefer, Require] {
            let server = Server::start(script.clone());
            let failure = failure(&asking(&server, mode, None));
            assert!(matches!(failure.cause, Cause::Lost(_)), "{failure:?}");
            assert!(text(&failure).contains(expected), "{mode:?}: {failure:?}");
            server.finish();
        }
    }
}

#[test]
fn tls_can_begin_without_being_asked_for() {
    let identity = Identity::of_itself(&[NAME]);
    let server = Server::start(with_tls(&identity));
    let direct = |server: &Server| Target { is_direct_tls: true, ..asking(server, Require, None) };
    assert_eq!(try_out(&direct(&server), LIMIT).unwrap().1, Wire::Encrypted);
    server.finish();
}

#[test]
fn a_server_that_knows_its_clients_by_certificate_gets_one() {
    let folder = TempDir::new().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let config = clients.demanded_by(&servers.issue(&[NAME]));
    let server = Server::start(Script { tls: TlsAnswer::Yes(config), ..Script::default() });
    let roots = file(folder.path(), "roots.crt", &servers.pem());
    let without = asking(&server, VerifyFull, Some(&roots));
    let with = |authority: &Authority| {
        let (certificate, key) = authority.issue(&["app"]).files(folder.path());
        Target { certificate: Some(certificate), certificate_key: Some(key), ..without.clone() }
    };
    assert_eq!(try_out(&with(&clients), LIMIT).unwrap().1, Wire::Verified);
    for target in [without.clone(), with(&servers)] {
        let failure = failure(&target);
        assert!(matches!(failure.cause, Cause::Config { .. }), "{failure:?}");
        assert!(text(&failure).contains("client certificate"), "{failure:?}");
    }
    server.finish();
}
