//! The service file.

use super::*;
use std::fs;

/// The target of `postgresql://?service=shop` with this service file.
fn with_service(content: &str) -> Result<Target, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services");
    fs::write(&file, content).unwrap();
    resolve_with("postgresql://?service=shop", &[], &[("PGSERVICEFILE", file.to_str().unwrap())])
}

#[test]
fn the_section_of_the_service_is_read_by_libpqs_rules() {
    let table = [
        ("[shop]\nhost=db\nuser=bob", "postgresql://bob@db:5432/bob"),
        ("[shop]\r\nhost=db\r\n", "postgresql://ada@db:5432/ada"),
        ("  [shop]  \n\n  # port=1\n#port=2\n\thost=db \n", "postgresql://ada@db:5432/ada"),
        ("[other]\nhost=a\nnonsense\n[shop]\nhost=db\n[shop]\nhost=c\n", "postgresql://ada@db:5432/ada"),
        ("[shop]\nhost=db\n[other]\nport=1\nnonsense\n", "postgresql://ada@db:5432/ada"),
        ("[shop]\nhost=db\nhost=other\n", "postgresql://ada@db:5432/ada"),
        ("[shop]\ndbname=a b=c\n", "postgresql://ada@localhost:5432/***"),
        ("[shop]", "postgresql://ada@localhost:5432/ada"),
    ];

    for (content, expected) in table {
        assert_eq!(expected, with_service(content).unwrap().masked(), "{content}");
    }
}

#[test]
fn a_service_file_that_cannot_be_used_is_refused_by_line_and_without_its_text() {
    let table = [
        ("", "names the service \"shop\", which ", "~/.pg_service.conf"),
        ("[sho]\nhost=db", "names the service \"shop\", which ", "~/.pg_service.conf"),
        ("[shop]\nhunter2", "line 2 of the service file ", "keyword=value"),
        ("[shop]\n\n#\nhost = hunter2", "has no proper keyword", "without spaces"),
        ("[shop]\nhunter2@db=hunter2", "has no proper keyword", "without spaces"),
        ("[shop]\nhots=hunter2", "unknown keyword `hots`; did you mean `host`?", "keyword of libpq"),
        ("[shop]\nservice=hunter2", "names another service by `service`", "keyword=value"),
        ("[shop]\nport=hunter2", "option `port` (from section \"shop\" of /", "commas"),
        ("[shop]\nsslmode=full", "(from section \"shop\" of /", "correct it there"),
    ];

    for (content, message, hint) in table {
        let refused = with_service(content);

        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        assert_refused(refused, content, message, hint);
    }
}

#[test]
fn the_file_is_looked_for_where_libpq_looks() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    let system = directory.path().join("system");
    for path in [&home, &system] {
        fs::create_dir(path).unwrap();
    }
    fs::write(home.join(".pg_service.conf"), "[mine]\nhost=home\n[both]\nhost=home\n").unwrap();
    fs::write(system.join("pg_service.conf"), "[ours]\nhost=system\n[both]\nhost=system\n").unwrap();
    fs::write(directory.path().join("named"), "[named]\nhost=named\n[both]\nhost=named\n").unwrap();
    let named = directory.path().join("named");
    let (home, system, named) = (home.to_str().unwrap(), system.to_str().unwrap(), named.to_str().unwrap());
    let variables = [("HOME", home), ("PGSYSCONFDIR", system)];
    let with_file = [("HOME", home), ("PGSYSCONFDIR", system), ("PGSERVICEFILE", named)];
    let with_service = [("HOME", home), ("PGSYSCONFDIR", system), ("PGSERVICE", "ours")];
    let by_keyword = format!("service=both servicefile={named}");

    let table: [(&str, Pairs, &str); 8] = [
        ("service=mine", &variables, "home"),
        ("service=ours", &variables, "system"),
        ("service=both", &variables, "home"),
        ("service=both", &with_file, "named"),
        ("service=ours", &with_file, "system"),
        (&by_keyword, &variables, "named"),
        ("postgresql://", &with_service, "system"),
        ("postgresql://?service=mine", &with_service, "home"),
    ];

    for (text, variables, host) in table {
        assert_eq!(host, resolve_with(text, &[], variables).unwrap().hosts[0].name, "{text}");
    }
    let refused = resolve_with("service=mine", &[], &with_file);
    assert_refused(
        refused,
        "not in the file that is named",
        "names the service \"mine\", which ",
        "PGSERVICEFILE",
    );
    let refused = resolve_with("service=x", &[], &[("PGSERVICEFILE", "/nowhere/services")]);
    assert_refused(refused, "no file", "the service file /nowhere/services cannot be read", "PGSERVICEFILE");
    assert_refused(resolve("service=x"), "no home", "and there is no service file", "~/.pg_service.conf");
}
