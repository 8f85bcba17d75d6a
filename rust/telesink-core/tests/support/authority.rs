//! Certificates made for the moment.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate, as a file.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.0.pem()).expect("a file");
        path
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&params(names))
    }

    /// The same, out of date.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A server that asks its clients for a certificate of this authority.
    pub(crate) fn demanded_by(&self, server: &Identity) -> ServerConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = builder().with_client_cert_verifier(verifier.build().expect("a verifier"));
        builder.with_single_cert(vec![server.certificate.clone()], server.der()).expect("an identity")
    }
}

impl Identity {
    /// A server that shows this certificate and wants none.
    pub(crate) fn server(&self) -> ServerConfig {
        let builder = builder().with_no_client_auth();
        builder.with_single_cert(vec![self.certificate.clone()], self.der()).expect("an identity")
    }

    /// Certificate and key, as files that only the owner may read.
    pub(crate) fn files(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("client.pem"), folder.join("client.key"));
        std::fs::write(&certificate, &self.pem).expect("a file");
        std::fs::write(&key, self.key.serialize_pem()).expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        (certificate, key)
    }

    fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().expect("versions")
}
