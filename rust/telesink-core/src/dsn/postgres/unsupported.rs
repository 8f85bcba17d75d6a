//! Keywords of libpq that this version does not act on. With a value that asks for nothing they are accepted; any other
//! is refused, because whoever writes it relies on it.

use super::values::Values;
use crate::dsn::options::{either, suggestion};
use crate::error::ConfigError;

/// A keyword, the values that ask for nothing, and what this version does instead.
type Row = (&'static str, &'static [&'static str], &'static str);

const ROWS: [Row; 24] = [
    ("requirepeer", &[], "does not look at who runs the server behind a socket"),
    (
        "require_auth",
        &[],
        "cannot narrow the kinds of log-in; channel_binding=require leaves only SCRAM with TLS",
    ),
    ("sslcrl", &[], "reads no lists of revoked certificates"),
    ("sslcrldir", &[], "reads no lists of revoked certificates"),
    ("sslpassword", &[], "decrypts no keys: give an unencrypted one, readable by its owner alone"),
    ("sslkeylogfile", &[], "writes no keys of sessions to files"),
    ("sslsni", &["1"], "always tells the server its name when TLS begins"),
    ("sslcompression", &["0"], "compresses nothing below TLS"),
    ("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2"], "speaks TLS 1.2 and 1.3"),
    ("ssl_max_protocol_version", &["TLSv1.3"], "speaks TLS 1.2 and 1.3"),
    ("min_protocol_version", &["3.0"], "speaks protocol 3.0"),
    ("max_protocol_version", &["3.0", "3.2", "latest"], "speaks protocol 3.0"),
    ("gssencmode", &["disable", "prefer"], "does not encrypt by GSSAPI"),
    ("gssdelegation", &["0"], "does not log in by GSSAPI"),
    ("krbsrvname", &["postgres"], "does not log in by GSSAPI"),
    ("gsslib", &["gssapi"], "does not log in by GSSAPI"),
    (
        "replication",
        &["false", "off", "no", "0"],
        "writes rows, which a connection for replication cannot do",
    ),
    ("client_encoding", &["UTF8", "UTF-8", "UNICODE", "auto"], "sends UTF-8, which the server converts"),
    ("scram_client_key", &[], "logs in with a password, not with keys made of it"),
    ("scram_server_key", &[], "logs in with a password, not with keys made of it"),
    ("oauth_issuer", &[], "does not log in by OAuth"),
    ("oauth_client_id", &[], "does not log in by OAuth"),
    ("oauth_client_secret", &[], "does not log in by OAuth"),
    ("oauth_scope", &[], "does not log in by OAuth"),
];

/// Takes them all. The values themselves are not shown: some are secrets.
pub(super) fn refuse(values: &mut Values<'_>) -> Result<(), ConfigError> {
    for (name, harmless, instead) in ROWS {
        let Some(value) = values.take(name)? else { continue };
        let text = value.text.trim();
        if text.is_empty() || harmless.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            continue;
        }
        let hint = if harmless.is_empty() {
            "remove it".to_owned()
        } else {
            format!("remove it, or write {}", either(harmless))
        };
        let suggestion = suggestion(text, harmless.iter().copied());
        return Err(ConfigError::new(
            format!(
                "option `{name}` (from {}) is not available: this version {instead}{suggestion}",
                value.source
            ),
            hint,
        ));
    }
    Ok(())
}
