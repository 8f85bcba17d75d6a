//! libpq's way of saying where a server is and how to log in: URI or keywords, `PG*` variables, service file and
//! password file.
//!
//! Stricter than libpq in a few places, always with an error that says so: a keyword has one value, reserved
//! characters are escaped, and what this version cannot do is refused. Safer in two: without `sslmode`, other machines
//! have to show a certificate that browsers would trust (`verify-full`), and of several hosts one that takes writes is
//! looked for.

mod environment;
mod files;
mod forms;
mod hosts;
mod keywords;
mod passfile;
mod resolve;
mod service;
mod shown;
#[cfg(test)]
mod tests;
mod tls;
mod unsupported;
mod uri;
mod values;

pub use super::Secret;
pub use environment::Environment;
pub(super) use keywords::is_keyword_form;
pub use resolve::target;
pub(super) use shown::value as shown_value;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One of the servers to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// A DNS name or address as written, or the directory of a unix socket (begins with `/`, or `@` for Linux's
    /// abstract namespace). Certificates and the password file are looked up by it.
    pub name: String,
    /// `hostaddr`: the address to connect to without asking a resolver.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Host {
    /// Whether it is reached through a unix socket.
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && self.name.starts_with(['/', '@'])
    }

    /// Whether nothing leaves this machine on the way to it: a unix socket, `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        let address = self.address.or_else(|| self.name.parse().ok());
        self.is_socket()
            || address.map_or(self.name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }
}

/// libpq's `sslmode`, from the least to the most secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Plain text only.
    Disable,
    /// Plain text first, TLS if that is refused.
    Allow,
    /// TLS without verification if the server offers it, else plain text.
    Prefer,
    /// TLS; the chain is verified only if a root certificate is given.
    Require,
    /// TLS with a verified chain.
    VerifyCa,
    /// TLS with a verified chain and host name.
    VerifyFull,
}

/// libpq's `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where both sides can.
    Prefer,
    /// Or no log-in.
    Require,
}

/// libpq's `target_session_attrs`, as far as a writer has a use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttributes {
    /// Whoever answers first.
    Any,
    /// A server that takes writes by default.
    ReadWrite,
    /// A server that is no standby.
    Primary,
}

/// Where root certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// `sslrootcert=system`: those of the operating system.
    System,
    /// A PEM file.
    File(PathBuf),
}

/// Where a Postgres server is and how to log in, everything resolved but the password file, which is read at each
/// connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The servers in the order given; at least one.
    pub hosts: Vec<Host>,
    /// User name.
    pub user: String,
    /// Database name.
    pub database: String,
    /// Password from the DSN or `PGPASSWORD`; otherwise see [`Target::password_for`].
    pub password: Option<Secret>,
    /// The password file, whether it exists or not.
    pub passfile: Option<PathBuf>,
    /// `application_name`, `telesink` unless given.
    pub application_name: String,
    /// `options` for the server's command line; not sent unless given, because `PgBouncer` refuses it.
    pub options: Option<String>,
    /// As given; see [`Target::ssl_mode_for`].
    pub ssl_mode: Option<SslMode>,
    /// Root certificates; none given means webpki's and the platform's.
    pub root_certificates: Option<RootCertificates>,
    /// Client certificate (PEM chain).
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub certificate_key: Option<PathBuf>,
    /// `sslnegotiation=direct` (Postgres 17): TLS without asking first.
    pub is_direct_tls: bool,
    /// Channel binding.
    pub channel_binding: ChannelBinding,
    /// Which servers will do.
    pub session_attributes: SessionAttributes,
    /// `load_balance_hosts=random`: hosts are tried in random order.
    pub is_load_balanced: bool,
    /// `connect_timeout` as given in libpq's way (whole seconds); the setting of telesink otherwise.
    pub connect_timeout: Option<Duration>,
    /// TCP keep-alive; none if switched off.
    pub keepalive: Option<Keepalive>,
    /// `tcp_user_timeout`.
    pub tcp_user_timeout: Option<Duration>,
}

/// TCP keep-alive. What is not given is the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// `keepalives_idle`.
    pub idle: Duration,
    /// `keepalives_interval`.
    pub interval: Option<Duration>,
    /// `keepalives_count`.
    pub count: Option<u32>,
}

impl Target {
    /// How to use TLS with this host. Unset means `prefer` where nothing leaves the machine, `verify-full` elsewhere.
    pub fn ssl_mode_for(&self, host: &Host) -> SslMode {
        match self.ssl_mode {
            Some(mode) => mode,
            None if host.is_local() => SslMode::Prefer,
            None => SslMode::VerifyFull,
        }
    }
}
