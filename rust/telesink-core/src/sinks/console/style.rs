//! How the pretty layout looks: colours, symbols, and what the environment says about both.

use super::text::push;
use std::collections::HashMap;

/// The variables that are looked at.
const VARIABLES: [&str; 6] = ["NO_COLOR", "FORCE_COLOR", "TERM", "LC_ALL", "LC_CTYPE", "LANG"];

/// What decides about colours and symbols; read once, and made up in tests.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// Whether the stream ends at a terminal.
    pub(super) is_terminal: bool,
    variables: HashMap<&'static str, String>,
}

impl Environment {
    /// Asks `lookup` for each variable of interest. One that is empty counts as not set.
    pub(super) fn new(is_terminal: bool, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let found = VARIABLES.into_iter().filter_map(|name| Some((name, lookup(name)?)));
        Self { is_terminal, variables: found.filter(|(_, value)| !value.is_empty()).collect() }
    }

    /// The environment of this process. To be called where the program sets its pipeline up: reading variables
    /// while another thread changes them is not safe in every C library.
    pub(super) fn of_process(is_terminal: bool) -> Self {
        let mut environment = Self::new(is_terminal, |name| std::env::var(name).ok());
        if cfg!(not(unix)) {
            // A Windows console takes any character, but shows escapes as they are until it is switched over.
            environment.variables.insert("TERM", "dumb".to_owned());
            environment.variables.insert("LC_ALL", "UTF-8".to_owned());
        }
        environment
    }

    /// Whether colours were asked for even where there is no terminal: `FORCE_COLOR`, unless it is `0`, and
    /// without `NO_COLOR`, which wins as it does in `CPython`.
    pub(super) fn forces_color(&self) -> bool {
        self.get("NO_COLOR").is_none() && self.get("FORCE_COLOR").is_some_and(|value| value != "0")
    }

    /// Whether to use colours if no option decides. In the order of `CPython`: `NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`,
    /// terminal.
    pub(super) fn wants_color(&self) -> bool {
        let can = self.is_terminal && self.get("TERM") != Some("dumb");
        self.get("NO_COLOR").is_none() && (can || self.forces_color())
    }

    /// Whether the locale shows more than ASCII. The first of the three variables that is set decides (POSIX).
    pub(super) fn is_utf8(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| self.get(name));
        let lower = locale.unwrap_or_default().to_ascii_lowercase();
        lower.contains("utf-8") || lower.contains("utf8")
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// The look of the pretty layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether terminal escapes are written.
    pub(super) has_color: bool,
    /// Whether symbols may be other than ASCII.
    pub(super) has_unicode: bool,
}

/// What a piece of a line is, for its colour: the numbers of the terminal's "select graphic rendition" (ECMA-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// As the terminal shows text.
    Normal,
    /// Of less interest.
    Dim,
    /// The program's own frames.
    Bright,
    /// Severities up to DEBUG.
    Debug,
    /// INFO and its neighbours.
    Info,
    /// WARN and its neighbours.
    Warn,
    /// ERROR and its neighbours.
    Error,
    /// FATAL, which Python calls CRITICAL.
    Fatal,
}

impl Ink {
    /// The band of an OTLP severity number.
    pub(super) fn of_severity(severity: u8) -> Self {
        match severity {
            0..=8 => Ink::Debug,
            9..=12 => Ink::Info,
            13..=16 => Ink::Warn,
            17..=20 => Ink::Error,
            _ => Ink::Fatal,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Ink::Normal => "0",
            Ink::Dim => "2",
            Ink::Bright => "1",
            Ink::Debug => "36",
            Ink::Info => "32",
            Ink::Warn => "33",
            Ink::Error => "31",
            Ink::Fatal => "1;31",
        }
    }

    fn symbols(self) -> (&'static str, &'static str) {
        match self {
            Ink::Normal | Ink::Dim | Ink::Bright | Ink::Debug => ("·", "."),
            Ink::Info => ("•", "i"),
            Ink::Warn => ("▲", "!"),
            Ink::Error => ("✖", "x"),
            Ink::Fatal => ("■", "#"),
        }
    }
}

impl Style {
    /// The symbol of a severity band, which tells the level without colour and without reading.
    pub(super) fn symbol(self, ink: Ink) -> &'static str {
        let (unicode, ascii) = ink.symbols();
        if self.has_unicode { unicode } else { ascii }
    }

    /// What stands where text was cut.
    pub(super) fn ellipsis(self) -> &'static str {
        if self.has_unicode { "…" } else { "..." }
    }

    /// Writes what `write` writes, in the colour of `ink`.
    pub(super) fn paint(self, out: &mut Vec<u8>, ink: Ink, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.has_color || ink == Ink::Normal {
            write(out);
            return;
        }
        push(out, format_args!("\x1b[{}m", ink.code()));
        write(out);
        out.extend_from_slice(b"\x1b[0m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a terminal, the variables, and whether colours are expected.
    type Case<'a> = (bool, &'a [(&'a str, &'a str)], bool);

    fn environment(is_terminal: bool, variables: &[(&str, &str)]) -> Environment {
        Environment::new(is_terminal, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_color_wins_over_force_color_and_both_over_the_terminal() {
        let table: [Case<'_>; 10] = [
            (true, &[], true),
            (false, &[], false),
            (true, &[("TERM", "dumb")], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (false, &[("FORCE_COLOR", "1")], true),
            (false, &[("FORCE_COLOR", "0")], false),
            (false, &[("FORCE_COLOR", "")], false),
            (true, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false),
            (false, &[("FORCE_COLOR", "1"), ("TERM", "dumb")], true),
        ];
        for (is_terminal, variables, expected) in table {
            assert_eq!(environment(is_terminal, variables).wants_color(), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides_about_symbols() {
        let table: [(&[(&str, &str)], bool); 6] = [
            (&[], false),
            (&[("LANG", "C")], false),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "en_US.utf8")], true),
            (&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true),
        ];
        for (variables, expected) in table {
            assert_eq!(environment(true, variables).is_utf8(), expected, "{variables:?}");
        }
    }
}
