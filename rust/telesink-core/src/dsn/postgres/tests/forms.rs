//! The two forms of a DSN. The tables of what is accepted say what `PQconninfoParse` of libpq 15 answers.

use super::*;

#[test]
fn uris_mean_what_they_mean_to_libpq() {
    let table: [(&str, Pairs); 33] = [
        ("postgresql://", &[]),
        ("postgresql://localhost", &[("host", "localhost")]),
        ("postgres://localhost", &[("host", "localhost")]),
        ("postgresql://localhost/", &[("host", "localhost")]),
        ("postgresql:///app", &[("dbname", "app")]),
        ("postgresql://ada@db", &[("host", "db"), ("user", "ada")]),
        (
            "postgresql://ada:pw@db:5433/app?sslmode=require",
            &[
                ("host", "db"),
                ("port", "5433"),
                ("dbname", "app"),
                ("user", "ada"),
                ("password", "pw"),
                ("sslmode", "require"),
            ],
        ),
        // Empty pieces are not given.
        ("postgresql://@db/", &[("host", "db")]),
        ("postgresql://:@db", &[("host", "db")]),
        ("postgresql://:pw@db", &[("host", "db"), ("password", "pw")]),
        ("postgresql://ada:@db", &[("host", "db"), ("user", "ada")]),
        ("postgresql://db:/app", &[("host", "db"), ("dbname", "app")]),
        ("postgresql://ada@", &[("user", "ada")]),
        ("postgresql://:5433", &[("port", "5433")]),
        // Escapes.
        (
            "postgresql://a%40b:%3A%2F%3F%23%25+%c3%a9@db/my%20app",
            &[("host", "db"), ("dbname", "my app"), ("user", "a@b"), ("password", ":/?#%+é")],
        ),
        ("postgresql://ada:a:b@db", &[("host", "db"), ("user", "ada"), ("password", "a:b")]),
        ("postgresql://ada:a?b@db", &[("host", "db"), ("user", "ada"), ("password", "a?b")]),
        ("postgresql://ada:a#b@db", &[("host", "db"), ("user", "ada"), ("password", "a#b")]),
        ("postgresql://db:54%333", &[("host", "db"), ("port", "5433")]),
        // Addresses of version 6.
        ("postgresql://[::1]", &[("host", "::1")]),
        (
            "postgresql://ada@[::1]:5433/app",
            &[("host", "::1"), ("port", "5433"), ("dbname", "app"), ("user", "ada")],
        ),
        ("postgresql://[fe80::1%25eth0]", &[("host", "fe80::1%eth0")]),
        // Several hosts.
        ("postgresql://a,b", &[("host", "a,b"), ("port", ",")]),
        ("postgresql://a:1,b:2/app", &[("host", "a,b"), ("port", "1,2"), ("dbname", "app")]),
        ("postgresql://a,b:2", &[("host", "a,b"), ("port", ",2")]),
        ("postgresql://a:1,b", &[("host", "a,b"), ("port", "1,")]),
        ("postgresql://[::1]:1,b,%2Ftmp:3", &[("host", "::1,b,/tmp"), ("port", "1,,3")]),
        // Sockets.
        ("postgresql://%2Fvar%2Frun:5433/app", &[("host", "/var/run"), ("port", "5433"), ("dbname", "app")]),
        ("postgresql:///app?host=/tmp&port=5433", &[("host", "/tmp"), ("port", "5433"), ("dbname", "app")]),
        ("postgresql:///?host=%40telesink", &[("host", "@telesink")]),
        // The query.
        ("postgresql://db?dbname=app", &[("host", "db"), ("dbname", "app")]),
        (
            "postgresql://db/app?user=ada&options=-c%20geqo%3Doff&application_name=",
            &[
                ("host", "db"),
                ("dbname", "app"),
                ("user", "ada"),
                ("application_name", ""),
                ("options", "-c geqo=off"),
            ],
        ),
        (
            "postgresql+psycopg://ada@db?sslmode=prefer&",
            &[("host", "db"), ("user", "ada"), ("sslmode", "prefer")],
        ),
    ];

    for (text, expected) in table {
        let found = keywords_of(text).unwrap();

        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(expected, found, "{text}");
    }
}

#[test]
fn keyword_forms_mean_what_they_mean_to_libpq() {
    let table: [(&str, Pairs); 17] = [
        ("host=db", &[("host", "db")]),
        ("host=db dbname=app user=ada", &[("host", "db"), ("dbname", "app"), ("user", "ada")]),
        (" host = db\n\tport =5433 ", &[("host", "db"), ("port", "5433")]),
        ("host=db password='a b'", &[("host", "db"), ("password", "a b")]),
        (r"password='a\'b\\c\d'", &[("password", r"a'b\cd")]),
        (r"password=a\ b\\c\'", &[("password", r"a b\c'")]),
        (r"password=a\ ", &[("password", "a ")]),
        (r"password=a\", &[("password", "a")]),
        ("password=a'b'", &[("password", "a'b'")]),
        ("password='a'user=ada", &[("user", "ada"), ("password", "a")]),
        ("password=a=b user=ada", &[("user", "ada"), ("password", "a=b")]),
        ("password=%41+@:/?#", &[("password", "%41+@:/?#")]),
        ("user='' host=''", &[("host", ""), ("user", "")]),
        ("user=ada password=", &[("user", "ada"), ("password", "")]),
        // The blanks behind the equals sign are skipped, whatever comes then.
        ("application_name= dbname=app", &[("application_name", "dbname=app")]),
        ("host=a,b port=1,2", &[("host", "a,b"), ("port", "1,2")]),
        ("host=::1 hostaddr=::1", &[("host", "::1"), ("hostaddr", "::1")]),
    ];

    for (text, expected) in table {
        let found = keywords_of(text).unwrap();

        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(expected, found, "{text}");
    }
}

#[test]
fn a_dsn_that_cannot_be_meant_is_refused_with_the_next_step() {
    let table = [
        ("postgresql:", "not followed by `//`", "postgresql://user@host/database"),
        ("postgresql:/db", "not followed by `//`", "postgresql://user@host/database"),
        ("postgresql://[::1", "host 1 in the dsn begins with `[`, and there is no `]`", "[::1]:5432"),
        ("postgresql://[]", "no address of version 6", "[::1]:5432"),
        ("postgresql://[db]", "no address of version 6", "[::1]:5432"),
        ("postgresql://[::1]x", "something else than `:` and a port behind `]`", "[::1]:5432"),
        ("postgresql://::1/app", "host 1 in the dsn has a port that is no number", "[::1]:5432"),
        ("postgresql://a,b:x", "host 2 in the dsn has a port that is no number", "host:5432"),
        ("postgresql://db:0", "has a port that is no number from 1 to 65535", "host:5432"),
        ("postgresql://db:65536", "has a port that is no number from 1 to 65535", "host:5432"),
        ("postgresql://a%2Cb", "character that no host name has", "host:5432"),
        ("postgresql://db name", "holds a space", "%20"),
        ("postgresql://ada:a b@db", "the password in the dsn holds a space", "%20"),
        ("postgresql://a:b@c@db", "holds an `@` beside the one", "%40"),
        ("postgresql://a:b/c@db", "holds an `@` beside the one", "%2F"),
        ("postgresql://db/app?application_name=a@b", "holds an `@` beside the one", "%40"),
        ("postgresql://db/app#x", "holds a `#` behind the user", "%23"),
        ("postgresql://db/app/", "has a `/` in the name of its database", "%2F"),
        ("postgresql://db/a;b=c", "in the name of its database", "%3F"),
        ("postgresql://db/%zz", "the database name in the dsn has an invalid percent escape", "%25"),
        ("postgresql://%ff@db", "the user name in the dsn is not UTF-8", "UTF-8"),
        ("postgresql://a%00@db", "NUL", "remove"),
        ("postgresql://ada@db?user=bob", "option `user` is given twice in the dsn", "keep one"),
        ("postgresql://db?port=1&port=1", "option `port` is given twice in the dsn", "keep one"),
        ("postgresql://db?application_name", "option 1 in the dsn has no `=`", "?name=value"),
        ("host", "no scheme", "sqlite"),
        ("host=a host=b", "option `host` is given twice in the dsn", "keep one"),
        ("host=db user", "keyword 2 in the dsn has no `=`", "single quotes"),
        ("host=db user ada", "keyword 2 in the dsn has no `=`", "single quotes"),
        ("host=db 'user'=ada", "keyword 2 in the dsn has no proper name", "single quotes"),
        ("host=db =ada", "keyword 2 in the dsn has no proper name", "single quotes"),
        ("host=db user='ada", "keyword 2 in the dsn begins with a quote", "single quotes"),
        (r"host=db user='ada\'", "keyword 2 in the dsn begins with a quote", "single quotes"),
    ];

    for (text, message, hint) in table {
        assert_refused(parse(text), text, message, hint);
    }
}

#[test]
fn both_forms_of_one_target_are_the_same_dsn() {
    let same = [
        (
            "postgresql://ada:pw@db:5433/app?sslmode=require",
            "postgres://ada:p%77@db:5433/app?sslmode=require",
        ),
        (
            "postgresql://ada:pw@db:5433/app?sslmode=require",
            "sslmode=require host=db user=ada dbname=app port=5433 password='pw'",
        ),
        ("postgresql+asyncpg://db/app", "host=db dbname=app"),
        ("postgresql://db?user=ada", "postgresql://ada@db"),
    ];
    let different = [
        ("postgresql://ada@db", "postgresql://bob@db"),
        ("postgresql://ada:pw@db", "postgresql://ada:other@db"),
        ("postgresql://a/app", "postgresql://b/app"),
        ("postgresql://db:1/app", "postgresql://db:2/app"),
        ("postgresql://db/app", "postgresql://db/other"),
        ("host=db", "dbname=db"),
    ];

    for (one, other) in same {
        assert_eq!(parse(one).unwrap().identity(), parse(other).unwrap().identity(), "{one}");
    }
    for (one, other) in different {
        assert_ne!(parse(one).unwrap().identity(), parse(other).unwrap().identity(), "{one}");
    }
}

#[test]
fn options_of_the_sink_stand_in_either_form() {
    for text in ["postgresql://db/app?schema=audit", "host=db dbname=app schema=audit"] {
        let mut dsn = parse(text).unwrap();

        assert_eq!(Some("audit".to_owned()), dsn.take_text("schema").unwrap());
        assert!(target(&mut dsn, &environment(&[("USER", "ada")])).is_ok());
        assert_eq!(Ok(()), dsn.finish());
    }
}

#[test]
fn unknown_options_are_refused_with_the_nearest() {
    for text in ["postgresql://db/app?sslmod=require", "host=db sslmod=require"] {
        let mut dsn = parse(text).unwrap();
        target(&mut dsn, &environment(&[("USER", "ada")])).unwrap();

        assert_refused(
            dsn.finish(),
            text,
            "unknown option `sslmod` for postgresql://; did you mean `sslmode`?",
            "target_session_attrs",
        );
    }
}
