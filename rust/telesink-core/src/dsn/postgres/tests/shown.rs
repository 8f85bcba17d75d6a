//! What messages show.

use super::*;

#[test]
fn a_dsn_is_shown_in_its_own_form_without_secrets() {
    let table = [
        ("postgresql://", "postgresql://"),
        ("postgres+psycopg://ada:hunter2@db:5433/app", "postgresql://ada:***@db:5433/app"),
        ("postgresql://:hunter2@db", "postgresql://:***@db"),
        ("postgresql://ada@a:1,[::1],%2Ftmp:3/app", "postgresql://ada@a:1,[::1],%2Ftmp:3/app"),
        ("postgresql://a%40b@db/my%20app", "postgresql://a%40b@db/my%20app"),
        ("postgresql://[fe80::1%25eth0]", "postgresql://[fe80::1%25eth0]"),
        (
            "postgresql:///app?host=/tmp&password=hunter2&sslpassword=hunter2&sslmode=require",
            "postgresql:///app?host=/tmp&password=***&sslpassword=***&sslmode=require",
        ),
        ("postgresql://db?user=a%3Ahunter2", "postgresql://db?user=***"),
        ("host=db password=hunter2", "host=db password=***"),
        ("host = db\tpassword='hunter2 x'  dbname=app", "host=db password=*** dbname=app"),
        (r"application_name='a b\'c\\d' host=''", r"application_name='a b\'c\\d' host=''"),
        ("host=db application_name='a\nb'", "host=db application_name='a?b'"),
        ("host=ada:hunter2@db", "host=***"),
    ];

    for (text, expected) in table {
        let dsn = parse(text).unwrap();

        assert_eq!(expected, dsn.masked());
        assert_eq!(expected, dsn.to_string());
        assert_eq!(format!("Dsn({expected})"), format!("{dsn:?}"));
    }
}

#[test]
fn what_is_shown_without_a_password_means_the_same() {
    for text in [
        "postgresql://a%40b@a:1,[fe80::1%25eth0],%2Ftmp:3/my%20app?sslmode=require",
        r"application_name='a b\'c\\d' host='' user=ada",
        "postgresql:///",
    ] {
        let dsn = parse(text).unwrap();

        assert_eq!(dsn.identity(), parse(&dsn.masked()).unwrap().identity(), "{text}");
    }
}

#[test]
fn a_target_is_shown_with_its_servers_and_without_its_password() {
    let table = [
        ("postgresql://app:hunter2@db/logs", "postgresql://app@db:5432/logs"),
        ("postgresql://app@a:1,b/logs", "postgresql://app@a:1,b:5432/logs"),
        ("postgresql://app@[::1]:1", "postgresql://app@[::1]:1/app"),
        ("user=app hostaddr=::1", "postgresql://app@[::1]:5432/app"),
        ("user=app host=db hostaddr=::1", "postgresql://app@db:5432/app"),
        ("user=app host=/var/run/postgresql", "postgresql://app@/app?host=/var/run/postgresql&port=5432"),
        ("user=app host=/tmp,db port=1,2", "postgresql://app@/app?host=/tmp,db&port=1,2"),
        ("user=me@corp dbname='a b' host=db", "postgresql://me%40corp@db:5432/a%20b"),
        ("user=app:hunter2 dbname=x host=db", "postgresql://***@db:5432/x"),
    ];

    for (text, expected) in table {
        let target = resolve(text).unwrap();

        assert_eq!(expected, target.masked(), "{text}");
        let shown = resolve(expected).unwrap();
        assert!(
            expected.contains("***") || (&shown.user, &shown.database) == (&target.user, &target.database)
        );
    }
}
