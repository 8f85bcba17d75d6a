//! P21: no error, no Display and no Debug holds a password, whatever is wrong with the DSN.

use super::*;
use std::fmt::Write as _;

/// DSNs that are wrong in every way we could think of, with `hunter2` where a password stands, stood or was meant to.
const MALFORMED: [&str; 66] = [
    "postgresql://app:hunter2@db:port/logs",
    "postgresql://app:hunter2@db:99999/logs",
    "postgresql://app:hunter2@@db/logs",
    "postgresql://app:a@hunter2@db@x/logs",
    "postgresql://app:hunter2",
    "postgresql://app:hunter2/logs",
    "postgresql://app:hunter2%40db/logs",
    "postgresql://app%3Ahunter2%40db/logs",
    "postgresql://app%3Ahunter2@db/logs",
    "postgresql://app:hunter2%zz@db",
    "postgresql://app:hunter2%ff@db",
    "postgresql://app:hunter2%00@db",
    "postgresql://app:a/hunter2@db",
    "postgresql://app:12/hunter2@db",
    "postgresql://app:a?hunter2@db",
    "postgresql://app:a#hunter2@db",
    "postgresql://app:a hunter2@db",
    "postgresql://app:12/x?y=hunter2@db",
    "postgresql://app:x@y?z=hunter2@db/logs",
    "postgresql://app:x@y/hunter2@db/logs",
    "postgresql://app:x@y#hunter2",
    "postgresql://[app:hunter2",
    "postgresql://[app:hunter2]/logs",
    "postgresql://app:hunter2@[::1/logs",
    "postgresql://app:hunter2@[::1]x/logs",
    "postgresql://[::1]:hunter2/logs",
    "postgresql://[::1]hunter2/logs",
    "postgresql://::hunter2/logs",
    "postgresql://db,app:hunter2/logs",
    "postgresql://app;password=hunter2@db/logs",
    "postgresql://db;password=hunter2/logs",
    "postgresql://db/logs;password=hunter2",
    "postgresql://db/logs&password=hunter2",
    "postgresql://db/password=hunter2",
    "postgresql:///app:hunter2",
    "postgresql:app:hunter2@db",
    "postgresql:/app:hunter2@db",
    "postgresql//app:hunter2@db",
    "postgresql+psycopg://app:hunter2@db:port/logs",
    "postgresql://db/logs?password=hunter2&password=hunter2",
    "postgresql://db/logs?password%3Dhunter2",
    "postgresql://db/logs?pass word=hunter2",
    "postgresql://db/logs?pasword=hunter2",
    "postgresql://db/logs?sslpassword=hunter2",
    "postgresql://db/logs?password=hunter2%",
    "postgresql://db/logs?password=a&hunter2",
    "postgresql://db/logs?sslmode=require;password=hunter2",
    "postgresql://db/logs?host=app:hunter2@db",
    "postgresql://db/logs?port=hunter2",
    "postgresql://app:hunter2@db/logs?port=x",
    "postgresql://app:hunter2@db/logs?connect_timeout=soon",
    "postgresql://app:hunter2@db/logs?sslmode=full",
    "postgresql://app:hunter2@db/logs?service=missing",
    "postgresql://app:hunter2@a,b/logs?hostaddr=::1",
    "host=db password=hunter2 sslmode=full",
    "host=db password=hunter2 port=x",
    "host=db password='hunter2",
    "host=db password='hunter2' x",
    "host=db password=a hunter2",
    "host=db password=a hunter2 user=x",
    "host=db password='a' 'hunter2'=x",
    "host=db password=hunter2 password=hunter2",
    "host=app:hunter2@db",
    "host=app:hunter2",
    "host=postgresql://app:hunter2@db/logs",
    "host=db dbname=postgresql://app:hunter2@db/logs",
];

/// Everything that is said about a DSN.
fn everything_said(text: &str, keywords: Pairs<'_>) -> String {
    let mut dsn = match Dsn::parse(text, &owned(keywords), Path::new(BASE)) {
        Ok(dsn) => dsn,
        Err(error) => return format!("{error} {error:?}"),
    };
    let mut said = format!("{dsn} {dsn:?} {} {:?}", dsn.masked(), dsn.identity());
    let environment = environment(&[("USER", "ada"), ("PGPASSWORD", "hunter2")]);
    match target(&mut dsn, &environment) {
        Ok(target) => write!(said, "{}{:?}", target.masked(), target.password).unwrap(),
        Err(error) => write!(said, "{error} {error:?}").unwrap(),
    }
    write!(said, "{:?} {environment:?} {dsn:?}", dsn.finish()).unwrap();
    said
}

#[test]
fn p21_no_password_is_ever_shown() {
    for text in MALFORMED {
        for keywords in [&[][..], &[("password", "hunter2")], &[("sslpassword", "hunter2"), ("sslmode", "x")]]
        {
            let said = everything_said(text, keywords);

            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
    }
}

#[test]
fn every_piece_of_a_dsn_is_read_or_refused_without_a_panic() {
    for text in MALFORMED {
        for cut in text.char_indices().map(|(index, _)| index) {
            let pieces = [&text[..cut], &text[cut..], &format!("{}é%'\\{}", &text[..cut], &text[cut..])];
            for piece in pieces {
                assert!(!everything_said(piece, &[]).is_empty(), "{piece}");
            }
        }
    }
}
