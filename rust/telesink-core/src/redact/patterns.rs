//! What users add for free text: regular expressions and exact secrets.
//!
//! Both are searched only between places already hidden, so that the mark itself is never cut or grown.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use memchr::memmem;
use regex_automata::meta::{BuildError, Regex};

use super::REDACTED;
use crate::error::ConfigError;

/// Most patterns of one set: each is one more pass over a text.
const PATTERNS_MAX: usize = 100;

/// Largest compiled pattern, in bytes of its automaton. Chosen: holds any pattern a person writes, and stops
/// `(\w{1000}){1000}`, which would take gigabytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Most bytes of all secrets together; their automaton takes some twenty times as much.
const SECRET_BYTES_MAX: usize = 256 * 1024;

/// One user's pattern.
pub(super) struct Pattern {
    regex: Regex,
    has_group: bool,
}

impl Pattern {
    /// Compiles all patterns. An error names the number of the pattern, never its text, which may hold a secret.
    pub(super) fn build_all(patterns: &[String]) -> Result<Vec<Self>, ConfigError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(ConfigError::new(
                format!("redact has {} patterns; allowed are {PATTERNS_MAX}", patterns.len()),
                "join patterns with `|`",
            ));
        }
        patterns.iter().enumerate().map(|(index, pattern)| Self::build(index + 1, pattern)).collect()
    }

    fn build(number: usize, pattern: &str) -> Result<Self, ConfigError> {
        let config = Regex::config().nfa_size_limit(Some(PATTERN_BYTES_MAX));
        let regex =
            Regex::builder().configure(config).build(&with_ascii_classes(pattern)).map_err(|error| {
                ConfigError::new(
                    format!("could not compile redact pattern {number}: {}", cause(&error)),
                    "look-around and back-references are not supported, because matching takes linear time",
                )
            })?;
        if regex.is_match("") {
            return Err(ConfigError::new(
                format!("redact pattern {number} matches an empty text"),
                "write a pattern that matches at least one character, such as `+` instead of `*`",
            ));
        }
        let has_group = regex.captures_len() > 1;
        Ok(Self { regex, has_group })
    }

    /// Adds what the pattern hides: its first group if it has one that took part, else the whole match.
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Range<usize>>) {
        for visible in visible(text) {
            let input = regex_automata::Input::new(text).range(visible);
            if self.has_group {
                for captures in self.regex.captures_iter(input) {
                    let hidden = captures.get_group(1).or_else(|| captures.get_group(0));
                    spans.extend(hidden.map(|span| span.range()).filter(|range| !range.is_empty()));
                }
            } else {
                let found = self.regex.find_iter(input).map(|found| found.range());
                spans.extend(found.filter(|range| !range.is_empty()));
            }
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pattern").field("has_group", &self.has_group).finish_non_exhaustive()
    }
}

/// Gives `\d`, `\w`, `\s` and `\b` their ASCII meaning and leaves `.` and literals to Unicode.
///
/// The Unicode tables for them are not compiled in: tokens, card numbers and keys are ASCII, and word boundaries in
/// Unicode cost the fast engines.
fn with_ascii_classes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len() + 32);
    let mut characters = pattern.chars().peekable();
    // `[\b]` is an error and must stay one.
    let mut class_depth = 0usize;
    while let Some(character) = characters.next() {
        if character != '\\' {
            match character {
                '[' => class_depth += 1,
                ']' => class_depth = class_depth.saturating_sub(1),
                _ => {}
            }
            plain.push(character);
            continue;
        }
        let Some(escaped) = characters.next() else {
            plain.push('\\');
            break;
        };
        match escaped {
            'd' => plain.push_str("[0-9]"),
            'D' => plain.push_str("[^0-9]"),
            'w' => plain.push_str("[0-9A-Za-z_]"),
            'W' => plain.push_str("[^0-9A-Za-z_]"),
            's' => plain.push_str(r"[\t\n\v\f\r ]"),
            'S' => plain.push_str(r"[^\t\n\v\f\r ]"),
            'b' if class_depth == 0 && characters.peek() != Some(&'{') => plain.push_str(r"(?-u:\b)"),
            'B' if class_depth == 0 => plain.push_str(r"(?-u:\B)"),
            other => {
                plain.push('\\');
                plain.push(other);
            }
        }
    }
    plain
}

/// What is wrong, without the pattern: the syntax error's text quotes it, except on its last line.
fn cause(error: &BuildError) -> String {
    if let Some(limit) = error.size_limit() {
        return format!("it needs more than {limit} bytes when compiled");
    }
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Exact values to hide wherever they stand.
pub(super) struct Secrets {
    automaton: AhoCorasick,
}

impl Secrets {
    /// Compiles the values; `None` if there are none. Empty values and repetitions are left out, and a line break at
    /// the end, which a value read from a file often has, does not count.
    pub(super) fn build(secrets: &[String]) -> Result<Option<Self>, ConfigError> {
        let mut values: Vec<_> = secrets
            .iter()
            .map(|secret| secret.trim_end_matches(['\r', '\n']))
            .filter(|secret| !secret.is_empty())
            .collect();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            return Ok(None);
        }
        let bytes: usize = values.iter().map(|value| value.len()).sum();
        if bytes > SECRET_BYTES_MAX {
            return Err(ConfigError::new(
                format!("redact secrets have {bytes} bytes together; allowed are {SECRET_BYTES_MAX}"),
                "register the values that can appear in a log only",
            ));
        }
        // The longest wins where several begin at one place, or the rest of a long secret would stay readable.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&values)
            .map_err(|error| {
                ConfigError::new(
                    format!("could not compile redact secrets: {error}"),
                    "register fewer secrets",
                )
            })?;
        Ok(Some(Self { automaton }))
    }

    pub(super) fn find(&self, text: &str, spans: &mut Vec<Range<usize>>) {
        for visible in visible(text) {
            spans
                .extend(self.automaton.find_iter(Input::new(text).range(visible)).map(|found| found.range()));
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secrets").field("count", &self.automaton.patterns_len()).finish()
    }
}

/// The pieces of the text between places already hidden.
fn visible(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = Some(0);
    let mut marks = memmem::find_iter(text.as_bytes(), REDACTED);
    std::iter::from_fn(move || {
        let start = from?;
        let mark = marks.next();
        from = mark.map(|mark| mark + REDACTED.len());
        Some(start..mark.unwrap_or(text.len()))
    })
}
