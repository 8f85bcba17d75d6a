//! What is said about TLS.

use super::*;
use crate::dsn::postgres::{Host, RootCertificates, SslMode};
use std::fs;
use std::path::PathBuf;

/// A home directory with these files below `.postgresql`.
fn home(files: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".postgresql")).unwrap();
    for file in files {
        fs::write(home.path().join(".postgresql").join(file), "").unwrap();
    }
    home
}

fn resolve_at(home: &tempfile::TempDir, text: &str) -> Result<Target, ConfigError> {
    resolve_with(text, &[], &[("HOME", home.path().to_str().unwrap())])
}

fn file(path: impl Into<PathBuf>) -> RootCertificates {
    RootCertificates::File(path.into())
}

#[test]
fn modes_are_libpqs_and_without_one_only_this_machine_is_trusted() {
    let table = [
        ("postgresql://db", None, SslMode::VerifyFull),
        ("postgresql://localhost", None, SslMode::Prefer),
        ("postgresql://127.0.0.1", None, SslMode::Prefer),
        ("host=/tmp", None, SslMode::Prefer),
        ("postgresql://db?sslmode=disable", Some(SslMode::Disable), SslMode::Disable),
        ("postgresql://db?sslmode=allow", Some(SslMode::Allow), SslMode::Allow),
        ("postgresql://db?sslmode=PREFER", Some(SslMode::Prefer), SslMode::Prefer),
        ("postgresql://db?sslmode=require", Some(SslMode::Require), SslMode::Require),
        ("postgresql://db?sslmode=verify-ca", Some(SslMode::VerifyCa), SslMode::VerifyCa),
        ("postgresql://localhost?sslmode=verify-full", Some(SslMode::VerifyFull), SslMode::VerifyFull),
        // As drivers for Java write it.
        ("postgresql://db?ssl=true", Some(SslMode::Require), SslMode::Require),
    ];

    for (text, given, meant) in table {
        let target = resolve(text).unwrap();

        assert_eq!((given, meant), (target.ssl_mode, target.ssl_mode_for(&target.hosts[0])), "{text}");
    }
    let by_variable = resolve_with("postgresql://db", &[], &[("PGSSLMODE", "require")]).unwrap();
    assert_eq!(Some(SslMode::Require), by_variable.ssl_mode);
    let by_keyword = resolve_with("postgresql://db", &[("sslmode", "disable")], &[]).unwrap();
    assert_eq!(Some(SslMode::Disable), by_keyword.ssl_mode);
}

#[test]
fn roots_of_the_home_directory_are_taken_where_libpq_takes_them() {
    let home = home(&["root.crt"]);
    let own = Some(file(home.path().join(".postgresql/root.crt")));
    let table = [
        ("postgresql://db", own.clone()),
        ("postgresql://db?sslmode=disable", None),
        ("postgresql://db?sslmode=allow", None),
        ("postgresql://db?sslmode=prefer", None),
        ("postgresql://db?sslmode=require", own.clone()),
        ("postgresql://db?sslmode=verify-ca", own.clone()),
        ("postgresql://db?sslmode=verify-full", own.clone()),
        ("postgresql://db?sslmode=verify-full&sslrootcert=", own),
        ("postgresql://db?sslrootcert=/etc/ca.pem", Some(file("/etc/ca.pem"))),
        ("postgresql://db?sslrootcert=ca.pem", Some(file("/srv/app/ca.pem"))),
        ("postgresql://db?sslmode=require&sslrootcert=./system", Some(file("/srv/app/./system"))),
        ("postgresql://db?sslrootcert=system", Some(RootCertificates::System)),
    ];

    for (text, expected) in table {
        assert_eq!(expected, resolve_at(&home, text).unwrap().root_certificates, "{text}");
    }
    // libpq would refuse; the authorities that everybody knows are taken.
    assert_eq!(None, resolve("postgresql://db?sslmode=verify-full").unwrap().root_certificates);
}

#[test]
fn roots_of_the_system_mean_verify_full_and_nothing_weaker() {
    for text in ["host=db sslrootcert=system", "host=db sslrootcert=system sslmode=verify-full"] {
        assert_eq!(Some(SslMode::VerifyFull), resolve(text).unwrap().ssl_mode, "{text}");
    }
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let text = format!("host=db sslrootcert=system sslmode={mode}");
        assert_refused(resolve(&text), &text, &format!("sslmode is {mode}"), "sslmode=verify-full");
    }
}

#[test]
fn a_certificate_goes_with_its_key() {
    let both = home(&["postgresql.crt", "postgresql.key"]);
    let lone = home(&["postgresql.crt"]);
    let none = home(&[]);
    let pair = |certificate: &str, key: &str| (Some(PathBuf::from(certificate)), Some(PathBuf::from(key)));
    let own = |name: &str| both.path().join(".postgresql").join(name).to_str().unwrap().to_owned();
    let (own_certificate, own_key) = (own("postgresql.crt"), own("postgresql.key"));
    let table = [
        (&none, "postgresql://db", (None, None)),
        (&lone, "postgresql://db", (None, None)),
        (&both, "postgresql://db", pair(&own_certificate, &own_key)),
        (&both, "postgresql://db?sslcertmode=allow", pair(&own_certificate, &own_key)),
        (&both, "postgresql://db?sslcertmode=disable", (None, None)),
        (&both, "postgresql://db?sslcert=/c", pair("/c", &own_key)),
        (&both, "postgresql://db?sslkey=/k", pair(&own_certificate, "/k")),
        (&none, "postgresql://db?sslcert=c&sslkey=k", pair("/srv/app/c", "/srv/app/k")),
    ];

    for (home, text, expected) in table {
        let target = resolve_at(home, text).unwrap();

        assert_eq!(expected, (target.certificate, target.certificate_key), "{text}");
    }
    let refused = resolve_at(&lone, "postgresql://db?sslcert=/c");
    assert_refused(refused, "no key", "`sslcert` is given without `sslkey`", "sslkey=FILE");
    let refused = resolve_at(&none, "postgresql://db?sslkey=/k");
    assert_refused(refused, "no certificate", "`sslkey` is given without `sslcert`", "sslcert=FILE");
}

#[test]
fn tls_without_a_question_needs_a_mode_that_insists_on_it() {
    for text in [
        "postgresql://db?sslnegotiation=direct",
        "postgresql://localhost?sslnegotiation=direct&sslmode=require",
        "host=/tmp sslnegotiation=direct",
    ] {
        assert!(resolve(text).unwrap().is_direct_tls, "{text}");
    }
    assert!(!resolve("postgresql://db?sslnegotiation=postgres").unwrap().is_direct_tls);
    for text in [
        "postgresql://localhost?sslnegotiation=direct",
        "postgresql://db,localhost?sslnegotiation=direct",
        "postgresql://db?sslnegotiation=direct&sslmode=prefer",
    ] {
        assert_refused(resolve(text), text, "sslmode is prefer", "sslmode=require");
    }
}

#[test]
fn a_list_of_revoked_certificates_is_not_passed_over() {
    let home = home(&["root.crt", "root.crl"]);

    let message = "root.crl lists revoked certificates, which this version does not look at";
    assert_refused(resolve_at(&home, "postgresql://db"), "root.crl", message, "move the file away");
    for text in ["postgresql://db?sslmode=prefer", "postgresql://db?sslrootcert=system", "host=/tmp"] {
        assert!(resolve_at(&home, text).is_ok(), "{text}");
    }
}

#[test]
fn wrong_words_about_tls_name_the_nearest() {
    let table = [
        ("postgresql://db?sslmode=verify_full", "did you mean `verify-full`?"),
        ("postgresql://db?sslmode=", "is \"\" (from the dsn); expected `disable`"),
        ("postgresql://db?sslnegotiation=dircet", "did you mean `direct`?"),
        ("postgresql://db?sslcertmode=require", "expected `allow` or `disable`"),
        ("postgresql://db?channel_binding=requre", "did you mean `require`?"),
        ("postgresql://db?ssl=1", "option `ssl` is 1 (from the dsn); expected `true`"),
        ("postgresql://db?ssl=true&sslmode=require", "`ssl` is another word for sslmode=require"),
        ("postgresql://db?sslrootcert=~/ca.pem", "begins with `~`, which is not expanded"),
    ];

    for (text, message) in table {
        assert_refused(resolve(text), text, message, "");
    }
    let refused = resolve_with("postgresql://db", &[], &[("PGSSLMODE", "requird")]);
    assert_refused(refused, "variable", "(from the environment variable PGSSLMODE)", "correct it there");
}

#[test]
fn modes_are_in_the_order_of_what_they_demand() {
    let target = resolve("postgresql://db,localhost").unwrap();
    let modes: Vec<SslMode> = target.hosts.iter().map(|host: &Host| target.ssl_mode_for(host)).collect();

    assert!(modes[0] > SslMode::Require && modes[1] < SslMode::Require);
}
