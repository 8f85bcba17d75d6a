//! Records in tables that are not telesink's own: which field goes into which column, the same for every database.
//!
//! A [`Layout`] is made from the options `preset` and `table_map` when a DSN is read. A sink that has one describes the
//! table when it connects ([`Described`]), binds the columns ([`TableMap::bind`]), and then asks [`Fields`] for the value
//! of each column ([`Fitted`]).

pub(crate) mod chronicle;
mod column;
mod fields;
mod fit;
mod map;
mod numeric;
mod preset;

pub(crate) use column::{Bound, Described, Kind};
pub(crate) use fields::Fields;
pub(crate) use fit::{Fitted, UNFIT_CODES, Unfit, fit};
pub(crate) use map::{Column, INDEXED_CHARACTERS_MAX, Source, TableMap};
pub(crate) use numeric::digits as numeric_digits;

use crate::dsn::Dsn;
use crate::error::ConfigError;
use crate::record::view::LogView;
use crate::record::{Record, Signal};

/// What a table has to be to take the records, and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What was found.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Where records go instead of telesink's own tables.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// One row a record: a table of log lines, or that of events.
    pub(crate) rows: TableMap,
    /// Runs and steps have tables of their own, in which records change rows.
    pub(crate) has_runs: bool,
    /// Records without user, session and trace are left out, and counted.
    pub(crate) requires_attribution: bool,
}

/// The presets by their names.
const PRESETS: [&str; 2] = ["systemprompt", "chronicle"];

/// What somebody has to have done for a record to be attributed.
const ATTRIBUTION: [&str; 3] = ["user_id", "session_id", "trace_id"];

impl Layout {
    /// Takes the options that say where records go; none if they go to telesink's own tables.
    pub(crate) fn take_from(dsn: &mut Dsn) -> Result<Option<Self>, ConfigError> {
        let preset = dsn.take_choice("preset", &PRESETS)?;
        let map = dsn.take_text("table_map")?;
        let defaults = dsn.take_list("attribution_defaults")?;
        let requires_attribution = dsn.take_bool("require_attribution")?;
        let json_null = dsn.take_bool("json_null")?;
        let mut layout = match (preset, map) {
            (Some(_), Some(_)) => {
                let message = "`preset` and `table_map` both say where records go";
                return Err(ConfigError::new(message, "keep one of the two"));
            }
            (Some("chronicle"), None) => preset::chronicle(json_null.unwrap_or(false)),
            (Some(_), None) => preset::systemprompt(),
            (None, Some(text)) => Self::of(TableMap::parse(&text)?),
            (None, None) => {
                let given = [
                    ("attribution_defaults", defaults.is_some()),
                    ("require_attribution", requires_attribution.is_some()),
                    ("json_null", json_null.is_some()),
                ];
                if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
                    return Err(ConfigError::new(
                        format!("option `{name}` is about tables that are not telesink's own"),
                        "add `preset=systemprompt`, `preset=chronicle` or `table_map=`, or remove it",
                    ));
                }
                return Ok(None);
            }
        };
        if !layout.has_runs && json_null.is_some() {
            return Err(ConfigError::new(
                "option `json_null` is about runs and events",
                "use it with `preset=chronicle`, or remove it",
            ));
        }
        if layout.has_runs && (requires_attribution.is_some() || defaults.is_some()) {
            return Err(ConfigError::new(
                "attribution is a matter of log records, and `preset=chronicle` keeps none",
                "remove `attribution_defaults` and `require_attribution`",
            ));
        }
        layout.requires_attribution = requires_attribution.unwrap_or(false);
        for pair in defaults.unwrap_or_default() {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(ConfigError::new(
                    "option `attribution_defaults` holds a name without a value",
                    "write `attribution_defaults=user_id=admin,session_id=system`",
                ));
            };
            layout.rows.default_of(name.trim(), value.trim())?;
        }
        Ok(Some(layout))
    }

    /// Whose tables these are: `chronicle`, `systemprompt`, or `table_map` for one of the user's own.
    pub(crate) fn name(&self) -> &'static str {
        match (self.has_runs, self.rows.is_preset) {
            (true, _) => "chronicle",
            (false, true) => "systemprompt",
            (false, false) => "table_map",
        }
    }

    /// The layout of a preset.
    pub(crate) fn preset(name: &str) -> Result<Self, ConfigError> {
        match name {
            "systemprompt" => Ok(preset::systemprompt()),
            "chronicle" => Ok(preset::chronicle(false)),
            _ => Err(ConfigError::new(
                format!("there is no preset `{name}`"),
                format!("use {}", PRESETS.map(|name| format!("`{name}`")).join(" or ")),
            )),
        }
    }

    pub(crate) fn of(rows: TableMap) -> Self {
        Self { rows, has_runs: false, requires_attribution: false }
    }

    /// Whether records of this kind have a place here.
    pub(crate) fn takes(&self, record: &Record) -> bool {
        record.signal() == Signal::Log && (!self.has_runs || !LogView::new(record, &[]).event_name.is_empty())
    }

    /// Whether the record has to be left out because nobody is said to have caused it.
    pub(crate) fn is_unattributed(&self, fields: &Fields<'_>) -> bool {
        self.requires_attribution
            && !ATTRIBUTION.iter().all(|name| fields.has(name) || self.rows.has_default_for(name))
    }
}
