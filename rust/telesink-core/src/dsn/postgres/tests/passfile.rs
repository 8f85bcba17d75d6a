//! The password file.

use super::*;
use crate::dsn::postgres::Host;
use std::fs;

/// The answer of a password file with this content and mode for the only host of `text`.
fn answer(content: &[u8], mode: u32, text: &str) -> Result<Option<String>, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pass");
    fs::write(&file, content).unwrap();
    set_mode(&file, mode);
    let target = resolve_with(text, &[], &[("PGPASSFILE", file.to_str().unwrap())]).unwrap();
    let found = target.password_for(&target.hosts[0])?;
    Ok(found.map(|password| password.reveal().to_owned()))
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) {}

#[test]
fn lines_fit_by_libpqs_rules_and_the_first_that_fits_counts() {
    let text = "postgresql://ada@db:5433/app";
    let table = [
        ("db:5433:app:ada:pw", Some("pw")),
        ("db:5433:app:ada:pw\n", Some("pw")),
        ("db:5433:app:ada:pw\r\n", Some("pw")),
        ("*:*:*:*:pw", Some("pw")),
        ("*:5433:*:ada:pw", Some("pw")),
        ("other:*:*:*:a\ndb:*:*:*:b\n*:*:*:*:c", Some("b")),
        ("#db:5433:app:ada:a\n\ndb:5433:app:ada:b", Some("b")),
        (r"d\b:5433:app:ada:p\:w\\x\y", Some(r"p:w\xy")),
        (r"db:5433:app:ada:pw\", Some(r"pw\")),
        ("db:5433:app:ada:pw:more", Some("pw")),
        ("db:5433:app:ada: p w ", Some(" p w ")),
        ("db:5433:app:ada:", None),
        ("db:5432:app:ada:pw", None),
        ("db:5433:app:bob:pw", None),
        ("db:5433:ap:ada:pw", None),
        ("db:5433:app:ada", None),
        ("d*:5433:app:ada:pw", None),
        ("**:5433:app:ada:pw", None),
        (" db:5433:app:ada:pw", None),
        ("DB:5433:app:ada:pw", None),
        ("", None),
    ];

    for (content, password) in table {
        assert_eq!(Ok(password.map(str::to_owned)), answer(content.as_bytes(), 0o600, text), "{content}");
    }
}

#[test]
fn a_host_is_looked_up_by_its_name_and_a_default_socket_as_localhost() {
    let table = [
        ("host=db hostaddr=10.0.0.1", "db:*:*:*:pw"),
        ("hostaddr=10.0.0.1", "10.0.0.1:*:*:*:pw"),
        ("host=::1", r"\:\:1:*:*:*:pw"),
        ("host=/var/run/postgresql", "localhost:5432:*:*:pw"),
        ("host=/tmp", "localhost:5432:*:*:pw"),
        ("host=/srv/sockets", "/srv/sockets:5432:*:*:pw"),
        ("postgresql://", "localhost:5432:ada:ada:pw"),
    ];

    for (text, content) in table {
        assert_eq!(Ok(Some("pw".to_owned())), answer(content.as_bytes(), 0o600, text), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused_with_the_remedy() {
    for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
        let error = answer(b"*:*:*:*:hunter2", mode, "postgresql://db").unwrap_err();

        assert!(error.contains(&format!("can be read by others (mode {mode:04o})")), "{error}");
        assert!(error.contains("chmod 600 /"), "{error}");
        assert!(!error.contains("hunter2"));
    }
    for mode in [0o600, 0o400, 0o700] {
        assert!(answer(b"*:*:*:*:pw", mode, "postgresql://db").unwrap().is_some(), "{mode:o}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_and_one_that_is_not_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let ask = |file: &str| {
        let target = resolve_with("postgresql://db", &[], &[("PGPASSFILE", file)]).unwrap();
        target.password_for(&target.hosts[0]).map(|found| found.is_some())
    };

    assert_eq!(Ok(false), ask(&format!("{path}/missing")));
    assert_eq!(Ok(false), ask("/dev/null/.pgpass"));
    assert!(ask(path).unwrap_err().contains("it is no regular file"));
    let error = answer(b"*:*:*:*:\xff", 0o600, "postgresql://db").unwrap_err();
    assert!(error.contains("is not UTF-8"), "{error}");
    let error = answer(&vec![b'#'; (1 << 20) + 1], 0o600, "postgresql://db").unwrap_err();
    assert!(error.contains("it is larger than 1048576 bytes"), "{error}");
}

#[test]
fn the_file_is_asked_at_each_connect_and_only_without_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".pgpass");
    let home = directory.path().to_str().unwrap();
    let write = |password: &str| {
        fs::write(&file, format!("*:*:*:*:{password}")).unwrap();
        set_mode(&file, 0o600);
    };
    let password = |target: &Target, host: &Host| {
        target.password_for(host).unwrap().map(|password| password.reveal().to_owned())
    };
    let open = resolve_with("postgresql://db", &[], &[("HOME", home)]).unwrap();
    let given = resolve_with("postgresql://ada:dsn@db", &[], &[("HOME", home)]).unwrap();
    let empty = resolve_with("password=''", &[], &[("HOME", home), ("PGPASSWORD", "variable")]).unwrap();

    assert_eq!(None, password(&open, &open.hosts[0]));
    write("first");
    assert_eq!(Some("first".to_owned()), password(&open, &open.hosts[0]));
    write("second");
    assert_eq!(Some("second".to_owned()), password(&open, &open.hosts[0]));
    assert_eq!(Some("second".to_owned()), password(&empty, &empty.hosts[0]));
    assert_eq!(Some("dsn".to_owned()), password(&given, &given.hosts[0]));
}
