//! libpq's keywords, and the form of a DSN that is made of them: `host=db dbname=app password='a b'`.

use crate::dsn::options::is_name;
use crate::error::ConfigError;

/// The keywords and the variables that stand in for them, as documented for PostgreSQL 18 ("Parameter Key Words",
/// "Environment Variables").
///
/// Three variables are left out, so that they cannot get in the way of a program that has no use for them:
/// `PGCLIENTENCODING` (our text is always UTF-8), `PGKRBSRVNAME` and `PGGSSLIB` (there is no log-in by GSSAPI).
pub(super) const KEYWORDS: [(&str, Option<&str>); 51] = [
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("dbname", Some("PGDATABASE")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("service", Some("PGSERVICE")),
    ("servicefile", Some("PGSERVICEFILE")),
    ("application_name", Some("PGAPPNAME")),
    ("fallback_application_name", None),
    ("options", Some("PGOPTIONS")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslcertmode", Some("PGSSLCERTMODE")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
    ("client_encoding", None),
    ("sslcompression", Some("PGSSLCOMPRESSION")),
    ("sslpassword", None),
    ("sslcrl", Some("PGSSLCRL")),
    ("sslcrldir", Some("PGSSLCRLDIR")),
    ("sslsni", Some("PGSSLSNI")),
    ("sslkeylogfile", None),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    ("min_protocol_version", Some("PGMINPROTOCOLVERSION")),
    ("max_protocol_version", Some("PGMAXPROTOCOLVERSION")),
    ("requirepeer", Some("PGREQUIREPEER")),
    ("require_auth", Some("PGREQUIREAUTH")),
    ("gssencmode", Some("PGGSSENCMODE")),
    ("gssdelegation", Some("PGGSSDELEGATION")),
    ("krbsrvname", None),
    ("gsslib", None),
    ("replication", None),
    ("scram_client_key", None),
    ("scram_server_key", None),
    ("oauth_issuer", None),
    ("oauth_client_id", None),
    ("oauth_client_secret", None),
    ("oauth_scope", None),
];

/// The keyword of this name, as it is written in the table.
pub(super) fn keyword(name: &str) -> Option<&'static str> {
    KEYWORDS.iter().map(|(keyword, _)| *keyword).find(|keyword| *keyword == name)
}

/// Whether the text begins like the keyword form.
pub(in crate::dsn) fn is_keyword_form(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| keyword(name.trim_end_matches(is_blank)).is_some())
}

/// Reads the keyword form by libpq's rules for blanks, quotes and backslashes. Names that libpq does not know are
/// kept: they may be options of ours.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let (name, behind) = rest.split_at(rest.find(|c| c == '=' || is_blank(c)).unwrap_or(rest.len()));
        // Pairs are named by their position: what stands there may be a piece of a password.
        let position = pairs.len() + 1;
        let Some(behind) = behind.trim_start_matches(is_blank).strip_prefix('=') else {
            return Err(wrong_pair(position, "has no `=`"));
        };
        if !is_name(name) {
            return Err(wrong_pair(position, "has no proper name"));
        }
        let Some((value, behind)) = split_value(behind.trim_start_matches(is_blank)) else {
            return Err(wrong_pair(position, "begins with a quote that is never closed"));
        };
        pairs.push((name.to_owned(), value));
        rest = behind.trim_start_matches(is_blank);
    }
    Ok(pairs)
}

/// The value in front, and what follows it; `None` if its quote is never closed.
fn split_value(text: &str) -> Option<(String, &str)> {
    let (is_quoted, text) = text.strip_prefix('\'').map_or((false, text), |inner| (true, inner));
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        let here = characters.as_str();
        match characters.next() {
            None => return (!is_quoted).then_some((value, "")),
            Some('\\') => value.extend(characters.next()),
            Some('\'') if is_quoted => return Some((value, characters.as_str())),
            Some(blank) if !is_quoted && is_blank(blank) => return Some((value, here)),
            Some(character) => value.push(character),
        }
    }
}

fn wrong_pair(position: usize, what: &str) -> ConfigError {
    ConfigError::new(
        format!("keyword {position} in the dsn {what}"),
        "write keyword=value pairs, as in host=db dbname=app; a value with blanks stands in single quotes, \
         and \\' and \\\\ are a quote and a backslash",
    )
}

/// What C calls a space in its own locale.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}
