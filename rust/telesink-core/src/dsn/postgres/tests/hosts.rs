//! The servers to try.

use super::*;
use crate::dsn::postgres::{Host, SessionAttributes};
use std::fs;

fn hosts(text: &str) -> Vec<(String, Option<String>, u16)> {
    let shown = |host: Host| (host.name, host.address.map(|address| address.to_string()), host.port);
    resolve(text).unwrap().hosts.into_iter().map(shown).collect()
}

#[test]
fn lists_of_hosts_addresses_and_ports_go_together_by_libpqs_rules() {
    type Row = (&'static str, &'static [(&'static str, Option<&'static str>, u16)]);
    let table: [Row; 12] = [
        ("postgresql://", &[("localhost", None, 5432)]),
        ("postgresql://db:5433", &[("db", None, 5433)]),
        ("postgresql://a:1,b:2", &[("a", None, 1), ("b", None, 2)]),
        ("postgresql://a,b:2", &[("a", None, 5432), ("b", None, 2)]),
        ("postgresql://,", &[("localhost", None, 5432), ("localhost", None, 5432)]),
        ("postgresql://?host=a,b&port=5433", &[("a", None, 5433), ("b", None, 5433)]),
        ("host=a,b port=1,2", &[("a", None, 1), ("b", None, 2)]),
        ("host=a,,c", &[("a", None, 5432), ("localhost", None, 5432), ("c", None, 5432)]),
        ("hostaddr=10.0.0.1", &[("", Some("10.0.0.1"), 5432)]),
        ("host=db hostaddr=::1", &[("db", Some("::1"), 5432)]),
        ("host=a,b hostaddr=,10.0.0.2 port=1,", &[("a", None, 1), ("b", Some("10.0.0.2"), 5432)]),
        ("host=/tmp,@telesink", &[("/tmp", None, 5432), ("@telesink", None, 5432)]),
    ];

    for (text, expected) in table {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, address, port)| ((*name).to_owned(), address.map(str::to_owned), *port))
            .collect();
        assert_eq!(expected, hosts(text), "{text}");
    }
}

#[test]
fn lists_that_do_not_go_together_are_refused() {
    let table = [
        (
            "host=a,b port=1,2,3",
            "option `port` (from the dsn) holds 3 elements for 2 hosts",
            "one port for all",
        ),
        ("host=a port=1,2", "option `port` (from the dsn) holds 2 elements for 1 hosts", "one port for all"),
        (
            "host=a,b hostaddr=::1",
            "option `hostaddr` (from the dsn) holds 1 elements for 2 hosts",
            "an address for each",
        ),
        ("host=a port=x", "option `port` (from the dsn) holds something else than a port", "commas"),
        ("host=a,b port=5432,0", "holds something else than a port from 1 to 65535", "commas"),
        ("hostaddr=db", "something else than an IP address (names belong into `host`)", "commas"),
        ("host=db:5432", "option `host` (from the dsn) holds something else than a host name", "commas"),
        (
            "host='a, b'",
            "option `host` (from the dsn) holds something else than a host name",
            "without spaces",
        ),
    ];

    for (text, message, hint) in table {
        assert_refused(resolve(text), text, message, hint);
    }
    let refused = resolve_with("postgresql://a,b,c", &[("hostaddr", "::1")], &[]);
    assert_refused(refused, "keyword", "option `hostaddr` (from a keyword argument) holds 1", "each");
    let refused = resolve_with("postgresql://?host=a,b", &[], &[("PGPORT", "1,2,3")]);
    assert_refused(
        refused,
        "variable",
        "option `port` (from the environment variable PGPORT) holds 3",
        "all",
    );
}

#[test]
fn without_a_host_the_socket_of_the_port_is_taken_where_there_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let sockets = [directory.path().join("first"), directory.path().join("second")];
    for path in &sockets {
        fs::create_dir(path).unwrap();
    }
    for (index, port) in [(0, 5432), (1, 5432), (1, 5433)] {
        fs::write(sockets[index].join(format!(".s.PGSQL.{port}")), "").unwrap();
    }
    let mut environment = environment(&[("USER", "ada")]);
    environment.socket_directories = sockets.to_vec();

    for (text, expected) in [
        ("postgresql://", sockets[0].to_str().unwrap()),
        ("postgresql://:5433", sockets[1].to_str().unwrap()),
        ("postgresql://:5434", "localhost"),
        ("postgresql://db", "db"),
    ] {
        let target = target(&mut parse(text).unwrap(), &environment).unwrap();

        assert_eq!(expected, target.hosts[0].name, "{text}");
    }
}

#[test]
fn of_several_hosts_one_that_takes_writes_is_looked_for() {
    let table = [
        ("postgresql://a", SessionAttributes::Any),
        ("postgresql://a,b", SessionAttributes::ReadWrite),
        ("postgresql://a,b?target_session_attrs=any", SessionAttributes::Any),
        ("postgresql://a?target_session_attrs=read-write", SessionAttributes::ReadWrite),
        ("postgresql://a?target_session_attrs=primary", SessionAttributes::Primary),
    ];

    for (text, expected) in table {
        assert_eq!(expected, resolve(text).unwrap().session_attributes, "{text}");
    }
    for word in ["read-only", "standby", "prefer-standby"] {
        let text = format!("postgresql://a,b?target_session_attrs={word}");
        assert_refused(resolve(&text), word, "a server that takes no writes", "`read-write` or `primary`");
    }
}

#[test]
fn only_what_stays_on_this_machine_is_local() {
    let table = [
        ("postgresql://localhost", true, false),
        ("postgresql://LOCALHOST", true, false),
        ("postgresql://127.0.0.2", true, false),
        ("postgresql://[::1]", true, false),
        ("host=db hostaddr=127.0.0.1", true, false),
        ("host=/tmp", true, true),
        ("host=@telesink", true, true),
        ("host=localhost hostaddr=10.0.0.1", false, false),
        ("host=/tmp hostaddr=10.0.0.1", false, false),
        ("postgresql://db", false, false),
    ];

    for (text, is_local, is_socket) in table {
        let host = &resolve(text).unwrap().hosts[0];

        assert_eq!((is_local, is_socket), (host.is_local(), host.is_socket()), "{text}");
    }
}
