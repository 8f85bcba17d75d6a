//! The password is told to nobody whom it is not meant for.

use super::server::{LogIn, Script, Server, TlsAnswer};
use super::{LIMIT, at, failure, remote, target, text, try_out, with_password};
use crate::dsn::postgres::{ChannelBinding, RootCertificates, SslMode, Target};
use crate::sinks::postgres::connect::guard::{Guarded, Policy};
use crate::sinks::postgres::failure::{Cause, Phase};
use crate::sinks::postgres::tls::tests::authority::{Authority, file};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CLEAR_TEXT: LogIn = LogIn::Ask(3, b"");
const MD5: LogIn = LogIn::Ask(5, b"salt");

fn asking_for(log_in: LogIn) -> Script {
    Script { log_in: [log_in; 2], ..Script::default() }
}

#[test]
fn a_password_in_clear_text_is_sent_where_nothing_leaves_the_machine() {
    let server = Server::start(asking_for(CLEAR_TEXT));
    try_out(&with_password(target(&[at("db", server.port)])), LIMIT).unwrap();
    assert_eq!(server.finish()[0].password.as_deref(), Some(&b"s3cret\0"[..]));
}

#[test]
fn a_password_in_clear_text_is_sent_to_a_remote_server_only_if_it_is_verified() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let tls = TlsAnswer::Yes(authority.issue(&["db.test"]).server());
    let server = Server::start(Script { tls, ..asking_for(CLEAR_TEXT) });
    let roots = file(folder.path(), "roots.crt", &authority.pem());
    let with = |mode, roots: Option<&std::path::Path>| Target {
        ssl_mode: Some(mode),
        root_certificates: roots.map(|path| RootCertificates::File(path.to_owned())),
        ..with_password(target(&[remote(server.port)]))
    };
    for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer, SslMode::Require] {
        let failure = failure(&with(mode, None));
        assert_eq!(failure.phase, Phase::Authenticate);
        let Cause::Config { message, hint } = &failure.cause else { panic!("{failure:?}") };
        assert_eq!(message, "the server asks for the password in clear text");
        assert!(hint.contains("sslmode=verify-full") && hint.contains("scram-sha-256"), "{hint}");
    }
    try_out(&with(SslMode::VerifyCa, Some(&roots)), LIMIT).unwrap();
    let told: Vec<bool> = server.finish().iter().map(|seen| seen.password.is_some()).collect();
    assert_eq!(told, [false, false, false, false, true]);
}

#[test]
fn a_hashed_password_is_sent_and_is_not_the_password() {
    let server = Server::start(asking_for(MD5));
    try_out(&with_password(target(&[remote(server.port)])), LIMIT).unwrap();
    let password = server.finish().remove(0).password.unwrap();
    assert!(password.starts_with(b"md5") && password.len() == 36, "{password:?}");
}

#[test]
fn a_password_that_is_asked_for_and_not_there_is_told_as_such() {
    for log_in in [CLEAR_TEXT, MD5, LogIn::Ask(10, b"SCRAM-SHA-256\0\0")] {
        let server = Server::start(asking_for(log_in));
        let failure = failure(&target(&[remote(server.port)]));
        assert_eq!((failure.phase, &failure.cause), (Phase::Authenticate, &Cause::NoPassword));
        assert!(server.finish()[0].is_closed);
    }
}

#[cfg(unix)]
#[test]
fn a_password_file_that_others_can_read_matters_only_if_a_password_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = file(folder.path(), "pgpass", "*:*:*:*:s3cret\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (open, asking) = (Server::start(Script::default()), Server::start(asking_for(MD5)));
    let at_port = |port| Target { passfile: Some(path.clone()), ..target(&[at("db", port)]) };
    try_out(&at_port(open.port), LIMIT).unwrap();
    let failure = failure(&at_port(asking.port));
    assert!(matches!(failure.cause, Cause::Config { .. }), "{failure:?}");
    assert!(text(&failure).contains("can be read by others"), "{failure:?}");
    open.finish();
    asking.finish();
}

#[test]
fn a_kind_of_log_in_that_is_not_spoken_here_is_named() {
    for (code, name) in [(2, "Kerberos"), (7, "GSSAPI"), (9, "SSPI"), (99, "not known")] {
        let server = Server::start(asking_for(LogIn::Ask(code, b"")));
        let failure = failure(&with_password(target(&[at("db", server.port)])));
        assert!(matches!(failure.cause, Cause::Config { .. }), "{failure:?}");
        assert!(text(&failure).contains(name), "{failure:?}");
        server.finish();
    }
}

#[test]
fn channel_binding_that_is_required_cannot_be_done_without() {
    for log_in in [LogIn::Welcome, MD5, LogIn::Ask(10, b"SCRAM-SHA-256\0\0")] {
        let server = Server::start(asking_for(log_in));
        let target = with_password(target(&[at("db", server.port)]));
        let failure = failure(&Target { channel_binding: ChannelBinding::Require, ..target });
        assert!(matches!(failure.cause, Cause::Config { .. }), "{failure:?}");
        assert!(text(&failure).contains("channel binding"), "{failure:?}");
        assert_eq!(server.finish()[0].password, None);
    }
}

/// What comes through the guard of `sent`, which arrives in pieces of this size.
fn passed_on(sent: &[u8], piece_bytes: usize, room_bytes: usize) -> std::io::Result<Vec<u8>> {
    super::runtime().block_on(async {
        let (mut server, client) = tokio::io::duplex(piece_bytes);
        let policy = Policy { has_password: true, may_tell_password: false };
        let mut guarded = Guarded::new(client, policy);
        let sending = async move { server.write_all(sent).await };
        let reading = async move {
            let mut all = Vec::new();
            let mut room = vec![0; room_bytes];
            loop {
                match guarded.read(&mut room).await? {
                    0 => return Ok(all),
                    read => all.extend_from_slice(&room[..read]),
                }
            }
        };
        // A server whose client is gone cannot send the rest.
        futures_util::future::join(sending, reading).await.1
    })
}

#[test]
fn an_answer_comes_through_unchanged_however_it_is_cut() {
    let answers: [&[u8]; 6] = [
        b"",
        b"R",
        b"R\0\0\0\x08\0\0\0\0S\0\0\0\x04",
        b"E\0\0\0\x20SFATAL\0",
        b"R\0\0\0\x0c\0\0\0\x05saltZ",
        b"v\0\0\0\x0c\0\0\0\0\0\0\0\0",
    ];
    for answer in answers {
        for piece_bytes in [1, 2, 5, 8, 9, 100] {
            for room_bytes in [1, 3, 9, 100] {
                let passed = passed_on(answer, piece_bytes, room_bytes).unwrap();
                assert_eq!(passed, answer, "{piece_bytes} {room_bytes}");
            }
        }
    }
}

#[test]
fn a_later_answer_that_is_longer_than_any_is_not_waited_for() {
    let welcome = b"R\0\0\0\x08\0\0\0\0";
    let row = [&b"D\0\0\0\x0c"[..], &[7; 8], b"Z\0\0\0\x05I"].concat();
    for length in [0x0100_0001_u32, 0x4000_0000, 0x7fff_ffff, u32::MAX] {
        let long = [&b"D"[..], &length.to_be_bytes(), b"the beginning of it"].concat();
        for piece_bytes in [1, 2, 4, 5, 9, 100] {
            let sent = [&welcome[..], &row, &row, &long].concat();

            let error = passed_on(&sent, piece_bytes, 100).expect_err("a refusal");

            assert_eq!(error.to_string(), "the other side does not speak the protocol of Postgres");
            let good = [&welcome[..], &row, &row].concat();
            assert_eq!(passed_on(&good, piece_bytes, 3).unwrap(), good, "{piece_bytes}");
        }
    }
}

#[test]
fn a_number_of_iterations_that_takes_hours_is_refused_at_once() {
    let server = Server::start(asking_for(LogIn::Scram("2147483647")));
    let begun = tokio::time::Instant::now();
    let failure = failure(&with_password(target(&[at("db", server.port)])));
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    assert!(text(&failure).contains("iteration"), "{failure:?}");
    server.finish();
}

#[test]
fn an_answer_that_will_not_do_is_seen_however_it_is_cut() {
    let answers: [&[u8]; 4] = [
        b"R\0\0\0\x08\0\0\0\x03",
        b"HTTP/1.1 400",
        b"R\x7f\xff\xff\xff\0\0\0\0",
        b"R\0\0\0\x08\0\0\0\x07more",
    ];
    for answer in answers {
        for piece_bytes in [1, 2, 5, 8, 9, 100] {
            assert!(passed_on(answer, piece_bytes, 100).is_err(), "{answer:?} {piece_bytes}");
        }
    }
}
