//! The other keywords.

use super::*;
use crate::dsn::postgres::{ChannelBinding, Keepalive};
use std::time::Duration;

#[test]
fn times_are_whole_numbers_in_libpqs_units() {
    let seconds = |number| Some(Duration::from_secs(number));
    let connect = [
        ("", None),
        ("connect_timeout=10", seconds(10)),
        ("connect_timeout=%2010%20", seconds(10)),
        ("connect_timeout=1", seconds(1)),
        // For ever, to libpq; the limit of the settings holds.
        ("connect_timeout=0", None),
        ("connect_timeout=-1", None),
    ];
    let user = [("tcp_user_timeout=1500", Some(Duration::from_millis(1500))), ("tcp_user_timeout=0", None)];

    for (query, expected) in connect {
        assert_eq!(expected, resolve(&format!("postgresql://?{query}")).unwrap().connect_timeout, "{query}");
    }
    for (query, expected) in user {
        assert_eq!(expected, resolve(&format!("postgresql://?{query}")).unwrap().tcp_user_timeout, "{query}");
    }
    let by_variable = resolve_with("postgresql://", &[], &[("PGCONNECT_TIMEOUT", "7")]).unwrap();
    assert_eq!(seconds(7), by_variable.connect_timeout);
}

#[test]
fn keep_alive_is_on_unless_it_is_switched_off() {
    let seconds = Duration::from_secs;
    let plain = Keepalive { idle: seconds(30), interval: None, count: None };
    let table = [
        ("", Some(plain)),
        ("keepalives=1", Some(plain)),
        ("keepalives=0", None),
        ("keepalives=false&keepalives_idle=5", None),
        ("keepalives_idle=0&keepalives_interval=0&keepalives_count=0", Some(plain)),
        (
            "keepalives_idle=60&keepalives_interval=5&keepalives_count=4",
            Some(Keepalive { idle: seconds(60), interval: Some(seconds(5)), count: Some(4) }),
        ),
    ];

    for (query, expected) in table {
        assert_eq!(expected, resolve(&format!("postgresql://?{query}")).unwrap().keepalive, "{query}");
    }
}

#[test]
fn choices_are_libpqs() {
    let target = resolve("postgresql://db?channel_binding=require&load_balance_hosts=random").unwrap();
    assert_eq!((ChannelBinding::Require, true), (target.channel_binding, target.is_load_balanced));

    let target = resolve("postgresql://db?channel_binding=disable&load_balance_hosts=disable").unwrap();
    assert_eq!((ChannelBinding::Disable, false), (target.channel_binding, target.is_load_balanced));

    let target = resolve("postgresql://db").unwrap();
    assert_eq!((ChannelBinding::Prefer, false), (target.channel_binding, target.is_load_balanced));
}

#[test]
fn values_that_are_none_are_refused_with_what_is_expected() {
    let table = [
        ("connect_timeout=5s", "is \"5s\" (from the dsn); expected a whole number"),
        ("connect_timeout=", "is \"\" (from the dsn); expected a whole number"),
        ("connect_timeout=99999999999", "expected a whole number from -2147483648 to 2147483647"),
        ("tcp_user_timeout=-1", "expected a whole number from 0 to 2147483647"),
        ("keepalives=maybe", "expected `1`, `0`"),
        ("keepalives_idle=32768", "expected a whole number from 0 to 32767"),
        ("keepalives_count=128", "expected a whole number from 0 to 127"),
        ("load_balance_hosts=randm", "did you mean `random`?"),
        ("target_session_attrs=readwrite", "did you mean `read-write`?"),
        ("application_name=a%00b", "NUL"),
    ];

    for (query, message) in table {
        assert_refused(resolve(&format!("postgresql://?{query}")), query, message, "");
    }
    let refused = resolve_with("postgresql://", &[("application_name", "a\0b")], &[]);
    assert_refused(
        refused,
        "NUL",
        "option `application_name` (from a keyword argument) holds a NUL",
        "remove",
    );
}

#[test]
fn what_this_version_does_not_do_is_refused_not_ignored() {
    let table = [
        ("requirepeer", "postgres", "does not look at who runs the server"),
        ("require_auth", "scram-sha-256", "channel_binding=require"),
        ("sslcrl", "/etc/crl.pem", "reads no lists of revoked certificates"),
        ("sslcrldir", "/etc/crl", "reads no lists of revoked certificates"),
        ("sslpassword", "hunter2", "decrypts no keys"),
        ("sslkeylogfile", "/tmp/keys", "writes no keys"),
        ("sslsni", "0", "always tells the server its name"),
        ("sslcompression", "1", "compresses nothing"),
        ("ssl_min_protocol_version", "TLSv1.3", "speaks TLS 1.2 and 1.3"),
        ("ssl_max_protocol_version", "TLSv1.2", "speaks TLS 1.2 and 1.3"),
        ("min_protocol_version", "3.2", "speaks protocol 3.0"),
        ("gssencmode", "require", "does not encrypt by GSSAPI"),
        ("gssdelegation", "1", "does not log in by GSSAPI"),
        ("krbsrvname", "db", "does not log in by GSSAPI"),
        ("gsslib", "sspi", "does not log in by GSSAPI"),
        ("replication", "database", "a connection for replication cannot do"),
        ("client_encoding", "LATIN1", "sends UTF-8"),
        ("scram_client_key", "hunter2", "not with keys made of it"),
        ("oauth_client_secret", "hunter2", "does not log in by OAuth"),
    ];

    for (name, value, message) in table {
        let refused = resolve_with("postgresql://db", &[(name, value)], &[]);

        assert!(!format!("{refused:?}").contains("hunter2"));
        let start = format!("option `{name}` (from a keyword argument) is not available: this version ");
        assert_refused(refused, name, &start, "remove it");
        assert_refused(resolve_with("postgresql://db", &[(name, value)], &[]), name, message, "remove it");
    }
    let refused = resolve_with("postgresql://db", &[], &[("PGREQUIREAUTH", "md5")]);
    assert_refused(refused, "variable", "(from the environment variable PGREQUIREAUTH)", "remove it");
}

#[test]
fn what_this_version_does_not_do_is_accepted_where_it_asks_for_nothing() {
    let table = [
        "requirepeer=",
        "sslsni=1",
        "sslcompression=0",
        "sslcertmode=allow",
        "ssl_min_protocol_version=TLSv1.2",
        "ssl_min_protocol_version=tlsv1",
        "ssl_max_protocol_version=TLSv1.3",
        "max_protocol_version=latest",
        "gssencmode=disable",
        "gssencmode=prefer",
        "gssdelegation=0",
        "krbsrvname=postgres",
        "replication=false",
        "client_encoding=utf8",
        "client_encoding=auto",
    ];

    for query in table {
        assert!(resolve(&format!("postgresql://db?{query}")).is_ok(), "{query}");
    }
    let variables = [("PGCLIENTENCODING", "LATIN1"), ("PGKRBSRVNAME", "db"), ("PGGSSENCMODE", "prefer")];
    assert!(resolve_with("postgresql://db", &[], &variables).is_ok());
}
