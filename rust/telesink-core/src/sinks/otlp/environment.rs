//! The variables of the OTLP exporter specification: `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` before
//! `OTEL_EXPORTER_OTLP_ENDPOINT`, and so on. Empty ones count as not set.

use super::signal::Words;
use crate::dsn::percent;
use crate::dsn::variables::Variables;
use crate::error::ConfigError;
use crate::http::Header;
use std::time::Duration;

/// Longest time-out that a variable may ask for: a larger one is milliseconds taken for seconds.
const TIMEOUT_MAX: f64 = 86_400.0;

/// The variables of one signal.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfSignal<'v> {
    pub(super) variables: &'v Variables,
    pub(super) words: &'static Words,
}

/// A value and the name of its variable.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) name: String,
}

impl Found {
    pub(super) fn place(&self) -> String {
        format!("the environment variable {}", self.name)
    }

    pub(super) fn wrong(&self, expected: &str) -> ConfigError {
        ConfigError::new(
            format!("{} has a value that cannot be used; expected {expected}", self.place()),
            "correct it there, or remove it to use the default",
        )
    }
}

impl OfSignal<'_> {
    /// The variable for this signal alone.
    pub(super) fn own(&self, what: &str) -> Result<Option<Found>, ConfigError> {
        self.named(format!("OTEL_EXPORTER_OTLP_{}_{what}", self.words.variable))
    }

    /// The variable for all signals.
    pub(super) fn general(&self, what: &str) -> Result<Option<Found>, ConfigError> {
        self.named(format!("OTEL_EXPORTER_OTLP_{what}"))
    }

    /// The one of the signal before that of all.
    pub(super) fn either(&self, what: &str) -> Result<Option<Found>, ConfigError> {
        Ok(match self.own(what)? {
            Some(found) => Some(found),
            None => self.general(what)?,
        })
    }

    fn named(&self, name: String) -> Result<Option<Found>, ConfigError> {
        Ok(self.variables.text(&name)?.map(|text| Found { text, name }))
    }

    /// `TIMEOUT` in seconds, as the exporters of the Python SDK read it (the specification means milliseconds).
    pub(super) fn timeout(&self) -> Result<Option<Duration>, ConfigError> {
        let Some(found) = self.either("TIMEOUT")? else { return Ok(None) };
        match found.text.parse::<f64>() {
            Ok(seconds) if seconds > 0.0 && seconds <= TIMEOUT_MAX => {
                Ok(Some(Duration::from_secs_f64(seconds)))
            }
            _ => Err(found.wrong("seconds above 0, at most a day")),
        }
    }

    /// `COMPRESSION`.
    pub(super) fn is_gzip(&self) -> Result<Option<bool>, ConfigError> {
        let Some(found) = self.either("COMPRESSION")? else { return Ok(None) };
        match found.text.to_ascii_lowercase().as_str() {
            "gzip" => Ok(Some(true)),
            "none" => Ok(Some(false)),
            _ => Err(found.wrong("`gzip` or `none`")),
        }
    }

    /// `HEADERS`.
    pub(super) fn headers(&self) -> Result<Option<Vec<Header>>, ConfigError> {
        let Some(found) = self.either("HEADERS")? else { return Ok(None) };
        headers(&found.text, &found.place()).map(Some)
    }
}

/// Reads `name=value,other=value`; values are percent-decoded, blanks around them do not count.
pub(super) fn headers(text: &str, place: &str) -> Result<Vec<Header>, ConfigError> {
    let mut headers: Vec<Header> = Vec::new();
    for (index, pair) in text.split(',').enumerate().filter(|(_, pair)| !pair.trim().is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(ConfigError::new(
                format!("header {} in {place} has no `=`", index + 1),
                "headers are written name=value,other=value; write %2C for a comma in a value",
            ));
        };
        let name = percent::decode(name.trim(), &format!("name of header {} in {place}", index + 1))?;
        let value = percent::decode(value.trim(), &format!("value of header {} in {place}", index + 1))?;
        let header = Header::new(&name, &value, place)?;
        // The last one counts, as in other exporters.
        headers.retain(|known| known.name() != header.name());
        headers.push(header);
    }
    Ok(headers)
}
