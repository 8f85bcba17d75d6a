//! Environment variables, asked for by name.

use crate::error::ConfigError;
use std::ffi::OsString;
use std::fmt;

type Lookup = Box<dyn Fn(&str) -> Option<OsString>>;

/// The environment of a process; made up in tests. A variable that is empty or blank counts as not set.
pub struct Variables(Lookup);

impl Variables {
    /// Asks `lookup` for each variable of interest; nothing else is known of the process.
    pub fn new(lookup: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self(Box::new(lookup))
    }

    /// The environment of this process. To be used where the program sets its pipeline up: reading variables while
    /// another thread changes them is not safe in every C library.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// The value of a variable without blanks around it.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        let Some(text) = value.to_str() else {
            let message = format!("the environment variable {name} is not UTF-8");
            return Err(ConfigError::new(message, "correct it, or give the value in the dsn"));
        };
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}
