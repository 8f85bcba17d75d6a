//! Tables whose rows have an age: telesink's own, and those of presets and maps.

use crate::error::ConfigError;
use crate::record::iso;
use crate::sinks::mapped::chronicle::Thing;
use crate::sinks::mapped::{Layout, Source};

/// A table as policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgedTable {
    /// What policies call it.
    pub(crate) name: String,
    /// What the database calls it, not quoted and without a schema.
    pub(crate) table: String,
    /// When a row is from, as SQL.
    pub(crate) time: String,
    /// The column of that time, if it is one; empty if not.
    pub(crate) key: String,
    /// How `SQLite` keeps that.
    pub(crate) form: TimeForm,
    /// The level, as SQL; none without.
    pub(crate) level: Option<String>,
    /// The logger, as SQL; none without.
    pub(crate) logger: Option<String>,
}

/// How `SQLite` keeps a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Nanoseconds since the Unix epoch.
    Nanos,
    /// Seconds with a fraction.
    Seconds,
    /// Text in UTC, with six digits of a second.
    Text,
    /// As the column's type says.
    Declared,
}

impl TimeForm {
    /// A moment as such a column has it.
    pub(crate) fn literal(self, unix_nano: u64) -> String {
        match self {
            Self::Nanos => unix_nano.to_string(),
            Self::Seconds => format!("{:.6}", unix_nano as f64 / 1e9),
            Self::Text | Self::Declared => {
                let mut text = Vec::with_capacity(30);
                iso::write_utc_micros(&mut text, unix_nano);
                format!("'{}'", String::from_utf8_lossy(&text))
            }
        }
    }
}

impl AgedTable {
    fn new(name: &str, table: &str, time: &str, form: TimeForm) -> Self {
        let (name, table, time) = (name.to_owned(), table.to_owned(), time.to_owned());
        Self { name, table, key: time.clone(), time, form, level: None, logger: None }
    }

    /// telesink's own tables, in the order in which a batch is stored.
    pub(crate) fn own() -> Vec<Self> {
        let columns = |name: &str| Some(name.to_owned());
        let logs = Self::new("logs", "telesink_logs", "ts", TimeForm::Nanos);
        vec![
            Self { level: columns("level"), logger: columns("logger"), ..logs },
            Self::new("spans", "telesink_spans", "ts", TimeForm::Nanos),
            Self::new("metrics", "telesink_metrics", "ts", TimeForm::Nanos),
        ]
    }

    /// The tables of a layout.
    ///
    /// # Errors
    /// No column of a map says when a row is from.
    pub(crate) fn of(layout: &Layout) -> Result<Vec<Self>, ConfigError> {
        if layout.has_runs {
            // A step that goes on is as old as its beginning.
            let ended = "coalesce(end_time, start_time)";
            return Ok(vec![
                Self::new("events", "chronicle_events", "created_at", TimeForm::Seconds),
                Self {
                    key: String::new(),
                    ..Self::new("steps", Thing::Step.table(), ended, TimeForm::Seconds)
                },
                Self::new("runs", Thing::Run.table(), "updated_at", TimeForm::Seconds),
            ]);
        }
        let rows = &layout.rows;
        let column = |wanted: &[Source]| {
            let found =
                rows.columns.iter().find(|column| column.sources.iter().any(|from| wanted.contains(from)));
            found.map(|column| column.name.as_str())
        };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let time = column(&[Source::Time]).or_else(|| column(&[Source::ObservedTime]));
        let time = time.ok_or_else(|| {
            ConfigError::new(
                format!("no column of `table_map` says when a row of {} is from", rows.table),
                "map a column to `time`, or delete with what you read your tables with",
            )
        })?;
        let form = if rows.is_preset { TimeForm::Text } else { TimeForm::Declared };
        let name = if rows.is_preset { "logs" } else { &rows.table };
        Ok(vec![Self {
            time: quoted(time),
            level: column(&[Source::Level, Source::LevelOfFive]).map(quoted),
            logger: column(&[Source::Logger]).map(quoted),
            ..Self::new(name, &rows.table, time, form)
        }])
    }
}
