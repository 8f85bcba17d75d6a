//! Certificates and keys in PEM files.

use super::{Certificates, Fault, OptionNames};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Larger than any bundle of certificates; a wrong name may stand for a file of any size.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The certificates of a file; at least one.
pub(super) fn certificates(option: &str, path: &Path) -> Result<Certificates, Fault> {
    let content = read(option, path, &mut open(option, path)?)?;
    let read: Result<Certificates, _> = CertificateDer::pem_slice_iter(&content).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => {
            let message = format!("{option}={} holds no certificate", path.display());
            Err(Fault::new(message, "give a PEM file (it begins with `-----BEGIN CERTIFICATE-----`)"))
        }
        Err(error) => {
            let message = format!("{option}={} is damaged: {error}", path.display());
            Err(Fault::new(message, "give a PEM file with whole certificates"))
        }
    }
}

/// A certificate with its key, by which a server knows a client.
pub(super) fn client_identity(
    certificate: &Path,
    key: Option<&Path>,
    names: &OptionNames,
) -> Result<(Certificates, PrivateKeyDer<'static>), Fault> {
    let chain = certificates(names.certificate, certificate)?;
    let Some(key) = key else {
        let message = format!("{}={} is given without its key", names.certificate, certificate.display());
        return Err(Fault::new(message, format!("give the key too: {}=FILE", names.key)));
    };
    Ok((chain, private_key(names.key, key)?))
}

fn private_key(option: &str, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let mut file = open(option, path)?;
    check_access(option, path, &file)?;
    let content = read(option, path, &mut file)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|_| {
        let is_encrypted = memchr::memmem::find(&content, b"ENCRYPTED").is_some();
        let found = if is_encrypted { "is protected by a password" } else { "holds no private key" };
        let message = format!("{option}={} {found}", path.display());
        Fault::new(message, "give an unencrypted key in PEM, readable by its owner alone")
    })
}

/// Refuses a key that others can read, by libpq's rule: mode 0600 or less, or 0640 if root owns it.
#[cfg(unix)]
fn check_access(option: &str, path: &Path, file: &File) -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|error| unreadable(option, path, &error))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if !metadata.is_file() {
        let message = format!("{option}={} is no regular file", path.display());
        return Err(Fault::new(message, "give the file that holds the key"));
    }
    if metadata.mode() & forbidden != 0 {
        let mode = metadata.mode() & 0o777;
        let message = format!("{option}={} can be read by others (mode {mode:04o})", path.display());
        return Err(Fault::new(message, format!("make it private: chmod 600 {}", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_access(_option: &str, _path: &Path, _file: &File) -> Result<(), Fault> {
    Ok(())
}

fn open(option: &str, path: &Path) -> Result<File, Fault> {
    File::open(path).map_err(|error| unreadable(option, path, &error))
}

fn read(option: &str, path: &Path, file: &mut File) -> Result<Vec<u8>, Fault> {
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(|error| unreadable(option, path, &error))?;
    Ok(content)
}

fn unreadable(option: &str, path: &Path, error: &std::io::Error) -> Fault {
    let message = format!("{option}={} cannot be read: {error}", path.display());
    Fault::new(message, "correct the path, or let this user read the file")
}
