//! Several servers, names that are not known, and servers of the wrong kind.

use super::server::{LogIn, Script, Server};
use super::{LIMIT, at, closed_port, failure, remote, target, text, try_out};
use crate::dsn::postgres::{Host, SessionAttributes, Target};
use crate::sinks::postgres::connect::Shuffle;
use crate::sinks::postgres::failure::{Cause, Phase};

const STANDBY: [&str; 2] = ["t", "on"];
const READ_ONLY: [&str; 2] = ["f", "on"];

fn server_of_kind(kind: [&'static str; 2]) -> Server {
    Server::start(Script { kind: Some(kind), ..Script::default() })
}

fn refusing(code: &'static str) -> Server {
    Server::start(Script { log_in: [LogIn::Refuse(code); 2], ..Script::default() })
}

#[test]
fn a_port_that_nobody_listens_on_is_refused_at_once() {
    let port = closed_port();
    let failure = failure(&target(&[at("db", port)]));
    assert_eq!(failure.phase, Phase::Connect);
    assert!(matches!(failure.cause, Cause::Lost(_)), "{failure:?}");
    assert!(text(&failure).starts_with(&format!("127.0.0.1:{port}: ")), "{failure:?}");
    assert!(text(&failure).to_lowercase().contains("refused"), "{failure:?}");
}

#[test]
fn an_unknown_host_is_told_as_such() {
    // A space is in no name: the answer comes without a name server.
    let unknown = Host { name: "no such host".to_owned(), address: None, port: 5432 };
    let failure = failure(&target(&[unknown]));
    assert_eq!(failure.phase, Phase::Resolve);
    assert!(matches!(failure.cause, Cause::UnknownHost(_)), "{failure:?}");
    assert!(text(&failure).starts_with("no such host ("), "{failure:?}");
    assert!(!text(&failure).contains("failed to lookup"), "{failure:?}");
}

#[test]
fn names_are_looked_up_and_addresses_are_not() {
    let server = Server::start(Script::default());
    let plain = |name: &str| Host { name: name.to_owned(), address: None, port: server.port };
    for host in [plain("127.0.0.1"), plain("localhost"), remote(server.port)] {
        let (shown, _) = try_out(&target(std::slice::from_ref(&host)), LIMIT).unwrap();
        assert_eq!(shown, format!("{}:{}", host.name, server.port));
    }
    server.finish();
}

#[test]
fn the_next_host_is_tried_when_one_cannot_be_reached() {
    let server = Server::start(Script::default());
    let unknown = Host { name: "no such host".to_owned(), address: None, port: 5432 };
    let target = target(&[unknown, at("down", closed_port()), at("up", server.port)]);
    assert_eq!(try_out(&target, LIMIT).unwrap().0, format!("up:{}", server.port));
    server.finish();
}

#[test]
fn the_next_host_is_tried_when_one_has_no_room() {
    let (full, server) = (refusing("53300"), Server::start(Script::default()));
    let target = target(&[at("full", full.port), at("up", server.port)]);
    assert_eq!(try_out(&target, LIMIT).unwrap().0, format!("up:{}", server.port));
    assert_eq!((full.finish().len(), server.finish().len()), (1, 1));
}

#[test]
fn a_refused_password_is_tried_on_one_host_only() {
    let (first, second) = (refusing("28P01"), Server::start(Script::default()));
    let failure = failure(&target(&[at("first", first.port), at("second", second.port)]));
    assert!(matches!(&failure.cause, Cause::Answer(answer) if answer.code == "28P01"), "{failure:?}");
    assert_eq!((first.finish().len(), second.finish().len()), (1, 0));
}

#[test]
fn of_several_failures_the_one_that_tells_most_is_told_with_its_host() {
    let full = refusing("53300");
    let hosts = [at("down", closed_port()), at("full", full.port), at("lost", closed_port())];
    let failure = failure(&target(&hosts));
    assert_eq!(text(&failure), format!("not you [full:{}]", full.port));
    full.finish();
}

#[test]
fn a_writer_goes_past_standbys_to_the_server_that_takes_writes() {
    for wanted in [SessionAttributes::ReadWrite, SessionAttributes::Primary] {
        let (standby, primary) = (server_of_kind(STANDBY), server_of_kind(["f", "off"]));
        let hosts = [at("standby", standby.port), at("primary", primary.port)];
        let target = Target { session_attributes: wanted, ..target(&hosts) };
        assert_eq!(try_out(&target, LIMIT).unwrap().0, format!("primary:{}", primary.port));
        assert!(standby.finish().iter().all(|seen| seen.is_closed));
        primary.finish();
    }
}

#[test]
fn a_server_that_takes_no_writes_is_a_primary_all_the_same() {
    let server = server_of_kind(READ_ONLY);
    let hosts = [at("db", server.port)];
    let with = |wanted| Target { session_attributes: wanted, ..target(&hosts) };
    assert!(try_out(&with(SessionAttributes::Primary), LIMIT).is_ok());
    assert!(try_out(&with(SessionAttributes::Any), LIMIT).is_ok());
    let failure = failure(&with(SessionAttributes::ReadWrite));
    assert_eq!(text(&failure), format!("db:{} takes no writes", server.port));
    server.finish();
}

#[test]
fn servers_that_are_all_standbys_are_told_as_such() {
    let standby = server_of_kind(STANDBY);
    let hosts = [at("standby", standby.port), at("down", closed_port())];
    let failure = failure(&Target { session_attributes: SessionAttributes::ReadWrite, ..target(&hosts) });
    assert!(matches!(failure.cause, Cause::WrongServer(_)), "{failure:?}");
    assert_eq!(text(&failure), format!("standby:{} is a standby", standby.port));
    standby.finish();
}

#[test]
fn random_order_puts_every_host_in_every_place() {
    let mut firsts = [0; 4];
    for random in 0..400 {
        let mut hosts = [0, 1, 2, 3];
        Shuffle(random).apply(&mut hosts);
        firsts[hosts[0]] += 1;
        hosts.sort_unstable();
        assert_eq!(hosts, [0, 1, 2, 3]);
    }
    assert!(firsts.iter().all(|count| (60..140).contains(count)), "{firsts:?}");
}

#[test]
fn load_is_spread_over_the_hosts_only_if_asked_for() {
    let servers = [(); 2].map(|()| Server::start(Script::default()));
    let hosts = [at("a", servers[0].port), at("b", servers[1].port)];
    let first_of = |target: &Target, random| {
        super::runtime().block_on(async { super::connect(target, LIMIT, random).await.unwrap().host })
    };
    let in_order = target(&hosts);
    let spread = Target { is_load_balanced: true, ..in_order.clone() };
    let count = |target: &Target| (0..16).filter(|random| first_of(target, *random).starts_with('a')).count();
    assert_eq!(count(&in_order), 16);
    assert!((1..16).contains(&count(&spread)));
    for server in servers {
        server.finish();
    }
}
