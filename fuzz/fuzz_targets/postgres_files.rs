//! A service file and a password file: no panic, and what is wrong is said without what stands there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use telesink_core::dsn::Dsn;
use telesink_core::dsn::postgres::{Environment, target};

/// Stands behind `password=` in each section, and in each line of a password file.
const CANARY: &str = "c4naryPassw0rd";

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("telesink-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
});

fn write(name: &str, content: &[u8]) -> String {
    let path = FOLDER.join(name);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a file");
    file.set_permissions(PermissionsExt::from_mode(0o600)).expect("our own file");
    std::io::Write::write_all(&mut file, content).expect("room");
    path.display().to_string()
}

fuzz_target!(|input: &[u8]| {
    if String::from_utf8_lossy(input).contains(CANARY) {
        return; // Who looks for coverage learns the word, and puts it where it may be shown.
    }
    let service = write("service.conf", &[b"[app]\npassword=c4naryPassw0rd\n", input].concat());
    let passwords = write("passwords", &[input, b"\n*:*:*:*:c4naryPassw0rd\n"].concat());
    let environment = Environment::new(|name| (name == "USER").then(|| OsString::from("app")));
    for text in [
        format!("service=app servicefile={service}"),
        format!("host=db user=app dbname=app passfile={passwords}"),
    ] {
        let mut dsn = Dsn::parse(&text, &[], Path::new("/")).expect("a proper dsn");
        match target(&mut dsn, &environment) {
            Ok(target) => {
                assert!(!format!("{target:?}{}", target.masked()).contains(CANARY), "{target:?}");
                for host in &target.hosts {
                    match target.password_for(host) {
                        Ok(password) => assert!(!format!("{password:?}").contains(CANARY)),
                        Err(error) => assert!(!error.contains(CANARY), "{error}"),
                    }
                }
            }
            Err(error) => assert!(!format!("{error}{error:?}").contains(CANARY), "{error:?}"),
        }
    }
});
