//! Opens connections: the name, the socket, the tunnel through a proxy, TLS.

use super::Transport;
use super::connection::{Connection, Failed, Stream};
use super::endpoint::Endpoint;
use super::proxy::Proxy;
use super::resolve::{Resolver, Unresolved};
use super::socket::Socket;
use crate::clock;
use crate::error::WriteError;
use crate::tls::words::{Verdict, find_tls, verdict};
use crate::tls::{Fault, OptionNames, Roots, Setup, Trust, client_config};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver as Addresses};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

/// What the options are called.
const NAMES: OptionNames =
    OptionNames { roots: "certificate", certificate: "client_certificate", key: "client_key" };

/// Name of the protocol for ALPN: HTTP/2 is not spoken.
const PROTOCOL: &[u8] = b"http/1.1";

/// Counters of one client, to tell what an attempt has come to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Connections opened.
    pub(super) dialled: AtomicU64,
    /// Bytes handed to the system.
    pub(super) written: Arc<AtomicU64>,
}

/// Opens the connections of one client.
#[derive(Debug)]
pub(super) struct Dialler {
    pub(super) transport: Transport,
    /// Longest time for a connection, with all that belongs to it, per address.
    pub(super) connect: Duration,
    pub(super) resolver: Resolver,
    pub(super) progress: Arc<Progress>,
}

/// Who is called, for messages.
#[derive(Debug, Clone)]
pub(super) struct Dialling {
    pub(super) endpoint: Endpoint,
}

/// The names are looked up by [`Dialler`]: behind a proxy only the proxy's own.
#[derive(Debug)]
pub(super) struct LookUpLater;

impl Addresses for LookUpLater {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl Connector<()> for Dialler {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Connection>, ureq::Error> {
        let (is_tls, uri) = (details.needs_tls(), details.uri);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let endpoint = Endpoint { is_tls, host, port, path: String::new() };
        let left =
            if details.timeout.after.is_not_happening() { self.connect } else { *details.timeout.after };
        let end = clock::monotonic() + left;
        let opened = self.open(&Dialling { endpoint }, end).map_err(Failed::wrap)?;
        self.progress.dialled.fetch_add(1, Ordering::Relaxed);
        Ok(Some(opened))
    }
}

impl Dialler {
    fn open(&self, dialling: &Dialling, end: Instant) -> Result<Connection, WriteError> {
        let endpoint = &dialling.endpoint;
        let proxy = self.transport.proxies.for_endpoint(endpoint);
        let next = proxy.map_or(endpoint, |proxy| &proxy.endpoint);
        let limit = self.connect.min(end.saturating_duration_since(clock::monotonic()));
        let addresses = self
            .resolver
            .resolve(&next.host, next.port, limit)
            .map_err(|error| unresolved(next, &error, limit))?;
        let mut last = WriteError::retry(format!("{next} cannot be reached"));
        for address in addresses {
            let deadline = end.min(clock::monotonic() + self.connect);
            let opened = Socket::connect(address, deadline, Arc::clone(&self.progress.written));
            match opened.map_err(|error| unreachable(next, &error, self.connect)) {
                Ok(socket) => return self.complete(socket, proxy, dialling),
                Err(error) => last = error,
            }
            if clock::monotonic() >= end {
                break;
            }
        }
        Err(last)
    }

    fn complete(
        &self,
        mut socket: Socket,
        proxy: Option<&Proxy>,
        dialling: &Dialling,
    ) -> Result<Connection, WriteError> {
        let endpoint = &dialling.endpoint;
        if let Some(proxy) = proxy {
            proxy.open_tunnel(&mut socket, endpoint)?;
        }
        let stream = if endpoint.is_tls {
            Stream::Tls(Box::new(self.handshake(socket, dialling)?))
        } else {
            Stream::Plain(socket)
        };
        Ok(Connection::new(stream, dialling.clone()))
    }

    /// The certificates are read anew each time, so that those that were exchanged meanwhile are seen.
    fn handshake(
        &self,
        mut socket: Socket,
        dialling: &Dialling,
    ) -> Result<StreamOwned<ClientConnection, Socket>, WriteError> {
        let endpoint = &dialling.endpoint;
        let Transport { certificate, client_certificate, client_key, .. } = &self.transport;
        let identity = client_certificate.as_deref().map(|path| (path, client_key.as_deref()));
        let roots = certificate.as_deref().map_or(Roots::Public, Roots::File);
        let setup = Setup { trust: Trust::ChainAndName, roots, identity, names: &NAMES };
        let mut config =
            client_config(&setup).map_err(|Fault { message, hint }| WriteError::hold(message, hint))?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| WriteError::hold(format!("{endpoint} has no name for TLS"), "correct the host"))?;
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| {
            WriteError::hold(format!("TLS cannot be set up: {error}"), "report this as a bug")
        })?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| self.broken_handshake(dialling, &error))?;
        }
        Ok(StreamOwned::new(connection, socket))
    }

    fn broken_handshake(&self, dialling: &Dialling, error: &io::Error) -> WriteError {
        let endpoint = &dialling.endpoint;
        if let Some(found) = find_tls(error) {
            return dialling.tls_error(found);
        }
        if error.kind() == io::ErrorKind::TimedOut {
            let limit = self.connect;
            return WriteError::retry(format!(
                "{endpoint} does not finish the TLS handshake within {limit:?}"
            ));
        }
        WriteError::retry(format!("{endpoint} broke off the TLS handshake ({error})"))
    }
}

impl Dialling {
    /// What an error of TLS means. Nothing is ever sent in plain text instead.
    pub(super) fn tls_error(&self, error: &rustls::Error) -> WriteError {
        let endpoint = &self.endpoint;
        let hold = |message: &str, hint| WriteError::hold(format!("{endpoint}: {message}"), hint);
        match verdict(error) {
            Verdict::Untrusted(message) => hold(
                &format!("the server is not trusted: {message}"),
                "give the authority that signed it: certificate=FILE",
            ),
            Verdict::ClientRefused(message) => {
                hold(&message, "give a certificate that it trusts: client_certificate=FILE, client_key=FILE")
            }
            Verdict::Incompatible(message) => hold(&message, "let the server speak TLS 1.2 or 1.3"),
            Verdict::Lost(message) if matches!(error, rustls::Error::InvalidMessage(_)) => {
                hold(&message, "write the scheme without TLS if the server speaks plain HTTP")
            }
            Verdict::Lost(message) => WriteError::retry(format!("{endpoint}: {message}")),
        }
    }
}

fn unresolved(endpoint: &Endpoint, error: &Unresolved, limit: Duration) -> WriteError {
    let host = &endpoint.host;
    match error {
        Unresolved::Late => WriteError::retry(format!("no answer for the name {host} within {limit:?}")),
        Unresolved::Failed(error) => {
            let words = error.to_string();
            let words = words.strip_prefix("failed to lookup address information: ").unwrap_or(&words);
            WriteError::retry(format!("no address for {host} ({words})")).with_hint("check the host's name")
        }
    }
}

fn unreachable(endpoint: &Endpoint, error: &io::Error, limit: Duration) -> WriteError {
    if error.kind() == io::ErrorKind::TimedOut {
        return WriteError::retry(format!("{endpoint} does not answer within {limit:?}"));
    }
    WriteError::retry(format!("{endpoint} cannot be reached: {error}"))
}
