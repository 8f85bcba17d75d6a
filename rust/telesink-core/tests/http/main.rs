//! Requests over real sockets, to servers that answer as a test wants.

mod faults;
mod keepalive;
mod limits;
mod proxies;
mod requests;
mod statuses;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::time::Duration;
use support::http::Server;
use telesink_core::error::WriteError;
use telesink_core::http::{Client, Endpoint, Header, Reply, Request, Transport};

/// A limit that no test lives to see.
const LONG: Duration = Duration::from_secs(30);

/// A limit that tests wait for.
const SHORT: Duration = Duration::from_millis(150);

fn client() -> Client {
    client_within(LONG)
}

fn client_within(total: Duration) -> Client {
    Client::new(Transport::default(), total, total)
}

fn endpoint(server: &Server) -> Endpoint {
    address(&format!("http://{}/v1/logs", server.authority()))
}

fn address(text: &str) -> Endpoint {
    Endpoint::parse(text, "the test").expect("an address").0
}

fn post(client: &mut Client, server: &Server, body: &[u8]) -> Result<Reply, WriteError> {
    post_to(client, &endpoint(server), &[], body)
}

fn post_to(
    client: &mut Client,
    endpoint: &Endpoint,
    headers: &[Header],
    body: &[u8],
) -> Result<Reply, WriteError> {
    let content_type = "application/x-protobuf";
    client.send(&Request { endpoint, content_type, headers, body: Some(body), is_gzip: false })
}
