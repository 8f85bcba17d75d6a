//! What a process brings along: variables, a home directory, a user, and sockets of servers on this machine.

use super::keywords::KEYWORDS;
use crate::error::ConfigError;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Directories where servers put their sockets: Debian's and that of Postgres itself.
pub(super) const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Where the service file of the machine is, unless `PGSYSCONFDIR` says so: Debian's place.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// Variables beside those that stand for a keyword.
const OTHER_VARIABLES: [&str; 6] = ["PGSYSCONFDIR", "HOME", "APPDATA", "USER", "LOGNAME", "USERNAME"];

/// What libpq asks its process for. Read once, and made up in tests.
#[derive(Clone)]
pub struct Environment {
    variables: HashMap<&'static str, OsString>,
    /// Whether the accounts of the system may be asked for what the variables do not say.
    asks_system: bool,
    /// Directories where a server's socket may be.
    pub(super) socket_directories: Vec<PathBuf>,
}

impl fmt::Debug for Environment {
    /// Values stay out: one of them is `PGPASSWORD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("variables", &self.variables.keys()).finish_non_exhaustive()
    }
}

impl Environment {
    /// Asks `lookup` for each variable of interest; nothing else is known of the process. A variable that is empty
    /// counts as not set. There are no sockets.
    pub fn new(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let names = KEYWORDS.iter().filter_map(|(_, variable)| *variable).chain(OTHER_VARIABLES);
        let found = names.filter_map(|name| Some((name, lookup(name).filter(|value| !value.is_empty())?)));
        Self { variables: found.collect(), asks_system: false, socket_directories: Vec::new() }
    }

    /// The environment of this process. To be called where the program sets its pipeline up: reading variables while
    /// another thread changes them is not safe in every C library.
    pub fn of_process() -> Self {
        let socket_directories = if cfg!(unix) { &SOCKET_DIRECTORIES[..] } else { &[] };
        Self {
            asks_system: true,
            socket_directories: socket_directories.iter().map(PathBuf::from).collect(),
            ..Self::new(|name| std::env::var_os(name))
        }
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// It is no text. A password that is left out would be told from a wrong one by nobody.
    pub(super) fn variable(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.variables.get(name) else { return Ok(None) };
        let Some(text) = value.to_str() else {
            let message = format!("the environment variable {name} is not UTF-8");
            return Err(ConfigError::new(message, "correct it, or give the value in the dsn"));
        };
        Ok(Some(text))
    }

    /// The name that the user has on this machine: that of the effective user, as for libpq; what the variables say
    /// where the system knows no name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn user_name(&self) -> Result<String, ConfigError> {
        let account = if self.asks_system { system::account() } else { None };
        if let Some(account) = account {
            return Ok(account.name);
        }
        for name in ["USER", "LOGNAME", "USERNAME"] {
            if let Some(user) = self.variable(name)? {
                return Ok(user.to_owned());
            }
        }
        Err(ConfigError::new(
            "no user is given for postgresql://, and the system has no name for the one that runs this process",
            "write postgresql://user@host/database, or user=",
        ))
    }

    /// A file of the user: `unix` in the home directory, or `windows` in the folder of Postgres' settings.
    pub(super) fn personal_file(&self, unix: &str, windows: &str) -> Option<PathBuf> {
        if cfg!(windows) {
            return Some(PathBuf::from(self.variables.get("APPDATA")?).join("postgresql").join(windows));
        }
        let home = self.variables.get("HOME").map(PathBuf::from);
        let home = home.or_else(|| if self.asks_system { Some(system::account()?.home) } else { None });
        Some(home?.join(unix))
    }

    /// The service file of the machine.
    pub(super) fn system_service_file(&self) -> Option<PathBuf> {
        let given = self.variables.get("PGSYSCONFDIR").map(PathBuf::from);
        let directory = given.or_else(|| (self.asks_system && cfg!(unix)).then(|| SYSTEM_DIRECTORY.into()));
        Some(directory?.join("pg_service.conf"))
    }

    /// Where a server is expected if no host is given: behind its socket, or else on this machine.
    pub(super) fn default_host(&self, port: u16) -> String {
        let has_socket = |directory: &&PathBuf| directory.join(format!(".s.PGSQL.{port}")).exists();
        let found = self.socket_directories.iter().find(has_socket);
        found.map_or_else(|| "localhost".to_owned(), |directory| directory.to_string_lossy().into_owned())
    }
}

/// An entry in the system's list of users.
struct Account {
    name: String,
    home: PathBuf,
}

#[cfg(unix)]
mod system {
    use super::Account;
    use nix::unistd::{User, geteuid};

    /// The effective user's. An answer that does not come is as good as none.
    pub(super) fn account() -> Option<Account> {
        let user = User::from_uid(geteuid()).ok()??;
        Some(Account { name: user.name, home: user.dir })
    }
}

#[cfg(not(unix))]
mod system {
    use super::Account;

    /// Left to the variables.
    pub(super) fn account() -> Option<Account> {
        None
    }
}
