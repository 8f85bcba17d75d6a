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
    /// The column of that time, not quoted, if it is one; empty if not.
    pub(crate) key: String,
    /// How `SQLite` keeps that.
    pub(crate) form: TimeForm,
    /// What has to be so beside, with `{prefix}` for what stands in front of names and `{limit}` for the moment; empty if
    /// nothing.
    pub(crate) only_if: &'static str,
    /// The level, as SQL; none without.
    pub(crate) level: Option<String>,
    /// Whether that is one of five, so that FATAL stands there as ERROR.
    pub(crate) has_five_levels: bool,
    /// Whether levels have no other names than telesink's own.
    pub(crate) has_known_levels: bool,
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

/// A time as telesink writes it: texts of this form have the order of times.
const OWN_TEXT: &str = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].\
                        [0-9][0-9][0-9][0-9][0-9][0-9]Z'";

/// A day, which is over with its last moment.
const DAY_TEXT: &str = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'";

/// A time as others may write it; what does not begin with a date is none.
const ANY_TEXT: &str = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'";

impl TimeForm {
    /// A moment as numbers in `SQLite` have it.
    pub(crate) fn number(self, unix_nano: u64) -> String {
        match self {
            Self::Nanos => unix_nano.to_string(),
            Self::Seconds | Self::Text | Self::Declared => format!("{:.6}", unix_nano as f64 / 1e9),
        }
    }

    /// Whether a row of `SQLite` is older than a moment, as SQL that is never NULL. What is no time is not old.
    pub(crate) fn is_older(self, time: &str, unix_nano: u64) -> String {
        match self {
            Self::Nanos => format!("(typeof({time}) = 'integer' AND {time} < {unix_nano})"),
            Self::Seconds => {
                let limit = self.number(unix_nano);
                format!("(typeof({time}) IN ('integer', 'real') AND {time} < {limit})")
            }
            Self::Text | Self::Declared => {
                let mut text = Vec::with_capacity(30);
                iso::write_utc_micros(&mut text, unix_nano);
                let limit = format!("'{}'", String::from_utf8_lossy(&text));
                format!(
                    "(typeof({time}) = 'text' AND CASE WHEN {time} GLOB {OWN_TEXT} THEN {time} < {limit} \
                     WHEN {time} GLOB {DAY_TEXT} THEN coalesce(julianday({time}, '+1 day') <= julianday({limit}), 0) \
                     WHEN {time} GLOB {ANY_TEXT} THEN coalesce(julianday({time}) < julianday({limit}), 0) ELSE 0 END)"
                )
            }
        }
    }
}

/// In a run of which nothing is young; asked of an index. A step that has not ended is as old as the youngest step beside
/// it: for the others, that would be a look at all steps of the run for each of them.
const STEP_IS_QUIET: &str = "NOT EXISTS (SELECT 1 FROM {prefix}chronicle_events AS inside \
    WHERE inside.run_id = aged.run_id AND inside.created_at >= {limit}) \
    AND (aged.end_time IS NOT NULL OR NOT EXISTS (SELECT 1 FROM {prefix}chronicle_steps AS inside \
    WHERE inside.run_id = aged.run_id AND coalesce(inside.end_time, inside.start_time) >= {limit}))";

/// A run is as old as the youngest of itself, its steps and its events.
const RUN_IS_QUIET: &str = "NOT EXISTS (SELECT 1 FROM {prefix}chronicle_events AS inside \
    WHERE inside.run_id = aged.id AND inside.created_at >= {limit}) \
    AND NOT EXISTS (SELECT 1 FROM {prefix}chronicle_steps AS inside WHERE inside.run_id = aged.id \
    AND coalesce(inside.end_time, inside.start_time) >= {limit})";

impl AgedTable {
    /// What makes a row old enough, as SQL, in a statement that calls the table `aged`. `is_older` says so of its time,
    /// `limit` is the moment, `prefix` stands in front of names.
    pub(crate) fn is_old(&self, prefix: &str, is_older: &str, limit: &str) -> String {
        if self.only_if.is_empty() {
            return is_older.to_owned();
        }
        format!("{is_older} AND {}", self.only_if.replace("{prefix}", prefix).replace("{limit}", limit))
    }

    fn new(name: &str, table: &str, time: &str, form: TimeForm) -> Self {
        let (name, table, time) = (name.to_owned(), table.to_owned(), time.to_owned());
        Self {
            name,
            table,
            key: time.clone(),
            time,
            form,
            only_if: "",
            level: None,
            has_five_levels: false,
            has_known_levels: true,
            logger: None,
        }
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
                    only_if: STEP_IS_QUIET,
                    ..Self::new("steps", Thing::Step.table(), ended, TimeForm::Seconds)
                },
                Self {
                    // A partition by it may hold runs that go on.
                    key: String::new(),
                    only_if: RUN_IS_QUIET,
                    ..Self::new("runs", Thing::Run.table(), "updated_at", TimeForm::Seconds)
                },
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
            has_known_levels: rows.is_preset,
            has_five_levels: column(&[Source::LevelOfFive]).is_some(),
            level: column(&[Source::LevelOfFive]).or_else(|| column(&[Source::Level])).map(quoted),
            logger: column(&[Source::Logger]).map(quoted),
            ..Self::new(name, &rows.table, time, form)
        }])
    }
}
