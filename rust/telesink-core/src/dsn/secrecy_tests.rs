//! No password is shown, whatever is wrong with the DSN that holds it.

use super::*;
use crate::settings::Settings;

/// DSNs that are wrong in every way we could think of, with `hunter2` as the password.
const MALFORMED: [&str; 60] = [
    "postgresql://app:hunter2@db/logs",
    "postgresql://app:hunter2@@db/logs",
    "postgresql://app:a@hunter2@db@x/logs",
    "postgresql://app:hunter2",
    "postgresql://app:hunter2/logs",
    "postgresql://app:hunter2%40db/logs",
    "postgresql://app:hunter2%zz@db",
    "postgresql://app:a/hunter2@db",
    "postgresql://app:a?hunter2@db",
    "postgresql://app:a#hunter2@db",
    "postgresql://app:a hunter2@db",
    "postgresql://[app:hunter2",
    "postgresql://app:hunter2@[::1/logs",
    "postgresql://[::1]:hunter2/logs",
    "postgresql://:hunter2@db",
    "clickhouse://hunter2@db",
    "postgresql:app:hunter2@db",
    "postgresql:app:hunter2",
    "postgresql:/app:hunter2@db",
    "postgresql:///app:hunter2",
    "postgresql+psycopg://app:hunter2@db:port/logs",
    "postgresql//app:hunter2@db",
    "postgresql://db/logs?password=hunter2",
    "postgresql://db/logs?pass%77ord=hunter2",
    "postgresql://db/logs?password%3Dhunter2",
    "postgresql://db/logs?password=a&hunter2",
    "postgresql://db/logs;PASSWORD=hunter2",
    "host=db password=hunter2",
    "host=db password = 'hunter2",
    "host=db password='a b\\' hunter2' user=x",
    "password=hunter2",
    "host=db\npassword=hunter2\nuser=x",
    "passwrd=hunter2 host=db",
    "app:hunter2@db/logs",
    "app:hunter2",
    "://app:hunter2@db",
    "//app:hunter2@db",
    "otlps://hunter2@collector:4318",
    "otlp://app:hunter2@collector/base?headers=authorization=hunter2&proxy=http://a:hunter2@p",
    "otlp://app:hun/hunter2@collector",
    "otlp://app:hunter2:1@collector:x",
    "otlp://collector?headers=x%3Dhunter2&headers=y",
    "langfuse://pk-lf-1:hunter2@",
    "langfuse://pk-lf-1:hunter2",
    "clickhouses://app:hunter2@db:8443?secret_key=hunter2",
    "sqlit://app:hunter2@db/x.db",
    "sqlite://app:hunter2@db/x.db",
    "sqlite://app:hunter2",
    "sqlite:///app:hunter2@db",
    "sqlite:///x.db&password=hunter2",
    "sqlite:///x.db;password=hunter2",
    "sqlite:///x.db?password:hunter2",
    "sqlite:///x.db?password=hunter2&password=hunter2",
    "sqlite:///x.db?pass%77ord=hunter2%",
    "sqlite:///x.db?pass word=hunter2",
    "sqlite:///x.db?linger_seconds=1;password=hunter2",
    "sqlite:///x.db?linger_seconds=https://app:hunter2@db",
    "sqlite:///x.db?when_full=app:hunter2@db&api_key=hunter2",
    "console://app:hunter2@stderr",
    "memory://app:hunter2@x?token=hunter2",
];

/// Everything the library can say about a DSN.
fn everything_said(text: &str, keywords: &[(&str, &str)]) -> String {
    let owned: Vec<_> =
        keywords.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut dsn = match Dsn::parse(text, &owned, Path::new("/srv/app")) {
        Ok(dsn) => dsn,
        Err(error) => return format!("{error} {error:?}"),
    };
    let mut said = vec![
        format!("{dsn} {dsn:?} {} {:?}", dsn.masked(), dsn.identity()),
        format!("{:?}", dsn.unknown_scheme(["sqlite"].into_iter())),
        format!("{:?}", dsn.finish()),
        format!("{:?}", Settings::documented().take_from(&mut dsn)),
    ];
    for name in ["password", "api_key", "token"] {
        said.push(format!("{:?}", dsn.clone().take_bool(name)));
        said.push(format!("{:?}", dsn.clone().take_choice(name, &["hunter"])));
        said.push(format!("{:?}", dsn.take_bytes(name)));
    }
    said.push(format!("{:?} {dsn:?}", dsn.finish()));
    said.join("\n")
}

#[test]
fn p21_no_password_is_ever_shown() {
    for text in MALFORMED {
        for keywords in
            [&[][..], &[("password", "hunter2")], &[("password", "a"), ("linger_seconds", "x:hunter2@y")]]
        {
            let said = everything_said(text, keywords);

            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
    }
}

#[test]
fn no_piece_of_a_dsn_makes_the_parser_panic() {
    for text in MALFORMED {
        for cut in text.char_indices().map(|(index, _)| index) {
            let pieces = [&text[..cut], &text[cut..], &format!("{}é%{}", &text[..cut], &text[cut..])];
            for piece in pieces {
                assert!(!everything_said(piece, &[]).is_empty(), "{piece}");
            }
        }
    }
}
