//! The errors, by who has to act.

use std::time::Duration;
use thiserror::Error;

/// A DSN, an option or a setting is wrong: the developer acts, at start-up.
///
/// `message` says what was attempted, what was found and what is allowed; `hint` is the next step. Neither ever
/// holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ConfigError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl ConfigError {
    /// An error with its next step.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// What a failed write means for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteErrorKind {
    /// The destination looked at these records and refused them; nothing of the batch was stored.
    Reject,
    /// Anything that may pass: keep the batch, wait, try again.
    Retry,
    /// Somebody has to mend the configuration or the destination: keep the batch, probe, say so.
    Hold,
}

/// A write failed. Never raised to the program: counted, judged by the lane, and kept as `last_error`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct WriteError {
    /// What it means for the batch.
    pub kind: WriteErrorKind,
    /// What happened, with the masked target.
    pub message: String,
    /// What a person can do about it; empty if nothing.
    pub hint: String,
    /// Short machine-readable cause of a refusal, such as an SQLSTATE; empty if there is none.
    pub code: String,
    /// What the destination said about the record itself. It may quote the record, so it goes into the dead-letter file
    /// and nowhere else.
    pub detail: String,
    /// How long the destination asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the attempt may have been stored all the same (its answer was lost). Until the outcome is known the
    /// records are neither expired nor counted as dropped.
    pub is_unresolved: bool,
    /// Whether nothing can mend it as long as this process lives.
    pub is_lasting: bool,
    /// Whether the tables are at fault: missing, or not of the form that is needed.
    pub is_about_tables: bool,
}

impl WriteError {
    /// The records are at fault and nothing was stored.
    pub fn reject(message: impl Into<String>) -> Self {
        Self::new(WriteErrorKind::Reject, message.into(), String::new())
    }

    /// May pass by itself.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(WriteErrorKind::Retry, message.into(), String::new())
    }

    /// Somebody has to act; `hint` says how.
    pub fn hold(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(WriteErrorKind::Hold, message.into(), hint.into())
    }

    fn new(kind: WriteErrorKind, message: String, hint: String) -> Self {
        let (code, detail) = (String::new(), String::new());
        Self {
            kind,
            message,
            hint,
            code,
            detail,
            retry_after: None,
            is_unresolved: false,
            is_lasting: false,
            is_about_tables: false,
        }
    }

    /// The same error, to be tried again after `delay`.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The same error for an attempt whose outcome is not known.
    #[must_use]
    pub fn unresolved(mut self) -> Self {
        self.is_unresolved = true;
        self
    }

    /// The same error where nothing can mend it as long as this process lives.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.is_lasting = true;
        self
    }

    /// The same error where the tables are at fault, if they are.
    #[must_use]
    pub fn about_tables(mut self, are_they: bool) -> Self {
        self.is_about_tables = are_they;
        self
    }

    /// The same refusal with its cause and what was said about the record.
    #[must_use]
    pub fn about(mut self, code: impl Into<String>, detail: impl Into<String>) -> Self {
        self.code = code.into();
        self.detail = detail.into();
        self
    }

    /// The same error with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Message and hint on one line.
    pub fn full_text(&self) -> String {
        if self.hint.is_empty() { self.message.clone() } else { format!("{}; {}", self.message, self.hint) }
    }
}
