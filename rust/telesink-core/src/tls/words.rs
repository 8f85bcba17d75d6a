//! What TLS's own errors mean, in words for people.

use rustls::{AlertDescription, CertificateError};
use std::error::Error;
use std::io;

/// Names of other hosts that a certificate is for, at most: it may hold hundreds.
const NAMES_MAX: usize = 4;

/// What an error of TLS says, by who has to act.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server is not trusted.
    Untrusted(String),
    /// The server does not trust the client.
    ClientRefused(String),
    /// The two have no way to talk in common.
    Incompatible(String),
    /// Anything else, which may pass.
    Lost(String),
}

/// The error of TLS somewhere below. An `io::Error` leaves what it wraps out of its chain of sources.
pub(crate) fn find_tls<'e>(top: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(top);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// Who has to act on it.
pub(crate) fn verdict(error: &rustls::Error) -> Verdict {
    match error {
        rustls::Error::InvalidCertificate(reason) => Verdict::Untrusted(certificate_words(reason)),
        rustls::Error::NoCertificatesPresented => {
            Verdict::Untrusted("the server shows no certificate".to_owned())
        }
        rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => Verdict::ClientRefused(
            format!("the server refuses the client certificate ({})", alert_words(*alert)),
        ),
        rustls::Error::AlertReceived(alert) => {
            Verdict::Lost(format!("the server broke off TLS ({})", alert_words(*alert)))
        }
        rustls::Error::PeerIncompatible(reason) => Verdict::Incompatible(format!(
            "the TLS of the server has nothing in common with this one ({reason:?})"
        )),
        rustls::Error::InvalidMessage(_) => {
            Verdict::Lost("the server says something that is not TLS".to_owned())
        }
        other => Verdict::Lost(format!("TLS failed: {other}")),
    }
}

/// Whether the server says that it does not like the client's certificate (RFC 8446, 6.2).
fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// `HandshakeFailure` as "handshake failure".
fn alert_words(alert: AlertDescription) -> String {
    let mut words = String::new();
    let mut was_lower = false;
    for letter in format!("{alert:?}").chars() {
        if letter.is_uppercase() && was_lower {
            words.push(' ');
        }
        was_lower = letter.is_lowercase();
        words.extend(letter.to_lowercase());
    }
    words
}

/// What is wrong with the server's certificate.
fn certificate_words(reason: &CertificateError) -> String {
    let what = match reason {
        CertificateError::UnknownIssuer => "is signed by an authority that is not trusted".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; compare the clocks".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => {
            format!("has no subjectAltName, and so is not valid for {}", expected.to_str())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().take(NAMES_MAX).map(|name| bare_name(name)).collect();
            let more = if presented.len() > NAMES_MAX { ", ..." } else { "" };
            format!("is valid for {}{more}, not for {}", names.join(", "), expected.to_str())
        }
        CertificateError::Revoked => "has been revoked".to_owned(),
        CertificateError::BadSignature => "carries a wrong signature".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not meant for a server (extendedKeyUsage)".to_owned()
        }
        other => match format!("{other:?}") {
            text if text.contains("UnsupportedCertVersion") => {
                "has version 1; issue it again with version 3 and a subjectAltName".to_owned()
            }
            text if text.contains("CaUsedAsEndEntity") => {
                "is that of an authority, and is not itself in the file of trusted ones".to_owned()
            }
            text => format!("cannot be used: {text}"),
        },
    };
    format!("its certificate {what}")
}

/// `DnsName("db")` as `db`, and `IpAddress(127.0.0.1)` as the address.
fn bare_name(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"')
}
