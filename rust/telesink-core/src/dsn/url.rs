//! `user:password@host:port/path`, as it stands behind `://` in the DSN of an HTTP server.

use super::{Secret, mask, percent};
use crate::error::ConfigError;

/// Longest host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// The parts of an address. Printed, user and password are hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Url {
    /// What stands in front of the first colon before an `@`, decoded.
    pub user: Option<Secret>,
    /// What stands between that colon and the `@`, decoded.
    pub password: Option<Secret>,
    /// A name in lower case or an address without brackets; empty if there is none.
    pub host: String,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// Begins with a slash and does not end with one, or is empty. Percent escapes are kept.
    pub path: String,
}

impl Url {
    /// Reads what stands behind `://`. `place` says where, for errors: `the dsn`.
    ///
    /// # Errors
    /// Says what is wrong without showing the text, any part of which may be a password.
    pub fn parse(text: &str, place: &str) -> Result<Self, ConfigError> {
        let slash = text.find('/').unwrap_or(text.len());
        let (authority, path) = text.split_at(slash);
        let escapes = "in user and password, write %40 for `@`, %2F for `/` and %3A for `:`";
        let wrong = |what: &str, hint: &str| Err(ConfigError::new(format!("{place} {what}"), hint));
        if path.contains('@') {
            return wrong("holds an `@` behind a slash", escapes);
        }
        let (userinfo, server) = match authority.rsplit_once('@') {
            Some((userinfo, server)) => (Some(userinfo), server),
            None => (None, authority),
        };
        if userinfo.is_some_and(|userinfo| userinfo.contains('@')) {
            return wrong("holds two `@`", escapes);
        }
        let mut url = Self::of_server(server, place)?;
        if let Some(userinfo) = userinfo {
            if url.host.is_empty() {
                return wrong("names no host behind the `@`", "write user:password@host");
            }
            let (user, password) = match userinfo.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            let decoded = |part: &str, what: &str| percent::decode(part, &format!("{what} in {place}"));
            url.user = Some(Secret::new(decoded(user, "user")?));
            url.password = password.map(|part| decoded(part, "password").map(Secret::new)).transpose()?;
        }
        let is_path_byte = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte);
        if !path.bytes().all(is_path_byte) {
            return wrong("holds a path with characters that have to be escaped", "write %20 for a blank");
        }
        path.trim_end_matches('/').clone_into(&mut url.path);
        Ok(url)
    }

    fn of_server(text: &str, place: &str) -> Result<Self, ConfigError> {
        let wrong = |what: &str, hint: &str| Err(ConfigError::new(format!("{place} {what}"), hint));
        let (host, port) = if let Some(behind) = text.strip_prefix('[') {
            let Some((address, rest)) = behind.split_once(']') else {
                return wrong("holds a `[` that is not closed", "write an IPv6 address like [::1]:4318");
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return wrong("holds brackets without an IPv6 address in them", "write it like [::1]:4318");
            }
            match rest.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if rest.is_empty() => (address, None),
                None => return wrong("holds something between `]` and the port", "write it like [::1]:4318"),
            }
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.len() > HOST_BYTES_MAX || !host.bytes().all(is_host_byte) {
            let hint = "one host of letters, digits, `-` and `.` is taken; write others as xn--...";
            return wrong("holds a host name with other characters than names have", hint);
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return wrong("holds a port that is no number from 1 to 65535", "write host:port"),
        };
        if host.is_empty() && port.is_some() {
            return wrong("names a port without a host", "write host:port");
        }
        Ok(Self { host: host.to_ascii_lowercase(), port, ..Self::default() })
    }

    /// As it may be shown.
    pub fn masked(&self) -> String {
        let escaped = |user: &Secret| percent::encode(user.reveal(), &[':', '@', '/', '%']);
        let user = match (&self.user, &self.password) {
            (Some(user), Some(_)) => format!("{}:{}@", escaped(user), mask::MASK),
            // Alone it may be a token.
            (Some(_), None) => format!("{}@", mask::MASK),
            (None, _) => String::new(),
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{user}{host}{port}{}", mask::mask(&self.path))
    }
}
