//! The DSN: one text that says where records go. Parsed strictly, printed without secrets.
//!
//! | DSN | meaning |
//! |---|---|
//! | `sqlite:///relative.db` | a file relative to the base directory |
//! | `sqlite:////absolute.db`, `sqlite:///C:/x.db` | an absolute path |
//! | `file:///absolute/folder`, `file:relative/folder` | a folder of files |
//! | `perfetto:///absolute/folder` | a folder of traces |
//! | `console://`, `console://stdout`, `console://stderr` | a stream of this process |
//! | `memory://`, `memory://name` | a store in this process |
//! | `null://` | nowhere |
//! | `postgresql://user@host/database`, `host=... dbname=...` | a server, in the ways of libpq |
//! | `otlp://host:port/base`, `otlps://user:password@host` | an HTTP server, plain and with TLS |
//! | `langfuse://public:secret@host`, `langfuses://...` | a Langfuse server, plain and with TLS |
//!
//! Options follow as `?name=value&other=value` or stand beside the DSN as keywords, under one name. Other
//! schemes are kept unparsed and masked, for the error that names what can be used. Nothing here touches the
//! file system.

pub(crate) mod mask;
mod options;
pub(crate) mod percent;
pub mod postgres;
#[cfg(test)]
mod secrecy_tests;
mod secret;
mod target;
#[cfg(test)]
mod tests;
pub mod units;
pub mod url;
#[cfg(test)]
mod url_tests;
pub mod variables;

use crate::error::ConfigError;
use options::{Given, Options};
use std::fmt;
use std::path::{Path, PathBuf};
use url::Url;

pub use options::nearest;
pub(crate) use options::{Source, level_expected, wrong_choice, wrong_value};
pub use secret::Secret;

/// What may follow `://`.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// A path.
    File,
    /// A path of a folder, absolute behind `://` and relative behind a bare colon.
    Folder,
    /// One of these words, or nothing.
    Choice(&'static [&'static str]),
    /// A name of the user's choice, or nothing.
    Name,
    /// Nothing.
    Empty,
    /// User, servers and database, in libpq's two forms.
    Postgres,
    /// User, one server and a path.
    Url,
}

/// The schemes that are parsed. A new sink adds a row here beside its row in the table of sinks.
const SHAPES: [(&str, Shape); 11] = [
    ("sqlite", Shape::File),
    ("file", Shape::Folder),
    ("perfetto", Shape::Folder),
    ("postgresql", Shape::Postgres),
    ("console", Shape::Choice(&["stderr", "stdout"])),
    ("memory", Shape::Name),
    ("null", Shape::Empty),
    ("otlp", Shape::Url),
    ("otlps", Shape::Url),
    ("langfuse", Shape::Url),
    ("langfuses", Shape::Url),
];

/// Schemes that later versions will have: whoever writes one has made no typing error.
const LATER: [&str; 2] = ["clickhouse", "clickhouses"];

/// Longest scheme that is taken for one; longer text in front of a colon may be anything.
const SCHEME_BYTES_MAX: usize = 32;

/// A parsed DSN with its options. `Display` and `Debug` show it masked.
#[derive(Clone)]
pub struct Dsn {
    scheme: String,
    host: String,
    path: PathBuf,
    /// For schemes of HTTP servers; empty for others.
    url: Url,
    base_directory: PathBuf,
    options: Options,
    /// The target as it may be shown: everything but the options.
    masked_target: String,
    /// The text of a scheme that is not parsed, for comparing.
    unparsed: Option<String>,
}

/// What makes two DSNs the same: scheme, target and options in any order. Holds secrets and does not print
/// them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    scheme: String,
    host: String,
    path: PathBuf,
    url: Url,
    unparsed: Option<String>,
    options: Vec<(String, String)>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(***)")
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({})", self.masked())
    }
}

impl Dsn {
    /// Parses `text` and adds `options` given as keywords. Relative paths are taken from `base_directory`,
    /// which is the working directory at the time of the call.
    ///
    /// Percent escapes are decoded in paths, names and options; a plus is a plus. A scheme that is not parsed
    /// (unknown, or not in this version) is no error here but in [`Dsn::unknown_scheme`].
    ///
    /// # Errors
    /// Says what is wrong without showing the text, which may hold a password in any place.
    pub fn parse(
        text: &str,
        options: &[(String, String)],
        base_directory: &Path,
    ) -> Result<Self, ConfigError> {
        let (untrimmed, text) = (text, text.trim());
        if text.is_empty() {
            return Err(ConfigError::new("the dsn is empty", "write for example sqlite:///app.db"));
        }
        let Some((scheme, body)) = split_scheme(text) else { return Err(no_scheme(text)) };
        let Some(shape) = SHAPES.iter().find(|(name, _)| *name == scheme).map(|(_, shape)| *shape) else {
            return Ok(Self::unparsed(scheme, text, options));
        };
        if postgres::is_keyword_form(text) {
            // A blank at the end may be escaped, and belongs to the value then.
            return Self::of_libpq_keywords(untrimmed, options, base_directory);
        }
        let bare =
            matches!(shape, Shape::Folder).then(|| text.split_once(':').map(|(_, tail)| tail)).flatten();
        let has_slashes = body.is_some();
        let Some(body) = body.or(bare) else { return Err(no_slashes(&scheme, text)) };
        if matches!(shape, Shape::Postgres) {
            return Self::of_libpq_uri(body, options, base_directory);
        }
        if body.contains('#') {
            return Err(ConfigError::new(
                format!("the dsn holds a `#`, which {scheme}:// does not take"),
                "write %23 where a `#` is meant",
            ));
        }
        let (target, query) = body.split_once('?').unwrap_or((body, ""));
        let mut dsn = Self::of_scheme(scheme);
        dsn.base_directory = base_directory.to_path_buf();
        match shape {
            Shape::File => dsn.path = target::file_path(&dsn.scheme, target, base_directory)?,
            Shape::Folder => {
                dsn.path = target::folder_path(&dsn.scheme, target, has_slashes, base_directory)?;
            }
            Shape::Choice(words) => dsn.host = target::choice(&dsn.scheme, target, words)?,
            Shape::Name => dsn.host = target::name(&dsn.scheme, target)?,
            Shape::Url => dsn.url = Url::parse(target, "the dsn")?,
            Shape::Empty | Shape::Postgres => target::nothing(&dsn.scheme, target)?,
        }
        dsn.masked_target = match shape {
            Shape::File => {
                let path = percent::encode(&dsn.path.to_string_lossy(), &['%', '?', '#', '&']);
                format!("{}:///{}", dsn.scheme, mask::mask(&path))
            }
            Shape::Folder => {
                let path = percent::encode(&dsn.path.to_string_lossy(), &['%', '?', '#', '&']);
                format!("{}://{}", dsn.scheme, mask::mask(&path))
            }
            Shape::Url => format!("{}://{}", dsn.scheme, dsn.url.masked()),
            _ => format!("{}://{}", dsn.scheme, mask::mask(&dsn.host)),
        };
        dsn.options = Options::collect(Vec::new(), query, options)?;
        Ok(dsn)
    }

    fn of_scheme(scheme: String) -> Self {
        Self {
            scheme,
            host: String::new(),
            path: PathBuf::new(),
            url: Url::default(),
            base_directory: PathBuf::new(),
            options: Options::default(),
            masked_target: String::new(),
            unparsed: None,
        }
    }

    /// A DSN whose scheme no sink has: kept to be compared and refused. Its query is not read, because an
    /// error in it would hide the real one.
    fn unparsed(scheme: String, text: &str, options: &[(String, String)]) -> Self {
        let mut dsn = Self::of_scheme(scheme);
        dsn.masked_target = percent::encode(&mask::mask_dsn(text), &[]);
        dsn.unparsed = Some(format!("{text}\n{options:?}"));
        dsn
    }

    /// The scheme in lower case; `postgres` and `postgresql+driver` are `postgresql`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between `://` and the query, for schemes without a path: a stream, a name, or nothing.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The absolute path, for schemes that name a file; empty for others.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// User, server and path, for schemes of HTTP servers; empty for others.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The directory that relative paths in options are taken from.
    pub(crate) fn base_directory(&self) -> &Path {
        &self.base_directory
    }

    /// The DSN as it may be shown: with absolute paths, and `***` for whatever could be a secret. Shows the
    /// options that stand in the DSN, not those given as keywords.
    pub fn masked(&self) -> String {
        let mut text = self.masked_target.clone();
        let in_query = |given: &&Given| given.source == Source::Dsn && !given.is_in_target;
        for (index, given) in self.options.given.iter().filter(in_query).enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(&given.name);
            text.push('=');
            let value = if self.scheme == "postgresql" {
                postgres::shown_value(&given.name, &given.value)
            } else if mask::is_secret_name(&given.name) {
                mask::MASK.to_owned()
            } else {
                mask::mask(&given.value)
            };
            text.push_str(&percent::encode(&value, &['%', '&', '#']));
        }
        text
    }

    /// What decides whether two DSNs are the same one: where an option was written does not count, nor its
    /// order.
    pub fn identity(&self) -> Identity {
        let mut options: Vec<(String, String)> =
            self.options.given.iter().map(|given| (given.name.clone(), given.value.clone())).collect();
        options.sort_unstable();
        Identity {
            scheme: self.scheme.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            url: self.url.clone(),
            unparsed: self.unparsed.clone(),
            options,
        }
    }

    /// The error for a scheme that is none of `allowed`: says whether it is a typing error or comes later.
    pub fn unknown_scheme(&self, allowed: impl Iterator<Item = &'static str>) -> ConfigError {
        let allowed: Vec<&str> = allowed.collect();
        let usable: Vec<String> = allowed.iter().map(|scheme| format!("{scheme}://")).collect();
        let usable: Vec<&str> = usable.iter().map(String::as_str).collect();
        let scheme = &self.scheme;
        let message = if LATER.contains(&scheme.as_str()) {
            format!("this version does not have `{scheme}://` yet")
        } else {
            format!("unknown scheme `{scheme}`{}", options::suggestion(scheme, allowed))
        };
        ConfigError::new(message, format!("use {}", options::either(&usable)))
    }
}

/// The scheme in its normal form, and what follows `://`; `None` instead of the latter if the slashes are
/// missing.
fn split_scheme(text: &str) -> Option<(String, Option<&str>)> {
    if postgres::is_keyword_form(text) {
        return Some(("postgresql".to_owned(), None));
    }
    let (head, tail) = text.split_once(':')?;
    let is_scheme = (2..=SCHEME_BYTES_MAX).contains(&head.len())
        && head.starts_with(|c: char| c.is_ascii_alphabetic())
        && head.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let lower = head.to_ascii_lowercase();
    let scheme = match lower.split('+').next() {
        // A driver behind a plus is meant for another library and says nothing about the server.
        Some("postgresql" | "postgres") => "postgresql".to_owned(),
        _ => lower,
    };
    let body = tail.strip_prefix("//");
    let is_known = LATER.contains(&scheme.as_str()) || SHAPES.iter().any(|(name, _)| *name == scheme);
    // Without slashes only a known word is a scheme: in `localhost:5432` it is a host.
    (body.is_some() || is_known).then_some((scheme, body))
}

/// The error for a text without a scheme. It is shown only if it is plainly a path: it could be a lone
/// password.
fn no_scheme(text: &str) -> ConfigError {
    let file_endings = [".db", ".sqlite", ".sqlite3"];
    let is_path = !text.contains(['@', '=', '?', '#', '%', '&'])
        && (mask::has_drive(text) || !text.contains(':'))
        && (text.starts_with(['/', '.']) || file_endings.iter().any(|ending| text.ends_with(ending)));
    let path = if is_path { text.trim_start_matches("./") } else { "app.db" };
    ConfigError::new(
        "the dsn has no scheme such as `sqlite://` in front",
        format!("for a file write sqlite:///{}", percent::encode(path, &[])),
    )
}

/// The error for a known scheme without its slashes.
fn no_slashes(scheme: &str, text: &str) -> ConfigError {
    if scheme == "sqlite" && text.ends_with(":memory:") {
        return target::in_memory(scheme);
    }
    let example = match scheme {
        "sqlite" => "sqlite:///app.db".to_owned(),
        "postgresql" => "postgresql://user@host/database".to_owned(),
        _ => format!("{scheme}://"),
    };
    ConfigError::new(format!("`{scheme}:` is not followed by `//`"), format!("write {example}"))
}
