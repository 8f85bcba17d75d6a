//! TLS to a server: who is trusted, and with which certificates.

mod files;
mod verify;

#[cfg(test)]
pub(super) mod tests;

use super::failure::{Cause, Failure, Phase};
use crate::dsn::postgres::{RootCertificates, SslMode, Target};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;
use verify::Verifier;

/// Name of Postgres' protocol for ALPN, as registered with IANA.
const PROTOCOL: &[u8] = b"postgresql";

/// Which servers are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers: only those who merely listen are kept out.
    Anyone,
    /// A certificate that a trusted authority has signed, for any name.
    Chain,
    /// The same, for the name of the host.
    ChainAndName,
}

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
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(target, trust, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| mended_by(format!("TLS cannot be set up: {error}"), "report this as a bug"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &target.certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let (chain, key) = files::client_identity(certificate, target.certificate_key.as_deref())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let message = format!("sslcert={} and its key do not fit: {error}", certificate.display());
                mended_by(message, "give the key that the certificate was made for: sslkey=FILE")
            })?
        }
    };
    // A session can only be resumed by the configuration that it was made with.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn verifier(target: &Target, trust: Trust, provider: &CryptoProvider) -> Result<Verifier, Failure> {
    let algorithms = provider.signature_verification_algorithms;
    if trust == Trust::Anyone {
        return Ok(Verifier::of_anyone(algorithms));
    }
    let (store, pinned) = match &target.root_certificates {
        Some(RootCertificates::File(path)) => own_roots(path)?,
        Some(RootCertificates::System) => (public_roots(RootCertStore::empty())?, Vec::new()),
        None => {
            let mozilla = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            (public_roots(mozilla)?, Vec::new())
        }
    };
    Ok(Verifier::of_roots(store, pinned, trust == Trust::ChainAndName, algorithms))
}

type Certificates = Vec<rustls::pki_types::CertificateDer<'static>>;

/// The authorities of a file, and its certificates themselves.
fn own_roots(path: &Path) -> Result<(RootCertStore, Certificates), Failure> {
    let certificates = files::certificates("sslrootcert", path)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        let message = format!("sslrootcert={} holds no certificate that can be used", path.display());
        return Err(mended_by(message, "give a PEM file with the certificate of the authority"));
    }
    Ok((store, certificates))
}

/// The authorities of the system beside those that are there already. `SSL_CERT_FILE` and `SSL_CERT_DIR` take the
/// place of the system's.
fn public_roots(mut store: RootCertStore) -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    // A system has certificates that nobody can read; what counts is that there are others.
    let _ = store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok(store);
    }
    let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
    let message = format!("the system has no root certificates{reason}");
    Err(mended_by(message, "install them (`ca-certificates`), or give sslrootcert=FILE"))
}

/// What somebody has to mend before TLS can begin.
fn mended_by(message: String, hint: &str) -> Failure {
    Failure::new(Phase::Tls, Cause::Config { message, hint: hint.to_owned() })
}
