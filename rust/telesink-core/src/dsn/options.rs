//! The options of a DSN: collected from the query and from keywords, taken one by one, and refused if left
//! over.

use super::{Dsn, mask, percent, units};
use crate::error::ConfigError;
use crate::record::level;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Longest name of an option. Longer ones are typing errors, and names are compared with each other.
const NAME_BYTES_MAX: usize = 64;

/// How similar a name must be to be suggested, from 0 to 1. Catches two slips in a word of six letters.
const SIMILARITY_MIN: f64 = 0.6;

/// Similarity given to a name that is the beginning of another (`linger` for `linger_seconds`).
const SIMILARITY_OF_PREFIX: f64 = 0.75;

/// Where an option was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the query of the DSN.
    Dsn,
    /// Beside the DSN.
    Keyword,
}

impl Source {
    /// As a noun, for "from ...".
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Dsn => "the dsn",
            Self::Keyword => "a keyword argument",
        }
    }
}

/// One option as it was written. Not printable: the value may be a secret.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) source: Source,
    /// Whether it stands in front of the query, where the masked target shows it.
    pub(super) is_in_target: bool,
    is_taken: bool,
}

/// All options of a DSN, and the names somebody asked for.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) given: Vec<Given>,
    known: Vec<&'static str>,
}

impl Options {
    /// Takes the options that were found in front of the query, reads the query and adds the keywords; a name may
    /// stand in the DSN and among the keywords only with the same value.
    pub(super) fn collect(
        target: Vec<(String, String)>,
        query: &str,
        keywords: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut options = Self::default();
        for (name, value) in target {
            options.add(name, value, Source::Dsn)?;
        }
        options.given.iter_mut().for_each(|given| given.is_in_target = true);
        for (index, piece) in query.split('&').enumerate().filter(|(_, piece)| !piece.is_empty()) {
            let (name, value) = split_piece(piece, index + 1)?;
            options.add(name, value, Source::Dsn)?;
        }
        for (name, value) in keywords {
            if !is_name(name) {
                return Err(ConfigError::new(
                    "the name of a keyword option holds other characters than letters, digits and `_`",
                    "correct the name",
                ));
            }
            options.add(name.clone(), value.clone(), Source::Keyword)?;
        }
        Ok(options)
    }

    fn add(&mut self, name: String, value: String, source: Source) -> Result<(), ConfigError> {
        let Some(first) = self.given.iter().find(|given| given.name == name) else {
            self.given.push(Given { name, value, source, is_in_target: false, is_taken: false });
            return Ok(());
        };
        if first.source == source {
            let place = match source {
                Source::Dsn => "in the dsn",
                Source::Keyword => "as a keyword argument",
            };
            return Err(ConfigError::new(
                format!("option `{name}` is given twice {place}"),
                "keep one of the two",
            ));
        }
        if first.value == value {
            return Ok(());
        }
        let (in_dsn, in_keyword) = (mask::shown(&name, &first.value), mask::shown(&name, &value));
        Err(ConfigError::new(
            format!("option `{name}` is {in_dsn} in the dsn and {in_keyword} as a keyword argument"),
            "keep one of the two",
        ))
    }
}

/// Splits `name=value`. The piece is named by its position only: without a proper name it could be a secret.
fn split_piece(piece: &str, position: usize) -> Result<(String, String), ConfigError> {
    let example = "options are written ?name=value&other=value";
    let Some((name, value)) = piece.split_once('=') else {
        return Err(ConfigError::new(format!("option {position} in the dsn has no `=`"), example));
    };
    let name = percent::decode(name, &format!("name of option {position} in the dsn"))?;
    if !is_name(&name) {
        return Err(ConfigError::new(
            format!(
                "the name of option {position} in the dsn is empty, too long, \
                 or holds other characters than letters, digits and `_`"
            ),
            example,
        ));
    }
    let value = percent::decode(value, &format!("value of option `{name}` in the dsn"))?;
    Ok((name, value))
}

/// Whether `name` can be shown and compared without harm.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// A value that cannot be used: names it, where it stands, what it is and what is expected.
pub(crate) fn wrong_value(kind: &str, name: &str, value: &str, source: &str, expected: &str) -> ConfigError {
    let shown = mask::shown(name, value);
    ConfigError::new(
        format!("{kind} `{name}` is {shown} (from {source}); expected {expected}"),
        "correct it there, or remove it to use the default",
    )
}

/// The candidate most similar to `name`, if any is similar enough to be meant; the first of equals.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: String = name.to_lowercase().replace('-', "_").chars().take(NAME_BYTES_MAX).collect();
    let mut best = (SIMILARITY_MIN, None);
    for candidate in candidates {
        let mut similarity = strsim::normalized_damerau_levenshtein(&wanted, &candidate.to_lowercase());
        if wanted.len() >= 3 && candidate.starts_with(&wanted) {
            similarity = similarity.max(SIMILARITY_OF_PREFIX);
        }
        if similarity > best.0 {
            best = (similarity, Some(candidate));
        }
    }
    best.1
}

/// "; did you mean `x`?", or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

/// The options are taken out one by one; a name that was asked for is known, whether it was given or not.
impl Dsn {
    /// Whether the option is given and not yet taken. Asking does not make the name known.
    pub fn has(&self, name: &str) -> bool {
        self.options.given.iter().any(|given| given.name == name && !given.is_taken)
    }

    /// Takes an option as text.
    ///
    /// # Errors
    /// It is empty.
    pub fn take_text(&mut self, name: &'static str) -> Result<Option<String>, ConfigError> {
        self.take_with(name, "a text that is not empty", |value| {
            (!value.is_empty()).then(|| value.to_owned())
        })
    }

    /// Takes an option as a truth value, in any case: `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`.
    ///
    /// # Errors
    /// Any other text.
    pub fn take_bool(&mut self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        self.take_with(name, "\"true\" or \"false\"", |value| match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        })
    }

    /// Takes an option as one of `choices`, in any case.
    ///
    /// # Errors
    /// Any other text; the error lists the choices and names the nearest.
    pub fn take_choice(
        &mut self,
        name: &'static str,
        choices: &[&'static str],
    ) -> Result<Option<&'static str>, ConfigError> {
        let Some((value, source)) = self.take_raw(name) else { return Ok(None) };
        match choices.iter().find(|choice| choice.eq_ignore_ascii_case(value.trim())) {
            Some(choice) => Ok(Some(choice)),
            None => Err(wrong_choice("option", name, &value, source.text(), choices)),
        }
    }

    /// Takes an option as a whole number within `range`.
    ///
    /// # Errors
    /// No whole number, or outside of the range.
    pub fn take_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.take_with(name, &expected, |value| {
            units::parse_integer(value).filter(|number| range.contains(number))
        })
    }

    /// Takes an option as a size in bytes; words are those of [`units::parse_bytes`]. Zero is allowed.
    ///
    /// # Errors
    /// Anything that is no size.
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Option<u64>, ConfigError> {
        self.take_with(name, units::BYTES_EXPECTED, units::parse_bytes)
    }

    /// Takes an option as a duration; a bare number is in seconds, words are those of
    /// [`units::parse_duration`]. Zero is allowed.
    ///
    /// # Errors
    /// Anything that is no duration, or one of more than 100 years.
    pub fn take_seconds(&mut self, name: &'static str) -> Result<Option<Duration>, ConfigError> {
        self.take_with(name, units::DURATION_EXPECTED, units::parse_duration)
    }

    /// Takes an option as a level: a name in any case, or Python's number.
    ///
    /// # Errors
    /// An unknown name or a negative number; the error lists the names.
    pub fn take_level(&mut self, name: &'static str) -> Result<Option<i32>, ConfigError> {
        self.take_with(name, &level_expected(), level::parse)
    }

    /// Takes an option as texts separated by commas; spaces around them do not count.
    ///
    /// # Errors
    /// One of the texts is empty.
    pub fn take_list(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        self.take_with(name, "texts separated by commas, none of them empty", |value| {
            let texts: Vec<String> = value.split(',').map(|text| text.trim().to_owned()).collect();
            (!texts.iter().any(String::is_empty)).then_some(texts)
        })
    }

    /// Marks names as known without taking them, so that they are suggested and listed.
    pub(crate) fn know(&mut self, names: &[&'static str]) {
        for name in names {
            if !self.options.known.contains(name) {
                self.options.known.push(name);
            }
        }
    }

    /// Takes an option as it was written.
    pub(crate) fn take_raw(&mut self, name: &'static str) -> Option<(String, Source)> {
        self.know(&[name]);
        let given = self.options.given.iter_mut().find(|given| given.name == name && !given.is_taken)?;
        given.is_taken = true;
        Some((given.value.clone(), given.source))
    }

    fn take_with<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((value, source)) = self.take_raw(name) else { return Ok(None) };
        match read(&value) {
            Some(found) => Ok(Some(found)),
            None => Err(wrong_value("option", name, &value, source.text(), expected)),
        }
    }

    /// Refuses options that nobody took: an option that is accepted and ignored would be a trap.
    ///
    /// # Errors
    /// Names the first option left over, the nearest known name, and all known names.
    pub fn finish(&self) -> Result<(), ConfigError> {
        let Some(left) = self.options.given.iter().find(|given| !given.is_taken) else { return Ok(()) };
        let name = &left.name;
        if name == "spool" || name.starts_with("spool_") {
            return Err(ConfigError::new(
                format!("option `{name}` is not available: this version does not have a spool on disk yet"),
                "remove it; records wait in memory within `queue_bytes_max`",
            ));
        }
        let mut known = self.options.known.clone();
        known.sort_unstable();
        let suggestion = suggestion(name, known.iter().copied());
        let hint = if known.is_empty() {
            format!("{}:// takes no options", self.scheme())
        } else {
            format!("allowed options: {}", known.join(", "))
        };
        Err(ConfigError::new(format!("unknown option `{name}` for {}://{suggestion}", self.scheme()), hint))
    }
}

/// A value that is none of the choices: lists them and names the nearest.
pub(crate) fn wrong_choice(
    kind: &str,
    name: &str,
    value: &str,
    source: &str,
    choices: &[&'static str],
) -> ConfigError {
    let suggestion = suggestion(value, choices.iter().copied());
    let expected = format!("{}{suggestion}", either(choices));
    wrong_value(kind, name, value, source, &expected)
}

/// "`a`, `b` or `c`".
pub(crate) fn either(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// What a level may look like.
pub(crate) fn level_expected() -> String {
    let names: Vec<&str> = level::names().collect();
    format!("a level number of at least 0 or one of {}", names.join(", "))
}
