//! HTTP for the sinks that speak it: one blocking client per sink, used by one thread.
//!
//! Read in this order: [`Endpoint`] (where to), [`Header`] (what is said beside the body), [`Client`] (sends a request
//! and reads its reply within a limit), [`StatusTable`] (what the reply means for the batch).
//!
//! The protocol itself is `ureq`'s. Sockets, tunnels and TLS are our own (`dial`, `socket`, `connection`): a limit
//! holds for the whole request however slowly a server takes or gives bytes, trust is the same as for Postgres, and a
//! descriptor that the program has closed is left alone. Redirects are never followed, replies never decompressed.

mod client;
mod connection;
mod dial;
mod endpoint;
mod header;
mod proxy;
mod reply;
mod resolve;
mod retry_after;
mod socket;
mod status;

pub use client::{Client, Request, gzip};
pub use endpoint::Endpoint;
pub use header::Header;
pub use proxy::{Proxies, Proxy};
pub use reply::Reply;
pub use retry_after::retry_after;
pub use status::{Action, StatusTable};

use std::path::PathBuf;

/// How to reach servers, apart from where they are.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// PEM file of the authorities that may sign a server's certificate; those of browsers and the system without.
    pub certificate: Option<PathBuf>,
    /// PEM file of the client's certificate.
    pub client_certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key: Option<PathBuf>,
    /// Who stands in between.
    pub proxies: Proxies,
}
