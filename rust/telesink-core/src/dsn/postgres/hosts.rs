//! The servers to try: libpq's lists of hosts, addresses and ports.

use super::Host;
use super::environment::Environment;
use super::values::{Value, Values};
use crate::error::ConfigError;
use std::net::IpAddr;

/// Postgres' port, as registered with IANA.
const PORT_DEFAULT: u16 = 5432;

/// Whether it is a name, an address, the directory of a unix socket, or nothing, which stands for the default. What
/// is none of them is never shown: it is likely to be a piece of a URI that went wrong.
pub(super) fn is_host(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    text.starts_with(['/', '@'])
        || address.parse::<IpAddr>().is_ok()
        || text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Reads a port.
pub(super) fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port != 0)
}

/// The servers in the order given; at least one.
pub(super) fn read(values: &mut Values<'_>, environment: &Environment) -> Result<Vec<Host>, ConfigError> {
    let names = List::take(values, "host")?;
    let addresses = List::take(values, "hostaddr")?;
    let ports = List::take(values, "port")?;
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        return Err(unequal(addresses, "hostaddr", names.len(), "give an address for each host"));
    }
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, List::len);
    if let Some(ports) = ports.as_ref().filter(|ports| ports.len() != 1 && ports.len() != count) {
        return Err(unequal(ports, "port", count, "give one port for all hosts, or one for each"));
    }
    let mut hosts = Vec::with_capacity(count);
    for index in 0..count {
        let port = match ports.as_ref().map_or("", |ports| ports.element(index)) {
            "" => PORT_DEFAULT,
            text => port(text).ok_or_else(|| wrong(ports.as_ref(), "port", "a port from 1 to 65535"))?,
        };
        let address = match addresses.as_ref().map_or("", |addresses| addresses.element(index)) {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| {
                wrong(addresses.as_ref(), "hostaddr", "an IP address (names belong into `host`)")
            })?),
        };
        let name = match names.as_ref().map_or("", |names| names.element(index)) {
            "" if address.is_none() => environment.default_host(port),
            name if is_host(name) => name.to_owned(),
            _ => {
                return Err(wrong(
                    names.as_ref(),
                    "host",
                    "a host name, an address or the path of a directory",
                ));
            }
        };
        hosts.push(Host { name, address, port });
    }
    Ok(hosts)
}

/// A list with commas, as it was given.
struct List(Value);

impl List {
    /// One that is empty counts as not given.
    fn take(values: &mut Values<'_>, name: &'static str) -> Result<Option<Self>, ConfigError> {
        Ok(values.take(name)?.filter(|value| !value.text.is_empty()).map(Self))
    }

    fn len(&self) -> usize {
        self.0.text.split(',').count()
    }

    /// The element at `index`; the only one stands for all.
    fn element(&self, index: usize) -> &str {
        let mut elements = self.0.text.split(',');
        if self.len() == 1 { &self.0.text } else { elements.nth(index).unwrap_or_default() }
    }
}

/// An element that cannot be used. It is not shown, it could be a piece of a password.
fn wrong(list: Option<&List>, name: &str, expected: &str) -> ConfigError {
    let source = list.map_or("the dsn", |list| &list.0.source);
    ConfigError::new(
        format!("option `{name}` (from {source}) holds something else than {expected}"),
        "several are separated by commas, without spaces",
    )
}

fn unequal(list: &List, name: &str, hosts: usize, hint: &str) -> ConfigError {
    let (count, source) = (list.len(), &list.0.source);
    ConfigError::new(
        format!("option `{name}` (from {source}) holds {count} elements for {hosts} hosts"),
        hint,
    )
}
