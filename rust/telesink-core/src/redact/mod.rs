//! Secrets are hidden before a record reaches a queue, a spool or a dead-letter file.
//!
//! Two questions: [`Redaction::hides_name`] says whether a field's name forbids its value, and
//! [`Redaction::redact_text`] hides secrets in free text. Both take time linear in their input, whatever it holds.
//! Numbers and booleans are never redacted by name; the caller asks only about text. This module keeps no state: a
//! new set is a new value.

mod ansi;
mod names;
mod patterns;
mod triggers;
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

pub use ansi::strip_ansi;

use crate::error::ConfigError;
use names::NameRules;
use patterns::{Pattern, Secrets};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// What to hide, as a user writes it.
#[derive(Clone)]
pub struct RedactionSpec {
    /// Field names: `word` hides names that contain it, `*word` those that end with it, `=word` this name only.
    /// ASCII case does not count, and `-` equals `_`. At most 1,000 of 256 bytes.
    pub names: Vec<String>,
    /// Regular expressions for free text, at most 100. The first group is hidden, or the whole match if there is no
    /// group. `\d`, `\w`, `\s` and `\b` are ASCII; look-around and back-references are not supported.
    pub patterns: Vec<String>,
    /// Exact values, hidden wherever they stand in free text; at most 256 KiB together. Case counts. A very short
    /// one hides much else.
    pub secrets: Vec<String>,
    /// Field names that are never hidden, whatever `names` and the defaults say, neither as a field nor as
    /// `name=value` in a text. Whole names; ASCII case does not count, and `-` equals `_`.
    pub keep: Vec<String>,
    /// Whether the built-in names and text rules apply too.
    pub defaults: bool,
}

impl Default for RedactionSpec {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            patterns: Vec::new(),
            secrets: Vec::new(),
            keep: Vec::new(),
            defaults: true,
        }
    }
}

impl fmt::Debug for RedactionSpec {
    /// Counts secrets and patterns instead of showing them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedactionSpec")
            .field("names", &self.names)
            .field("patterns", &self.patterns.len())
            .field("secrets", &self.secrets.len())
            .field("keep", &self.keep)
            .field("defaults", &self.defaults)
            .finish()
    }
}

/// One compiled set of rules, never changed.
#[derive(Debug)]
pub struct Redaction {
    names: NameRules,
    has_triggers: bool,
    secrets: Option<Secrets>,
    patterns: Vec<Pattern>,
}

impl Redaction {
    /// The built-in rules alone.
    ///
    /// Names, without ASCII case, `-` as `_`: those that contain `password`, `passwd`, `secret`, `token`, `cookie`,
    /// `authorization`, `credential`, `api_key`, `apikey`, `private_key`, `privatekey`, `bearer`, `csrf`,
    /// `credit_card` or `creditcard`, end with `_cert`, `_pem` or `_ssn`, or equal `auth`, `cert`, `pem` or `ssn`.
    pub fn default_set() -> Self {
        Self::built_in(true)
    }

    /// No rules: nothing is hidden.
    pub fn off() -> Self {
        Self::built_in(false)
    }

    /// Compiles a user's rules.
    ///
    /// # Errors
    /// [`ConfigError`] for a name that is empty, over-long or misplaces `*` or `=`; a pattern that does not compile,
    /// compiles to more than 1 MiB or matches an empty text; more entries than [`RedactionSpec`] allows. It names the
    /// number of a pattern and never shows patterns or secrets.
    pub fn build(spec: RedactionSpec) -> Result<Self, ConfigError> {
        let RedactionSpec { names, patterns, secrets, keep, defaults } = spec;
        Ok(Self {
            names: NameRules::build(&names, &keep, defaults)?,
            has_triggers: defaults,
            secrets: Secrets::build(&secrets)?,
            patterns: Pattern::build_all(&patterns)?,
        })
    }

    fn built_in(defaults: bool) -> Self {
        Self {
            names: NameRules::built_in(defaults),
            has_triggers: defaults,
            secrets: None,
            patterns: Vec::new(),
        }
    }

    /// Whether this set hides nothing at all, so that the caller need not ask.
    pub fn is_off(&self) -> bool {
        self.names.is_empty() && !self.hides_text()
    }

    /// Whether [`Self::redact_text`] can hide anything.
    pub fn hides_text(&self) -> bool {
        self.has_triggers || self.secrets.is_some() || !self.patterns.is_empty()
    }

    /// Whether a text under this field name is hidden. Does not allocate.
    pub fn hides_name(&self, name: &str) -> bool {
        self.names.hides(name)
    }

    /// The text with every secret replaced by [`REDACTED`]; borrowed if there is none.
    ///
    /// Hidden is what follows `password`, `passwd`, `secret`, `token`, `credential` (also in the plural), API, access
    /// and private keys, `bearer` and `authorization` with `=` or `:`, quoted or not, as in JSON and in the reprs of
    /// Python; what follows `Bearer`; the password of a URL; exact secrets; users' patterns. What announces the
    /// secret stays. A bare number after `token` or `tokens` is a count and stays, too; after the others it is hidden.
    ///
    /// A value in quotes or brackets that is never closed is hidden to the end of the text. A value that begins with
    /// [`REDACTED`] counts as hidden, so that a second pass changes nothing, unless a user's pattern looks at what
    /// stands around its match. Takes linear time; only a user's pattern whose alternatives look far ahead and then
    /// match little can take more.
    pub fn redact_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut spans = Vec::new();
        if self.has_triggers {
            triggers::find(text, &self.names, &mut spans);
        }
        if let Some(secrets) = &self.secrets {
            secrets.find(text, &mut spans);
        }
        for pattern in &self.patterns {
            pattern.find(text, &mut spans);
        }
        if spans.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, spans)) }
    }
}

/// The text with each span replaced. All rules have looked at the same text, and spans that touch are one, so no rule
/// can leave readable what another has cut in two.
fn without(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_unstable_by_key(|span| span.start);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    let mut is_first = true;
    for span in spans {
        if is_first || span.start > done {
            clean.push_str(&text[done..span.start]);
            clean.push_str(REDACTED);
        }
        is_first = false;
        done = done.max(span.end);
    }
    clean.push_str(&text[done..]);
    clean
}
