//! What a DSN means and what is refused.

use super::*;
use std::time::Duration;

const BASE: &str = "/srv/app";

fn parse(text: &str) -> Result<Dsn, ConfigError> {
    Dsn::parse(text, &[], Path::new(BASE))
}

fn parse_with(text: &str, options: &[(&str, &str)]) -> Result<Dsn, ConfigError> {
    let owned: Vec<_> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Dsn::parse(text, &owned, Path::new(BASE))
}

/// A DSN whose options are `query`.
fn options(query: &str) -> Dsn {
    parse(&format!("null://?{query}")).unwrap()
}

fn schemes() -> impl Iterator<Item = &'static str> {
    ["sqlite", "postgresql", "console", "memory", "null"].into_iter()
}

#[test]
fn paths_of_sqlite_are_made_absolute() {
    let table = [
        ("sqlite:///app.db", "/srv/app/app.db"),
        ("  sqlite:///app.db\n", "/srv/app/app.db"),
        ("SQLite:///app.db", "/srv/app/app.db"),
        ("sqlite:///logs/app.db", "/srv/app/logs/app.db"),
        ("sqlite:///./logs//app.db", "/srv/app/logs/app.db"),
        ("sqlite:///../app.db", "/srv/app/../app.db"),
        ("sqlite:////var/log/app.db", "/var/log/app.db"),
        ("sqlite:////var/log/app.db?x=1", "/var/log/app.db"),
        ("sqlite:///my%20file%3f%23.db", "/srv/app/my file?#.db"),
        ("sqlite:///a+b.db", "/srv/app/a+b.db"),
        ("sqlite:///C:/x.db", "C:/x.db"),
        (r"sqlite:///C:\x.db", r"C:\x.db"),
    ];

    for (text, path) in table {
        assert_eq!(Path::new(path), parse(text).unwrap().path(), "{text}");
    }
}

#[test]
fn streams_and_names_are_read_as_the_host() {
    let table = [
        ("console://", "console", ""),
        ("console://stdout", "console", "stdout"),
        ("console://STDERR/?x=1", "console", "stderr"),
        ("memory://", "memory", ""),
        ("memory://audit-1", "memory", "audit-1"),
        ("null://", "null", ""),
    ];

    for (text, scheme, host) in table {
        let dsn = parse(text).unwrap();

        assert_eq!((scheme, host, Path::new("")), (dsn.scheme(), dsn.host(), dsn.path()), "{text}");
    }
}

#[test]
fn a_dsn_that_cannot_be_meant_is_refused_with_the_next_step() {
    let table = [
        ("", "is empty", "sqlite:///app.db"),
        (" \n", "is empty", "sqlite:///app.db"),
        ("app.db", "no scheme", "write sqlite:///app.db"),
        ("./logs/app.db", "no scheme", "write sqlite:///logs/app.db"),
        ("/var/log/app.db", "no scheme", "write sqlite:////var/log/app.db"),
        (r"C:\app.db", "no scheme", r"write sqlite:///C:\app.db"),
        ("sqlite", "no scheme", "write sqlite:///app.db"),
        ("localhost:5432", "no scheme", "write sqlite:///app.db"),
        ("TELESINK_DSN=sqlite:///x.db", "no scheme", "write sqlite:///app.db"),
        ("sqlite:app.db", "not followed by `//`", "write sqlite:///app.db"),
        ("console:", "not followed by `//`", "write console://"),
        ("sqlite://", "in memory", "memory://"),
        ("sqlite:///", "in memory", "memory://"),
        ("sqlite:///:memory:", "in memory", "memory://"),
        ("sqlite://:memory:", "in memory", "memory://"),
        ("sqlite::memory:", "in memory", "memory://"),
        ("sqlite:///file::memory:?cache=shared", "in memory", "memory://"),
        ("sqlite://app.db", "takes no host", "sqlite:///app.db"),
        ("sqlite://localhost/app.db", "takes no host", "sqlite:///app.db"),
        ("sqlite:///~/app.db", "`~`", "in full"),
        ("sqlite:///logs/", "is a directory", "name a file"),
        ("sqlite:///logs/..", "is a directory", "name a file"),
        ("sqlite:///app.db&linger_seconds=1", "behind `&`", "begin with `?`"),
        ("sqlite:///app.db#x", "`#`", "%23"),
        ("sqlite:///100%.db", "invalid percent escape at byte 5", "%25"),
        ("sqlite:///a%00.db", "NUL", "remove"),
        ("console://stdrr", "did you mean `stderr`?", "console://"),
        ("console://stderr/x", "takes nothing or `stderr` or `stdout`", "console://"),
        ("memory://a/b", "other characters", "memory://name"),
        ("null://x", "takes nothing", "null://"),
    ];

    for (text, message, hint) in table {
        let error = parse(text).unwrap_err();

        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.hint.contains(hint), "{text}: {}", error.hint);
    }
}

#[test]
fn a_relative_path_needs_an_absolute_base_directory() {
    let error = Dsn::parse("sqlite:///app.db", &[], Path::new("base")).unwrap_err();

    assert_eq!("the path in the dsn is relative, and so is the base directory", error.message);
    assert!(Dsn::parse("sqlite:////app.db", &[], Path::new("base")).is_ok());
}

#[test]
fn schemes_of_later_versions_are_told_from_typing_errors() {
    let table = [
        ("clickhouses://pk:sk@host", "this version does not have `clickhouses://` yet"),
        ("clickhouse://db", "this version does not have `clickhouse://` yet"),
        ("clickhouses://app:pw@db/logs", "this version does not have `clickhouses://` yet"),
        ("postgre://db/logs", "unknown scheme `postgre`; did you mean `postgresql`?"),
        ("postgressql://db/logs", "unknown scheme `postgressql`; did you mean `postgresql`?"),
        ("sqlit:///app.db", "unknown scheme `sqlit`; did you mean `sqlite`?"),
        ("sqlite3:///app.db", "unknown scheme `sqlite3`; did you mean `sqlite`?"),
        ("sqlite+pysqlite:///app.db", "unknown scheme `sqlite+pysqlite`"),
        ("conosle://", "unknown scheme `conosle`; did you mean `console`?"),
        ("kafka://broker", "unknown scheme `kafka`"),
    ];

    for (text, message) in table {
        let error = parse(text).unwrap().unknown_scheme(schemes());

        assert_eq!(message, error.message, "{text}");
        let hint = "use `sqlite://`, `postgresql://`, `console://`, `memory://` or `null://`";
        assert_eq!(hint, error.hint);
    }
}

#[test]
fn options_are_decoded_and_taken_once() {
    let mut dsn = options("a=x%20y%26z&b=1+1&&c=");

    assert!(dsn.has("a"));
    assert_eq!(Some("x y&z".to_owned()), dsn.take_text("a").unwrap());
    assert!(!dsn.has("a"));
    assert_eq!(None, dsn.take_text("a").unwrap());
    assert_eq!(Some("1+1".to_owned()), dsn.take_text("b").unwrap());
    assert_eq!(None, dsn.take_text("other").unwrap());
    let error = dsn.take_text("c").unwrap_err();
    assert_eq!("option `c` is \"\" (from the dsn); expected a text that is not empty", error.message);
    assert_eq!(Ok(()), dsn.finish());
}

#[test]
fn keywords_and_query_are_one_set_of_options() {
    let mut dsn = parse_with("null://?a=1&b=2", &[("b", "2"), ("c", "x")]).unwrap();

    assert_eq!(Some(1), dsn.take_integer("a", 0..=9).unwrap());
    assert_eq!(Some(2), dsn.take_integer("b", 0..=9).unwrap());
    let error = dsn.take_integer("c", 0..=9).unwrap_err();
    let expected = "option `c` is \"x\" (from a keyword argument); expected a whole number from 0 to 9";
    assert_eq!(expected, error.message);
}

#[test]
fn options_given_twice_or_without_a_proper_name_are_refused() {
    type Keywords = &'static [(&'static str, &'static str)];
    let table: [(&str, Keywords, &str); 9] = [
        ("a=1&a=1", &[], "option `a` is given twice in the dsn"),
        ("", &[("a", "1"), ("a", "1")], "option `a` is given twice as a keyword argument"),
        ("a=1", &[("a", "2")], "option `a` is 1 in the dsn and 2 as a keyword argument"),
        (
            "api_key=1",
            &[("api_key", "2")],
            "option `api_key` is *** in the dsn and *** as a keyword argument",
        ),
        ("a=1&wal", &[], "option 2 in the dsn has no `=`"),
        ("=1", &[], "the name of option 1 in the dsn is empty"),
        ("a%20b=1", &[], "the name of option 1 in the dsn is empty, too long, or holds other characters"),
        ("a=%zz", &[], "the value of option `a` in the dsn has an invalid percent escape at byte 1"),
        ("", &[("a b", "1")], "the name of a keyword option holds other characters"),
    ];

    for (query, keywords, message) in table {
        let error = parse_with(&format!("null://?{query}"), keywords).unwrap_err();

        assert!(error.message.contains(message), "{query}: {error}");
    }
}

#[test]
fn each_kind_of_option_is_read() {
    let mut dsn = options("b=Yes&c=FULL&i=65_536&s=1.5%20MiB&d=200%20ms&l=warning&t=a,%20b");

    assert_eq!(Ok(Some(true)), dsn.take_bool("b"));
    assert_eq!(Ok(Some("full")), dsn.take_choice("c", &["off", "normal", "full"]));
    assert_eq!(Ok(Some(65_536)), dsn.take_integer("i", 1..=100_000));
    assert_eq!(Ok(Some(3 << 19)), dsn.take_bytes("s"));
    assert_eq!(Ok(Some(Duration::from_millis(200))), dsn.take_seconds("d"));
    assert_eq!(Ok(Some(30)), dsn.take_level("l"));
    assert_eq!(Ok(Some(vec!["a".to_owned(), "b".to_owned()])), dsn.take_list("t"));
    assert_eq!(Ok(()), dsn.finish());
}

#[test]
fn each_kind_of_option_says_what_it_expects() {
    type Take = fn(&mut Dsn) -> Result<(), ConfigError>;
    let table: [(Take, &str, &str); 8] = [
        (|dsn| dsn.take_bool("x").map(drop), "maybe", "expected \"true\" or \"false\""),
        (
            |dsn| dsn.take_choice("x", &["off", "normal"]).map(drop),
            "norml",
            "`off` or `normal`; did you mean `normal`?",
        ),
        (
            |dsn| dsn.take_choice("x", &["off", "normal"]).map(drop),
            "9",
            "is 9 (from the dsn); expected `off` or `normal`",
        ),
        (
            |dsn| dsn.take_integer("x", 1..=5).map(drop),
            "6",
            "is 6 (from the dsn); expected a whole number from 1 to 5",
        ),
        (|dsn| dsn.take_bytes("x").map(drop), "10 M", "expected a size such as"),
        (|dsn| dsn.take_seconds("x").map(drop), "5 m", "expected a duration such as"),
        (|dsn| dsn.take_level("x").map(drop), "eror", "one of NOTSET, TRACE, DEBUG, INFO"),
        (|dsn| dsn.take_list("x").map(drop), "a,,b", "is \"a,,b\""),
    ];

    for (take, value, part) in table {
        let error = take(&mut options(&format!("x={value}"))).unwrap_err();

        assert!(error.message.starts_with("option `x` is "), "{error}");
        assert!(error.message.contains(part), "{error}");
        assert!(error.message.contains("(from the dsn)"), "{error}");
    }
}

#[test]
fn options_left_over_are_refused_with_the_nearest_and_all_known_names() {
    let mut dsn = options("tabel=1");
    assert_eq!(Ok(None), dsn.take_text("table"));
    assert_eq!(Ok(None), dsn.take_text("journal"));

    let error = dsn.finish().unwrap_err();

    assert_eq!("unknown option `tabel` for null://; did you mean `table`?", error.message);
    assert_eq!("allowed options: journal, table", error.hint);
    assert_eq!("unknown option `x` for null://", options("x=1").finish().unwrap_err().message);
    assert_eq!("null:// takes no options", options("x=1").finish().unwrap_err().hint);
}

#[test]
fn a_spool_is_refused_as_not_available() {
    for dsn in [options("spool=/tmp/x"), parse_with("null://", &[("spool", "/tmp/x")]).unwrap()] {
        let error = dsn.finish().unwrap_err();

        assert!(error.message.contains("option `spool` is not available"), "{error}");
    }
}

#[test]
fn a_dsn_is_shown_with_absolute_path_and_without_secrets() {
    let table = [
        ("sqlite:///app.db", "sqlite:////srv/app/app.db"),
        (
            "sqlite:////a%3fb%0ac.db?x=1&api_key=hunter2&y=a%26b",
            "sqlite:////a%3Fb%0Ac.db?x=1&api_key=***&y=a%26b",
        ),
        ("sqlite:///C:/x.db", "sqlite:///C:/x.db"),
        ("console://stderr", "console://stderr"),
        ("clickhouse://app:hunter2@db/logs", "clickhouse://app:***@db/logs"),
    ];

    for (text, expected) in table {
        let dsn = parse(text).unwrap();

        assert_eq!(expected, dsn.masked());
        assert_eq!(expected, dsn.to_string());
        assert_eq!(format!("Dsn({expected})"), format!("{dsn:?}"));
    }
}

#[test]
fn what_is_shown_of_a_file_means_the_same_file() {
    for text in ["sqlite:///app.db?a=1&b=%2520", "sqlite:////x%3f%23%25%26a=b.db", "sqlite:///C:/x.db"] {
        let dsn = parse(text).unwrap();

        assert_eq!(dsn.identity(), parse(&dsn.masked()).unwrap().identity(), "{text}");
    }
}

#[test]
fn the_same_target_and_options_are_the_same_dsn() {
    let same = [
        ("sqlite:///app.db", "sqlite:////srv/app/./app.db"),
        ("sqlite:///app.db?a=1&b=2", "SQLITE:///app.db?b=%32&a=1"),
        ("clickhouse://u:p@h/d", "clickhouse://u:p@h/d"),
    ];
    let different = [
        ("sqlite:///app.db", "sqlite:///other.db"),
        ("sqlite:///app.db?a=1", "sqlite:///app.db?a=2"),
        ("memory://a", "memory://b"),
        ("clickhouse://u:p@h/d", "clickhouse://u:q@h/d"),
    ];

    for (one, other) in same {
        assert_eq!(parse(one).unwrap().identity(), parse(other).unwrap().identity(), "{one}");
    }
    for (one, other) in different {
        assert_ne!(parse(one).unwrap().identity(), parse(other).unwrap().identity(), "{one}");
    }
    let with_keyword = parse_with("sqlite:///app.db", &[("a", "1")]).unwrap();
    let mut taken = parse("sqlite:///app.db?a=1").unwrap();
    taken.take_text("a").unwrap();
    assert_eq!(with_keyword.identity(), taken.identity());
    assert_eq!("Identity(***)", format!("{:?}", taken.identity()));
}
