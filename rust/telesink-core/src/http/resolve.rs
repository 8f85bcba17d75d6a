//! The addresses behind a name.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Addresses of one name that are tried: each may cost a whole time limit.
const ADDRESSES_MAX: usize = 8;

/// Threads that may hang in the system's resolver at once, for one client.
const THREADS_MAX: usize = 2;

/// Asks the system's resolver on a thread of its own: it knows no time limit.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    waiting: Arc<AtomicUsize>,
}

/// Why there is no address.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The name does not exist, or the resolver failed.
    Failed(io::Error),
    /// No answer within the limit, or questions before are still open.
    Late,
}

impl Resolver {
    /// The addresses of a host, at least one.
    pub(super) fn resolve(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, Unresolved> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= THREADS_MAX {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Unresolved::Late);
        }
        let (sender, receiver) = sync_channel(1);
        let (name, waiting) = (host.to_owned(), Arc::clone(&self.waiting));
        let asking = std::thread::Builder::new().name("telesink-resolv".to_owned()).spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs();
            waiting.fetch_sub(1, Ordering::AcqRel);
            // Nobody listens any more where the limit has passed.
            drop(sender.send(found));
        });
        if let Err(error) = asking {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Unresolved::Failed(error));
        }
        let found = match receiver.recv_timeout(limit) {
            Ok(found) => found.map_err(Unresolved::Failed)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(Unresolved::Late),
        };
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(Unresolved::Failed(io::Error::other("it has no address")));
        }
        Ok(addresses)
    }
}
