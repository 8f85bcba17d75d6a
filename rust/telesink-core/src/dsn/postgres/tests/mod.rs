//! What libpq makes of a DSN, and where we differ from it on purpose.

mod forms;
mod hosts;
mod passfile;
mod precedence;
mod secrecy;
mod service;
mod shown;
mod tls;
mod values;

use super::keywords::KEYWORDS;
use super::{Environment, Target, target};
use crate::dsn::Dsn;
use crate::error::ConfigError;
use std::ffi::OsString;
use std::path::Path;

/// The directory that relative paths are taken from.
const BASE: &str = "/srv/app";

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn owned(pairs: Pairs<'_>) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(text: &str) -> Result<Dsn, ConfigError> {
    Dsn::parse(text, &[], Path::new(BASE))
}

/// An environment with these variables and nothing else.
fn environment(variables: Pairs<'_>) -> Environment {
    let variables = owned(variables);
    Environment::new(|name| {
        let found = variables.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

/// The target of a DSN, with keywords beside it and variables; the system's user is `ada`.
fn resolve_with(text: &str, keywords: Pairs<'_>, variables: Pairs<'_>) -> Result<Target, ConfigError> {
    let mut variables = variables.to_vec();
    variables.push(("USER", "ada"));
    let mut dsn = Dsn::parse(text, &owned(keywords), Path::new(BASE))?;
    let target = target(&mut dsn, &environment(&variables))?;
    dsn.finish()?;
    Ok(target)
}

fn resolve(text: &str) -> Result<Target, ConfigError> {
    resolve_with(text, &[], &[])
}

/// The keywords that a DSN gives, in the order of libpq's table.
fn keywords_of(text: &str) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let mut dsn = parse(text)?;
    let mut found = Vec::new();
    for (name, _) in KEYWORDS {
        found.extend(dsn.take_raw(name).map(|(value, _)| (name, value)));
    }
    dsn.finish()?;
    Ok(found)
}

/// Asserts that `result` is an error with these words.
#[track_caller]
fn assert_refused<T>(result: Result<T, ConfigError>, context: &str, message: &str, hint: &str) {
    let Err(error) = result else { panic!("{context} is accepted") };
    assert!(error.message.contains(message), "{context}: {error}");
    assert!(error.hint.contains(hint), "{context}: {}", error.hint);
}
