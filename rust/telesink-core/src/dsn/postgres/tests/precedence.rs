//! What counts: the DSN, then the service, then the variables, then the default.

use super::*;
use crate::dsn::postgres::Secret;
use std::fs;

#[test]
fn without_a_word_it_is_the_users_own_database_on_this_machine() {
    let target = resolve("postgresql://").unwrap();

    assert_eq!("postgresql://ada@localhost:5432/ada", target.masked());
    assert_eq!("telesink", target.application_name);
    assert_eq!((None, None, None), (target.password, target.passfile, target.options));
}

#[test]
fn variables_stand_in_for_what_the_dsn_leaves_open() {
    let variables = [
        ("PGHOST", "db"),
        ("PGPORT", "5433"),
        ("PGDATABASE", "app"),
        ("PGUSER", "bob"),
        ("PGPASSWORD", "pw"),
        ("PGAPPNAME", "shop"),
        ("PGOPTIONS", "-c geqo=off"),
        ("PGPASSFILE", "secrets/pass"),
    ];

    let target = resolve_with("postgresql://", &[], &variables).unwrap();

    assert_eq!("postgresql://bob@db:5433/app", target.masked());
    assert_eq!(Some("pw"), target.password.as_ref().map(Secret::reveal));
    assert_eq!("shop", target.application_name);
    assert_eq!(Some("-c geqo=off"), target.options.as_deref());
    assert_eq!(Some(Path::new("/srv/app/secrets/pass")), target.passfile.as_deref());

    let given = resolve_with("postgresql://ada@other:1/x?application_name=y", &[], &variables).unwrap();
    assert_eq!("postgresql://ada@other:1/x", given.masked());
    assert_eq!("y", given.application_name);
}

#[test]
fn an_empty_variable_is_none_and_an_empty_value_hides_the_variable() {
    let table = [
        ("postgresql://", [("PGHOST", ""), ("PGUSER", "")], "postgresql://ada@localhost:5432/ada"),
        ("postgresql://@/", [("PGHOST", "db"), ("PGUSER", "bob")], "postgresql://bob@db:5432/bob"),
        ("postgresql://?host=", [("PGHOST", "db"), ("PGUSER", "bob")], "postgresql://bob@localhost:5432/bob"),
        ("host='' user=''", [("PGHOST", "db"), ("PGUSER", "bob")], "postgresql://ada@localhost:5432/ada"),
    ];

    for (text, variables, expected) in table {
        assert_eq!(expected, resolve_with(text, &[], &variables).unwrap().masked(), "{text}");
    }
}

#[test]
fn keywords_beside_the_dsn_are_of_its_rank() {
    let target =
        resolve_with("postgresql://db", &[("user", "bob"), ("dbname", "app")], &[("PGUSER", "eve")]).unwrap();
    assert_eq!("postgresql://bob@db:5432/app", target.masked());

    let same = resolve_with("postgresql://bob@db", &[("user", "bob")], &[]).unwrap();
    assert_eq!("bob", same.user);

    let refused = resolve_with("postgresql://bob@db", &[("user", "eve")], &[]);
    assert_refused(refused, "two users", "\"bob\" in the dsn and \"eve\" as a keyword argument", "keep one");
    let refused = resolve_with("password=a", &[("password", "b")], &[]);
    assert_refused(refused, "two passwords", "*** in the dsn and *** as a keyword argument", "keep one");
}

#[test]
fn a_service_ranks_between_the_dsn_and_the_variables() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services");
    fs::write(&file, "[shop]\nhost=service\nport=1\nuser=clerk\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("PGSERVICEFILE", file), ("PGHOST", "variable"), ("PGPORT", "2"), ("PGDATABASE", "app")];

    let target = resolve_with("postgresql://:3?service=shop", &[], &variables).unwrap();

    assert_eq!("postgresql://clerk@service:3/app", target.masked());
}

#[test]
fn the_name_of_the_program_is_a_fallback() {
    let table = [
        ("postgresql://", "telesink"),
        ("postgresql://?fallback_application_name=shop", "shop"),
        ("postgresql://?fallback_application_name=shop&application_name=cart", "cart"),
        ("postgresql://?application_name=", "telesink"),
    ];

    for (text, expected) in table {
        assert_eq!(expected, resolve(text).unwrap().application_name, "{text}");
    }
}

#[test]
fn without_a_user_the_error_asks_for_one() {
    let mut dsn = parse("postgresql://db/app").unwrap();

    let refused = target(&mut dsn, &environment(&[]));

    assert_refused(refused, "no user", "no user is given", "user=");
}

#[cfg(unix)]
#[test]
fn the_system_knows_the_user_of_this_process() {
    let by_system = Environment::of_process().user_name().unwrap();

    assert!(!by_system.is_empty());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused_and_not_passed_over() {
    use std::os::unix::ffi::OsStringExt;
    let environment =
        Environment::new(|name| (name == "PGPASSWORD").then(|| OsString::from_vec(b"hunter2\xff".to_vec())));
    let mut dsn = parse("postgresql://ada@db").unwrap();

    let refused = target(&mut dsn, &environment);

    assert_refused(refused, "bytes", "the environment variable PGPASSWORD is not UTF-8", "in the dsn");
    assert!(!format!("{environment:?}").contains("hunter2"));
}
