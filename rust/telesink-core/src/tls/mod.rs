//! TLS to a server: who is trusted, with which certificates, and what its errors mean. Shared by the sinks that use the
//! network; each has names of its own for the options.

mod files;
mod verify;
pub(crate) mod words;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use verify::Verifier;

/// Which servers are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whoever answers: only those who merely listen are kept out.
    Anyone,
    /// A certificate that a trusted authority has signed, for any name.
    Chain,
    /// The same, for the name of the host.
    ChainAndName,
}

/// Which authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots<'a> {
    /// Those of browsers and those of the system.
    Public,
    /// Those of the system.
    System,
    /// Those of a PEM file.
    File(&'a Path),
}

/// What the options are called where they are written.
#[derive(Debug)]
pub(crate) struct OptionNames {
    /// The file of authorities.
    pub(crate) roots: &'static str,
    /// The client's certificate.
    pub(crate) certificate: &'static str,
    /// Its key.
    pub(crate) key: &'static str,
}

/// What is said about TLS.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// Which servers are trusted.
    pub(crate) trust: Trust,
    /// Which authorities are.
    pub(crate) roots: Roots<'a>,
    /// The client's certificate (PEM chain) and its key (PEM).
    pub(crate) identity: Option<(&'a Path, Option<&'a Path>)>,
    /// For messages.
    pub(crate) names: &'static OptionNames,
}

/// What somebody has to mend before TLS can begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

impl Fault {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

type Certificates = Vec<CertificateDer<'static>>;

/// Reads the certificates. Done anew for each connection, so that those that were exchanged meanwhile are seen.
pub(crate) fn client_config(setup: &Setup<'_>) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(setup, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(format!("TLS cannot be set up: {error}"), "report this as a bug"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let names = setup.names;
    let mut config = match setup.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, key) = files::client_identity(certificate, key, names)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let shown = certificate.display();
                let message = format!("{}={shown} and its key do not fit: {error}", names.certificate);
                let hint = format!("give the key that the certificate was made for: {}=FILE", names.key);
                Fault::new(message, hint)
            })?
        }
    };
    // A session can only be resumed by the configuration that it was made with.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn verifier(setup: &Setup<'_>, provider: &CryptoProvider) -> Result<Verifier, Fault> {
    let algorithms = provider.signature_verification_algorithms;
    if setup.trust == Trust::Anyone {
        return Ok(Verifier::of_anyone(algorithms));
    }
    let (store, pinned) = match setup.roots {
        Roots::File(path) => own_roots(path, setup.names)?,
        Roots::System => (public_roots(RootCertStore::empty(), setup.names)?, Vec::new()),
        Roots::Public => {
            let mozilla = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            (public_roots(mozilla, setup.names)?, Vec::new())
        }
    };
    Ok(Verifier::of_roots(store, pinned, setup.trust == Trust::ChainAndName, algorithms))
}

/// The authorities of a file, and its certificates themselves.
fn own_roots(path: &Path, names: &OptionNames) -> Result<(RootCertStore, Certificates), Fault> {
    let certificates = files::certificates(names.roots, path)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        let message = format!("{}={} holds no certificate that can be used", names.roots, path.display());
        return Err(Fault::new(message, "give a PEM file with the certificate of the authority"));
    }
    Ok((store, certificates))
}

/// The authorities of the system beside those that are there already. `SSL_CERT_FILE` and `SSL_CERT_DIR` take the
/// place of the system's.
fn public_roots(mut store: RootCertStore, names: &OptionNames) -> Result<RootCertStore, Fault> {
    let found = rustls_native_certs::load_native_certs();
    // A system has certificates that nobody can read; what counts is that there are others.
    let _ = store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Ok(store);
    }
    let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
    let message = format!("the system has no root certificates{reason}");
    Err(Fault::new(message, format!("install them (`ca-certificates`), or give {}=FILE", names.roots)))
}
