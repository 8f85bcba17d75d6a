//! Certificates made for the moment.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SigningKey, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate and its key.
pub(in crate::sinks::postgres) struct Identity {
    pub(in crate::sinks::postgres) certificate: CertificateDer<'static>,
    pub(in crate::sinks::postgres) pem: String,
    pub(in crate::sinks::postgres) key: KeyPair,
}

/// Somebody who signs certificates.
pub(in crate::sinks::postgres) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(in crate::sinks::postgres) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub(in crate::sinks::postgres) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names.
    pub(in crate::sinks::postgres) fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&params(names))
    }

    /// The same, out of date.
    pub(in crate::sinks::postgres) fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        Identity::new(&params.signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// Makes a server ask its clients for a certificate of this authority.
    pub(in crate::sinks::postgres) fn demanded_by(&self, server: &Identity) -> Arc<ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().expect("a verifier");
        let builder = builder().with_client_cert_verifier(verifier);
        Arc::new(
            builder.with_single_cert(vec![server.certificate.clone()], server.key()).expect("an identity"),
        )
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

impl Identity {
    fn new(certificate: &rcgen::Certificate, key: KeyPair) -> Self {
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// As `openssl req -x509` makes it: signed by itself, and called an authority.
    pub(in crate::sinks::postgres) fn of_itself(names: &[&str]) -> Self {
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self::new(&params.self_signed(&key).expect("a certificate"), key)
    }

    /// As `openssl x509 -req` makes it: version 1, which has no names but the subject's.
    pub(in crate::sinks::postgres) fn of_version_1() -> Self {
        let key = KeyPair::generate().expect("a key");
        // ecdsa-with-SHA256 (RFC 5758), and a subject without parts.
        let algorithm = tlv(0x30, &[&tlv(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
        let subject = tlv(0x30, &[]);
        let dates = tlv(0x30, &[&tlv(0x17, &[b"200101000000Z"]), &tlv(0x17, &[b"490101000000Z"])]);
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        let body = tlv(0x30, &[&tlv(0x02, &[&[1]]), &algorithm, &subject, &dates, &subject, &public]);
        let signature = tlv(0x03, &[&[0], &key.sign(&body).expect("a signature")]);
        let certificate = tlv(0x30, &[&body, &algorithm, &signature]).into();
        Self { certificate, pem: String::new(), key }
    }

    /// A server that shows this certificate, whatever it is worth, and wants none.
    pub(in crate::sinks::postgres) fn server(&self) -> Arc<ServerConfig> {
        let key = ring::sign::any_supported_type(&self.key()).expect("a key");
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        Arc::new(builder().with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(shown))))
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key")
    }

    /// The files for `sslcert` and `sslkey`.
    pub(in crate::sinks::postgres) fn files(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let certificate = file(folder, "client.crt", &self.pem);
        let key = file(folder, "client.key", &self.key.serialize_pem());
        make_private(&key);
        (certificate, key)
    }
}

/// Writes a file.
pub(in crate::sinks::postgres) fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file");
    path
}

/// Only the owner may read it.
pub(in crate::sinks::postgres) fn make_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Tag, length and value of DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut out = vec![tag];
    match value.len() {
        short @ 0..128 => out.push(short as u8),
        medium @ 128..256 => out.extend_from_slice(&[0x81, medium as u8]),
        long => {
            out.push(0x82);
            out.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&value);
    out
}
