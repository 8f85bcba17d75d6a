//! TLS to a server in libpq's terms.

#[cfg(test)]
pub(super) mod tests;

use super::failure::{Cause, Failure, Phase};
use crate::dsn::postgres::{RootCertificates, SslMode, Target};
pub(super) use crate::tls::Trust;
use crate::tls::{Fault, OptionNames, Roots, Setup, client_config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Name of Postgres' protocol for ALPN, as registered with IANA.
const PROTOCOL: &[u8] = b"postgresql";

/// What libpq calls the options.
const NAMES: OptionNames = OptionNames { roots: "sslrootcert", certificate: "sslcert", key: "sslkey" };

/// Which servers are trusted under a mode. An authority that signs for the whole world makes a certificate for any name
/// worthless, so that without a file of one's own the name is always looked at.
pub(super) fn trust(mode: SslMode, roots: Option<&RootCertificates>) -> Trust {
    let is_own = matches!(roots, Some(RootCertificates::File(_)));
    match mode {
        SslMode::Disable | SslMode::Allow | SslMode::Prefer => Trust::Anyone,
        SslMode::Require if roots.is_none() => Trust::Anyone,
        SslMode::Require | SslMode::VerifyCa if is_own => Trust::Chain,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Trust::ChainAndName,
    }
}

/// Reads the certificates. Done anew for each connection, so that those that were exchanged meanwhile are seen.
pub(super) fn prepare(target: &Target, trust: Trust) -> Result<MakeRustlsConnect, Failure> {
    let roots = match &target.root_certificates {
        Some(RootCertificates::File(path)) => Roots::File(path),
        Some(RootCertificates::System) => Roots::System,
        None => Roots::Public,
    };
    let key = target.certificate_key.as_deref();
    let identity = target.certificate.as_deref().map(|certificate| (certificate, key));
    let setup = Setup { trust, roots, identity, names: &NAMES };
    let mut config = client_config(&setup)
        .map_err(|Fault { message, hint }| Failure::new(Phase::Tls, Cause::Config { message, hint }))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}
