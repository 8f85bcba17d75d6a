//! What the options for TLS mean before a server is asked. What becomes of handshakes is tested with the connections.

pub(in crate::sinks::postgres) mod authority;

use super::{Trust, prepare, trust};
use crate::dsn::postgres::{RootCertificates, SslMode, Target};
use crate::sinks::postgres::connect::tests::target;
use crate::sinks::postgres::failure::{Cause, Failure, Phase};
use authority::{Authority, Identity, file, make_private};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[test]
fn every_mode_trusts_as_it_does_in_libpq() {
    use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
    let own = Some(RootCertificates::File(PathBuf::from("root.crt")));
    let system = Some(RootCertificates::System);
    // Without roots, with a file, with those of the system.
    let table = [
        (Disable, [Trust::Anyone, Trust::Anyone, Trust::Anyone]),
        (Allow, [Trust::Anyone, Trust::Anyone, Trust::Anyone]),
        (Prefer, [Trust::Anyone, Trust::Anyone, Trust::Anyone]),
        (Require, [Trust::Anyone, Trust::Chain, Trust::ChainAndName]),
        (VerifyCa, [Trust::ChainAndName, Trust::Chain, Trust::ChainAndName]),
        (VerifyFull, [Trust::ChainAndName, Trust::ChainAndName, Trust::ChainAndName]),
    ];
    for (mode, expected) in table {
        let found = [None, own.as_ref(), system.as_ref()].map(|roots| trust(mode, roots));
        assert_eq!(found, expected, "{mode:?}");
    }
}

/// Message and hint of the refusal to prepare TLS.
fn refusal(target: &Target) -> (String, String) {
    match prepare(target, Trust::Chain) {
        Err(Failure { phase: Phase::Tls, cause: Cause::Config { message, hint } }) => (message, hint),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("no refusal"),
    }
}

fn with_roots(path: &Path) -> Target {
    Target { root_certificates: Some(RootCertificates::File(path.to_owned())), ..target(&[]) }
}

#[test]
fn a_file_of_roots_that_is_no_use_is_named_with_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let cut = Authority::new("cut").pem().replace("-----END CERTIFICATE-----", "");
    let der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let table = [
        (folder.path().join("missing.crt"), "cannot be read"),
        (folder.path().to_owned(), "cannot be read"),
        (file(folder.path(), "empty.crt", ""), "holds no certificate"),
        (file(folder.path(), "text.crt", "hello"), "holds no certificate"),
        (file(folder.path(), "cut.crt", &cut), "is damaged"),
        (file(folder.path(), "nonsense.crt", der), "holds no certificate that can be used"),
    ];
    for (path, expected) in table {
        let (message, hint) = refusal(&with_roots(&path));
        let begin = format!("sslrootcert={} {expected}", path.display());
        assert!(message.starts_with(&begin), "{message}");
        assert!(!hint.is_empty(), "{message}");
    }
}

/// A target with the client's certificate and key, which the test may spoil.
fn with_identity(folder: &Path) -> Target {
    let authority = Authority::new("clients");
    let (certificate, key) = authority.issue(&["app"]).files(folder);
    let roots = file(folder, "root.crt", &authority.pem());
    Target { certificate: Some(certificate), certificate_key: Some(key), ..with_roots(&roots) }
}

#[test]
fn a_client_certificate_goes_with_its_key() {
    let folder = TempDir::new().unwrap();
    let target = with_identity(folder.path());
    assert!(prepare(&target, Trust::Chain).is_ok());
    assert!(prepare(&target, Trust::Anyone).is_ok());

    let (message, hint) = refusal(&Target { certificate_key: None, ..target.clone() });
    assert!(message.contains("client.crt is given without its key"), "{message}");
    assert!(hint.contains("sslkey="), "{hint}");

    let other = file(folder.path(), "other.key", &Identity::of_itself(&["app"]).key.serialize_pem());
    make_private(&other);
    let (message, _) = refusal(&Target { certificate_key: Some(other), ..target });
    assert!(message.contains("client.crt and its key do not fit"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let target = with_identity(folder.path());
    let key = target.certificate_key.clone().unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
    let (message, hint) = refusal(&target);
    assert_eq!(message, format!("sslkey={} can be read by others (mode 0604)", key.display()));
    assert_eq!(hint, format!("make it private: chmod 600 {}", key.display()));
}

#[test]
fn a_key_that_cannot_be_used_is_named_and_never_shown() {
    let folder = TempDir::new().unwrap();
    let target = with_identity(folder.path());
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (content, expected) in [(locked, "is protected by a password"), ("c2VjcmV0", "holds no private key")]
    {
        let key = file(folder.path(), "bad.key", content);
        make_private(&key);
        let (message, hint) = refusal(&Target { certificate_key: Some(key), ..target.clone() });
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("c2VjcmV0") && !hint.contains("c2VjcmV0"), "{message}");
    }
}
