//! What is said about TLS: the mode, the authorities, the client's certificate.

use super::environment::Environment;
use super::values::Values;
use super::{Host, RootCertificates, SslMode, Target};
use crate::error::ConfigError;
use std::path::PathBuf;

/// The modes by their names, from the least to the most secure.
const MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// The answers.
pub(super) struct Tls {
    pub(super) mode: Option<SslMode>,
    pub(super) roots: Option<RootCertificates>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) is_direct: bool,
}

/// Takes all that belongs to TLS.
pub(super) fn read(values: &mut Values<'_>, environment: &Environment) -> Result<Tls, ConfigError> {
    let mode = mode(values)?;
    let roots = roots(values, environment, mode)?;
    let is_system = roots == Some(RootCertificates::System);
    if let Some(weak) = mode.filter(|mode| is_system && *mode != SslMode::VerifyFull) {
        return Err(ConfigError::new(
            format!("sslrootcert=system means sslmode=verify-full, and sslmode is {}", word(weak)),
            "anybody can have a certificate from an authority of the system: write sslmode=verify-full",
        ));
    }
    let mode = if is_system { Some(SslMode::VerifyFull) } else { mode };
    let (certificate, key) = identity(values, environment)?;
    let is_direct =
        values.choice("sslnegotiation", &[("postgres", false), ("direct", true)])?.unwrap_or(false);
    Ok(Tls { mode, roots, certificate, key, is_direct })
}

impl SslMode {
    /// Its name in libpq.
    pub fn word(self) -> &'static str {
        word(self)
    }
}

fn word(mode: SslMode) -> &'static str {
    MODES.iter().find(|(_, other)| *other == mode).map_or("", |(word, _)| word)
}

/// `sslmode`, or the way that drivers for Java write it in a URI, which libpq takes too.
fn mode(values: &mut Values<'_>) -> Result<Option<SslMode>, ConfigError> {
    let has_both = values.is_in_dsn("ssl") && values.is_in_dsn("sslmode");
    // Not asked for unless it is there: it is nothing to be proposed.
    let java =
        if values.is_in_dsn("ssl") { values.choice("ssl", &[("true", SslMode::Require)])? } else { None };
    if has_both {
        let message = "option `ssl` is another word for sslmode=require, and `sslmode` is given too";
        return Err(ConfigError::new(message, "keep `sslmode`"));
    }
    let given = values.choice("sslmode", &MODES)?;
    Ok(java.or(given))
}

/// Where none are named, libpq takes a file in the home directory wherever it looks at certificates at all. Without it
/// libpq refuses to connect; we trust whom browsers trust.
fn roots(
    values: &mut Values<'_>,
    environment: &Environment,
    mode: Option<SslMode>,
) -> Result<Option<RootCertificates>, ConfigError> {
    let given = values.take("sslrootcert")?;
    if given.as_ref().is_some_and(|value| value.text == "system") {
        return Ok(Some(RootCertificates::System));
    }
    if let Some(path) = given.map_or(Ok(None), |value| values.completed("sslrootcert", &value))? {
        return Ok(Some(RootCertificates::File(path)));
    }
    let looks = mode.is_none_or(|mode| mode >= SslMode::Require);
    let file = environment.personal_file(".postgresql/root.crt", "root.crt");
    Ok(file.filter(|file| looks && file.exists()).map(RootCertificates::File))
}

/// The client's certificate and key; those in the home directory where none are named.
fn identity(
    values: &mut Values<'_>,
    environment: &Environment,
) -> Result<(Option<PathBuf>, Option<PathBuf>), ConfigError> {
    let is_wanted = values.choice("sslcertmode", &[("allow", true), ("disable", false)])?.unwrap_or(true);
    let (certificate, key) = (values.path("sslcert")?, values.path("sslkey")?);
    if !is_wanted {
        return Ok((None, None));
    }
    let own = |unix, windows| environment.personal_file(unix, windows).filter(|path| path.exists());
    let is_named = certificate.is_some() || key.is_some();
    let certificate = certificate.or_else(|| own(".postgresql/postgresql.crt", "postgresql.crt"));
    let key = key.or_else(|| own(".postgresql/postgresql.key", "postgresql.key"));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok((Some(certificate), Some(key))),
        (Some(_), None) if is_named => Err(ConfigError::new(
            "option `sslcert` is given without `sslkey`",
            "give the key too: sslkey=FILE",
        )),
        (None, Some(_)) if is_named => Err(ConfigError::new(
            "option `sslkey` is given without `sslcert`",
            "give the certificate too: sslcert=FILE",
        )),
        _ => Ok((None, None)),
    }
}

/// Checks what depends on the servers.
pub(super) fn check(target: &Target, environment: &Environment) -> Result<(), ConfigError> {
    let mode = |host: &Host| target.ssl_mode_for(host);
    let by_network = || target.hosts.iter().filter(|host| !host.is_socket());
    if let Some(host) = by_network().find(|host| target.is_direct_tls && mode(host) < SslMode::Require) {
        return Err(ConfigError::new(
            format!("sslnegotiation=direct needs TLS, and sslmode is {}", word(mode(host))),
            "write sslmode=require, verify-ca or verify-full",
        ));
    }
    let own_roots = matches!(target.root_certificates, Some(RootCertificates::File(_)));
    let revoked = environment.personal_file(".postgresql/root.crl", "root.crl").filter(|path| path.exists());
    if let Some(path) =
        revoked.filter(|_| own_roots && by_network().any(|host| mode(host) >= SslMode::Require))
    {
        return Err(ConfigError::new(
            format!("{} lists revoked certificates, which this version does not look at", path.display()),
            "move the file away to connect without it",
        ));
    }
    Ok(())
}
