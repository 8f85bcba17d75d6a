//! Unix sockets.

use super::server::{Script, Seen, packet, session};
use super::{LIMIT, failure, target, text, try_out};
use crate::dsn::postgres::{Host, SslMode, Target};
use crate::sinks::postgres::connect::Wire;
use crate::sinks::postgres::failure::{Cause, Phase};
use std::os::unix::net::UnixListener;
use std::thread::Builder;
use tempfile::TempDir;

fn host(name: &str) -> Host {
    Host { name: name.to_owned(), address: None, port: 5433 }
}

/// Serves one session.
fn serve(listener: UnixListener) {
    let serving = move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let start_up = packet(&mut stream).expect("a message");
        // It ends when the client goes.
        drop(session(&mut stream, &start_up, &Script::default(), &mut Seen::default()));
    };
    drop(Builder::new().name("server".to_owned()).spawn(serving).expect("a thread"));
}

#[test]
fn a_socket_in_a_folder_is_plain_whatever_the_mode() {
    for mode in [None, Some(SslMode::Require), Some(SslMode::VerifyFull)] {
        let folder = TempDir::new().unwrap();
        serve(UnixListener::bind(folder.path().join(".s.PGSQL.5433")).unwrap());
        let name = folder.path().to_str().unwrap();
        let answer = try_out(&Target { ssl_mode: mode, ..target(&[host(name)]) }, LIMIT).unwrap();
        assert_eq!(answer, (format!("{name}:5433"), Wire::Plain));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_in_the_abstract_namespace_begins_with_an_at_sign() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("telesink-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(format!("{name}/.s.PGSQL.5433")).unwrap();
    serve(UnixListener::bind_addr(&address).unwrap());
    assert_eq!(try_out(&target(&[host(&format!("@{name}"))]), LIMIT).unwrap().1, Wire::Plain);
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let folder = TempDir::new().unwrap();
    let failure = failure(&target(&[host(folder.path().to_str().unwrap())]));
    assert_eq!(failure.phase, Phase::Connect);
    let path = folder.path().join(".s.PGSQL.5433");
    assert!(text(&failure).starts_with(&format!("{}: No such file", path.display())), "{failure:?}");
}

#[test]
fn a_folder_with_too_long_a_name_is_told_at_once() {
    let failure = failure(&target(&[host(&format!("/{}", "x".repeat(120)))]));
    assert!(matches!(failure.cause, Cause::Config { .. }), "{failure:?}");
}
