//! Nothing waits for ever: not for a socket, not for TLS, not for a log-in.

use super::server::{LogIn, Script, Server, TlsAnswer};
use super::{LIMIT, SHORT_LIMIT, at, target, try_out};
use crate::dsn::postgres::{SessionAttributes, SslMode, Target};
use crate::sinks::postgres::connect::socket;
use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use crate::sinks::postgres::tls::tests::authority::Identity;
use std::time::Duration;
use tokio::time::Instant;

/// A limit that does not work shows as the patience of the server, which is much longer.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Where the connection to such a server is given up. The server sees it closed.
fn given_up(script: Script, target: &Target) -> Phase {
    let server = Server::start(script);
    let target = Target { hosts: vec![at("db", server.port)], ..target.clone() };
    let begun = Instant::now();
    let failure = try_out(&target, SHORT_LIMIT).expect_err("a failure");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(failure.cause, Cause::Timeout(SHORT_LIMIT));
    assert!(server.finish().iter().all(|seen| seen.is_closed));
    failure.phase
}

#[test]
fn a_server_that_falls_silent_is_given_up_whatever_it_has_said_before() {
    let silent = |log_in| Script { log_in: [log_in; 2], ..Script::default() };
    let speaking = |tls| Script { tls, ..silent(LogIn::Nothing) };
    let with_tls = TlsAnswer::Yes(Identity::of_itself(&["db"]).server());
    let plain = target(&[]);
    let required = Target { ssl_mode: Some(SslMode::Require), ..target(&[]) };
    let preferred = Target { ssl_mode: Some(SslMode::Prefer), ..target(&[]) };
    let writing = Target { session_attributes: SessionAttributes::ReadWrite, ..target(&[]) };
    let table = [
        ("no word on TLS", speaking(TlsAnswer::Nothing), &required, Phase::Tls),
        ("no word on TLS", speaking(TlsAnswer::Nothing), &preferred, Phase::Tls),
        ("half a handshake", speaking(TlsAnswer::Say(b"S\x16\x03\x03")), &required, Phase::Tls),
        ("after TLS", speaking(with_tls), &required, Phase::Authenticate),
        ("no request", silent(LogIn::Nothing), &plain, Phase::Authenticate),
        ("half a request", silent(LogIn::Say(b"R\0\0")), &plain, Phase::Authenticate),
        ("after the log-in", silent(LogIn::Say(b"R\0\0\0\x08\0\0\0\0")), &plain, Phase::Authenticate),
        ("standby or not", Script { kind: None, ..Script::default() }, &writing, Phase::Authenticate),
    ];
    std::thread::scope(|threads| {
        let cases = table.map(|(when, script, target, expected)| {
            (when, expected, threads.spawn(move || given_up(script, target)))
        });
        for (when, expected, case) in cases {
            assert_eq!(case.join().expect("no panic"), expected, "{when}");
        }
    });
}

#[test]
fn each_host_has_the_whole_limit() {
    let silent = || Server::start(Script { log_in: [LogIn::Nothing; 2], ..Script::default() });
    let servers = [silent(), silent(), Server::start(Script::default())];
    let hosts: Vec<_> = servers.iter().map(|server| at("db", server.port)).collect();
    let begun = Instant::now();
    let (host, _) = try_out(&target(&hosts), SHORT_LIMIT).unwrap();
    assert!(begun.elapsed() >= 2 * SHORT_LIMIT, "{:?}", begun.elapsed());
    assert_eq!(host, format!("db:{}", servers[2].port));
    for server in servers {
        server.finish();
    }
}

/// Linux drops what comes to a full backlog, as a firewall would.
#[cfg(target_os = "linux")]
#[test]
fn a_port_that_does_not_answer_is_given_up() {
    use socket2::{Domain, Socket, Type};
    use std::net::{Ipv4Addr, SocketAddr};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fill: Vec<_> = (0..8)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // Begun; whether it ends is up to the backlog.
            drop(socket.connect(&address));
            socket
        })
        .collect();
    let begun = Instant::now();
    let target = target(&[at("db", address.as_socket().unwrap().port())]);
    let failure = try_out(&target, SHORT_LIMIT).expect_err("a failure");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(failure, Failure::new(Phase::Connect, Cause::Timeout(SHORT_LIMIT)));
    drop(fill);
}

/// What the kernel was told about a connection to `target`: idle seconds, interval, count, user timeout.
#[cfg(target_os = "linux")]
fn kernel_limits(change: impl Fn(&mut Target)) -> (bool, Duration, Duration, u32, Option<Duration>) {
    let server = Server::start(Script::default());
    let mut target = target(&[at("db", server.port)]);
    change(&mut target);
    let limits = super::runtime().block_on(async {
        let addresses = socket::resolve(&target.hosts[0], LIMIT).await.unwrap();
        let mut socket = socket::open(&addresses[0], &target).await.unwrap();
        let socket::Stream::Tcp(stream) = socket.own().unwrap() else { panic!("no TCP") };
        assert!(stream.nodelay().unwrap());
        let socket = socket2::SockRef::from(&*stream);
        (
            socket.keepalive().unwrap(),
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap(),
            socket.tcp_user_timeout().unwrap(),
        )
    });
    server.finish();
    limits
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_is_told_to_notice_a_server_that_is_gone() {
    use crate::dsn::postgres::Keepalive;
    let seconds = Duration::from_secs;
    assert_eq!(kernel_limits(|_| {}), (true, seconds(30), seconds(10), 3, Some(seconds(30))));

    let given = kernel_limits(|target| {
        target.keepalive = Some(Keepalive { idle: seconds(7), interval: Some(seconds(2)), count: Some(5) });
        target.tcp_user_timeout = Some(Duration::from_millis(4_500));
    });
    assert_eq!(given, (true, seconds(7), seconds(2), 5, Some(Duration::from_millis(4_500))));

    let (is_on, ..) = kernel_limits(|target| target.keepalive = None);
    assert!(!is_on);
}
