//! Looks at the certificate of a server as far as its mode asks for.

use super::Certificates;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::sync::Arc;
use x509_cert::Version;
use x509_cert::der::{Decode, Encode};

/// What is looked at. That the server owns the key of its certificate always is: channel binding rests on it.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    /// The certificates of the user's own file, as they stand there.
    pinned: Certificates,
    checks_name: bool,
}

impl Verifier {
    /// Takes any certificate.
    pub(super) fn of_anyone(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { roots: None, algorithms }
    }

    /// Takes what these authorities have signed, or is one of `pinned` itself.
    pub(super) fn of_roots(
        store: RootCertStore,
        pinned: Certificates,
        checks_name: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { roots: Some(Roots { store, pinned, checks_name }), algorithms }
    }
}

impl Roots {
    fn verify(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(server)
            .map_err(|error| if is_version_1(server) { UnsupportedCertVersion.into() } else { error })?;
        let verified = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.store,
            intermediates,
            now,
            algorithms.all,
        );
        match verified {
            // `openssl req -x509` makes a certificate that is its own authority, and names itself one; the rules of
            // the web do not let an authority be a server. The user's file names this very certificate, and its
            // dates, purpose and issuer, which have errors of their own, are in order.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.pinned.iter().any(|pinned| pinned == server) => {}
            other => other?,
        }
        if self.checks_name { verify_server_name(&parsed, name) } else { Ok(()) }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            roots.verify(server, intermediates, name, now, &self.algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls12_signature(message, certificate, signature, &self.algorithms);
        self.or_by_bare_key(verified, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, certificate, signature, &self.algorithms);
        self.or_by_bare_key(verified, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// The library does not read certificates of version 1, which the recipe in Postgres' own documentation makes.
    /// Where any certificate will do, its key is all that is needed.
    fn or_by_bare_key(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if verified.is_ok() || self.roots.is_some() || !is_version_1(certificate) {
            return verified;
        }
        let key = x509_cert::Certificate::from_der(certificate)
            .and_then(|parsed| parsed.tbs_certificate.subject_public_key_info.to_der())
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

fn is_version_1(certificate: &CertificateDer<'_>) -> bool {
    x509_cert::Certificate::from_der(certificate)
        .is_ok_and(|parsed| parsed.tbs_certificate.version == Version::V1)
}

/// A certificate of version 1, under the name that the library gives to other numbers than 3; it overlooks that 1 is
/// not written down.
#[derive(Debug, thiserror::Error)]
#[error("the version of the certificate is not 3")]
struct UnsupportedCertVersion;

impl From<UnsupportedCertVersion> for Error {
    fn from(error: UnsupportedCertVersion) -> Self {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    }
}
