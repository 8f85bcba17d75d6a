//! What may be shown of a DSN and of a target: everything but passwords, and nothing that could be a piece of one.

use super::hosts::is_host;
use super::{Host, Target, keywords};
use crate::dsn::{mask, percent};

/// Characters that are escaped in a part of a URI.
const ESCAPED: [char; 14] = ['%', '@', ':', '/', '?', '#', '&', '=', ',', ';', '[', ']', ' ', '"'];

/// The value of an option as it may be shown.
pub(in crate::dsn) fn value(name: &str, value: &str) -> String {
    let is_plain = match name {
        "host" | "hostaddr" => value.split(',').all(is_host),
        "port" => value.chars().all(|c| c.is_ascii_digit() || c == ','),
        "user" | "dbname" => is_name(value),
        _ if mask::is_secret_name(name) => false,
        _ => return mask::mask(value),
    };
    if is_plain { value.to_owned() } else { mask::MASK.to_owned() }
}

/// Whether it is a name of a user or a database, and not both user and password with their escapes gone wrong.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+' | '$' | ' '))
}

/// The keyword form, with values quoted where they have to be.
pub(super) fn keyword_form(pairs: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, given) in pairs {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&quoted(&value(name, given)));
    }
    text
}

fn quoted(value: &str) -> String {
    let is_plain = |c: char| !keywords::is_blank(c) && !c.is_control() && !matches!(c, '\'' | '\\');
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut text = String::from("'");
    for character in value.chars() {
        match character {
            '\'' | '\\' => text.extend(['\\', character]),
            // It would spoil a line of output.
            control if control.is_control() => text.push('?'),
            plain => text.push(plain),
        }
    }
    text.push('\'');
    text
}

/// A URI in front of its query.
pub(super) fn uri(parts: &[(String, String)], hosts: &[(String, String)]) -> String {
    let part = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, text)| text.as_str());
    let mut text = String::from("postgresql://");
    if let Some(user) = part("user") {
        text.push_str(&percent::encode(&value("user", user), &ESCAPED));
    }
    if part("password").is_some() {
        text.push(':');
        text.push_str(mask::MASK);
    }
    if part("user").or(part("password")).is_some() {
        text.push('@');
    }
    for (index, (host, port)) in hosts.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(&authority(host, port));
    }
    if let Some(database) = part("dbname") {
        text.push('/');
        text.push_str(&percent::encode(&value("dbname", database), &ESCAPED));
    }
    text
}

/// `host:port`, with brackets where they belong.
fn authority(host: &str, port: &str) -> String {
    let host = if host.contains(':') && !host.starts_with(['/', '@']) {
        format!("[{}]", percent::encode(host, &['%']))
    } else {
        percent::encode(host, &ESCAPED)
    };
    if port.is_empty() { host } else { format!("{host}:{port}") }
}

impl Target {
    /// The servers, the user and the database, for messages: `postgresql://app@db:5432/app`. Sockets stand behind the
    /// question mark: `postgresql://app@/app?host=/var/run/postgresql&port=5432`. Never holds a password.
    pub fn masked(&self) -> String {
        let user = percent::encode(&value("user", &self.user), &ESCAPED);
        let database = percent::encode(&value("dbname", &self.database), &ESCAPED);
        let name = |host: &Host| match host.address {
            Some(address) if host.name.is_empty() => address.to_string(),
            _ => host.name.clone(),
        };
        let join = |texts: Vec<String>| texts.join(",");
        if self.hosts.iter().any(Host::is_socket) {
            let names =
                self.hosts.iter().map(|host| percent::encode(&name(host), &['%', '&', '#', '@', ' ']));
            let ports = self.hosts.iter().map(|host| host.port.to_string());
            let (names, ports) = (join(names.collect()), join(ports.collect()));
            return format!("postgresql://{user}@/{database}?host={names}&port={ports}");
        }
        let hosts = self.hosts.iter().map(|host| authority(&name(host), &host.port.to_string()));
        format!("postgresql://{user}@{}/{database}", join(hosts.collect()))
    }
}
