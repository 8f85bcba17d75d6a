//! Names and texts as SQL takes them: quoted, so that no name can end early and become a statement.

use crate::error::ConfigError;
use crate::record::Signal;

/// Longest name in bytes; the server cuts what is longer, and two names could become one (`NAMEDATALEN - 1`).
const NAME_BYTES_MAX: usize = 63;

/// A table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordTable {
    /// `telesink_logs`.
    Logs,
    /// `telesink_spans`.
    Spans,
    /// `telesink_metrics`.
    Metrics,
}

impl RecordTable {
    /// All, in the order in which a batch is stored.
    pub(crate) const ALL: [Self; 3] = [Self::Logs, Self::Spans, Self::Metrics];

    /// Where records of a signal are stored.
    pub(crate) fn of(signal: Signal) -> Self {
        match signal {
            Signal::Log => Self::Logs,
            Signal::Span => Self::Spans,
            Signal::Metric => Self::Metrics,
        }
    }

    /// Its name, without a schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Logs => "telesink_logs",
            Self::Spans => "telesink_spans",
            Self::Metrics => "telesink_metrics",
        }
    }
}

/// The tables, quoted and qualified: in the schema that was given, or wherever the search path finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    schema: Option<String>,
    prefix: String,
    logs: String,
    spans: String,
    metrics: String,
    ledger: String,
    resources: String,
    meta: String,
}

impl Names {
    /// Names in `schema`, or on the search path.
    ///
    /// # Errors
    /// The name is empty, longer than the server takes, or holds a NUL.
    pub fn new(schema: Option<&str>) -> Result<Self, ConfigError> {
        if let Some(name) = schema {
            check(name)?;
        }
        let schema = schema.map(identifier);
        let prefix = schema.as_ref().map_or_else(String::new, |schema| format!("{schema}."));
        let table = |name: &str| format!("{prefix}telesink_{name}");
        Ok(Self {
            logs: table("logs"),
            spans: table("spans"),
            metrics: table("metrics"),
            ledger: table("ledger"),
            resources: table("resources"),
            meta: table("meta"),
            schema,
            prefix,
        })
    }

    /// `telesink_logs`.
    pub(crate) fn logs(&self) -> &str {
        &self.logs
    }

    /// A table of records.
    pub(crate) fn of(&self, table: RecordTable) -> &str {
        match table {
            RecordTable::Logs => &self.logs,
            RecordTable::Spans => &self.spans,
            RecordTable::Metrics => &self.metrics,
        }
    }

    /// `telesink_ledger`.
    pub(crate) fn ledger(&self) -> &str {
        &self.ledger
    }

    /// `telesink_resources`.
    pub(crate) fn resources(&self) -> &str {
        &self.resources
    }

    /// `telesink_meta`.
    pub(crate) fn meta(&self) -> &str {
        &self.meta
    }

    /// The schema, quoted, if one was given.
    pub(in super::super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// What stands in front of a table's name: the schema and a dot, or nothing.
    pub(in super::super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn check(name: &str) -> Result<(), ConfigError> {
    let refuse = |what: String| Err(ConfigError::new(what, "write the schema as in `schema=telemetry`"));
    if name.is_empty() {
        return refuse("option `schema` is empty".to_owned());
    }
    if name.contains('\0') {
        return refuse("option `schema` holds a NUL character, which no name can".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        let length = name.len();
        return refuse(format!(
            "option `schema` is {length} bytes long, a name has {NAME_BYTES_MAX} at most"
        ));
    }
    Ok(())
}

/// A name in double quotes.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        // The space keeps the E from becoming part of a word in front.
        format!(" E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_schema_the_search_path_decides() {
        let names = Names::new(None).expect("no name");

        assert_eq!(names.logs(), "telesink_logs");
        assert_eq!(names.schema(), None);
    }

    #[test]
    fn a_schema_is_quoted_whatever_it_is_called() {
        let table = [
            ("telemetry", "\"telemetry\".telesink_ledger"),
            ("My Logs", "\"My Logs\".telesink_ledger"),
            ("user", "\"user\".telesink_ledger"),
            ("a\"; DROP TABLE b; --", "\"a\"\"; DROP TABLE b; --\".telesink_ledger"),
            ("größe", "\"größe\".telesink_ledger"),
        ];

        for (schema, ledger) in table {
            assert_eq!(Names::new(Some(schema)).expect("a name").ledger(), ledger);
        }
    }

    #[test]
    fn what_no_schema_can_be_called_is_refused_with_the_reason() {
        let table = [
            (String::new(), "is empty"),
            ("a\0b".to_owned(), "NUL"),
            ("x".repeat(64), "64 bytes"),
            ("ü".repeat(32), "64 bytes"),
        ];

        for (schema, reason) in table {
            let error = Names::new(Some(&schema)).expect_err("no name");
            assert!(error.message.contains(reason), "{error}");
            assert!(error.hint.contains("schema="), "{}", error.hint);
        }
        assert!(Names::new(Some(&"x".repeat(63))).is_ok());
    }

    #[test]
    fn a_literal_holds_any_text() {
        let table = [("plain", "'plain'"), ("it's", "'it''s'"), ("a\\'b", " E'a\\\\''b'"), ("", "''")];

        for (text, expected) in table {
            assert_eq!(literal(text), expected);
        }
    }
}
