//! What a connection promises, against servers that behave well, badly, or not at all.

mod encryption;
mod guard;
mod hosts;
mod limits;
mod server;
#[cfg(unix)]
mod sockets;

use super::{Wire, connect};
use crate::dsn::postgres::{ChannelBinding, Host, Keepalive, Secret, SessionAttributes, SslMode, Target};
use crate::sinks::postgres::failure::{Cause, Failure};
use server::{LogIn, Script, Server};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Far more than a step takes here, far less than a server in these tests waits.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a test waits for what never comes. Long enough for all that comes before it on a busy machine.
const SHORT_LIMIT: Duration = Duration::from_secs(1);

/// A target with these hosts and nothing else.
pub(in crate::sinks::postgres) fn target(hosts: &[Host]) -> Target {
    Target {
        hosts: hosts.to_vec(),
        user: "app".to_owned(),
        database: "records".to_owned(),
        password: None,
        passfile: None,
        application_name: "telesink".to_owned(),
        options: None,
        ssl_mode: Some(SslMode::Disable),
        root_certificates: None,
        certificate: None,
        certificate_key: None,
        is_direct_tls: false,
        channel_binding: ChannelBinding::Prefer,
        session_attributes: SessionAttributes::Any,
        is_load_balanced: false,
        connect_timeout: None,
        keepalive: Some(Keepalive { idle: Duration::from_secs(30), interval: None, count: None }),
        tcp_user_timeout: None,
    }
}

/// A port of this machine under a name of its own, which is not looked up.
fn at(name: &str, port: u16) -> Host {
    Host { name: name.to_owned(), address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port }
}

/// This machine, as it is written by somebody who does not want it to be known as such.
fn remote(port: u16) -> Host {
    Host { name: "127.1".to_owned(), address: None, port }
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn with_password(target: Target) -> Target {
    Target { password: Some(Secret::new("s3cret".to_owned())), ..target }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Connects, and says good-bye if that works. Answers the host and who could read along.
fn try_out(target: &Target, limit: Duration) -> Result<(String, Wire), Failure> {
    runtime().block_on(async {
        let connected = connect(target, limit, 1).await?;
        let answer = (connected.host.clone(), connected.wire);
        connected.close(LIMIT).await;
        Ok(answer)
    })
}

/// The failure of a target that cannot be connected to.
fn failure(target: &Target) -> Failure {
    try_out(target, LIMIT).expect_err("a failure")
}

/// The text of a cause that has one.
fn text(failure: &Failure) -> &str {
    match &failure.cause {
        Cause::Lost(text) | Cause::UnknownHost(text) | Cause::Untrusted(text) | Cause::WrongServer(text) => {
            text
        }
        Cause::Config { message, .. } => message,
        Cause::Answer(answer) => &answer.message,
        Cause::Timeout(_) | Cause::NoTls | Cause::NoPassword => "",
    }
}

#[test]
fn the_server_is_told_who_connects_and_tells_what_it_is() {
    let server = Server::start(Script::default());
    let target = Target { options: Some("-c work_mem=4MB".to_owned()), ..target(&[at("db", server.port)]) };
    runtime().block_on(async {
        let connected = connect(&target, LIMIT, 1).await.unwrap();
        assert_eq!(connected.host, format!("db:{}", server.port));
        assert_eq!(connected.server_version, 17);
        assert_eq!(connected.in_hot_standby, Some(false));
        assert_eq!(connected.wire, Wire::Plain);
        connected.close(LIMIT).await;
    });
    let seen = server.finish().pop().unwrap();
    let parameter = |name: &str| seen.parameters.get(name).map(String::as_str);
    assert_eq!(parameter("user"), Some("app"));
    assert_eq!(parameter("database"), Some("records"));
    assert_eq!(parameter("application_name"), Some("telesink"));
    assert_eq!(parameter("options"), Some("-c work_mem=4MB"));
    assert_eq!(parameter("client_encoding"), Some("UTF8"));
}

#[test]
fn options_are_not_sent_unless_they_are_given() {
    let server = Server::start(Script::default());
    try_out(&target(&[at("db", server.port)]), LIMIT).unwrap();
    assert!(!server.finish().pop().unwrap().parameters.contains_key("options"));
}

#[test]
fn a_connection_that_is_closed_says_good_bye_first() {
    let server = Server::start(Script::default());
    try_out(&target(&[at("db", server.port)]), LIMIT).unwrap();
    let seen = server.finish().pop().unwrap();
    assert!(seen.said_good_bye && seen.is_closed);
}

#[test]
fn a_connection_that_is_dropped_leaves_no_socket_open() {
    let server = Server::start(Script::default());
    let target = target(&[at("db", server.port)]);
    runtime().block_on(async {
        drop(connect(&target, LIMIT, 1).await.unwrap());
        tokio::task::yield_now().await;
    });
    let seen = server.finish().pop().unwrap();
    assert!(seen.is_closed && !seen.said_good_bye);
}

#[test]
fn versions_are_known_by_their_first_number() {
    let table = [
        ("17.2 (Debian 17.2-1.pgdg120+1)", 17),
        ("15.14", 15),
        ("18beta1", 18),
        ("9.6.24", 9),
        ("", 0),
        ("?", 0),
    ];
    for (version, major) in table {
        assert_eq!(super::login::major(version), major, "{version}");
    }
}

#[test]
fn a_refused_log_in_is_the_servers_own_answer() {
    let server = Server::start(Script { log_in: [LogIn::Refuse("3D000"); 2], ..Script::default() });
    let failure = failure(&target(&[at("db", server.port)]));
    let Cause::Answer(answer) = &failure.cause else { panic!("{failure:?}") };
    assert_eq!((answer.code.as_str(), answer.message.as_str()), ("3D000", "not you"));
    assert!(server.finish().pop().unwrap().is_closed);
}
