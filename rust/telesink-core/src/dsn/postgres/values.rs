//! The value of a keyword by libpq's order: the DSN and what is given beside it, the section of the service file, the
//! variables of the process.

use super::environment::Environment;
use super::keywords::KEYWORDS;
use super::service::Service;
use crate::dsn::{Dsn, wrong_choice, wrong_value};
use crate::error::ConfigError;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A value and where it comes from, as a noun. Not printable: it may be a secret.
pub(super) struct Value {
    pub(super) text: String,
    pub(super) source: String,
}

/// Takes values one by one. One that is empty hides those of lower order and means the default, as for libpq.
pub(super) struct Values<'a> {
    dsn: &'a mut Dsn,
    service: Option<Service>,
    environment: &'a Environment,
}

impl<'a> Values<'a> {
    /// Reads the service file if a service is named.
    pub(super) fn new(dsn: &'a mut Dsn, environment: &'a Environment) -> Result<Self, ConfigError> {
        for (name, _) in KEYWORDS {
            dsn.know(&[name]);
        }
        let mut values = Self { dsn, service: None, environment };
        let name = values.take("service")?;
        let file = values.path("servicefile")?;
        if let Some(name) = name.filter(|name| !name.text.is_empty()) {
            values.service = Some(Service::read(&name, file, environment)?);
        }
        Ok(values)
    }

    /// Whether it is given in the DSN or beside it.
    pub(super) fn is_in_dsn(&self, name: &str) -> bool {
        self.dsn.has(name)
    }

    /// The value as it was written.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<Value>, ConfigError> {
        let given = self.dsn.take_raw(name);
        let value = if let Some((text, source)) = given {
            Value { text, source: source.text().to_owned() }
        } else if let Some((text, source)) = self.service.as_mut().and_then(|service| service.take(name)) {
            Value { text, source }
        } else {
            let variable =
                KEYWORDS.iter().find(|(keyword, _)| *keyword == name).and_then(|(_, variable)| *variable);
            let Some(variable) = variable else { return Ok(None) };
            let Some(text) = self.environment.variable(variable)? else { return Ok(None) };
            Value { text: text.to_owned(), source: format!("the environment variable {variable}") }
        };
        if value.text.contains('\0') {
            let message = format!("option `{name}` (from {}) holds a NUL character", value.source);
            return Err(ConfigError::new(message, "remove it"));
        }
        Ok(Some(value))
    }

    /// The value as text; none if it is empty.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, ConfigError> {
        Ok(self.take(name)?.map(|value| value.text).filter(|text| !text.is_empty()))
    }

    /// The value as one of `choices`, in any case.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        let word = value.text.trim();
        if let Some((_, meaning)) = choices.iter().find(|(choice, _)| choice.eq_ignore_ascii_case(word)) {
            return Ok(Some(*meaning));
        }
        let words: Vec<&'static str> = choices.iter().map(|(choice, _)| *choice).collect();
        Err(wrong_choice("option", name, &value.text, &value.source, &words))
    }

    /// The value as a whole number within `range`.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i32>,
    ) -> Result<Option<i32>, ConfigError> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        match value.text.trim().parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                Err(wrong_value("option", name, &value.text, &value.source, &expected))
            }
        }
    }

    /// The value as a path; a relative one is taken from the directory that paths in the DSN are taken from.
    pub(super) fn path(&mut self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let value = self.take(name)?;
        value.map_or(Ok(None), |value| self.completed(name, &value))
    }

    /// The same for a value that has been taken.
    pub(super) fn completed(&self, name: &str, value: &Value) -> Result<Option<PathBuf>, ConfigError> {
        if value.text == "~" || value.text.starts_with("~/") {
            return Err(ConfigError::new(
                format!("option `{name}` (from {}) begins with `~`, which is not expanded", value.source),
                "write the home directory in full",
            ));
        }
        Ok((!value.text.is_empty()).then(|| self.dsn.base_directory().join(&value.text)))
    }
}
