//! The service file: sections of keywords under a name, for `service=` and `PGSERVICE`.

use super::environment::Environment;
use super::keywords::keyword;
use super::values::Value;
use super::{files, keywords};
use crate::dsn::mask;
use crate::dsn::options::{is_name, suggestion};
use crate::error::ConfigError;
use std::path::{Path, PathBuf};

/// One section of the file. Not printable: it may hold a password.
pub(super) struct Service {
    /// The section and its file, as a noun.
    source: String,
    values: Vec<(&'static str, String)>,
}

impl Service {
    /// Looks the section up: in the file that is named, or else in the user's; then in that of the machine.
    pub(super) fn read(
        name: &Value,
        file: Option<PathBuf>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let is_named = file.is_some();
        let first = file.or_else(|| environment.personal_file(".pg_service.conf", ".pg_service.conf"));
        let first = first.filter(|path| is_named || path.exists());
        let second = environment.system_service_file().filter(|path| path.exists());
        let mut searched = Vec::new();
        for path in [first, second].into_iter().flatten() {
            if let Some(service) = Self::find(&name.text, &path)? {
                return Ok(service);
            }
            searched.push(path.display().to_string());
        }
        let shown = mask::shown("service", &name.text);
        let place = if searched.is_empty() {
            "and there is no service file".to_owned()
        } else {
            format!("which {} does not have", searched.join(" and "))
        };
        Err(ConfigError::new(
            format!("option `service` (from {}) names the service {shown}, {place}", name.source),
            "add a section of this name to ~/.pg_service.conf, or name the file: servicefile=, PGSERVICEFILE",
        ))
    }

    /// The section of this name in a file, if it is there.
    fn find(name: &str, path: &Path) -> Result<Option<Self>, ConfigError> {
        let content = files::open(path).and_then(|(file, _)| files::read(file)).map_err(|error| {
            ConfigError::new(
                format!("the service file {} cannot be read: {error}", path.display()),
                "correct PGSERVICEFILE or servicefile=, or let this user read the file",
            )
        })?;
        let content = String::from_utf8(content).map_err(|_| {
            ConfigError::new(
                format!("the service file {} is not UTF-8", path.display()),
                "convert it to UTF-8",
            )
        })?;
        let mut lines = (1..).zip(content.lines().map(|line| line.trim_matches(keywords::is_blank)));
        let header = format!("[{name}]");
        if !lines.any(|(_, line)| line.starts_with(&header)) {
            return Ok(None);
        }
        let source = format!("section {} of {}", mask::shown("service", name), path.display());
        let mut service = Self { source, values: Vec::new() };
        for (number, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
            if !line.is_empty() && !line.starts_with('#') {
                let (keyword, value) = assignment(line, number, path)?;
                // The first of several counts, as for libpq.
                if !service.values.iter().any(|(given, _)| *given == keyword) {
                    service.values.push((keyword, value.to_owned()));
                }
            }
        }
        Ok(Some(service))
    }

    /// The value of a keyword and where it comes from.
    pub(super) fn take(&mut self, name: &str) -> Option<(String, String)> {
        let index = self.values.iter().position(|(keyword, _)| *keyword == name)?;
        Some((self.values.swap_remove(index).1, self.source.clone()))
    }
}

/// Splits `keyword=value`, without spaces around the equals sign. Never shows the line: it may hold a password.
fn assignment<'l>(line: &'l str, number: usize, path: &Path) -> Result<(&'static str, &'l str), ConfigError> {
    let refuse = |what: String| {
        Err(ConfigError::new(
            format!("line {number} of the service file {} {what}", path.display()),
            "write keyword=value with a keyword of libpq and without spaces around the `=`",
        ))
    };
    let Some((name, value)) = line.split_once('=') else { return refuse("has no `=`".to_owned()) };
    match keyword(name) {
        Some("service" | "servicefile") => refuse(format!("names another service by `{name}`")),
        Some(keyword) => Ok((keyword, value)),
        None if is_name(name) => {
            let known = keywords::KEYWORDS.iter().map(|(keyword, _)| *keyword);
            refuse(format!("has the unknown keyword `{name}`{}", suggestion(name, known)))
        }
        None => refuse("has no proper keyword".to_owned()),
    }
}
