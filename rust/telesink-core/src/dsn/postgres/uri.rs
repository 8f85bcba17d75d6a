//! libpq's URI: `postgresql://user:password@host:port,host:port/database?keyword=value`.
//!
//! Read as libpq does, but stricter wherever a reserved character stands unescaped behind the user: it is a piece of
//! a password more often than of a name, and libpq would ask a resolver for it.

use super::hosts::is_host;
use super::shown;
use crate::dsn::percent;
use crate::error::ConfigError;
use std::net::Ipv6Addr;

/// Characters with a meaning of their own in some DSN or other; a name of a host or a database that holds one of them
/// is none.
const RESERVED: [char; 8] = ['@', '#', '/', ':', ';', '=', '&', '?'];

const ESCAPES: &str = "in user, password and names write %40 for `@`, %3A for `:`, %2F for `/`, %3F for `?`, %23 for `#`, \
                       %20 for a space and %25 for `%`";

/// The pieces of a URI.
pub(super) struct Uri<'a> {
    /// The keywords that stand in front of the query, decoded.
    pub(super) parts: Vec<(String, String)>,
    /// What follows the question mark.
    pub(super) query: &'a str,
    /// All but the query, as it may be shown.
    pub(super) shown: String,
}

/// Reads what follows `postgresql://`.
///
/// # Errors
/// Names the place and never the text.
pub(super) fn parse(body: &str) -> Result<Uri<'_>, ConfigError> {
    let (login, rest) = match body.find(['@', '/']) {
        Some(at) if body[at..].starts_with('@') => (&body[..at], &body[at + 1..]),
        _ => ("", body),
    };
    refuse_strays(rest)?;
    let (target, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = target.split_once('/').unwrap_or((target, ""));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut hosts = Vec::new();
    for (index, piece) in authority.split(',').enumerate() {
        hosts.push(host_and_port(piece, index + 1)?);
    }
    let join = |texts: Vec<&str>| texts.join(",");
    let parts = [
        ("user", decoded(user, "user name")?),
        ("password", decoded(password, "password")?),
        ("host", join(hosts.iter().map(|(host, _)| host.as_str()).collect())),
        ("port", join(hosts.iter().map(|(_, port)| port.as_str()).collect())),
        ("dbname", decoded(database, "database name")?),
    ];
    // An empty piece is as good as none; the commas of several hosts are no empty piece.
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Ok(Uri { shown: shown::uri(&parts, &hosts), parts, query })
}

/// Refuses what can only be a piece of user or password that is not escaped.
fn refuse_strays(rest: &str) -> Result<(), ConfigError> {
    let target = rest.split('?').next().unwrap_or_default();
    let database = target.split_once('/').map_or("", |(_, database)| database);
    let refuse = |what: &str| Err(ConfigError::new(format!("the dsn {what}"), ESCAPES));
    if rest.contains('@') {
        return refuse("holds an `@` beside the one in front of the host");
    }
    if rest.contains('#') {
        return refuse("holds a `#` behind the user, which postgresql:// does not take");
    }
    match RESERVED.iter().find(|reserved| database.contains(**reserved)) {
        Some(reserved) => refuse(&format!("has a `{reserved}` in the name of its database")),
        None => Ok(()),
    }
}

/// Decodes a part. A blank in it would end the text for some versions of libpq, and belong to it for others.
fn decoded(text: &str, part: &str) -> Result<String, ConfigError> {
    if text.contains(char::is_whitespace) {
        return Err(ConfigError::new(format!("the {part} in the dsn holds a space"), ESCAPES));
    }
    percent::decode(text, &format!("{part} in the dsn"))
}

/// One host of the list, without brackets, and its port; both may be empty.
fn host_and_port(piece: &str, position: usize) -> Result<(String, String), ConfigError> {
    let refuse = |what: &str| {
        Err(ConfigError::new(
            format!("host {position} in the dsn {what}"),
            "write host:5432, or [::1]:5432 for an address of version 6; \
             in user and password write %40 for `@`, %3A for `:` and %2F for `/`",
        ))
    };
    let (host, port) = match piece.strip_prefix('[') {
        Some(inner) => {
            let Some((address, behind)) = inner.split_once(']') else {
                return refuse("begins with `[`, and there is no `]`");
            };
            let plain = address.split('%').next().unwrap_or_default();
            if plain.parse::<Ipv6Addr>().is_err() {
                return refuse("has brackets around what is no address of version 6");
            }
            match behind.strip_prefix(':') {
                Some(port) => (address, port),
                None if behind.is_empty() => (address, ""),
                None => return refuse("has something else than `:` and a port behind `]`"),
            }
        }
        None => piece.split_once(':').unwrap_or((piece, "")),
    };
    let (host, port) = (decoded(host, "host")?, decoded(port, "port")?);
    if !is_host(&host) {
        return refuse("holds a character that no host name has");
    }
    if !port.is_empty() && super::hosts::port(&port).is_none() {
        return refuse("has a port that is no number from 1 to 65535");
    }
    Ok((host, port))
}
